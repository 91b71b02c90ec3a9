// How long to wait before the next connection attempt.

/** Bases of the first delays, in milliseconds: most drops are over at once, or within a second. */
const FIRST_BASES = [0, 200, 500, 1_000, 2_000, 3_000] as const;

/** Beyond the first attempts. Longer would be felt by a patient who is waiting. */
const LAST_BASE = 5_000;

/** Attempts go on for at least this long: an outage of a hospital network outlasts a coffee. */
export const GIVE_UP_AFTER = 10 * 60_000;

/** And for at least this many: a machine that slept must try before it gives up. */
export const GIVE_UP_ATTEMPTS = 30;

/** Milliseconds before attempt `attempt` (from 0), with full jitter: `random` is in [0, 1). */
export function reconnectDelay(attempt: number, random: number): number {
  return (FIRST_BASES[attempt] ?? LAST_BASE) * random;
}
