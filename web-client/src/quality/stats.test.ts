import { describe, expect, it } from "vitest";
import { EncoderLimitWatch, worstLimit } from "./encoder-limit.js";
import { SilenceDetector } from "./silence-detector.js";
import { StatsHistory } from "./stats-history.js";
import { readSample, type StatsSample } from "./stats-sample.js";

type Row = Record<string, unknown>;
const sample = (at: number, ...rows: Row[]): StatsSample =>
  readSample(
    rows.map((row, index) => [String(row["id"] ?? index), row] as const),
    at,
  );

const inbound = (row: Row): Row => ({ type: "inbound-rtp", kind: "video", mid: "2", ...row });
const outbound = (row: Row): Row => ({ type: "outbound-rtp", kind: "video", mid: "1", ...row });

describe("a sample", () => {
  it("reads a full report", () => {
    const read = sample(
      5,
      { id: "t", type: "transport", selectedCandidatePairId: "p", bytesReceived: 100, bytesSent: 50 },
      {
        id: "p",
        type: "candidate-pair",
        currentRoundTripTime: 0.04,
        availableOutgoingBitrate: 2e6,
        localCandidateId: "c",
      },
      { id: "c", type: "local-candidate", candidateType: "host", protocol: "udp", networkType: "wifi" },
      inbound({
        frameHeight: 720,
        jitter: 0.012,
        concealedSamples: 10,
        silentConcealedSamples: 4,
        jitterBufferDelay: 3,
        jitterBufferEmittedCount: 60,
      }),
      outbound({ rid: "h", qualityLimitationReason: "cpu", active: false, targetBitrate: 1e6 }),
    );
    expect(read.transport).toEqual({
      bytesReceived: 100,
      bytesSent: 50,
      rttMs: 40,
      estimateBps: 2e6,
      localCandidate: "host/udp/wifi",
    });
    expect(read.received[0]).toMatchObject({
      mid: "2",
      frameHeight: 720,
      jitterMs: 12,
      concealedSamples: 6,
      jitterBufferMs: 50,
    });
    expect(read.sent[0]).toMatchObject({ rid: "h", limit: "cpu", active: false, targetBps: 1e6 });
  });

  it("does with what Firefox has", () => {
    const read = sample(
      5,
      { type: "candidate-pair", nominated: true, bytesReceived: 7 },
      outbound({ rid: "l" }),
      "nonsense" as unknown as Row,
    );
    expect(read.transport).toMatchObject({ bytesReceived: 7, rttMs: null, estimateBps: null, localCandidate: null });
    expect(read.sent[0]).toMatchObject({ limit: "none", active: true, targetBps: null, frameHeight: null });
  });
});

describe("the history", () => {
  it("holds one row a second, of differences", () => {
    const history = new StatsHistory();
    history.add(sample(0, inbound({ bytesReceived: 0, framesDecoded: 0, packetsReceived: 0, packetsLost: 0 })));
    history.add(sample(500, inbound({ bytesReceived: 50_000, framesDecoded: 15 })));
    history.add(
      sample(1_000, inbound({ bytesReceived: 125_000, framesDecoded: 30, packetsReceived: 95, packetsLost: 5 })),
    );
    expect(history.rows).toHaveLength(1);
    expect(history.rows[0]?.received[0]).toMatchObject({ kbps: 1_000, fps: 30, lossRatio: 0.05 });
  });

  it("begins again with a media description that carries another track", () => {
    const history = new StatsHistory();
    history.add(sample(0, inbound({ bytesReceived: 900_000 })));
    history.add(sample(1_000, inbound({ bytesReceived: 1_000 })));
    expect(history.rows[0]?.received[0]?.kbps).toBe(8);
  });

  it("is bounded", () => {
    const history = new StatsHistory();
    for (let second = 0; second < 1_300; second++) history.add(sample(second * 1_000));
    expect(history.rows).toHaveLength(1_200);
    expect(history.rows.at(-1)?.at).toBe(1_299_000);
  });
});

describe("the silence detector", () => {
  /** `+` bytes arrive, `-` none, twice a second. */
  const isSilentAfter = (readings: string, expected = true): boolean => {
    const detector = new SilenceDetector();
    let bytes = 0;
    let silent = false;
    [...readings].forEach((reading, index) => {
      if (reading === "+") bytes += 1;
      silent = detector.isSilent(
        { bytesReceived: bytes, bytesSent: 0, rttMs: null, estimateBps: null, localCandidate: null },
        expected,
        index * 500,
      );
    });
    return silent;
  };

  it.each([
    ["++++++---", false],
    ["++++++----", true],
    ["++++++---+", false],
    ["----------", false],
    ["+---+---+---+-----", false],
    ["++++++----+----", true],
  ])("of %s says %s", (readings, silent) => {
    expect(isSilentAfter(readings)).toBe(silent);
  });

  it("expects nothing while everybody is muted", () => {
    expect(isSilentAfter("++++++----------", false)).toBe(false);
  });
});

describe("the encoder limit", () => {
  it("is the worst of what is sent", () => {
    const { sent } = sample(
      0,
      outbound({ qualityLimitationReason: "bandwidth" }),
      outbound({ qualityLimitationReason: "cpu", active: false }),
      outbound({ qualityLimitationReason: "none" }),
    );
    expect(worstLimit(sent)).toBe("bandwidth");
  });

  it("is told once it has lasted, and again when it is over", () => {
    const watch = new EncoderLimitWatch();
    expect(watch.changed("cpu", 0)).toBeNull();
    expect(watch.changed("cpu", 1_999)).toBeNull();
    expect(watch.changed("cpu", 2_000)).toBe("cpu");
    expect(watch.changed("cpu", 9_000)).toBeNull();
    expect(watch.changed("none", 9_500)).toBeNull();
    expect(watch.changed("cpu", 10_000)).toBeNull();
    expect(watch.changed("none", 10_500)).toBeNull();
    expect(watch.changed("none", 12_500)).toBe("none");
    expect(watch.changed("none", 60_000)).toBeNull();
  });

  it("is told again while it lasts, and sooner of an uplink than of a machine", () => {
    const watch = new EncoderLimitWatch();
    watch.changed("bandwidth", 0);
    expect(watch.changed("bandwidth", 999)).toBeNull();
    expect(watch.changed("bandwidth", 2_000)).toBe("bandwidth");
    expect(watch.changed("bandwidth", 16_000)).toBeNull();
    expect(watch.changed("bandwidth", 17_000)).toBe("bandwidth");
    expect(watch.changed("bandwidth", 18_000)).toBeNull();
  });
});
