// One run of the lab: a doctor with a busy camera and a patient who watches, both in real browsers, on links that
// change as planned, under one policy. Everything is recorded first and measured afterwards.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { busyCamera, steadyVoice } from "../cameras.mjs";
import { onStage } from "../stage.mjs";
import { Camera, soundBetween, Visitor, Voice } from "../visitor.mjs";
import { HD_KBPS } from "./capacity.mjs";
import { callWatch } from "./call-watch.mjs";
import { BIN_MS, readBins } from "./link-record.mjs";
import { figuresOf } from "./figures.mjs";

/** How both links wait and queue; the doctor's is perfect where the plan says nothing of it. */
const PATH = "delay=30ms,queue=250ms";
const PERFECT = "delay=1ms";

/** HD is waited for so long before the plan begins, where the beginning carries it. */
const WARM_UP_SECONDS = 20;
/** And so long for anything at all. */
const FIRST_PICTURE_SECONDS = 20;

/** The emulator writes its counts every second. */
const COUNTS_MS = 1_300;

/** How often the gateway is asked for its estimate. */
const ESTIMATE_MS = 250;

/** Radio classes from the best to the worst. */
const CLASSES = ["wired", "wifi", "5g", "4g", "3g", "2g", ""];

/** Runs a plan `{ uplink, downlink, classes }` under a policy; returns its record and figures. */
export async function runPlan(plan, policy) {
  const directory = await mkdtemp(join(tmpdir(), "tvg-lab-"));
  const counts = { stats: join(directory, "links.jsonl"), interval: BIN_MS };
  const classes = { doctor: best(plan.uplink, plan.classes.doctor), patient: best(plan.downlink, plan.classes.patient) };
  try {
    return await onStage({ classes, adaptation: policy, link: PERFECT, counts }, async (stage) => {
      const record = await perform(stage, plan, directory, classes);
      await record.watcher.wait(COUNTS_MS);
      record.bins = await readBins(counts.stats, "patient", "down");
      return { record, figures: figuresOf(plan, record) };
    });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** What the operator vouches for: the best class of a trace; the rest is told by the shells as it happens. */
function best(capacity, otherwise) {
  const present = capacity.classes.filter((one) => one !== "");
  return CLASSES.find((one) => present.includes(one)) ?? otherwise;
}

async function perform(stage, plan, directory, classes) {
  const shapesUplink = plan.uplink.steps[0].kbps !== Infinity;
  if (shapesUplink) await stage.links.set("doctor", "both", PATH);
  await stage.links.set("doctor", "up", plan.uplink.firstSetting);
  await stage.links.set("patient", "both", PATH);
  await stage.links.set("patient", "down", plan.downlink.firstSetting);
  const voice = Voice.file(await steadyVoice());
  const visit = (name, place, settings) => Visitor.arrive(name, place, { ...settings, voice, watches: [callWatch] });
  const { publisher, watcher } = await stage.enter({ camera: Camera.file(await busyCamera()), visit });
  await watcher.untilShown(() => true, { since: watcher.joinedAt, seconds: FIRST_PICTURE_SECONDS });
  const carriesHd = Math.min(plan.uplink.kbpsAt(0), plan.downlink.kbpsAt(0)) >= HD_KBPS;
  const firstHd = carriesHd ? await watcher.untilShown((height) => height >= 720, { since: watcher.joinedAt, seconds: WARM_UP_SECONDS }) : null;
  await watcher.wait(2_000);

  const uplink = await plan.uplink.setting(join(directory, "uplink.csv"));
  const downlink = await plan.downlink.setting(join(directory, "downlink.csv"));
  const soundBefore = await watcher.snapshot();
  const [from] = await Promise.all([beginsAt(stage, "patient", "down", downlink), shapesUplink && beginsAt(stage, "doctor", "up", uplink)]);
  const to = from + plan.seconds * 1_000;
  const claims = [
    followClasses(publisher, plan.uplink, from, classes.doctor),
    followClasses(watcher, plan.downlink, from, classes.patient),
  ];
  const estimates = await followEstimate(stage.gateway, from, to);
  await Promise.all(claims);
  const soundAfter = await watcher.snapshot();
  const [watched, published] = [watcher, publisher].map((visitor) => visitor.page.evaluate(() => window.tvgWatch()));
  const { voice: voiceAt, calls } = await watched;
  const { sent } = await published;
  const frames = await watcher.frames(from - 2_000);
  const sound = soundBetween(soundBefore, soundAfter);
  return { from, to, frames, voiceAt, calls, sent, estimates, sound, firstHd, watcher };
}

async function beginsAt(stage, name, direction, settings) {
  await stage.links.set(name, direction, settings);
  return Date.now();
}

/** Tells the page by its shell what the trace says of the radio, as it happens. */
async function followClasses(visitor, capacity, from, vouchedFor) {
  let sequence = 1;
  for (const { at, networkClass } of capacity.classChanges.filter((step) => step.networkClass !== "")) {
    await visitor.wait(Math.max(0, from + at - Date.now()));
    await visitor.shellReports(networkClass === vouchedFor ? "unknown" : networkClass, sequence);
    sequence += 1;
  }
}

/** What the gateway believes of the patient's downlink, until the end. */
async function followEstimate(gateway, from, to) {
  const estimates = [];
  for (let at = from; at < to; at += ESTIMATE_MS) {
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, at - Date.now())));
    const decisions = await gateway.decisions();
    const patient = (decisions?.participants ?? []).find((one) => one.role === "patient");
    if (patient?.downlink) estimates.push({ at: Date.now(), kbps: patient.downlink.estimate_bps / 1_000 });
  }
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, to - Date.now())));
  return estimates;
}
