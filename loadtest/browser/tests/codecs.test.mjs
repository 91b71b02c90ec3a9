// Every codec that browsers send is forwarded, and so are those of its layers that a link carries: a doctor whose
// site prefers it is seen by a patient, smaller on a narrow link and large again on a wide one.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Gateway } from "../src/gateway.mjs";
import { Links } from "../src/links.mjs";
import { Camera, Visitor } from "../src/visitor.mjs";
import { stillCamera } from "../src/cameras.mjs";

/** What 720 lines do not fit through and 360 do. */
const NARROW = "rate=400k,delay=10ms,queue=250ms";
const WIDE = "rate=10M,delay=10ms,queue=250ms";

let links;

before(async () => {
  links = await Links.start(["doctor", "patient"]);
});

after(async () => {
  await links?.stop();
});

test("H264 is forwarded", async () => {
  await inConsult("h264", async ({ patient }) => {
    const seen = await patient.untilShown((height) => height >= 180, { since: patient.joinedAt, seconds: 20 });
    assert.ok(seen !== null, `nothing seen\n${JSON.stringify(await patient.snapshot())}`);
    assert.equal(await patient.receivedCodec(), "video/H264");
    const since = Date.now();
    await patient.wait(3_000);
    const frames = await patient.frames(since);
    assert.ok(frames.length >= 30, `${frames.length} frames in 3 s`);
  });
});

for (const codec of ["vp9", "av1"]) {
  test(`layers of ${codec.toUpperCase()} go by what the link carries`, async () => {
    await inConsult(codec, async ({ doctor, patient }) => {
      assert.ok(await patient.untilSteady((height) => height >= 720, { seconds: 60 }), "720 lines never came");
      assert.equal((await patient.receivedCodec()).toLowerCase(), `video/${codec}`);
      assert.equal(await scalabilityMode(doctor), "L3T3_KEY");
      const before = await keyFrames(doctor);
      const since = Date.now();

      const drop = Date.now();
      await links.set("patient", "down", NARROW);
      assert.ok(await patient.untilSteady((height) => height <= 360, { seconds: 20 }), "still more lines than fit");
      await patient.wait(5_000);
      const rise = Date.now();
      await links.set("patient", "down", WIDE);
      assert.ok(await patient.untilSteady((height) => height >= 720, { seconds: 60 }), "720 lines never came back");
      const end = Date.now();

      const narrow = await patient.freezes(drop, rise);
      const wide = await patient.freezes(rise, end);
      const requested = (await keyFrames(doctor)) - before;
      const seconds = (end - since) / 1_000;
      console.log(
        `${codec}: freezes of ${Math.round(narrow.longestMs)} and ${Math.round(wide.longestMs)} ms, 720 lines again after ` +
          `${((end - rise) / 1_000).toFixed(1)} s, ${requested} key frames in ${seconds.toFixed(0)} s`,
      );
      assert.ok(narrow.longestMs <= 2_000, `frozen for ${narrow.longestMs} ms on the narrow link`);
      assert.ok(wide.longestMs <= 2_000, `frozen for ${wide.longestMs} ms on the wide link`);
      assert.ok(requested <= 6 + seconds / 5, `${requested} key frames in ${seconds} s`);
    });
  });
}

/** Puts a doctor and a patient into a consult of a site that likes one codec best. */
async function inConsult(codec, act) {
  await links.set("patient", "down", WIDE);
  const classes = { doctor: "wired", patient: "wired" };
  const gateway = await Gateway.start(links, { classes, videoCodecs: [codec] });
  const visitors = [];
  try {
    const [doctorToken, patientToken] = await gateway.createConsult(["clinician", "patient"]);
    const doctor = await Visitor.arrive("Dr Lin", links.places.doctor, { camera: Camera.pattern() });
    visitors.push(doctor);
    const patient = await Visitor.arrive("Mrs Wang", links.places.patient, { camera: Camera.file(await stillCamera()) });
    visitors.push(patient);
    await doctor.join(gateway.link(links.places.doctor, doctorToken));
    await patient.join(gateway.link(links.places.patient, patientToken));
    await act({ doctor, patient });
  } finally {
    await Promise.allSettled(visitors.map((visitor) => visitor.leave()));
    await gateway.stop();
  }
}

/** The layers of the picture that the page sends. */
async function scalabilityMode(visitor) {
  return (await sentPicture(visitor)).scalabilityMode;
}

/** How often the page was asked for a key frame. */
async function keyFrames(visitor) {
  return (await sentPicture(visitor)).pliCount;
}

async function sentPicture(visitor) {
  return await visitor.page.evaluate(async () => {
    const stats = [...(await window.tvgConnection.getStats()).values()];
    const { scalabilityMode, pliCount } = stats.find((one) => one.type === "outbound-rtp" && one.kind === "video");
    return { scalabilityMode, pliCount };
  });
}
