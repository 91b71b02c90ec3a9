// The figures of the lab, from records that are made up.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Capacity } from "../src/lab/capacity.mjs";
import { fitsAfter, floorAfter, freezeFigures, hdCeilingPercent, hdFigures, longestAbove, NEVER, overloadPercent, smoothHdAfter, switchesPerMinute } from "../src/lab/measures.mjs";

/** Frames at a steady rate. */
const steady = (from, to, fps, height) => Array.from({ length: Math.round(((to - from) * fps) / 1_000) }, (_, index) => ({ at: from + (index * 1_000) / fps, height }));

/** What enters a link in bins of 50 ms: `rate(ms)` in kbit/s. */
const offered = (to, rate) => Array.from({ length: to / 50 }, (_, index) => ({ at: (index + 1) * 50, offeredKbps: rate(index * 50) }));

test("a picture that stands for 400 ms is a freeze, one that slows down is none", () => {
  const stood = [...steady(0, 5_000, 30, 720), ...steady(5_400, 10_000, 30, 720)];
  const { percent, longestMs } = freezeFigures(stood, 0, 10_000);
  assert.ok(Math.abs(longestMs - 433) < 2, `${longestMs} ms`);
  assert.ok(Math.abs(percent - 4.33) < 0.02, `${percent} %`);
  const slowed = [...steady(0, 5_000, 30, 720), ...steady(5_000, 10_000, 10, 720)];
  assert.equal(freezeFigures(slowed, 0, 10_000).percent, 0);
});

test("of a freeze through an outage only what lies beyond it counts as ours", () => {
  const frames = [...steady(0, 4_000, 30, 720), ...steady(6_300, 10_000, 30, 720)];
  const { percentBeyond, longestBeyondMs } = freezeFigures(frames, 0, 10_000, [{ at: 4_000, until: 6_000 }]);
  assert.ok(Math.abs(longestBeyondMs - 333) < 2, `${longestBeyondMs} ms`);
  assert.ok(Math.abs(percentBeyond - 3.33) < 0.02, `${percentBeyond} %`);
});

test("a picture that never comes back is frozen to the end", () => {
  const { longestMs } = freezeFigures(steady(0, 5_000, 30, 720), 0, 10_000);
  assert.ok(longestMs > 5_000, `${longestMs} ms`);
});

test("HD counts by its lines, and apart by its frames", () => {
  const frames = [...steady(0, 4_000, 30, 720), ...steady(4_000, 8_000, 12, 720), ...steady(8_000, 10_000, 30, 480)];
  assert.deepEqual(hdFigures(frames, 0, 10_000), { seconds: 10, linesPercent: 80, smoothPercent: 40 });
  assert.equal(switchesPerMinute(frames, 0, 10_000), 6);
});

test("HD is back where a whole second of it begins, and the floor likewise", () => {
  const frames = [...steady(0, 1_000, 30, 360), ...steady(1_000, 3_000, 30, 480), ...steady(3_000, 4_000, 12, 720), ...steady(4_000, 6_000, 30, 720)];
  assert.equal(floorAfter(frames, 0, 6_000), 1);
  assert.ok(Math.abs(smoothHdAfter(frames, 0, 6_000) - 3.6) < 0.5, `${smoothHdAfter(frames, 0, 6_000)} s`);
  assert.equal(smoothHdAfter(steady(0, 6_000, 30, 480), 0, 6_000), NEVER);
});

test("an offered rate fits from the first half second on that carries no more than the link", () => {
  const bins = offered(10_000, (at) => (at < 4_000 ? 2_000 : at < 4_300 ? 3_000 : 400));
  assert.equal(fitsAfter(bins, 4_000, 10_000, 600), 300);
  assert.equal(fitsAfter(offered(10_000, () => 2_000), 4_000, 10_000, 600), NEVER * 1_000);
  assert.equal(fitsAfter(offered(10_000, () => 300), 4_000, 10_000, 600), null, "nothing had to yield");
  assert.equal(longestAbove(bins, 0, 10_000, (at) => (at < 4_000 ? 5_000 : 600)), 300);
  assert.equal(overloadPercent(bins, 0, 10_000, (at) => (at < 4_000 ? 5_000 : 600)), 10);
});

test("shares of HD can be of some seconds only", () => {
  const frames = [...steady(0, 4_000, 30, 480), ...steady(4_000, 10_000, 30, 720)];
  assert.equal(hdFigures(frames, 0, 10_000).linesPercent, 60);
  const { seconds, linesPercent } = hdFigures(frames, 0, 10_000, (at) => at >= 3_000 && at < 7_000);
  assert.deepEqual([seconds, linesPercent], [4, 75]);
  assert.equal(hdFigures(frames, 0, 10_000, () => false).seconds, 0);
});

test("the ceiling is the time in which both links carry HD and both classes allow it", () => {
  const downlink = new Capacity([{ at: 0, kbps: 5_000, networkClass: "5g" }, { at: 4_000, kbps: 600, networkClass: "5g" }, { at: 6_000, kbps: 5_000, networkClass: "4g" }], 10_000);
  assert.equal(hdCeilingPercent(Capacity.unlimited(10_000), downlink, (one) => one !== "4g"), 40);
  assert.equal(hdCeilingPercent(Capacity.unlimited(10_000), downlink, () => true), 80);
});

test("schedules know their drops, rises and outages", () => {
  const schedule = Capacity.schedule([[0, 5_000], [40, 600], [60, 0], [62, 5_000]], 100);
  assert.deepEqual(schedule.drops, [{ at: 40_000, from: 5_000, to: 600 }]);
  assert.deepEqual(schedule.outages, [{ at: 60_000, until: 62_000 }]);
  assert.deepEqual(schedule.rises, [{ at: 62_000, from: 0, to: 5_000 }]);
});
