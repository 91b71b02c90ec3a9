// One reading of `getStats()` as a typed sample. Firefox leaves many fields out, so most are optional. W3C webrtc-stats.

import type { EncoderLimit } from "../protocol/messages.js";

/** What arrives on one media description. */
export type ReceivedSample = {
  readonly mid: string;
  readonly kind: "audio" | "video";
  readonly bytes: number;
  readonly packets: number;
  readonly lost: number;
  readonly jitterMs: number;
  readonly frameHeight: number | null;
  readonly frameWidth: number | null;
  readonly framesDecoded: number;
  readonly framesDropped: number;
  readonly freezes: number;
  readonly frozenMs: number;
  readonly concealedSamples: number;
  readonly samples: number;
  readonly jitterBufferMs: number | null;
  readonly nacks: number;
  readonly plis: number;
};

/** What one encoding sends. */
export type SentSample = {
  readonly mid: string;
  readonly rid: string | null;
  readonly kind: "audio" | "video";
  readonly bytes: number;
  readonly packets: number;
  readonly frameHeight: number | null;
  readonly framesEncoded: number;
  readonly active: boolean;
  readonly targetBps: number | null;
  readonly limit: EncoderLimit;
};

/** The path under all of it. */
export type TransportSample = {
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly rttMs: number | null;
  readonly estimateBps: number | null;
  readonly localCandidate: string | null;
};

/** Everything at one moment. */
export type StatsSample = {
  readonly at: number;
  readonly transport: TransportSample;
  readonly received: readonly ReceivedSample[];
  readonly sent: readonly SentSample[];
};

type Row = Readonly<Record<string, unknown>>;

/** Reads a report. */
export function readSample(report: Iterable<readonly [string, unknown]>, at: number): StatsSample {
  const rows = new Map(
    [...report].filter((entry): entry is [string, Row] => typeof entry[1] === "object" && entry[1] !== null),
  );
  const all = [...rows.values()];
  return {
    at,
    transport: transportOf(all, rows),
    received: all.filter((row) => row["type"] === "inbound-rtp").map(receivedOf),
    sent: all.filter((row) => row["type"] === "outbound-rtp").map(sentOf),
  };
}

function transportOf(all: readonly Row[], rows: ReadonlyMap<string, Row>): TransportSample {
  const transport = all.find((row) => row["type"] === "transport");
  const selected = rows.get(text(transport?.["selectedCandidatePairId"]) ?? "");
  const pair =
    selected ??
    all.find((row) => row["type"] === "candidate-pair" && (row["selected"] === true || row["nominated"] === true));
  const local = rows.get(text(pair?.["localCandidateId"]) ?? "");
  return {
    bytesReceived: count(transport?.["bytesReceived"] ?? pair?.["bytesReceived"]),
    bytesSent: count(transport?.["bytesSent"] ?? pair?.["bytesSent"]),
    rttMs: scaled(pair?.["currentRoundTripTime"], 1_000),
    estimateBps: scaled(pair?.["availableOutgoingBitrate"], 1),
    localCandidate:
      local === undefined
        ? null
        : `${text(local["candidateType"]) ?? "?"}/${text(local["protocol"]) ?? "?"}/${text(local["networkType"]) ?? "?"}`,
  };
}

function receivedOf(row: Row): ReceivedSample {
  const emitted = count(row["jitterBufferEmittedCount"]);
  return {
    mid: text(row["mid"]) ?? "",
    kind: row["kind"] === "audio" ? "audio" : "video",
    bytes: count(row["bytesReceived"]),
    packets: count(row["packetsReceived"]),
    lost: count(row["packetsLost"]),
    jitterMs: count(row["jitter"]) * 1_000,
    frameHeight: scaled(row["frameHeight"], 1),
    frameWidth: scaled(row["frameWidth"], 1),
    framesDecoded: count(row["framesDecoded"]),
    framesDropped: count(row["framesDropped"]),
    freezes: count(row["freezeCount"]),
    frozenMs: count(row["totalFreezesDuration"]) * 1_000,
    concealedSamples: count(row["concealedSamples"]) - count(row["silentConcealedSamples"]),
    samples: count(row["totalSamplesReceived"]),
    jitterBufferMs: emitted === 0 ? null : (count(row["jitterBufferDelay"]) / emitted) * 1_000,
    nacks: count(row["nackCount"]),
    plis: count(row["pliCount"]),
  };
}

function sentOf(row: Row): SentSample {
  return {
    mid: text(row["mid"]) ?? "",
    rid: text(row["rid"]),
    kind: row["kind"] === "audio" ? "audio" : "video",
    bytes: count(row["bytesSent"]),
    packets: count(row["packetsSent"]),
    frameHeight: scaled(row["frameHeight"], 1),
    framesEncoded: count(row["framesEncoded"]),
    active: row["active"] !== false,
    targetBps: scaled(row["targetBitrate"], 1),
    limit: limitOf(row["qualityLimitationReason"]),
  };
}

function limitOf(value: unknown): EncoderLimit {
  return value === "cpu" || value === "bandwidth" || value === "other" ? value : "none";
}

function count(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}

function scaled(value: unknown, factor: number): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value * factor : null;
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
