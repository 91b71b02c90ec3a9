// The network of a test: a namespace for the gateway and one per client, each client behind an emulated link of
// its own that can be changed while a consult runs. A perfect link leads from here to the gateway, to look at it.

import { Program } from "./program.mjs";
import { binary } from "./binaries.mjs";

/** The second byte of all addresses: with another one, tests can run beside others on the same machine. */
const NET = Number(process.env.TEST_NET ?? 77);

/** What the names of namespaces begin with. */
const PREFIX = NET === 77 ? "tvg" : `tvg${NET}`;

/** The device that leads from here to the gateway. */
const CONTROL = NET === 77 ? "control" : `control${NET}`;

/** The namespace of the gateway. */
export const GATEWAY = `${PREFIX}-gw`;

/** The gateway's address on the link of the client with that number. */
export const gatewayAddress = (number) => `10.${NET}.${number}.1`;

/** The gateway's address as seen from here. */
export const CONTROL_ADDRESS = gatewayAddress(9);

/** A client's place in the network. */
export class Place {
  constructor(name, number) {
    this.name = name;
    this.namespace = `${PREFIX}-${name}`;
    this.gateway = gatewayAddress(number);
    this.address = `10.${NET}.${number}.2`;
    this.range = `10.${NET}.${number}.0/24`;
  }
}

/** Where a gateway is to be, and how it is reached from here. */
export const IN_NAMESPACE = { namespace: GATEWAY, address: CONTROL_ADDRESS, http: 8_080, admin: 9_091, udp: 50_000 };

/** No links at all: everybody is on this machine. For what does not depend on a network, and needs no root. */
export class Loopback {
  home = { namespace: null, address: "127.0.0.1", http: 18_080, admin: 19_091, udp: 0 };

  constructor(names) {
    this.places = Object.fromEntries(names.map((name) => [name, { name, namespace: null, gateway: "localhost" }]));
  }

  async stop() {}
}

export class Links {
  #program;
  home = IN_NAMESPACE;

  constructor(program, places) {
    this.#program = program;
    this.places = places;
  }

  /** Makes the namespaces and links; `stats` is a file for what the emulator counts every `interval` milliseconds. */
  static async start(names, settings = "delay=10ms,rate=inf", { stats = null, interval = 1_000 } = {}) {
    const places = Object.fromEntries(names.map((name, index) => [name, new Place(name, index + 1)]));
    const links = Object.values(places).flatMap((place) => [
      "--link",
      `${place.name}=${place.namespace}:${place.address},${GATEWAY}:${place.gateway}`,
      "--set",
      `${place.name} both ${settings}`,
    ]);
    const counts = stats === null ? [] : ["--stats", stats, "--stats-interval", String(interval)];
    const args = ["net", "--create", "--exit-with-stdin", ...counts, ...links, "--link", `${CONTROL}=:10.${NET}.9.2,${GATEWAY}:${CONTROL_ADDRESS}`];
    const program = new Program("links", binary("loadtest"), args);
    await program.line(/^ready$/, { fromStart: true });
    return new Links(program, places);
  }

  /** Changes one direction of a client's link: `up` is from the client, `down` is to it. */
  async set(name, direction, settings) {
    const way = { up: "ab", down: "ba", both: "both" }[direction];
    const answer = this.#program.line(/^(ok|error.*)$/);
    this.#program.write(`${name} ${way} ${settings}`);
    const [word] = await answer;
    if (word !== "ok") throw new Error(`${name} ${direction} ${settings}: ${word}`);
  }

  async stop() {
    await this.#program.stop();
  }
}
