// When the things happened that a waiting person notices; read by the debug view.

/** Milestones: only their first time counts. */
export type Milestone =
  "joinClicked" | "joined" | "offered" | "answered" | "iceConnected" | "connected" | "firstFrame" | "first720";

/** An entry, in milliseconds since the Unix epoch. */
export type TimelineEntry = { readonly at: number; readonly what: string };

/** The last entries are the interesting ones; milestones are kept apart. */
const MAX_ENTRIES = 300;

/** The timeline of one page. */
export class Timeline {
  readonly #now: () => number;
  readonly #milestones: Partial<Record<Milestone, number>> = {};
  readonly #entries: TimelineEntry[] = [];

  constructor(now: () => number) {
    this.#now = now;
  }

  get milestones(): Readonly<Partial<Record<Milestone, number>>> {
    return this.#milestones;
  }

  get entries(): readonly TimelineEntry[] {
    return this.#entries;
  }

  /** A milestone was reached. */
  reach(milestone: Milestone): void {
    if (this.#milestones[milestone] !== undefined) return;
    this.#milestones[milestone] = this.#now();
    this.note(milestone);
  }

  /** Something else happened. */
  note(what: string): void {
    this.#entries.push({ at: this.#now(), what });
    if (this.#entries.length > MAX_ENTRIES) this.#entries.shift();
  }
}
