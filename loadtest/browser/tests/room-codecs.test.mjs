// A room sends its pictures in what everybody in it can decode: a doctor whose site likes H.264 best, or AV1, changes
// when a patient comes whose browser cannot decode that, and goes back when the patient has left.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { stillCamera } from "../src/cameras.mjs";
import { FirefoxVisitor } from "../src/firefox.mjs";
import { Gateway } from "../src/gateway.mjs";
import { Links } from "../src/links.mjs";
import { Camera, Visitor } from "../src/visitor.mjs";

const WIDE = "rate=10M,delay=10ms,queue=250ms";

/** Two encoders, two decoders and the gateway share two cores. */
const SEEN_SECONDS = 20;

/** The gateway waits for 10 seconds: who left may be back in a moment. */
const BACK_SECONDS = 15;

let links;

before(async () => {
  links = await Links.start(["doctor", "patient"], WIDE);
});

after(async () => {
  await links?.stop();
});

test("H.264 gives way to VP8 for a Firefox that has none", async () => {
  await inConsult("h264", FirefoxVisitor, {}, async ({ doctor, patient, enter, gateway }) => {
    assert.equal(await sentCodec(doctor), "video/H264");
    await enter();
    await untilBothSee(doctor, patient);
    assert.equal(await sentCodec(doctor), "video/VP8");
    assert.deepEqual([await patient.receivedCodec(), await doctor.receivedCodec()], ["video/VP8", "video/VP8"]);
    assert.equal(await changes(gateway, "vp8", "somebody_lacks"), 1);
    await goesAway(patient);
    await untilSent(doctor, "video/H264");
    assert.equal(await changes(gateway, "h264", "site_preference"), 1);
  });
});

test("spatial layers give way to encodings for a browser that decodes no codec with them", async () => {
  const camera = Camera.file(await stillCamera());
  await inConsult("av1", Visitor, { camera, watches: [withoutLayers] }, async ({ doctor, patient, enter, gateway }) => {
    assert.equal(await sentCodec(doctor), "video/AV1");
    assert.deepEqual(await sentRids(doctor), []);
    await enter();
    await untilBothSee(doctor, patient);
    assert.equal(await sentCodec(doctor), "video/VP8");
    assert.deepEqual(await sentRids(doctor), ["h", "l", "m"]);
    assert.equal(await patient.receivedCodec(), "video/VP8");
    await goesAway(patient);
    await doctor.wait(BACK_SECONDS * 1_000);
    assert.equal(await changes(gateway, "av1", "site_preference"), 1);
    assert.equal(await sentCodec(doctor), "video/VP8", "another track is not worth it");
    await enter();
    await untilBothSee(doctor, patient);
  });
});

/** Runs in the page: its browser can decode neither VP9 nor AV1. */
function withoutLayers() {
  const add = RTCPeerConnection.prototype.addTransceiver;
  RTCPeerConnection.prototype.addTransceiver = function (what, init) {
    const transceiver = add.call(this, what, init);
    const { codecs } = RTCRtpReceiver.getCapabilities("video");
    const simple = codecs.filter(({ mimeType }) => !["video/VP9", "video/AV1"].includes(mimeType));
    if (what === "video") transceiver.setCodecPreferences(simple);
    return transceiver;
  };
}

/** Leaves as somebody who closes the page. */
async function goesAway(visitor) {
  await visitor.page.evaluate(() => window.dispatchEvent(new PageTransitionEvent("pagehide")));
  await visitor.wait(500);
}

/** Puts a doctor into a consult of a site that likes one codec best; `enter` lets the patient in. */
async function inConsult(codec, browser, settings, act) {
  const gateway = await Gateway.start(links, { classes: { doctor: "wired", patient: "wired" }, videoCodecs: [codec] });
  const visitors = [];
  try {
    const [doctorToken, patientToken] = await gateway.createConsult(["clinician", "patient"]);
    const doctor = await Visitor.arrive("Dr Lin", links.places.doctor, { camera: Camera.pattern() });
    visitors.push(doctor);
    const patient = await browser.arrive("Mrs Wang", links.places.patient, settings);
    visitors.push(patient);
    await doctor.join(gateway.link(links.places.doctor, doctorToken));
    await doctor.page.waitForFunction(() => window.tvgConnection?.connectionState === "connected");
    const enter = () => patient.join(gateway.link(links.places.patient, patientToken));
    await act({ doctor, patient, enter, gateway });
    assert.deepEqual([...doctor.complaints, ...patient.complaints], []);
    assert.doesNotMatch(gateway.log, /panicked|ERROR/);
  } finally {
    await Promise.allSettled(visitors.map((visitor) => visitor.leave()));
    await gateway.stop();
  }
}

async function untilBothSee(doctor, patient) {
  for (const visitor of [patient, doctor]) {
    const seen = await visitor.untilShown((height) => height >= 180, { since: patient.joinedAt, seconds: SEEN_SECONDS });
    assert.ok(seen !== null, `${visitor.name} sees nothing\n${await story(doctor)}\n${await story(patient)}`);
    console.log(`${visitor.name} sees after ${seen} ms`);
  }
}

async function untilSent(visitor, codec) {
  const left = Date.now();
  while ((await sentCodec(visitor)) !== codec) {
    assert.ok(Date.now() - left < BACK_SECONDS * 1_000, `still ${await sentCodec(visitor)}\n${await story(visitor)}`);
    await visitor.wait(250);
  }
}

/** What the camera goes in by the last answer. */
async function sentCodec(visitor) {
  return await visitor.page.evaluate(() => {
    const sends = ({ sender, stopped }) => !stopped && sender.track?.kind === "video";
    const transceiver = window.tvgConnection.getTransceivers().find(sends);
    return transceiver?.sender.getParameters().codecs[0]?.mimeType ?? null;
  });
}

async function sentRids(visitor) {
  return await visitor.page.evaluate(() => {
    const sends = ({ sender, stopped }) => !stopped && sender.track?.kind === "video";
    const { encodings } = window.tvgConnection.getTransceivers().find(sends).sender.getParameters();
    return encodings.flatMap(({ rid }) => rid ?? []).sort();
  });
}

/** What a person who looks at a failed test needs to know. */
async function story(visitor) {
  const { participants, remoteTracks, sent, timeline } = await visitor.snapshot();
  return JSON.stringify({ participants, remoteTracks: remoteTracks.map(({ source, publisher }) => [source, publisher]), sent, timeline: timeline.map(({ what }) => what) });
}

async function changes(gateway, codec, reason) {
  const line = new RegExp(`^tvg_room_codec_changes_total\\{codec="${codec}",reason="${reason}"\\} (\\d+)$`, "m");
  return Number(line.exec(await gateway.metrics())?.[1] ?? 0);
}
