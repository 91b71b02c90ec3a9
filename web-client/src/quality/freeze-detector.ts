// Freezes as a person sees them, from the times at which frames were shown. The browser's own
// `freezeCount` misses gaps in which no packet arrives at all.

/** What froze so far. */
export type Freezes = {
  readonly count: number;
  readonly totalMs: number;
  readonly longestMs: number;
};

/** As in webrtc-stats: a gap of three usual intervals, and at least 150 ms more than one. */
const RATIO = 3;
const EXCESS = 150;

/** The usual interval is the average of this many frames: a second. */
const WINDOW = 30;

/** Without enough frames there is no usual interval: then that of the lowest temporal layer. */
const ASSUMED_INTERVAL = 133;
const ENOUGH_FRAMES = 5;

/** Watches one picture. */
export class FreezeDetector {
  readonly #intervals: number[] = [];
  #state: "watching" | "resting" = "watching";
  #lastFrame: number | null = null;
  #freezes: Freezes = { count: 0, totalMs: 0, longestMs: 0 };

  /** A frame was shown. */
  frame(now: number): void {
    if (this.#state === "resting") return;
    if (this.#lastFrame !== null) {
      const gap = now - this.#lastFrame;
      if (gap > this.#threshold()) this.#freezes = withFreeze(this.#freezes, gap);
      else this.#remember(gap);
    }
    this.#lastFrame = now;
  }

  /** No frame is to be expected from here on: the track is muted or hidden, or audio is all there is room for. */
  rest(): void {
    this.#state = "resting";
    this.#lastFrame = null;
    this.#intervals.length = 0;
  }

  /** Frames are to be expected again, from the next one on. */
  watch(): void {
    this.#state = "watching";
  }

  /** The freezes so far, with one that still goes on. */
  read(now: number): Freezes {
    if (this.#lastFrame === null) return this.#freezes;
    const gap = now - this.#lastFrame;
    return gap > this.#threshold() ? withFreeze(this.#freezes, gap) : this.#freezes;
  }

  #threshold(): number {
    const known = this.#intervals.length >= ENOUGH_FRAMES;
    const usual = known
      ? this.#intervals.reduce((sum, interval) => sum + interval, 0) / this.#intervals.length
      : ASSUMED_INTERVAL;
    return Math.max(RATIO * usual, usual + EXCESS);
  }

  #remember(gap: number): void {
    this.#intervals.push(gap);
    if (this.#intervals.length > WINDOW) this.#intervals.shift();
  }
}

function withFreeze(freezes: Freezes, gap: number): Freezes {
  return {
    count: freezes.count + 1,
    totalMs: Math.round(freezes.totalMs + gap),
    longestMs: Math.round(Math.max(freezes.longestMs, gap)),
  };
}
