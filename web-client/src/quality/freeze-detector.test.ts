import { describe, expect, it } from "vitest";
import { FreezeDetector } from "./freeze-detector.js";

/** Frames at a steady rate; the time of the last one. */
function play(detector: FreezeDetector, from: number, frames: number, interval: number): number {
  for (let frame = 0; frame < frames; frame++) detector.frame(from + frame * interval);
  return from + (frames - 1) * interval;
}

describe("a freeze", () => {
  it("is a gap of three intervals and at least 150 ms more than one", () => {
    const detector = new FreezeDetector();
    const last = play(detector, 0, 60, 33);
    detector.frame(last + 180);
    expect(detector.read(last + 180).count).toBe(0);
    detector.frame(last + 180 + 500);
    expect(detector.read(last + 700)).toEqual({ count: 1, totalMs: 500, longestMs: 500 });
  });

  it("is none at the low rate of a lower temporal layer", () => {
    const detector = new FreezeDetector();
    const last = play(detector, 0, 60, 33);
    play(detector, last + 133, 60, 133);
    expect(detector.read(last + 133 * 60).count).toBe(0);
  });

  it("counts while it still goes on", () => {
    const detector = new FreezeDetector();
    const last = play(detector, 0, 60, 33);
    expect(detector.read(last + 2_000)).toEqual({ count: 1, totalMs: 2_000, longestMs: 2_000 });
    expect(detector.read(last + 3_000).longestMs).toBe(3_000);
    detector.frame(last + 3_000);
    expect(detector.read(last + 3_000)).toEqual({ count: 1, totalMs: 3_000, longestMs: 3_000 });
  });

  it("is not what rests", () => {
    const detector = new FreezeDetector();
    const last = play(detector, 0, 60, 33);
    detector.rest();
    // A last frame was on its way when the rest began.
    detector.frame(last + 33);
    detector.watch();
    detector.frame(last + 60_000);
    expect(detector.read(last + 60_033).count).toBe(0);
    expect(detector.read(last + 61_000).count).toBe(1);
  });
});
