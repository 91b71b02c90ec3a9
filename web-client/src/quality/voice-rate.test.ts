import { describe, expect, it } from "vitest";
import { VoiceRate } from "./voice-rate.js";

describe("the rate of a voice", () => {
  it("is the browser's own until the gateway or a narrow uplink says otherwise", () => {
    const rate = new VoiceRate();
    expect(rate.ceiling(null, 0)).toBeNull();
    expect(rate.ceiling(500_000, 0)).toBeNull();
    rate.plan(32_000);
    expect(rate.ceiling(500_000, 0)).toBe(32_000);
  });

  it("falls at once and rises after a while", () => {
    const rate = new VoiceRate();
    rate.plan(32_000);
    const ceilings = [
      [0, 79_000],
      [1_000, 109_000],
      [2_000, 200_000],
      [4_000, 100_000],
      [5_000, 200_000],
      [9_999, 200_000],
      [10_000, 200_000],
    ].map(([now = 0, estimate = 0]) => rate.ceiling(estimate, now));
    expect(ceilings).toEqual([20_000, 20_000, 20_000, 20_000, 20_000, 20_000, 32_000]);
  });

  it("never exceeds the plan", () => {
    const rate = new VoiceRate();
    rate.plan(16_000);
    expect(rate.ceiling(50_000, 0)).toBe(16_000);
  });
});
