// From what was recorded of a run to its figures. Pure: times in milliseconds, rates in kbit/s.
//
// `frames` are displayed frames `{ at, height }`, `bins` what the emulator counted at the entry of the subscriber's
// downlink every 50 ms (`at` is the end): everything that was offered, retransmissions and padding included.

import { HD_KBPS } from "./capacity.mjs";

/** libwebrtc's rule, applied to displayed frames: three average intervals, and at least 150 ms more than one. */
const FREEZE_RATIO = 3;
const FREEZE_EXCESS_MS = 150;
const AVERAGE_FRAMES = 30;
const LEAST_FRAMES = 5;

const HD_LINES = 720;
const FLOOR_LINES = 480;
const SMOOTH_FPS = 24;
const SECOND = 1_000;

/** An offered rate fits where this long no more enters the link than it carries. */
const FITTING_MS = 500;

/** Excess is looked at in pieces of this length. */
const EXCESS_MS = 100;

/** What stands for "not within the run". */
export const NEVER = 99;

/** Gaps between displayed frames from one moment to another, each with whether it is a freeze. */
export function gapsOf(frames, from, to) {
  const times = [...frames.map((frame) => frame.at).filter((at) => at < to), to];
  const gaps = times[0] > from ? [{ from, to: times[0], isFreeze: times[0] - from > SECOND }] : [];
  for (let index = 1; index < times.length; index += 1) {
    if (times[index] <= from) continue;
    const first = Math.max(0, index - AVERAGE_FRAMES - 1);
    const average = (times[index - 1] - times[first]) / Math.max(1, index - 1 - first);
    const gap = times[index] - times[index - 1];
    const isFreeze = index > LEAST_FRAMES && gap > Math.max(FREEZE_RATIO * average, average + FREEZE_EXCESS_MS);
    gaps.push({ from: Math.max(times[index - 1], from), to: times[index], isFreeze });
  }
  return gaps;
}

/** Share of time and longest of the freezes, 0 where there is none; `outages` are times for which nobody can do anything. */
export function freezeFigures(frames, from, to, outages = []) {
  const gaps = gapsOf(frames, from, to);
  const beyond = (gap) => gap.to - gap.from - outages.reduce((sum, hole) => sum + overlap(gap, hole), 0);
  const frozen = gaps.filter((gap) => gap.isFreeze);
  const share = (lengthOf) => (100 * frozen.reduce((sum, gap) => sum + lengthOf(gap), 0)) / (to - from);
  return {
    percent: share((gap) => gap.to - gap.from),
    longestMs: Math.max(0, ...frozen.map((gap) => gap.to - gap.from)),
    percentBeyond: share((gap) => Math.max(0, beyond(gap))),
    longestBeyondMs: Math.max(0, ...frozen.map(beyond)),
  };
}

function overlap(gap, hole) {
  return Math.max(0, Math.min(gap.to, hole.until) - Math.max(gap.from, hole.at));
}

/** Shares of whole seconds at HD, among those that count: by the lines that stood last, and with enough frames too. */
export function hdFigures(frames, from, to, counts = () => true) {
  let [lines, smooth, all] = [0, 0, 0];
  for (let at = from; at + SECOND <= to; at += SECOND) {
    if (!counts(at)) continue;
    const last = frames.findLast((frame) => frame.at < at + SECOND);
    const isHd = (last?.height ?? 0) >= HD_LINES;
    all += 1;
    if (isHd) lines += 1;
    if (isHd && frames.filter((frame) => frame.at >= at && frame.at < at + SECOND).length >= SMOOTH_FPS) smooth += 1;
  }
  return { seconds: all, linesPercent: (100 * lines) / Math.max(1, all), smoothPercent: (100 * smooth) / Math.max(1, all) };
}

/** Changes a minute of the displayed lines. */
export function switchesPerMinute(frames, from, to) {
  const inside = frames.filter((frame) => frame.at >= from && frame.at < to);
  return perMinute(changes(inside.map((frame) => frame.height)), from, to);
}

/** Changes of HD permission a minute. */
export function flipsPerMinute(calls, from, to) {
  return perMinute(changes(calls.filter((call) => call.at >= from && call.at < to).map((call) => call.hd)), from, to);
}

function changes(values) {
  return values.filter((value, index) => index > 0 && value !== values[index - 1]).length;
}

function perMinute(count, from, to) {
  return (count * 60 * SECOND) / (to - from);
}

/** Queue and drops of the link. */
export function linkFigures(bins, from, to) {
  const inside = bins.filter((bin) => bin.at > from && bin.at <= to);
  const sum = (field) => inside.reduce((total, bin) => total + bin[field], 0);
  return {
    queueP95Ms: percentile(inside.map((bin) => bin.queueMs ?? 0), 0.95),
    dropsPercent: (100 * (sum("queueFull") + sum("lost"))) / Math.max(1, sum("offered")),
  };
}

export function percentile(values, share) {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted.length === 0 ? 0 : sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)];
}

export function median(values) {
  return percentile(values, 0.5);
}

/** The mean rate of what was offered in `(from, to]`. */
export function offeredKbps(bins, from, to) {
  const inside = bins.filter((bin) => bin.at > from && bin.at <= to);
  return inside.length === 0 ? 0 : inside.reduce((sum, bin) => sum + bin.offeredKbps, 0) / inside.length;
}

/**
 * Milliseconds from a drop of the capacity to the beginning of the first half second in which no more is offered than the
 * link carries; none where no more was offered in the second before.
 */
export function fitsAfter(bins, drop, until, capacityKbps) {
  if (offeredKbps(bins, drop - SECOND, drop) <= capacityKbps) return null;
  const ends = [drop, ...bins.map((bin) => bin.at).filter((at) => at > drop && at <= until - FITTING_MS)];
  const fitting = ends.find((at) => offeredKbps(bins, at, at + FITTING_MS) <= capacityKbps);
  return fitting === undefined ? NEVER * SECOND : fitting - drop;
}

/**
 * The longest time on end in which every tenth of a second more than `times` the capacity was offered; outages apart.
 * The tenths count from each change of the capacity: what was offered before it was right then.
 */
export function longestAbove(bins, from, to, capacityAt, times = 1.5) {
  let [longest, present] = [0, 0];
  for (let at = from; at + EXCESS_MS <= to; at += EXCESS_MS) {
    at = changeWithin(at, at + EXCESS_MS, capacityAt) ?? at;
    const capacity = capacityAt(at + EXCESS_MS / 2);
    present = capacity > 0 && offeredKbps(bins, at, at + EXCESS_MS) > times * capacity ? present + EXCESS_MS : 0;
    longest = Math.max(longest, present);
  }
  return longest;
}

/** When the capacity changes for the last time in `(from, to)`, to the millisecond. */
function changeWithin(from, to, capacityAt) {
  for (let at = to - 1; at > from; at -= 1) if (capacityAt(at) !== capacityAt(at - 1)) return at;
  return undefined;
}

/** The share of whole seconds in which more was offered than the link could carry. */
export function overloadPercent(bins, from, to, capacityAt) {
  let [over, all] = [0, 0];
  for (let at = from; at + SECOND <= to; at += SECOND) {
    const inside = bins.filter((bin) => bin.at > at && bin.at <= at + SECOND);
    const capacity = inside.reduce((sum, bin) => sum + capacityAt(bin.at - 1), 0) / Math.max(1, inside.length);
    all += 1;
    if (offeredKbps(bins, at, at + SECOND) > capacity) over += 1;
  }
  return (100 * over) / Math.max(1, all);
}

/** Seconds until a whole second of smooth HD begins. */
export function smoothHdAfter(frames, since, until) {
  return firstAfter(frames, since, until, (second) => second.length >= SMOOTH_FPS && second.every((frame) => frame.height >= HD_LINES));
}

/** Seconds until a whole second at the clinical floor or above begins. */
export function floorAfter(frames, since, until) {
  return firstAfter(frames, since, until, (second) => second.length >= 10 && second.every((frame) => frame.height >= FLOOR_LINES));
}

function firstAfter(frames, since, until, isGood) {
  for (const start of frames.filter((frame) => frame.at >= since && frame.at <= until - SECOND)) {
    const second = frames.filter((frame) => frame.at >= start.at && frame.at < start.at + SECOND);
    if (isGood(second)) return (start.at - since) / SECOND;
  }
  return NEVER;
}

/** Milliseconds until the first of these times after a moment. */
export function firstSince(times, since) {
  const first = times.find((at) => at >= since);
  return first === undefined ? NEVER * SECOND : first - since;
}

/** Seconds until the estimate is back at a share of what it was before. */
export function estimateBackAfter(estimates, hole, share = 0.8) {
  const before = estimates.filter((one) => one.at > hole.at - 5 * SECOND && one.at < hole.at);
  if (before.length === 0) return null;
  const goal = share * median(before.map((one) => one.kbps));
  const back = estimates.find((one) => one.at >= hole.until && one.kbps >= goal);
  return back === undefined ? NEVER : (back.at - hole.until) / SECOND;
}

/** The share of time in which the capacities and the classes of both ends allow HD. */
export function hdCeilingPercent(uplink, downlink, allows) {
  const times = [...uplink.steps, ...downlink.steps].map((step) => step.at).filter((at) => at < downlink.endMs);
  const turns = [...new Set(times)].sort((one, other) => one - other);
  const good = turns.reduce((sum, at, index) => {
    const carries = Math.min(uplink.kbpsAt(at), downlink.kbpsAt(at)) >= HD_KBPS;
    const isGood = carries && allows(uplink.classAt(at)) && allows(downlink.classAt(at));
    return sum + (isGood ? (turns[index + 1] ?? downlink.endMs) - at : 0);
  }, 0);
  return (100 * good) / downlink.endMs;
}
