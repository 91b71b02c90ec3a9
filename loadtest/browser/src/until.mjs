// Waits for what a consult does by itself: nothing there has an end that one could await.

import assert from "node:assert/strict";

/** Several browsers and the gateway share two cores. */
const PATIENCE_MS = 20_000;
const INTERVAL_MS = 200;

/** What the condition gives once that is something; fails with the words of what was waited for. */
export async function until(what, condition) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await condition();
    if (found) return found;
    assert.ok(Date.now() < end, what);
    await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
  }
}
