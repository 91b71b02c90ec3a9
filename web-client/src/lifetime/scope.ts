// A lifetime: whatever is added to it ends with it, in the opposite order.

import type { Cancel } from "./clock.js";

/** Collects what must be undone, and undoes it once. */
export class Scope {
  readonly #undo: Cancel[] = [];
  readonly #abort = new AbortController();

  /** Fires when the scope is disposed. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Whether the scope has ended. */
  get disposed(): boolean {
    return this.#abort.signal.aborted;
  }

  /** Undoes `cancel` with the scope; at once where the scope has ended already. */
  add(cancel: Cancel): void {
    if (this.disposed) cancel();
    else this.#undo.push(cancel);
  }

  /** Listens until the scope ends. */
  listen(target: EventTarget, type: string, listener: (event: Event) => void): void {
    target.addEventListener(type, listener, { signal: this.signal });
  }

  /** Ends the scope. */
  dispose(): void {
    if (this.disposed) return;
    this.#abort.abort(new Error("the scope has ended"));
    for (const cancel of this.#undo.splice(0).reverse()) cancel();
  }
}
