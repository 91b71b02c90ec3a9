// A real gateway in its namespace, with a configuration of the test's own.

import { mkdtemp, rm, writeFile, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Program } from "./program.mjs";
import { binary } from "./binaries.mjs";
import { CONTROL_ADDRESS, GATEWAY } from "./links.mjs";

const HTTP_PORT = 8080;
const ADMIN_PORT = 9091;
const API_KEY = "a-key-for-tests-of-32-characters-";

export class Gateway {
  #program;
  #directory;
  #consult = null;

  constructor(program, directory) {
    this.#program = program;
    this.#directory = directory;
  }

  /** Starts a gateway. `classes` gives each place the network class that the operator vouches for. */
  static async start(
    links,
    { classes = {}, hdMode = "equivalent", adaptation = "two_loop", videoCodecs = ["vp8"], workers = 1 } = {},
  ) {
    const places = Object.values(links.places);
    const profiles = places
      .filter((place) => classes[place.name])
      .map((place) => `{ range = "${place.range}", class = "${classes[place.name]}" }`);
    const directory = await mkdtemp(join(tmpdir(), "tvg-gateway-"));
    const config = join(directory, "gateway.toml");
    await writeFile(
      config,
      `[http]
listen = "0.0.0.0:${HTTP_PORT}"
public_url = "http://${CONTROL_ADDRESS}:${HTTP_PORT}"
api_key = "${API_KEY}"
allowed_origins = [${places.map((place) => `"http://${place.gateway}:${HTTP_PORT}"`).join(", ")}]
[media]
bind = ["0.0.0.0"]
advertise = [${[...places.map((place) => place.gateway), CONTROL_ADDRESS].map((address) => `"${address}"`).join(", ")}]
workers = ${workers}
[policy]
hd_mode = "${hdMode}"
adaptation = "${adaptation}"
video_codecs = [${videoCodecs.map((codec) => `"${codec}"`).join(", ")}]
site_profiles = [${profiles.join(", ")}]
[admin]
listen = "0.0.0.0:${ADMIN_PORT}"
[store]
data_dir = "${join(directory, "data")}"
`,
    );
    const program = new Program("gateway", binary("gateway"), ["--config", config], { namespace: GATEWAY });
    const gateway = new Gateway(program, directory);
    await gateway.#ready();
    return gateway;
  }

  async #ready() {
    for (let tries = 0; tries < 100; tries += 1) {
      if (!this.#program.isRunning) break;
      const answer = await fetch(`http://${CONTROL_ADDRESS}:${ADMIN_PORT}/readyz`).catch(() => null);
      if (answer?.ok) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`the gateway does not become ready\n${this.#program.output}`);
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
    const answer = await fetch(`http://${CONTROL_ADDRESS}:${HTTP_PORT}/api/v1/consults`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${API_KEY}` },
      body: JSON.stringify({ subject, participants: roles.map((role) => ({ role })) }),
    });
    const consult = await answer.json();
    if (answer.status !== 201) throw new Error(`no consult: ${answer.status} ${JSON.stringify(consult)}`);
    this.#consult = consult.id;
    return consult.participants.map((participant) => participant.link.split("#token=")[1]);
  }

  /** The page's address for a client at that place. */
  link(place, token) {
    return `http://${place.gateway}:${HTTP_PORT}/join#token=${token}`;
  }

  /** What is decided at the moment in the consult that was made last; null where the gateway does not say. */
  async decisions() {
    const answer = await fetch(`http://${CONTROL_ADDRESS}:${HTTP_PORT}/api/v1/consults/${this.#consult}/decisions`, {
      headers: { authorization: `Bearer ${API_KEY}` },
    }).catch(() => null);
    return answer?.ok ? await answer.json() : null;
  }

  /** The text of /metrics. */
  async metrics() {
    return await (await fetch(`http://${CONTROL_ADDRESS}:${ADMIN_PORT}/metrics`)).text();
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
export const controlUrl = `http://${CONTROL_ADDRESS}:${HTTP_PORT}`;
export const metricsUrl = `http://${CONTROL_ADDRESS}:${ADMIN_PORT}/metrics`;
