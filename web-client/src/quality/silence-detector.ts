// Notices that nothing arrives any more, long before the browser gives the transport up.

import type { TransportSample } from "./stats-sample.js";

/** Feedback comes several times a second while this side sends: this long without a byte is no chance. */
export const SILENCE = 1_500;

/** Watches the bytes of one transport. */
export class SilenceDetector {
  #received = 0;
  #sent = 0;
  #quietSince: number | null = null;

  /** Takes a sample in; true while the transport is silent although this side sends. */
  isSilent(transport: TransportSample, now: number): boolean {
    const arrived = transport.bytesReceived !== this.#received;
    const sent = transport.bytesSent !== this.#sent;
    this.#received = transport.bytesReceived;
    this.#sent = transport.bytesSent;
    if (arrived || this.#received === 0) this.#quietSince = null;
    else if (sent) this.#quietSince ??= now;
    return this.#quietSince !== null && now - this.#quietSince >= SILENCE;
  }
}
