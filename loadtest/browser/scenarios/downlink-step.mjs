// The patient's downlink steps 5 Mbit/s → 500 kbit/s → 5 Mbit/s: the picture follows, the voice stays.

import { onStage } from "../src/stage.mjs";
import { drawSeries, printSeries } from "../src/results.mjs";
import { Camera, soundBetween } from "../src/visitor.mjs";
import { busyCamera } from "../src/cameras.mjs";
import { freezes } from "../src/frame-monitor.mjs";

const HIGH = "rate=5M";
const LOW = "rate=500k";
const STEADY_MS = 10_000;
const LOW_MS = 20_000;
const RISE_MS = 25_000;
const BIN_MS = 500;

export async function downlinkStep(results) {
  await onStage({ classes: { doctor: "5g", patient: "5g" }, link: "rate=5M,delay=30ms,queue=250ms" }, async (stage) => {
    const { watcher } = await stage.enter({ camera: Camera.file(await busyCamera()) });
    await watcher.untilSteady((height) => height >= 720, { seconds: 30 });
    const start = Date.now();
    await watcher.wait(STEADY_MS);
    const before = await watcher.snapshot();
    const drop = Date.now();
    await stage.links.set("patient", "down", LOW);
    await watcher.wait(LOW_MS);
    const low = await watcher.snapshot();
    const rise = Date.now();
    await stage.links.set("patient", "down", HIGH);
    await watcher.wait(RISE_MS);
    const after = await watcher.snapshot();
    const frames = await watcher.frames(start);

    const rows = series(frames, after.history, { start, drop, rise });
    const columns = ["seconds", "capacity_kbps", "received_kbps", "lines", "fps"];
    printSeries(columns, rows);
    await drawSeries("downlink-step", "Patient's downlink: 5 Mbit/s, 500 kbit/s, 5 Mbit/s", columns, rows);

    const fits = frames.find((frame) => frame.at > drop && frame.height <= 480);
    const settled = frames.filter((frame) => frame.at > drop + 5_000 && frame.at < rise);
    const hd = frames.find((frame) => frame.at > rise && frame.height >= 720);
    const dropped = freezes(frames, drop, rise);
    const risen = freezes(frames, rise, rise + RISE_MS);
    results.add("5 Mbit/s → 500 kbit/s: a rung that fits after", fits ? (fits.at - drop) / 1_000 : 99, "s", "<=2");
    results.add("5 Mbit/s → 500 kbit/s: longest time without a new picture", dropped.longestMs, "ms");
    results.add("5 Mbit/s → 500 kbit/s: frames a second once settled", settled.length / ((rise - drop - 5_000) / 1_000), "fps", ">=14");
    results.add("5 Mbit/s → 500 kbit/s: sound concealed in 20 s", soundBetween(before, low).ratio * 100, "%", "<=3");
    results.add("500 kbit/s → 5 Mbit/s: 720 lines again after", hd ? (hd.at - rise) / 1_000 : 99, "s");
    results.add("500 kbit/s → 5 Mbit/s: longest time without a new picture", risen.longestMs, "ms", "<=500");
    results.add("500 kbit/s → 5 Mbit/s: sound concealed in 25 s", soundBetween(low, after).ratio * 100, "%", "<=1");
  });
  await results.write();
}

/** Half-second bins: what the link carries, what arrived, and what was shown. */
function series(frames, history, { start, drop, rise }) {
  const rows = [];
  for (let at = start; at < rise + RISE_MS; at += BIN_MS) {
    const shown = frames.filter((frame) => frame.at >= at && frame.at < at + BIN_MS);
    const second = history.findLast((row) => row.at <= at + BIN_MS);
    const received = (second?.received ?? []).reduce((sum, track) => sum + track.kbps, 0);
    const capacity = at >= drop && at < rise ? 500 : 5_000;
    const lines = shown.length === 0 ? 0 : shown.at(-1).height;
    rows.push([((at - start) / 1_000).toFixed(1), capacity, Math.round(received), lines, (shown.length * 1_000) / BIN_MS]);
  }
  return rows;
}
