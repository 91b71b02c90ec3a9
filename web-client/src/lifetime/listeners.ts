// Subscriptions without event names: a listener goes in, its removal comes out.

import type { Cancel } from "./clock.js";

/** The listeners of one kind of notice. */
export class Listeners<Notice> {
  readonly #listeners = new Set<(notice: Notice) => void>();

  /** Adds a listener; the result removes it. */
  subscribe(listener: (notice: Notice) => void): Cancel {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Tells every listener. */
  notify(notice: Notice): void {
    for (const listener of [...this.#listeners]) listener(notice);
  }
}
