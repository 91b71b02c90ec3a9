// Rates per second, from the differences of samples; the debug view and support read them.

import type { EncoderLimit } from "../protocol/messages.js";
import type { ReceivedSample, SentSample, StatsSample } from "./stats-sample.js";

/** What arrived within one interval. */
export type ReceivedRate = {
  readonly mid: string;
  readonly kind: "audio" | "video";
  readonly kbps: number;
  readonly fps: number;
  readonly frameHeight: number | null;
  readonly lossRatio: number;
  readonly concealedRatio: number;
  readonly jitterMs: number;
  readonly jitterBufferMs: number | null;
};

/** What was sent within one interval. */
export type SentRate = {
  readonly mid: string;
  readonly rid: string | null;
  readonly kind: "audio" | "video";
  readonly kbps: number;
  readonly fps: number;
  readonly height: number | null;
  readonly active: boolean;
  readonly limit: EncoderLimit;
  readonly targetKbps: number | null;
};

/** One row of the history. */
export type StatsRow = {
  readonly at: number;
  readonly rttMs: number | null;
  readonly estimateKbps: number | null;
  readonly received: readonly ReceivedRate[];
  readonly sent: readonly SentRate[];
};

/** Twenty minutes of rows a second; the oldest go first. */
const MAX_ROWS = 1_200;

/** A second, less what timers may be early. */
const INTERVAL = 950;

/** The history of one peer connection. */
export class StatsHistory {
  readonly #rows: StatsRow[] = [];
  #last: StatsSample | null = null;

  get rows(): readonly StatsRow[] {
    return this.#rows;
  }

  /** Takes a sample in; makes a row of it about once a second. */
  add(sample: StatsSample): void {
    const last = this.#last;
    if (last !== null && sample.at - last.at < INTERVAL) return;
    this.#last = sample;
    if (last === null) return;
    this.#rows.push(ratesBetween(last, sample));
    if (this.#rows.length > MAX_ROWS) this.#rows.shift();
  }
}

/** The rates between two samples. */
export function ratesBetween(before: StatsSample, after: StatsSample): StatsRow {
  const seconds = (after.at - before.at) / 1_000;
  return {
    at: after.at,
    rttMs: after.transport.rttMs,
    estimateKbps: after.transport.estimateBps === null ? null : Math.round(after.transport.estimateBps / 1_000),
    received: after.received.map((row) =>
      receivedRate(
        before.received.find((other) => other.mid === row.mid && other.kind === row.kind),
        row,
        seconds,
      ),
    ),
    sent: after.sent.map((row) =>
      sentRate(
        before.sent.find((other) => other.mid === row.mid && other.rid === row.rid),
        row,
        seconds,
      ),
    ),
  };
}

function receivedRate(before: ReceivedSample | undefined, after: ReceivedSample, seconds: number): ReceivedRate {
  const grown = (pick: (row: ReceivedSample) => number): number =>
    growth(before === undefined ? 0 : pick(before), pick(after));
  const packets = grown((row) => row.packets);
  const lost = grown((row) => row.lost);
  return {
    mid: after.mid,
    kind: after.kind,
    kbps: kbps(
      grown((row) => row.bytes),
      seconds,
    ),
    fps: rate(
      grown((row) => row.framesDecoded),
      seconds,
    ),
    frameHeight: after.frameHeight,
    lossRatio: ratio(lost, lost + packets),
    concealedRatio: ratio(
      grown((row) => row.concealedSamples),
      grown((row) => row.samples),
    ),
    jitterMs: Math.round(after.jitterMs),
    jitterBufferMs: after.jitterBufferMs === null ? null : Math.round(after.jitterBufferMs),
  };
}

function sentRate(before: SentSample | undefined, after: SentSample, seconds: number): SentRate {
  return {
    mid: after.mid,
    rid: after.rid,
    kind: after.kind,
    kbps: kbps(growth(before?.bytes ?? 0, after.bytes), seconds),
    fps: rate(growth(before?.framesEncoded ?? 0, after.framesEncoded), seconds),
    height: after.frameHeight,
    active: after.active,
    limit: after.limit,
    targetKbps: after.targetBps === null ? null : Math.round(after.targetBps / 1_000),
  };
}

/** Counters of a media description begin again when it carries another track. */
function growth(before: number, after: number): number {
  return after < before ? after : after - before;
}

function kbps(bytes: number, seconds: number): number {
  return seconds > 0 ? Math.round((bytes * 8) / 1_000 / seconds) : 0;
}

function rate(count: number, seconds: number): number {
  return seconds > 0 ? Math.round((count / seconds) * 10) / 10 : 0;
}

function ratio(part: number, whole: number): number {
  return whole > 0 ? Math.round((part / whole) * 10_000) / 10_000 : 0;
}
