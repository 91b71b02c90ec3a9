// WHIP and WHEP with clients that are not ours and no browsers: what each publishes another plays.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { after, before, test } from "node:test";

import { python } from "../src/binaries.mjs";
import { Gateway } from "../src/gateway.mjs";
import { Loopback } from "../src/links.mjs";
import { Program } from "../src/program.mjs";

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

/** Runs one of the clients for a while; returns what it tells. */
function client(name, part, token, seconds) {
  const script = fileURLToPath(new URL(`../../clients/${name}_client.${name === "wrtc" ? "mjs" : "py"}`, import.meta.url));
  const endpoint = `${origin}${part === "publish" ? "whip" : "whep"}`;
  const args = [script, part, endpoint, token, String(seconds)];
  return name === "wrtc" ? untilItTells(args) : untilItEnds(args);
}

async function untilItEnds(args) {
  const { stdout } = await run(python, args, { timeout: 60_000 });
  return JSON.parse(stdout.trim().split("\n").at(-1));
}

/** A client whose library brings Node down where it ends by itself: it is killed once it has told. */
async function untilItTells(args) {
  const program = new Program("wrtc", process.execPath, args);
  try {
    const [line] = await program.line(/^\{.*\}$/, { seconds: 60, fromStart: true });
    const told = JSON.parse(line);
    if (told.refused) throw Object.assign(new Error("refused"), { stderr: String(told.refused) });
    return told;
  } finally {
    program.kill("SIGKILL");
    await program.exited;
  }
}

/** Plays as soon as there is something to play. */
async function playOnceThereIs(name, token, seconds) {
  for (let tries = 0; ; tries += 1) {
    try {
      return await client(name, "play", token, seconds);
    } catch (error) {
      if (tries === 20 || !error.stderr?.includes("409")) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

for (const [publisher, player] of [
  ["gstreamer", "aiortc"],
  ["aiortc", "gstreamer"],
  ["gstreamer", "wrtc"],
  ["wrtc", "aiortc"],
]) {
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
