// A lifetime: whatever is added to it ends with it, in the opposite order.

import type { Cancel } from "./clock.js";

/** Collects what must be undone, and undoes it once. */
export class Scope {
  readonly #undo: Cancel[] = [];
  #state: "open" | "disposed" = "open";

  /** Whether the scope has ended. */
  get disposed(): boolean {
    return this.#state === "disposed";
  }

  /** Undoes `cancel` with the scope; at once where the scope has ended already. */
  add(cancel: Cancel): void {
    if (this.disposed) cancel();
    else this.#undo.push(cancel);
  }

  /** Ends the scope. */
  dispose(): void {
    this.#state = "disposed";
    for (const cancel of this.#undo.splice(0).reverse()) cancel();
  }
}
