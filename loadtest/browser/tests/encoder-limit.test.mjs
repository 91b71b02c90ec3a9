// What Chromium says to hold its encoder back is read by the page, told to the gateway, and acted on: where the device of
// a patient is at its limit, HD is withdrawn and the doctor reads why. No processor is slow on demand, so the word is put
// into the statistics of a real call.

import assert from "node:assert/strict";
import { test } from "node:test";

import { stillCamera } from "../src/cameras.mjs";
import { Gateway } from "../src/gateway.mjs";
import { Loopback } from "../src/links.mjs";
import { Camera, Visitor } from "../src/visitor.mjs";

/** The page waits 2 s before it believes a limit, and the machine is shared with two browsers. */
const TOLD_SECONDS = 20;

/** The words of webrtc-stats. */
const WORDS = ["none", "cpu", "bandwidth", "other"];

test("the page reads what Chromium says of every encoding", { timeout: 120_000 }, async () => {
  await inConsult([], async ({ patient }) => {
    await until(async () => {
      const [said, read] = [await limits(patient), (await patient.snapshot()).sent.filter(({ source, active }) => source === "camera" && active)];
      assert.ok(said.every(([, word]) => WORDS.includes(word)), JSON.stringify(said));
      return said.length === 3 && said.every(([rid, word]) => read.some((one) => one.rid === rid && one.limit === word));
    }, () => limits(patient));
  });
});

test("a device at its limit loses HD, and the doctor reads why", { timeout: 120_000 }, async () => {
  await inConsult([hasLimit], async ({ doctor, patient, gateway, uplink }) => {
    assert.ok(await doctor.untilSteady((height) => height >= 720, { seconds: 40 }), "HD comes first");
    await doctor.page.click("[data-control=why]");
    await patient.page.evaluate(() => (window.tvgLimit = "cpu"));
    await until(async () => (await uplink()).encoder === "cpu", uplink);
    const held = doctor.page.locator(".why-card .why-uplink[data-uplink=device]");
    await held.waitFor({ timeout: TOLD_SECONDS * 1_000 });
    assert.match(await held.innerText(), /Their device is at its limit/);
    const low = await doctor.untilShown((height) => height > 0 && height <= 480, { seconds: TOLD_SECONDS });
    assert.ok(low !== null, "still in HD");
    const { pairs, names } = await gateway.decisions();
    const shown = pairs.find(({ publisher }) => names[publisher] === "Mrs Wang");
    assert.ok(["encoder_limited", "cool_down"].includes(shown.hd), JSON.stringify(shown));
    assert.ok((await received(gateway, "encoder_limit")) >= 1, "the metrics count the message");

    await patient.page.evaluate(() => (window.tvgLimit = "none"));
    await until(async () => (await uplink()).encoder === "none", uplink);
    assert.deepEqual([...doctor.complaints, ...patient.complaints], []);
  });
});

/** Runs in the page: `tvgLimit` is what every encoding is said to be held back by. */
function hasLimit() {
  const read = RTCPeerConnection.prototype.getStats;
  RTCPeerConnection.prototype.getStats = async function (...selector) {
    const report = await read.apply(this, selector);
    if (window.tvgLimit === undefined) return report;
    const said = (row) => (row.qualityLimitationReason === undefined ? row : { ...row, qualityLimitationReason: window.tvgLimit });
    return new Map([...report].map(([id, row]) => [id, said(row)]));
  };
}

/** What Chromium itself says of every encoding that it sends. */
async function limits(visitor) {
  return await visitor.page.evaluate(async () => {
    const rows = [...(await window.tvgConnection.getStats()).values()];
    return rows.filter((row) => row.type === "outbound-rtp" && row.kind === "video" && row.active).map(({ rid, qualityLimitationReason }) => [rid, qualityLimitationReason]);
  });
}

/** A doctor who watches, and a patient whose browser is prepared; nobody else, and no link between them. */
async function inConsult(watches, act) {
  const links = new Loopback(["doctor", "patient"]);
  const gateway = await Gateway.start(links);
  const visitors = [];
  try {
    const [doctorToken, patientToken] = await gateway.createConsult(["clinician", "patient"]);
    const patient = await Visitor.arrive("Mrs Wang", links.places.patient, { camera: Camera.pattern(), watches });
    visitors.push(patient);
    const doctor = await Visitor.arrive("Dr Lin", links.places.doctor, { camera: Camera.file(await stillCamera()) });
    visitors.push(doctor);
    await doctor.join(gateway.link(links.places.doctor, doctorToken));
    await doctor.page.waitForFunction(() => window.tvgConnection?.connectionState === "connected");
    await patient.join(gateway.link(links.places.patient, patientToken));
    const uplink = async () => {
      const { names, participants } = await gateway.decisions();
      return participants.find(({ participant }) => names[participant] === "Mrs Wang").uplink;
    };
    await act({ doctor, patient, gateway, uplink });
    assert.doesNotMatch(gateway.log, /panicked|ERROR/);
  } finally {
    await Promise.allSettled(visitors.map((visitor) => visitor.leave()));
    await gateway.stop();
  }
}

async function until(condition, story) {
  const end = Date.now() + TOLD_SECONDS * 1_000;
  while (!(await condition())) {
    assert.ok(Date.now() < end, JSON.stringify(await story()));
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

async function received(gateway, type) {
  const line = new RegExp(`^tvg_signal_messages_total\\{direction="in",type="${type}"\\} (\\d+)$`, "m");
  return Number(line.exec(await gateway.metrics())?.[1] ?? 0);
}
