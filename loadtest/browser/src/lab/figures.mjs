// The columns of every table of the lab, and the time series behind them.

import {
  estimateBackAfter,
  firstSince,
  fitsAfter,
  flipsPerMinute,
  floorAfter,
  fpsAt,
  freezeFigures,
  gapsOf,
  hdCeilingPercent,
  hdFigures,
  linkFigures,
  longestAbove,
  median,
  offeredKbps,
  overloadPercent,
  smoothHdAfter,
  switchesPerMinute,
} from "./measures.mjs";

/** Classes that may have HD where both ends have one of them, in `equivalent` mode. */
const HD_CLASSES = ["wired", "wifi", "5g", ""];

/** Every column: its name, its unit, and how many digits are worth reading. */
export const COLUMNS = [
  ["freeze", "%", 2],
  ["longest time without a new picture", "s", 2],
  ["freeze beyond outages", "%", 2],
  ["longest time without a new picture beyond outages", "s", 2],
  ["HD lines", "%", 1],
  ["HD ceiling", "%", 1],
  ["HD at 24 fps", "%", 1],
  ["HD at 24 fps below the ceiling", "points", 1],
  ["rung switches", "a minute", 1],
  ["permission flips", "a minute", 2],
  ["queue p95", "ms", 0],
  ["link drops", "%", 2],
  ["voice concealed", "%", 2],
  ["overloaded seconds", "%", 1],
  ["offered rate fits after a drop", "s", 2],
  ["longest time above 1.5 of capacity", "ms", 0],
  ["480 lines again after the rise", "s", 1],
  ["720 lines at 24 fps again after the rise", "s", 1],
  ["voice again after the outage", "ms", 0],
  ["picture again after the outage", "ms", 0],
  ["estimate at 80 % again after the outage", "s", 1],
  ["key frames asked for around the outage", "", 0],
  ["key frames asked for", "a minute", 1],
  ["median estimate", "kbit/s", 0],
  ["720 lines after joining", "s", 1],
  ["camera sent", "fps", 1],
];

/** The figures of a run by column; what the plan has no occasion for is left out. */
export function figuresOf(plan, { from, to, frames, bins, calls, sent, estimates, voiceAt, sound, firstHd }) {
  const shifted = (turn) => ({ ...turn, at: from + turn.at, until: from + (turn.until ?? turn.at) });
  const outages = plan.downlink.outages.map(shifted);
  const capacityAt = (at) => plan.downlink.kbpsAt(at - from);
  const freezes = freezeFigures(frames, from, to, outages);
  const hd = hdFigures(frames, from, to);
  const ceiling = hdCeilingPercent(plan.uplink, plan.downlink, (one) => HD_CLASSES.includes(one));
  const link = linkFigures(bins, from, to);
  const turnEnd = (at) => plan.downlink.steps.map((step) => from + step.at).find((next) => next > at) ?? to;
  const hole = outages[0];
  const worst = (values) => (values.length === 0 ? null : Math.max(...values));
  // A trace that changes every second has no drops and rises to speak of: only plans of steps have.
  const drops = plan.stepped ? plan.downlink.drops.map(shifted) : [];
  const rises = plan.stepped ? plan.downlink.rises.map(shifted) : [];
  const askedFor = (start, end) => (sent.findLast((row) => row.at <= end)?.plis ?? 0) - (sent.findLast((row) => row.at <= start)?.plis ?? 0);
  const during = sent.filter((row) => row.at >= from && row.at <= to && row.fps > 0);
  const all = {
    freeze: freezes.percent,
    "longest time without a new picture": freezes.longestMs / 1_000,
    "freeze beyond outages": outages.length > 0 ? freezes.percentBeyond : null,
    "longest time without a new picture beyond outages": outages.length > 0 ? freezes.longestBeyondMs / 1_000 : null,
    "HD lines": hd.linesPercent,
    "HD ceiling": ceiling,
    "HD at 24 fps": hd.smoothPercent,
    "HD at 24 fps below the ceiling": ceiling - hd.smoothPercent,
    "rung switches": switchesPerMinute(frames, from, to),
    "permission flips": flipsPerMinute(calls, from, to),
    "queue p95": link.queueP95Ms,
    "link drops": link.dropsPercent,
    "voice concealed": sound.ratio * 100,
    "overloaded seconds": overloadPercent(bins, from, to, capacityAt),
    "offered rate fits after a drop": worst(drops.map((drop) => fitsAfter(bins, drop.at, turnEnd(drop.at), drop.to)).filter((value) => value !== null)),
    "longest time above 1.5 of capacity": longestAbove(bins, from, to, capacityAt),
    "480 lines again after the rise": worst(rises.map((rise) => floorAfter(frames, rise.at, to))),
    "720 lines at 24 fps again after the rise": worst(rises.map((rise) => smoothHdAfter(frames, rise.at, to))),
    "voice again after the outage": hole && firstSince(voiceAt, hole.until),
    "picture again after the outage": hole && firstSince(frames.map((frame) => frame.at), hole.until),
    "estimate at 80 % again after the outage": hole && estimateBackAfter(estimates, hole),
    "key frames asked for around the outage": hole && askedFor(hole.at, hole.until + 10_000),
    "key frames asked for": (askedFor(from, to) * 60_000) / (to - from),
    "median estimate": estimates.length > 0 ? median(estimates.map((one) => one.kbps)) : null,
    "720 lines after joining": firstHd === null ? null : firstHd / 1_000,
    "camera sent": during.length > 0 ? median(during.map((row) => row.fps)) : null,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null && value !== undefined));
}

/** The columns of a time series; synthetic calls write the same. */
export const SERIES = ["seconds", "capacity_kbps", "estimate_kbps", "sent_kbps", "queue_ms", "lines", "fps", "class_publisher", "class_subscriber", "hd", "frozen"];

const STEP_MS = 250;

/** The rows of a run. `capacity_kbps` is what the whole path carries, from the doctor to the patient. */
export function seriesOf(plan, { from, to, frames, bins, calls, estimates }) {
  const frozen = gapsOf(frames, from, to).filter((gap) => gap.isFreeze);
  const rows = [];
  for (let at = from; at < to; at += STEP_MS) {
    const end = at + STEP_MS;
    const capacity = Math.min(plan.uplink.kbpsAt(at - from), plan.downlink.kbpsAt(at - from));
    const queue = Math.max(0, ...bins.filter((bin) => bin.at > at && bin.at <= end).map((bin) => bin.queueMs ?? 0));
    const call = calls.findLast((one) => one.at <= end);
    rows.push([
      ((at - from) / 1_000).toFixed(2),
      Math.round(capacity),
      Math.round(estimates.findLast((one) => one.at <= end)?.kbps ?? NaN) || "",
      Math.round(offeredKbps(bins, at, end)),
      Math.round(queue),
      frames.findLast((frame) => frame.at <= end)?.height ?? 0,
      fpsAt(frames, at + STEP_MS / 2),
      call?.publisher ?? "",
      call?.subscriber ?? "",
      call?.hd ? 1 : 0,
      frozen.some((gap) => gap.from < end && gap.to > at) ? 1 : 0,
    ]);
  }
  return rows;
}
