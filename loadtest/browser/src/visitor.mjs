// A person at a browser: opens an invitation link in real Chromium behind a link of the test network, joins, and
// is asked what is to be seen.

import { chromium as engine } from "playwright-core";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { chromium } from "./binaries.mjs";
import { frameMonitor, freezes } from "./frame-monitor.mjs";

const FLAGS = [
  "--no-sandbox",
  "--use-fake-ui-for-media-stream",
  "--autoplay-policy=no-user-gesture-required",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-quic",
  "--disable-sync",
  "--no-first-run",
  // Pages that are measured must not be put to sleep because another window lies above them.
  "--disable-backgrounding-occluded-windows",
  "--disable-renderer-backgrounding",
  "--disable-background-timer-throttling",
];

/** Runs in the page: keeps its newest connection where a test can ask it for statistics. */
export function keepConnection() {
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...configuration) {
      super(...configuration);
      window.tvgConnection = this;
    }
  };
}

/** What a fake camera shows: the browser's own pattern, or a file. */
export const Camera = {
  pattern: () => ["--use-fake-device-for-media-stream=fps=30"],
  file: (path) => ["--use-fake-device-for-media-stream=fps=30", `--use-file-for-fake-video-capture=${path}`],
};

/** What a fake microphone hears, instead of the browser's own beeps. */
export const Voice = {
  file: (path) => [`--use-file-for-fake-audio-capture=${path}`],
};

export class Visitor {
  #browser;
  #directory;

  constructor(name, place, browser, page, directory) {
    this.name = name;
    this.place = place;
    this.#browser = browser;
    this.#directory = directory;
    this.page = page;
    this.complaints = [];
    page.on("pageerror", (error) => this.complaints.push(error.message));
  }

  /** Starts a browser at a place. */
  static async arrive(name, place, { camera = Camera.pattern(), voice = [], watches = [], viewport = { width: 1280, height: 800 }, locale = "en-US" } = {}) {
    const directory = await mkdtemp(join(tmpdir(), "tvg-browser-"));
    const wrapper = join(directory, "chromium");
    const inside = place.namespace === null ? "" : `ip netns exec ${place.namespace} `;
    await writeFile(wrapper, `#!/bin/sh\nexec ${inside}${chromium} "$@"\n`);
    await chmod(wrapper, 0o755);
    const origin = `http://${place.gateway}:8080`;
    const browser = await engine.launch({
      executablePath: wrapper,
      headless: true,
      args: [...FLAGS, ...camera, ...voice, `--unsafely-treat-insecure-origin-as-secure=${origin}`],
    });
    const context = await browser.newContext({ viewport, locale, permissions: ["camera", "microphone"] });
    await context.addInitScript(frameMonitor);
    await context.addInitScript(keepConnection);
    for (const watch of watches) await context.addInitScript(watch);
    return new Visitor(name, place, browser, await context.newPage(), directory);
  }

  /** Opens the link and goes through the lobby. */
  async join(link) {
    await this.page.goto(link);
    await this.page.fill("input:not([type]), input[type=text]", this.name);
    await this.page.click("button[type=submit]");
    this.joinedAt = Date.now();
    await this.page.waitForFunction(() => window.tvg.snapshot().phase === "inCall", null, { timeout: 20_000 });
  }

  /** Turns the camera off, or on again. */
  async turnCamera(wish) {
    const state = await this.page.evaluate(() => document.querySelector("[data-control=camera]")?.dataset.state);
    if (state !== wish) await this.page.click("[data-control=camera]");
  }

  async snapshot() {
    return await this.page.evaluate(() => window.tvg.snapshot());
  }

  /** The displayed frames of everybody else since a moment. */
  async frames(since = 0) {
    return await this.page.evaluate((from) => window.tvgFrames(from), since);
  }

  /** Freezes of what is displayed, between two moments. */
  async freezes(from, to = Date.now()) {
    return freezes(await this.frames(from - 2_000), from, to);
  }

  /** Waits until what is displayed satisfies the condition; returns the milliseconds since `since`. */
  async untilShown(condition, { since = Date.now(), seconds = 20 } = {}) {
    const end = Date.now() + seconds * 1_000;
    for (;;) {
      const frame = (await this.frames(since)).find((one) => condition(one.height));
      if (frame) return frame.at - since;
      if (Date.now() > end) return null;
      await this.wait(100);
    }
  }

  /** Waits until everything that was displayed for a second satisfies the condition; says whether it came to that. */
  async untilSteady(condition, { seconds = 20 } = {}) {
    const end = Date.now() + seconds * 1_000;
    while (Date.now() < end) {
      const frames = await this.frames(Date.now() - 1_000);
      if (frames.length >= 10 && frames.every((frame) => condition(frame.height))) return true;
      await this.wait(200);
    }
    return false;
  }

  /** The MIME type of the codec of a picture that the page receives; `null` before there is one. */
  async receivedCodec() {
    return await this.page.evaluate(async () => {
      const report = await window.tvgConnection.getStats();
      const stats = [...report.values()];
      const inbound = stats.find((one) => one.type === "inbound-rtp" && one.kind === "video" && one.framesDecoded > 0);
      return report.get(inbound?.codecId)?.mimeType ?? null;
    });
  }

  /** What the shell around the page says of the network. */
  async shellReports(networkClass, sequence) {
    await this.page.evaluate(
      ([word, number]) => window.postMessage({ source: "tvg-shell", type: "network", class: word, sequence: number }, location.origin),
      [networkClass, sequence],
    );
  }

  async wait(milliseconds) {
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
  }

  async screenshot(path) {
    await this.page.screenshot({ path });
  }

  async leave() {
    await this.#browser.close();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** The received sound between two snapshots. */
export function soundBetween(before, after) {
  const sum = (snapshot, field) =>
    snapshot.remoteTracks.filter((track) => track.source === "microphone").reduce((total, track) => total + track[field], 0);
  const samples = sum(after, "samples") - sum(before, "samples");
  const concealed = sum(after, "concealedSamples") - sum(before, "concealedSamples");
  return { samples, concealed, ratio: samples === 0 ? 1 : concealed / samples };
}
