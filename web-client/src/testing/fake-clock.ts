// A clock that stands still until a test moves it.

import type { Cancel, Clock } from "../lifetime/clock.js";

type Timer = { readonly at: number; readonly order: number; readonly call: () => void };

/** Lets every pending promise reaction run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

/** Time in a test. */
export class FakeClock implements Clock {
  #now = 1_000_000;
  #order = 0;
  readonly #timers = new Set<Timer>();

  readonly now = (): number => this.#now;

  readonly after = (milliseconds: number, call: () => void): Cancel => {
    const timer = { at: this.#now + milliseconds, order: this.#order++, call };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  };

  /** Runs every timer that is due within the time. */
  async advance(milliseconds: number): Promise<void> {
    const until = this.#now + milliseconds;
    await settle();
    for (let next = this.#next(); next !== null && next.at <= until; next = this.#next()) await this.#run(next);
    this.#now = until;
    await settle();
  }

  /** Runs the next timer, whenever it is due. */
  async step(): Promise<void> {
    await settle();
    const next = this.#next();
    if (next === null) throw new Error("no timer is set");
    await this.#run(next);
  }

  async #run(timer: Timer): Promise<void> {
    this.#timers.delete(timer);
    this.#now = Math.max(this.#now, timer.at);
    timer.call();
    await settle();
  }

  #next(): Timer | null {
    const timers = [...this.#timers].sort((a, b) => a.at - b.at || a.order - b.order);
    return timers[0] ?? null;
  }
}
