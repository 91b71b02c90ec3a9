// A person at Firefox: the same as a visitor at Chromium, driven by WebDriver BiDi from outside its network namespace.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import puppeteer from "puppeteer-core";

import { callWatch } from "./lab/call-watch.mjs";
import { frameMonitor } from "./frame-monitor.mjs";
import { Program } from "./program.mjs";
import { keepConnection, Visitor } from "./visitor.mjs";

/** Debian's Firefox. */
const FIREFOX = process.env.FIREFOX ?? "/usr/bin/firefox-esr";

/** Each namespace has a loopback of its own: the port is free. */
const PORT = 9_222;

/** Firefox takes long to start on a busy machine. */
const START_SECONDS = 60;

const PREFERENCES = {
  // A fake camera and microphone, and nobody who could be asked for them.
  "media.navigator.streams.fake": true,
  "media.navigator.permission.disabled": true,
  "media.autoplay.default": 0,
  "media.autoplay.blocking_policy": 0,
  // The page of a test comes over plain HTTP from an address that is not loopback.
  "media.devices.insecure.enabled": true,
  "media.getusermedia.insecure.enabled": true,
  "media.peerconnection.ice.obfuscate_host_addresses": false,
  // Nothing else goes over the links that are measured.
  "app.normandy.enabled": false,
  "app.update.auto": false,
  "browser.safebrowsing.downloads.remote.enabled": false,
  "browser.safebrowsing.malware.enabled": false,
  "browser.safebrowsing.phishing.enabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "browser.startup.homepage_override.mstone": "ignore",
  "datareporting.policy.dataSubmissionEnabled": false,
  "extensions.getAddons.cache.enabled": false,
  "extensions.update.enabled": false,
  "media.gmp-manager.updateEnabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "network.dns.disablePrefetch": true,
  "services.settings.server": "http://127.0.0.1:1/",
  "toolkit.telemetry.enabled": false,
  "toolkit.telemetry.unified": false,
  // WebDriver BiDi, without Chromium's protocol.
  "remote.active-protocols": 1,
  // A page that is measured must not be put to sleep.
  "dom.min_background_timeout_value": 4,
  "dom.timeout.enable_budget_timer_throttling": false,
};

export class FirefoxVisitor extends Visitor {
  /** Starts a browser at a place. */
  static async arrive(name, place, { viewport = { width: 1280, height: 800 } } = {}) {
    const directory = await mkdtemp(join(tmpdir(), "tvg-firefox-"));
    const preferences = { ...PREFERENCES, "dom.securecontext.allowlist": place.gateway };
    const lines = Object.entries(preferences).map(([key, value]) => `user_pref(${JSON.stringify(key)}, ${JSON.stringify(value)});`);
    await writeFile(join(directory, "user.js"), lines.join("\n") + "\n");
    const namespace = place.namespace;
    const args = ["--headless", "--no-remote", "--profile", directory, "--remote-debugging-port", String(PORT), "about:blank"];
    const firefox = new Program("firefox", FIREFOX, args, { namespace, env: { HOME: directory, MOZ_HEADLESS_WIDTH: String(viewport.width), MOZ_HEADLESS_HEIGHT: String(viewport.height + 100) } });
    const socket = join(directory, "relay.sock");
    const relay = new Program("relay", process.execPath, [fileURLToPath(new URL("relay.mjs", import.meta.url)), socket, String(PORT)], { namespace });
    const close = async () => {
      await firefox.stop();
      await relay.stop();
    };
    try {
      await firefox.line(/WebDriver BiDi listening on/, { seconds: START_SECONDS, fromStart: true });
      await relay.line(/^ready$/, { fromStart: true });
      // Firefox answers only those who call it by its own address.
      const headers = { Host: `127.0.0.1:${PORT}` };
      const browser = await puppeteer.connect({ protocol: "webDriverBiDi", browserWSEndpoint: `ws+unix:${socket}:/session`, headers, defaultViewport: viewport });
      const page = await browser.newPage();
      for (const script of [frameMonitor, keepConnection, callWatch]) await page.evaluateOnNewDocument(script);
      return new FirefoxVisitor(name, place, { close }, page, directory);
    } catch (error) {
      await close();
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  async join(link) {
    await this.page.goto(link);
    await this.page.locator("input:not([type]), input[type=text]").fill(this.name);
    await this.page.locator("button[type=submit]").click();
    this.joinedAt = Date.now();
    await this.page.waitForFunction(() => window.tvg.snapshot().phase === "inCall", { timeout: 30_000 });
  }
}
