// When to restart ICE. Signs of trouble come from several sides; restarts are spaced, and go on until media flows.

import type { Cancel, Clock } from "../lifetime/clock.js";

/** Why the transport is restarted. */
export type RestartCause =
  "gateway_says_failed" | "connection_failed" | "network_changed" | "rtp_silence" | "still_down";

/** The least time between two restarts, growing while they do not help; the gateway allows six a minute. */
const SPACING = [1_000, 4_000, 10_000, 12_000] as const;

/** Decides about restarts; `restart` carries one out. */
export class TransportRecovery {
  readonly #clock: Clock;
  readonly #restart: (cause: RestartCause) => void;
  #lastRestart = Number.NEGATIVE_INFINITY;
  #vain = 0;
  #cancelPending: Cancel | null = null;

  constructor(clock: Clock, restart: (cause: RestartCause) => void) {
    this.#clock = clock;
    this.#restart = restart;
  }

  /** Something says that the transport may be dead: restarts now, or as soon as the spacing allows. */
  suspect(cause: RestartCause): void {
    if (this.#cancelPending !== null) return;
    const spacing = SPACING[Math.min(this.#vain, SPACING.length - 1)] ?? 0;
    const wait = Math.max(0, this.#lastRestart + spacing - this.#clock.now());
    this.#cancelPending = this.#clock.after(wait, () => {
      this.#cancelPending = null;
      this.#lastRestart = this.#clock.now();
      this.#vain += 1;
      this.#restart(cause);
    });
  }

  /** Media flows: what was pending is not needed any more. */
  recovered(): void {
    this.#vain = 0;
    this.dispose();
  }

  dispose(): void {
    this.#cancelPending?.();
    this.#cancelPending = null;
  }
}
