// Keeps the screen of a phone on while a call goes on.

/** A screen that stays on, where the browser can. */
export class WakeLock {
  #wanted = false;
  #held: WakeLockSentinel | null = null;

  constructor() {
    // The browser lets go of the lock whenever the page is hidden.
    document.addEventListener("visibilitychange", () => void this.#update());
  }

  /** Wants the screen on, or not. */
  want(wanted: boolean): void {
    if (this.#wanted === wanted) return;
    this.#wanted = wanted;
    void this.#update();
  }

  async #update(): Promise<void> {
    if (!("wakeLock" in navigator)) return;
    try {
      if (this.#wanted && !document.hidden) this.#held = await navigator.wakeLock.request("screen");
      else await this.#held?.release();
    } catch {
      // A low battery refuses the lock; the call goes on.
    }
  }
}
