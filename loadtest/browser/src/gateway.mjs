// A real gateway in its namespace, with a configuration of the test's own.

import { mkdtemp, rm, writeFile, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Program } from "./program.mjs";
import { binary } from "./binaries.mjs";
import { CONTROL_ADDRESS, IN_NAMESPACE } from "./links.mjs";

const API_KEY = "a-key-for-tests-of-32-characters-";

export class Gateway {
  #program;
  #directory;
  #home;
  #consult = null;

  constructor(program, directory, home) {
    this.#program = program;
    this.#directory = directory;
    this.#home = home;
  }

  /** Starts a gateway. `classes` gives each place the network class that the operator vouches for. */
  static async start(
    links,
    { classes = {}, hdMode = "equivalent", adaptation = "two_loop", videoCodecs = ["vp8"], workers = 1 } = {},
  ) {
    const { home } = links;
    const places = Object.values(links.places);
    const profiles = places
      .filter((place) => classes[place.name])
      .map((place) => `{ range = "${place.range}", class = "${classes[place.name]}" }`);
    // On this machine alone the gateway finds its addresses itself.
    const addresses = [...places.map((place) => place.gateway), home.address].map((address) => `"${address}"`);
    const advertise = home.namespace === null ? "" : `advertise = [${addresses.join(", ")}]`;
    const directory = await mkdtemp(join(tmpdir(), "tvg-gateway-"));
    const config = join(directory, "gateway.toml");
    await writeFile(
      config,
      `[http]
listen = "0.0.0.0:${home.http}"
public_url = "http://${home.address}:${home.http}"
api_key = "${API_KEY}"
allowed_origins = [${places.map((place) => `"http://${place.gateway}:${home.http}"`).join(", ")}]
[media]
bind = ["0.0.0.0"]
port = ${home.udp}
${advertise}
workers = ${workers}
[policy]
hd_mode = "${hdMode}"
adaptation = "${adaptation}"
video_codecs = [${videoCodecs.map((codec) => `"${codec}"`).join(", ")}]
site_profiles = [${profiles.join(", ")}]
[admin]
listen = "0.0.0.0:${home.admin}"
[store]
data_dir = "${join(directory, "data")}"
`,
    );
    const program = new Program("gateway", binary("gateway"), ["--config", config], { namespace: home.namespace });
    const gateway = new Gateway(program, directory, home);
    await gateway.#ready();
    return gateway;
  }

  async #ready() {
    for (let tries = 0; tries < 100; tries += 1) {
      if (!this.#program.isRunning) break;
      const answer = await fetch(`${this.#admin}/readyz`).catch(() => null);
      if (answer?.ok) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`the gateway does not become ready\n${this.#program.output}`);
  }

  get origin() {
    return `http://${this.#home.address}:${this.#home.http}`;
  }

  get apiKey() {
    return API_KEY;
  }

  get #api() {
    return `${this.origin}/api/v1`;
  }

  get #admin() {
    return `http://${this.#home.address}:${this.#home.admin}`;
  }

  get pid() {
    return this.#program.pid;
  }

  get log() {
    return this.#program.output;
  }

  get isRunning() {
    return this.#program.isRunning;
  }

  /** Makes a consult; returns the token of each participant in order. */
  async createConsult(roles, subject = "Test consult") {
    const answer = await fetch(`${this.#api}/consults`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${API_KEY}` },
      body: JSON.stringify({ subject, participants: roles.map((role) => ({ role })) }),
    });
    const consult = await answer.json();
    if (answer.status !== 201) throw new Error(`no consult: ${answer.status} ${JSON.stringify(consult)}`);
    this.#consult = consult.id;
    return consult.participants.map((participant) => participant.link.split("#token=")[1]);
  }

  /** The origin of the page for a client at that place. */
  url(place) {
    return `http://${place.gateway}:${this.#home.http}/`;
  }

  /** The page's address for a client at that place. */
  link(place, token) {
    return `http://${place.gateway}:${this.#home.http}/join#token=${token}`;
  }

  /** What is decided at the moment in the consult that was made last; null where the gateway does not say. */
  async decisions() {
    const answer = await fetch(`${this.#api}/consults/${this.#consult}/decisions`, {
      headers: { authorization: `Bearer ${API_KEY}` },
    }).catch(() => null);
    return answer?.ok ? await answer.json() : null;
  }

  /** The text of /metrics. */
  async metrics() {
    return await (await fetch(`${this.#admin}/metrics`)).text();
  }

  /** Resident memory in bytes. */
  async memory() {
    const status = await readFile(`/proc/${this.pid}/status`, "utf8");
    return Number(status.match(/VmRSS:\s+(\d+) kB/)[1]) * 1_024;
  }

  async stop() {
    await this.#program.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

export const mediaTarget = (place, port = 50_000) => `${place.gateway}:${port}`;
export const controlUrl = `http://${CONTROL_ADDRESS}:${IN_NAMESPACE.http}`;
export const metricsUrl = `http://${CONTROL_ADDRESS}:${IN_NAMESPACE.admin}/metrics`;
