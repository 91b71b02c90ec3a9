// Somebody enters before camera and microphone are there, as people do while the browser still asks for them: once
// they are, the others see and hear them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { stillCamera } from "../src/cameras.mjs";
import { Gateway } from "../src/gateway.mjs";
import { Loopback } from "../src/links.mjs";
import { Camera, soundBetween, Visitor } from "../src/visitor.mjs";

/** The pictures of the other are received for long by then, so that a camera comes into a call that has none. */
const THOUGHT_MS = 3_000;

/** Two browsers and the gateway share two cores. */
const SEEN_SECONDS = 20;

test("who allows the camera only after entering is seen and heard", { timeout: 120_000 }, async () => {
  const links = new Loopback(["doctor", "patient"]);
  const gateway = await Gateway.start(links);
  const visitors = [];
  try {
    const [doctorToken, patientToken] = await gateway.createConsult(["clinician", "patient"]);
    const doctor = await Visitor.arrive("Dr Lin", links.places.doctor, { camera: Camera.file(await stillCamera()) });
    visitors.push(doctor);
    const patient = await Visitor.arrive("Mrs Wang", links.places.patient);
    visitors.push(patient);
    await patient.page.addInitScript((thought) => {
      const devices = navigator.mediaDevices;
      const ask = devices.getUserMedia.bind(devices);
      devices.getUserMedia = async (wish) => {
        await new Promise((resolve) => setTimeout(resolve, thought));
        return await ask(wish);
      };
    }, THOUGHT_MS);
    await doctor.join(gateway.link(links.places.doctor, doctorToken));
    await doctor.page.waitForFunction(() => window.tvgConnection?.connectionState === "connected");
    await patient.join(gateway.link(links.places.patient, patientToken));
    assert.deepEqual((await patient.snapshot()).sent, [], "nothing is there to be sent yet");

    const seen = await doctor.untilShown((height) => height > 0, { since: patient.joinedAt, seconds: SEEN_SECONDS });
    assert.ok(seen !== null, `not seen\n${JSON.stringify((await patient.snapshot()).timeline)}`);
    const before = await doctor.snapshot();
    await doctor.wait(2_000);
    const { samples } = soundBetween(before, await doctor.snapshot());
    assert.ok(samples > 50_000, `${samples} samples heard in 2 s`);
    assert.deepEqual([...doctor.complaints, ...patient.complaints], []);
  } finally {
    await Promise.allSettled(visitors.map((visitor) => visitor.leave()));
    await gateway.stop();
  }
});
