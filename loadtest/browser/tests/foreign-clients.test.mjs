// WHIP and WHEP with clients that are not ours and no browsers: what each publishes another plays.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { after, before, test } from "node:test";

import { python } from "../src/binaries.mjs";
import { Gateway } from "../src/gateway.mjs";
import { Loopback } from "../src/links.mjs";

const run = promisify(execFile);

let gateway;
let origin;

before(async () => {
  const links = new Loopback(["here"]);
  gateway = await Gateway.start(links);
  origin = gateway.url(links.places.here);
});

after(async () => {
  await gateway?.stop();
});

/** Runs one of the Python clients for a while; returns what it tells. */
async function client(name, part, token, seconds) {
  const script = fileURLToPath(new URL(`../../clients/${name}_client.py`, import.meta.url));
  const endpoint = `${origin}${part === "publish" ? "whip" : "whep"}`;
  const { stdout } = await run(python, [script, part, endpoint, token, String(seconds)], { timeout: 60_000 });
  return JSON.parse(stdout.trim().split("\n").at(-1));
}

/** Plays as soon as there is something to play. */
async function playOnceThereIs(name, token, seconds) {
  for (let tries = 0; ; tries += 1) {
    try {
      return await client(name, "play", token, seconds);
    } catch (error) {
      if (tries === 20 || !error.stderr.includes("409")) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

for (const [publisher, player] of [["gstreamer", "aiortc"], ["aiortc", "gstreamer"]]) {
  test(`${publisher} publishes and ${player} plays`, { timeout: 120_000 }, async () => {
    const [device, observer] = await gateway.createConsult(["device", "observer"]);
    const publishing = client(publisher, "publish", device, 14);
    // A failure here shall be told below, not by an unhandled rejection.
    publishing.catch(() => {});
    const played = await playOnceThereIs(player, observer, 6);
    assert.deepEqual([played.state, played.deleted], ["connected", 200]);
    assert.ok(played.received.video > 30 && played.received.audio > 100, JSON.stringify(played));
    const published = await publishing;
    assert.deepEqual([published.state, published.deleted], ["connected", 200]);
  });
}
