// Many who watch one: a room whose players live on several media workers.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { binary } from "../src/binaries.mjs";
import { Gateway } from "../src/gateway.mjs";
import { Loopback } from "../src/links.mjs";
import { Program } from "../src/program.mjs";

/** More than a worker keeps to itself, and few enough for two cores that others use as well. */
const VIEWERS = 80;

let gateway;
let results;

before(async () => {
  results = await mkdtemp(join(tmpdir(), "tvg-lecture-"));
  gateway = await Gateway.start(new Loopback([]), { workers: 2 });
});

after(async () => {
  await gateway?.stop();
  await rm(results, { recursive: true, force: true });
});

test("players on two workers get all that is published", { timeout: 60_000 }, async () => {
  const options = ["--viewers", VIEWERS, "--bitrate", "300k", "--voice", "--ramp", "2s", "--time", "4s"];
  const gates = ["--max-loss", 0, "--min-delivered", 99];
  const consult = ["--api", gateway.origin, "--make-consult", gateway.apiKey, "--dir", results];
  const fleet = new Program("fleet", binary("loadtest"), ["fleet", ...consult, ...options, ...gates].map(String));
  const [code] = await fleet.exited;
  assert.equal(code, 0, fleet.output);
});
