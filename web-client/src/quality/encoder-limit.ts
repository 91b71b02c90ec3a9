// What holds this side's encoder back, told to the gateway when it has changed for good.

import type { EncoderLimit } from "../protocol/messages.js";
import type { SentSample } from "./stats-sample.js";

/**
 * How long a limit stands before it is told, in milliseconds. A machine that is slow for a second or two encodes a
 * keyframe; an estimate of the uplink that has fallen holds pictures back from then on.
 */
const HOLD: Record<EncoderLimit, number> = { none: 2_000, other: 2_000, bandwidth: 1_000, cpu: 2_000 };

/** The gateway forgets a limit that is not told again. */
const REPEAT = 15_000;

const SEVERITY: Record<EncoderLimit, number> = { none: 0, other: 1, bandwidth: 2, cpu: 3 };

/** The worst limit among the encodings that send. */
export function worstLimit(sent: readonly SentSample[]): EncoderLimit {
  return sent
    .filter((encoding) => encoding.active)
    .reduce<EncoderLimit>((worst, { limit }) => (SEVERITY[limit] > SEVERITY[worst] ? limit : worst), "none");
}

/** Follows the limit of one track. */
export class EncoderLimitWatch {
  #told: EncoderLimit = "none";
  #candidate: EncoderLimit = "none";
  #since = 0;
  #toldAt = 0;

  /** The limit to report: where it has changed and lasted, and again while it lasts. */
  changed(limit: EncoderLimit, now: number): EncoderLimit | null {
    if (limit !== this.#candidate) {
      this.#candidate = limit;
      this.#since = now;
    }
    const stands = limit === this.#told && (limit === "none" || now - this.#toldAt < REPEAT);
    if (stands || now - this.#since < HOLD[limit]) return null;
    this.#told = limit;
    this.#toldAt = now;
    return limit;
  }
}
