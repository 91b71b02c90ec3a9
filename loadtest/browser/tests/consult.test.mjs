// A doctor and a patient in two real browsers: they see and hear each other, get HD because both are on 5G, drop
// below it when one is not, and keep the voice when the link gets thin.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Gateway } from "../src/gateway.mjs";
import { Links } from "../src/links.mjs";
import { Camera, soundBetween, Visitor } from "../src/visitor.mjs";
import { stillCamera } from "../src/cameras.mjs";

let links;
let gateway;
let doctor;
let patient;

before(async () => {
  links = await Links.start(["doctor", "patient"]);
  gateway = await Gateway.start(links, { classes: { doctor: "5g", patient: "5g" } });
  const [doctorToken, patientToken] = await gateway.createConsult(["clinician", "patient"]);
  // Two cores carry one 720p simulcast publisher; the patient's camera shows a small still picture.
  [doctor, patient] = await Promise.all([
    Visitor.arrive("Dr Lin", links.places.doctor, { camera: Camera.pattern() }),
    Visitor.arrive("Mrs Wang", links.places.patient, { camera: Camera.file(await stillCamera()) }),
  ]);
  await doctor.join(gateway.link(links.places.doctor, doctorToken));
  await patient.join(gateway.link(links.places.patient, patientToken));
});

after(async () => {
  await Promise.allSettled([doctor?.leave(), patient?.leave()]);
  await gateway?.stop();
  await links?.stop();
});

test("both see each other, and the patient gets 720 lines within six seconds", async () => {
  const hd = await patient.untilShown((height) => height >= 720, { since: patient.joinedAt, seconds: 15 });
  assert.ok(hd !== null && hd <= 6_000, `720 lines after ${hd} ms\n${await story(patient)}`);
  const back = await doctor.untilShown((height) => height > 0, { since: doctor.joinedAt, seconds: 15 });
  assert.ok(back !== null, "the doctor sees the patient");
});

test("both hear each other without a gap", async () => {
  for (const visitor of [doctor, patient]) {
    const first = await visitor.snapshot();
    await visitor.wait(3_000);
    const { samples, ratio } = soundBetween(first, await visitor.snapshot());
    assert.ok(samples > 100_000, `${visitor.name} hears ${samples} samples in 3 s`);
    assert.ok(ratio < 0.02, `${visitor.name}: ${ratio} of the sound is made up`);
  }
});

test("an end that becomes 4G is met at 480 lines or less within five seconds, without a freeze", async () => {
  assert.ok(await patient.untilSteady((height) => height >= 720), `HD is steady first\n${await story(patient)}`);
  const since = Date.now();
  await patient.shellReports("4g", 1);
  const low = await patient.untilShown((height) => height <= 480, { since, seconds: 10 });
  assert.ok(low !== null && low <= 5_000, `480 lines after ${low} ms\n${await story(patient)}`);
  await patient.wait(2_000);
  const { longestMs } = await patient.freezes(since);
  assert.ok(longestMs <= 500, `longest freeze ${longestMs} ms`);
  assert.ok((await patient.snapshot()).pairs.every((pair) => pair.hd !== "granted"));
});

test("HD comes back when the 4G claim is withdrawn", async () => {
  const since = Date.now();
  await patient.shellReports("unknown", 2);
  const hd = await patient.untilShown((height) => height >= 720, { since: since + 500, seconds: 40 });
  assert.ok(hd !== null, `no HD any more\n${await story(patient)}`);
});

test("a thin downlink takes the picture down and leaves the voice whole", async () => {
  assert.ok(await patient.untilSteady((height) => height >= 720), `HD is steady first\n${await story(patient)}`);
  const before = await patient.snapshot();
  await links.set("patient", "down", "rate=500k,delay=30ms,queue=250ms");
  await patient.wait(8_000);
  const heights = (await patient.frames(Date.now() - 3_000)).map((frame) => frame.height);
  assert.ok(heights.length > 20 && heights.every((height) => height <= 480), `${heights.length} frames, ${[...new Set(heights)]}`);
  const { ratio } = soundBetween(before, await patient.snapshot());
  assert.ok(ratio < 0.05, `${ratio} of the sound is made up`);
  await links.set("patient", "down", "rate=inf,delay=10ms");
  const hd = await patient.untilShown((height) => height >= 720, { since: Date.now(), seconds: 30 });
  assert.ok(hd !== null, `no HD after the link recovered\n${await story(patient)}`);
});

test("the gateway and the pages have nothing to complain about", async () => {
  assert.ok(gateway.isRunning);
  assert.deepEqual([...doctor.complaints, ...patient.complaints], []);
  assert.doesNotMatch(gateway.log, /panicked|ERROR/);
  assert.doesNotMatch(gateway.log, /Mrs Wang|Dr Lin|Test consult/, "no name and no subject is logged");
});

/** What a person who looks at a failed test needs to know. */
async function story(visitor) {
  const { pairs, remoteTracks, sent, estimateKbps } = await visitor.snapshot();
  return JSON.stringify({ pairs, remoteTracks, sent, estimateKbps });
}
