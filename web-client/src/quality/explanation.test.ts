import { describe, expect, it } from "vitest";
import type { PairDecision, ParticipantDecision, RoomDecisions } from "../protocol/messages.js";
import { explain, latest, uplinkHold, type Explanation } from "./explanation.js";

const participant = (id: string, budget: number, spent: number): ParticipantDecision => ({
  participant: id,
  role: "clinician",
  lost: false,
  network: {
    class: "5g",
    for_ms: 1_000,
    confidence_percent: 90,
    proven: true,
    contradicted: false,
    evidence: [],
  },
  downlink: { state: "steady", estimate_bps: budget, audio_bps: 0, budget_bps: budget, spent_bps: spent },
  uplink: { arriving_bps: 0, carries_bps: null, encoder: "none" },
});

const pair = (part: Partial<PairDecision>): PairDecision => ({
  track: "camera",
  source: "camera",
  publisher: "patient",
  subscriber: "me",
  gets: { rung: "360p", lines: 360, frame_rate: 30, temporal_layer: 2, price_bps: 400_000 },
  allows: { classes: "720p", permission: "720p", tile: "720p", publisher: "720p", downlink: "360p", codec: "720p" },
  next: { rung: "480p", needs_bps: 900_000, missing_bps: 300_000 },
  reason: "downlink",
  for_ms: 1_000,
  hd: "granted",
  hd_for_ms: 1_000,
  ...part,
});

const decisions = (part: Partial<PairDecision>, budget = 600_000, spent = 400_000): RoomDecisions => ({
  participants: [participant("me", budget, spent), participant("patient", 1, 0)],
  pairs: [pair(part), pair({ track: "mine", publisher: "me", subscriber: "patient" })],
  changes: [],
  forgotten_changes: 0,
});

function only(told: RoomDecisions): Explanation {
  const [one, ...rest] = explain(told, "me");
  if (one === undefined || rest.length > 0) throw new Error("one picture is expected");
  return one;
}

const steps = (one: Explanation): string[] =>
  one.ladder.map(({ rung, state }) => `${rung} ${state.is === "closed" ? state.by : state.is}`);

describe("an explanation", () => {
  it("is for what one gets, and knows what the other gets in return", () => {
    const one = only(decisions({}));
    expect(one.pair.publisher).toBe("patient");
    expect(one.back?.track).toBe("mine");
  });

  it("has a step per rung, from HD down to the voice", () => {
    expect(steps(only(decisions({})))).toEqual([
      "720p open",
      "480p open",
      "360p now",
      "180p passed",
      "audio_only passed",
    ]);
  });

  it("has a step more for a shared screen", () => {
    expect(only(decisions({ source: "screen" })).ladder[0]?.rung).toBe("1080p");
  });

  it.each([
    ["classes", { classes: "480p" }],
    ["permission", { permission: "480p" }],
    ["tile", { tile: "480p" }],
    ["publisher", { publisher: "480p" }],
    // What a person would have to change first counts.
    ["publisher", { publisher: "480p", classes: "480p", tile: "480p" }],
    ["classes", { classes: "480p", permission: "480p" }],
    ["classes", { classes: "480p", codec: "360p" }],
    // What cannot be decoded is of no use, whatever else would allow it.
    ["codec", { publisher: "480p", codec: "audio_only" }],
  ] as const)("says that a step is closed by %s", (by, allows) => {
    const all = { ...pair({}).allows, ...allows };
    expect(steps(only(decisions({ allows: all })))[0]).toBe(`720p ${by}`);
  });

  it("says that the codec leaves out a step that all else allows", () => {
    const allows = { ...pair({}).allows, classes: "480p", permission: "480p", codec: "360p" } as const;
    expect(steps(only(decisions({ allows, reason: "codec" }))).slice(0, 3)).toEqual([
      "720p classes",
      "480p codec",
      "360p now",
    ]);
  });

  it("says what the next step needs", () => {
    const step = only(decisions({})).ladder.find(({ rung }) => rung === "480p");
    expect(step?.state).toEqual({ is: "open", needsBps: 900_000 });
  });

  it("counts only what other pictures leave of the budget", () => {
    expect(only(decisions({}, 600_000, 400_000)).purseBps).toBe(600_000);
    expect(only(decisions({}, 600_000, 500_000)).purseBps).toBe(500_000);
  });

  it("reaches further up with more bandwidth, and never below what flows", () => {
    const reach = (budget: number): number => only(decisions({ next: null }, budget)).reach;
    expect(reach(100_000)).toBe(0.5);
    expect(reach(600_000)).toBeGreaterThan(reach(400_000));
    expect(reach(5_000_000)).toBe(1);
  });

  it("does not reach a step that lacks bandwidth, and reaches one that lacks none", () => {
    const next = (missing: number): number =>
      only(decisions({ next: { rung: "480p", needs_bps: 900_000, missing_bps: missing } }, 880_000)).reach;
    expect(next(20_000)).toBeLessThan(0.75);
    expect(next(0)).toBeGreaterThanOrEqual(0.75);
  });

  it("tells the newest changes first", () => {
    const changes = [3, 2, 1].map((seconds) => ({
      ago_ms: seconds * 1_000,
      what: "connection" as const,
      participant: "patient",
      lost: seconds === 2,
    }));
    expect(latest({ ...decisions({}), changes }, 2).map(({ ago_ms }) => ago_ms)).toEqual([1_000, 2_000]);
  });
});

describe("what holds an uplink back", () => {
  it.each([
    [{ arriving_bps: 900_000, carries_bps: null, encoder: "none" }, null],
    [{ arriving_bps: 900_000, carries_bps: 1_100_000, encoder: "none" }, "upload"],
    [{ arriving_bps: 900_000, carries_bps: 1_100_000, encoder: "bandwidth" }, "upload"],
    // A slow machine sends little, whatever its uplink carries.
    [{ arriving_bps: 900_000, carries_bps: 1_100_000, encoder: "cpu" }, "device"],
    [{ arriving_bps: 900_000, carries_bps: null, encoder: "bandwidth" }, "browser_upload"],
    [{ arriving_bps: 900_000, carries_bps: null, encoder: "other" }, "browser_other"],
  ] as const)("with %j is %s", (uplink, hold) => {
    expect(uplinkHold(uplink)).toBe(hold);
  });
});
