// The columns of every table of the lab, and the time series behind them.

import {
  estimateBackAfter,
  firstSince,
  fitsAfter,
  flipsPerMinute,
  floorAfter,
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

/** A pair is eligible for HD in the seconds in which both links carry this and both ends have such a class. */
const ELIGIBLE_KBPS = 2_500;

/** Every column with its unit, in the words of the virtual lab. */
export const COLUMNS = [
  ["freeze", "%"],
  ["freeze beyond outages", "%"],
  ["longest freeze", "s"],
  ["longest beyond outages", "s"],
  ["HD", "%"],
  ["HD ceiling", "%"],
  ["HD when eligible", "%"],
  ["HD at 24 fps", "%"],
  ["HD at 24 fps below the ceiling", "points"],
  ["time to HD", "s"],
  ["back to HD", "s"],
  ["back to floor", "s"],
  ["switches", "/min"],
  ["HD flips", "/min"],
  ["overload", "%"],
  ["longest over 1.5x", "ms"],
  ["downgrade", "ms"],
  ["queue p95", "ms"],
  ["link drops", "%"],
  ["voice concealed", "%"],
  ["concealed beyond outages", "%"],
  ["PLI", ""],
  ["voice back", "ms"],
  ["picture back", "ms"],
  ["estimate back", "s"],
  ["median estimate", "kbit/s"],
  ["camera sent", "fps"],
];

/** The figures of a run by column; what the plan has no occasion for is left out. */
export function figuresOf(plan, { from, to, frames, bins, calls, sent, estimates, voiceAt, sound, firstHd }) {
  const shifted = (turn) => ({ ...turn, at: from + turn.at, until: from + (turn.until ?? turn.at) });
  const outages = plan.downlink.outages.map(shifted);
  const capacityAt = (at) => plan.downlink.kbpsAt(at - from);
  const freezes = freezeFigures(frames, from, to, outages);
  const hd = hdFigures(frames, from, to);
  const ceiling = hdCeilingPercent(plan.uplink, plan.downlink, (one) => HD_CLASSES.includes(one));
  const eligible = hdFigures(frames, from, to, (at) => isEligible(plan, at - from));
  const link = linkFigures(bins, from, to);
  const turnEnd = (at) => plan.downlink.steps.map((step) => from + step.at).find((next) => next > at) ?? to;
  const hole = outages[0];
  const worst = (values) => (values.length === 0 ? null : Math.max(...values));
  // A trace that changes every second has no drops and rises to speak of: only plans of steps have.
  const drops = plan.stepped ? plan.downlink.drops.map(shifted) : [];
  const rises = plan.stepped ? plan.downlink.rises.map(shifted) : [];
  const askedFor = (start, end) => (sent.findLast((row) => row.at <= end)?.plis ?? 0) - (sent.findLast((row) => row.at <= start)?.plis ?? 0);
  const during = sent.filter((row) => row.at >= from && row.at <= to && row.fps > 0);
  const dark = outages.reduce((sum, one) => sum + one.until - one.at, 0);
  const concealed = sound.ratio * 100;
  const all = {
    freeze: freezes.percent,
    "freeze beyond outages": hole && freezes.percentBeyond,
    "longest freeze": freezes.longestMs / 1_000,
    "longest beyond outages": hole && freezes.longestBeyondMs / 1_000,
    HD: hd.linesPercent,
    "HD ceiling": ceiling,
    "HD when eligible": eligible.seconds > 0 ? eligible.linesPercent : null,
    "HD at 24 fps": hd.smoothPercent,
    "HD at 24 fps below the ceiling": ceiling - hd.smoothPercent,
    "time to HD": firstHd === null ? null : firstHd / 1_000,
    "back to HD": worst(rises.map((rise) => smoothHdAfter(frames, rise.at, to))),
    "back to floor": worst(rises.map((rise) => floorAfter(frames, rise.at, to))),
    switches: switchesPerMinute(frames, from, to),
    "HD flips": flipsPerMinute(calls, from, to),
    overload: overloadPercent(bins, from, to, capacityAt),
    "longest over 1.5x": longestAbove(bins, from, to, capacityAt),
    downgrade: worst(drops.map((drop) => fitsAfter(bins, drop.at, turnEnd(drop.at), drop.to)).filter((value) => value !== null)),
    "queue p95": link.queueP95Ms,
    "link drops": link.dropsPercent,
    "voice concealed": concealed,
    "concealed beyond outages": hole && Math.max(0, concealed - (100 * dark) / (to - from)),
    // Around an outage, where there is one: what comes after it has other reasons.
    PLI: hole ? askedFor(hole.at, hole.until + 10_000) : askedFor(from, to),
    "voice back": hole && firstSince(voiceAt, hole.until),
    "picture back": hole && firstSince(frames.map((frame) => frame.at), hole.until),
    "estimate back": hole && estimateBackAfter(estimates, hole),
    "median estimate": estimates.length > 0 ? median(estimates.map((one) => one.kbps)) : null,
    "camera sent": during.length > 0 ? median(during.map((row) => row.fps)) : null,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null && value !== undefined));
}

/** Whether a pair is eligible for HD throughout the second that begins there. */
function isEligible({ uplink, downlink }, second) {
  const carries = (at) => [uplink, downlink].every((link) => link.kbpsAt(at) >= ELIGIBLE_KBPS && HD_CLASSES.includes(link.classAt(at)));
  return [0, 250, 500, 750, 999].every((offset) => carries(second + offset));
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
      frames.filter((frame) => frame.at > end - 1_000 && frame.at <= end).length,
      call?.publisher ?? "",
      call?.subscriber ?? "",
      call?.hd ? 1 : 0,
      frozen.some((gap) => gap.from < end && gap.to > at) ? 1 : 0,
    ]);
  }
  return rows;
}
