// Many who watch one: a room whose players live on several media workers.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { binary } from "../src/binaries.mjs";
import { Gateway } from "../src/gateway.mjs";
import { Loopback } from "../src/links.mjs";
import { arrivePlainly } from "../src/plain-page.mjs";
import { Program } from "../src/program.mjs";
import { until } from "../src/until.mjs";
import { Visitor } from "../src/visitor.mjs";

/** More than a worker keeps to itself, and few enough for two cores that others use as well. */
const VIEWERS = 80;

/** Players in one page: where both workers have as many others, one each. */
const PLAYERS = 2;

let gateway;
let results;
let doctor;
let audience;

const links = new Loopback(["doctor", "audience"]);

before(async () => {
  results = await mkdtemp(join(tmpdir(), "tvg-lecture-"));
  gateway = await Gateway.start(links, { workers: 2 });
});

after(async () => {
  await Promise.allSettled([doctor, audience].map((visitor) => visitor?.leave()));
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

/** Plays the doctor in the page of the audience, on both workers. */
const play = (token, participant) =>
  audience.page.evaluate(
    async ([key, id, players]) => {
      window.sessions = [];
      for (let player = 0; player < players; player += 1) {
        window.sessions.push(await window.plain.play(`${location.origin}/whep?participant=${id}`, key));
      }
    },
    [token, participant, PLAYERS],
  );

const received = () => audience.page.evaluate(() => Promise.all(window.sessions.map(window.plain.received)));

const areAllShown = async () => (await received()).every((one) => one.frames > 30 && one.lines === 720 && one.voice > 50);

const observers = async () => Number((await gateway.metrics()).match(/tvg_participants\{role="observer"\} (\d+)/)?.[1]);

test("a page that is watched on two workers shows all it has, and again once it is back", { timeout: 120_000 }, async () => {
  const [clinician, observer, device] = await gateway.createConsult(["clinician", "observer", "device"]);
  const place = (what) => [`--${what}`, `${gateway.origin}/${what}`, `--${what}-token`, what === "whip" ? device : observer];
  const load = ["--viewers", VIEWERS, "--bitrate", "150k", "--ramp", "2s", "--time", "60s", "--dir", results];
  const fleet = new Program("fleet", binary("loadtest"), ["fleet", ...place("whip"), ...place("whep"), ...load].map(String));
  doctor = await Visitor.arrive("Dr Lin", links.places.doctor);
  await doctor.join(gateway.link(links.places.doctor, clinician));
  audience = await arrivePlainly("audience", links.places.audience, gateway.url(links.places.audience));
  const { participant } = await until("the doctor in the room", async () =>
    (await gateway.decisions()).participants.find((one) => one.role === "clinician"),
  );
  // By now both workers have as many, so that the next two players are not on the same one.
  await until("everybody of the fleet", async () => (await observers()) === VIEWERS);
  await play(observer, participant);
  await until("the doctor in HD for everybody", areAllShown);

  await doctor.page.reload();
  // What they played is over, and they are told: nothing else says so to a player.
  await until("an end that players see", () =>
    audience.page.evaluate(() =>
      window.sessions.every(({ connection }) => connection.getReceivers().every((one) => one.transport.state === "closed")),
    ),
  );
  await doctor.join(gateway.link(links.places.doctor, clinician));
  await until("the doctor once more", () => play(observer, participant).then(() => true, () => false));
  await until("the doctor in HD for everybody who asks anew", areAllShown);
  await fleet.stop();
});
