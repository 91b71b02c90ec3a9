// At which rate the voice is sent: what the gateway allows, and less on an uplink that hardly carries the headers.

/** Below this estimate of the uplink a voice at its usual rate would fill it. */
const NARROW = 80_000;

/** Above this for `DWELL` it is wide again. */
const WIDE = 110_000;
const DWELL = 5_000;

/** Speech is understood well at this rate. Headers take 26 kbit/s more. */
const NARROW_RATE = 20_000;

/** The ceiling for the voice, from the estimates of the uplink and the plans of the gateway. */
export class VoiceRate {
  #planned: number | null = null;
  #narrow = false;
  #wideSince: number | null = null;

  /** The gateway asks for at most this. */
  plan(maxBitrate: number): void {
    this.#planned = maxBitrate;
  }

  /** Takes an estimate in; the ceiling from here on, or null where there is none. */
  ceiling(estimateBps: number | null, now: number): number | null {
    if (estimateBps !== null) this.#judge(estimateBps, now);
    if (!this.#narrow) return this.#planned;
    return Math.min(NARROW_RATE, this.#planned ?? NARROW_RATE);
  }

  #judge(estimateBps: number, now: number): void {
    if (estimateBps < NARROW) this.#narrow = true;
    if (estimateBps < WIDE) this.#wideSince = null;
    else this.#wideSince ??= now;
    if (this.#wideSince !== null && now - this.#wideSince >= DWELL) this.#narrow = false;
  }
}
