// Every codec that browsers send is forwarded: a doctor whose browser prefers it is seen by a patient.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Gateway } from "../src/gateway.mjs";
import { Links } from "../src/links.mjs";
import { Camera, Visitor } from "../src/visitor.mjs";
import { stillCamera } from "../src/cameras.mjs";

let links;
let gateway;

before(async () => {
  links = await Links.start(["doctor", "patient"]);
  gateway = await Gateway.start(links, { classes: { doctor: "wired", patient: "wired" } });
});

after(async () => {
  await gateway?.stop();
  await links?.stop();
});

for (const codec of ["H264", "VP9", "AV1"]) {
  test(`${codec} is forwarded`, async () => {
    const [doctorToken, patientToken] = await gateway.createConsult(["clinician", "patient"]);
    const doctor = await Visitor.arrive("Dr Lin", links.places.doctor, { camera: Camera.pattern() });
    const patient = await Visitor.arrive("Mrs Wang", links.places.patient, { camera: Camera.file(await stillCamera()) });
    try {
      await doctor.page.addInitScript(prefer, codec);
      await doctor.join(gateway.link(links.places.doctor, doctorToken));
      await patient.join(gateway.link(links.places.patient, patientToken));
      const seen = await patient.untilShown((height) => height >= 180, { since: patient.joinedAt, seconds: 20 });
      assert.ok(seen !== null, `nothing seen\n${JSON.stringify(await patient.snapshot())}`);
      assert.equal(await receivedCodec(patient), `video/${codec}`);
      const since = Date.now();
      await patient.wait(3_000);
      const frames = await patient.frames(since);
      assert.ok(frames.length >= 30, `${frames.length} frames in 3 s`);
    } finally {
      await Promise.allSettled([doctor.leave(), patient.leave()]);
    }
  });
}

/** Runs in the page: puts one codec before what the page prefers, and keeps the connections to ask them. */
function prefer(codec) {
  const original = RTCRtpTransceiver.prototype.setCodecPreferences;
  const isWanted = (one) => one.mimeType.toLowerCase() === `video/${codec.toLowerCase()}`;
  RTCRtpTransceiver.prototype.setCodecPreferences = function (codecs) {
    const isVideo = codecs.some((one) => one.mimeType.startsWith("video/"));
    original.call(this, isVideo ? [...codecs].sort((one, other) => Number(isWanted(other)) - Number(isWanted(one))) : codecs);
  };
}

/** The codec of the picture that the page receives. */
async function receivedCodec(visitor) {
  return await visitor.page.evaluate(async () => {
    const report = await window.tvgConnection.getStats();
    const stats = [...report.values()];
    const inbound = stats.find((one) => one.type === "inbound-rtp" && one.kind === "video" && one.framesDecoded > 0);
    return report.get(inbound?.codecId)?.mimeType ?? null;
  });
}
