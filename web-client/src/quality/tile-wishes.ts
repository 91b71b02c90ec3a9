// How large each picture is shown, as the gateway is told: in device pixels, and not for every pixel of a drag.

import type { SubscriptionWish, TrackId } from "../protocol/messages.js";

/** A change below this share of the last wish is not worth a message. */
const WORTH_TELLING = 0.1;

/** `max_lines` is a u16 on the wire; no tile is larger than an 8K screen. */
const MAX_LINES = 4_320;

/** The wishes of this page. */
export class TileWishes {
  readonly #toldByTrack = new Map<TrackId, number>();

  /** The wish to send, where it differs enough from the last one. */
  change(track: TrackId, lines: number): SubscriptionWish | null {
    const wanted = Math.min(MAX_LINES, Math.max(0, Math.round(lines)));
    const told = this.#toldByTrack.get(track);
    if (told !== undefined && !worthTelling(told, wanted)) return null;
    this.#toldByTrack.set(track, wanted);
    return { track, max_lines: wanted };
  }

  /** Every wish, for a new session. */
  all(): SubscriptionWish[] {
    return [...this.#toldByTrack].map(([track, max_lines]) => ({ track, max_lines }));
  }

  /** The track is gone. */
  forget(track: TrackId): void {
    this.#toldByTrack.delete(track);
  }
}

function worthTelling(told: number, wanted: number): boolean {
  if (told === 0 || wanted === 0) return told !== wanted;
  return Math.abs(told - wanted) / told > WORTH_TELLING;
}
