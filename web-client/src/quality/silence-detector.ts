// Notices that nothing arrives any more, long before the browser gives the transport up.

import type { TransportSample } from "./stats-sample.js";

/** Voices, pictures and feedback come several times a second: this long without a byte is no chance. */
export const SILENCE = 1_500;

/** Readings with arrivals, one after the other, that make a transport a lively one; a mere report every few seconds does not. */
const LIVELY = 5;

/** Watches the bytes of one transport. */
export class SilenceDetector {
  #received = 0;
  #arrivals = 0;
  #quietSince: number | null = null;

  /**
   * Takes a reading in; true while a lively transport has gone silent. Where nothing is expected, since
   * everybody is muted, silence says nothing.
   */
  isSilent(transport: TransportSample, expected: boolean, now: number): boolean {
    const arrived = transport.bytesReceived !== this.#received;
    this.#received = transport.bytesReceived;
    if (arrived) {
      this.#arrivals += 1;
      this.#quietSince = null;
    } else if (!expected) {
      this.#arrivals = 0;
      this.#quietSince = null;
    } else if (this.#arrivals >= LIVELY) {
      this.#quietSince ??= now;
    } else {
      this.#arrivals = 0;
    }
    return this.#quietSince !== null && now - this.#quietSince >= SILENCE;
  }
}
