// What the link emulator counted, in short intervals, on the clock that the browsers have too.

import { readFile } from "node:fs/promises";

/** The interval of the emulator's statistics in milliseconds. */
export const BIN_MS = 50;

/** The counts of one direction of a link: `up` is from the client, `down` is to it. */
export async function readBins(path, link, direction) {
  const way = direction === "up" ? "ab" : "ba";
  const lines = (await readFile(path, "utf8")).split("\n").filter((line) => line.startsWith("{") && line.endsWith("}"));
  return lines
    .map((line) => JSON.parse(line))
    .filter((row) => row.link === link && row.direction === way)
    .map((row) => ({
      at: row.unix_ms,
      offeredKbps: row.offered_kbps,
      offered: row.offered,
      queueFull: row.queue_full,
      lost: row.lost,
      queueMs: row.queue_ms ?? null,
    }));
}
