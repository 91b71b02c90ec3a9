import { describe, expect, it } from "vitest";
import type { EncodingPlan, UplinkPlan } from "../protocol/messages.js";
import { planned } from "./uplink-plan.js";

const encoding = (rid: string, rung: EncodingPlan["rung"], max_bitrate_bps: number, active = true): EncodingPlan => ({
  rid,
  active,
  rung,
  max_bitrate_bps,
  max_framerate: 30,
});
const plan = (...encodings: EncodingPlan[]): UplinkPlan => ({ track: "track", mid: "1", encodings });
const parameters = (...encodings: RTCRtpEncodingParameters[]): RTCRtpSendParameters => ({
  encodings,
  transactionId: "t",
  codecs: [],
  headerExtensions: [],
  rtcp: {},
});

const LADDER = plan(
  encoding("l", "180p", 150_000),
  encoding("m", "480p", 750_000),
  encoding("h", "720p", 1_700_000, false),
);
const SIMULCAST = parameters({ rid: "l" }, { rid: "m" }, { rid: "h" });

describe("a planned sender", () => {
  it.each([
    [720, [4, 1.5]],
    [1_080, [6, 2.25]],
    [480, [480 / 180, 1]],
    [144, [1, 1]],
  ])("scales %i captured lines to the lines of the rungs", (captureLines, scales) => {
    const next = planned(SIMULCAST, LADDER, captureLines);
    expect(next?.encodings.slice(0, 2).map((sent) => sent.scaleResolutionDownBy)).toEqual(scales);
  });

  it("stops what the plan stops, and caps the rest", () => {
    const next = planned(SIMULCAST, LADDER, 720);
    expect(next?.encodings.map(({ active, maxBitrate, maxFramerate }) => [active, maxBitrate, maxFramerate])).toEqual([
      [true, 150_000, 30],
      [true, 750_000, 30],
      [false, 1_700_000, 30],
    ]);
  });

  it("keeps the transaction and what it does not plan", () => {
    const next = planned(parameters({ rid: "x", maxBitrate: 5 }, { rid: "l" }), LADDER, 720);
    expect(next?.transactionId).toBe("t");
    expect(next?.encodings[0]).toEqual({ rid: "x", maxBitrate: 5 });
  });

  it("sends no picture on the lowest rung", () => {
    const next = planned(parameters({ rid: "l", scaleResolutionDownBy: 4 }), plan(encoding("l", "audio_only", 0)), 720);
    expect(next?.encodings[0]).toMatchObject({ active: false, scaleResolutionDownBy: 4 });
  });

  it("gives a sender without simulcast the best of the plan", () => {
    const next = planned(parameters({}), LADDER, 720);
    expect(next?.encodings[0]).toMatchObject({ active: true, maxBitrate: 750_000, scaleResolutionDownBy: 1.5 });
  });

  it("leaves the scale alone while the capture is unknown", () => {
    expect(planned(parameters({ rid: "l" }), LADDER, 0)?.encodings[0]).not.toHaveProperty("scaleResolutionDownBy");
  });

  it("waits where the browser has no encodings yet", () => {
    expect(planned({ transactionId: "t" } as RTCRtpSendParameters, LADDER, 720)).toBeNull();
    expect(planned(parameters(), LADDER, 720)).toBeNull();
  });
});
