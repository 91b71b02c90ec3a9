// Figures of a run: printed as a table, and merged into `target/results/NAME.json`.

import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

import { binary } from "./binaries.mjs";
import { resultsFolder } from "./results-folder.mjs";

const run = promisify(execFile);

export class Results {
  #rows = [];

  constructor(name, command) {
    this.name = name;
    this.command = command;
  }

  /** Adds a figure; `target` is such as `<=6`, or empty where there is none. */
  add(what, value, unit = "", target = "") {
    const shown = typeof value === "number" ? Number(value.toFixed(3)) : value;
    this.#rows.push([`${what}=${shown}`, unit, target].filter(Boolean).join(" "));
    console.log(`  ${what}: ${shown} ${unit} ${target}`);
  }

  /** Writes the rows, and prints the whole table unless that is left to somebody else. */
  async write({ print = true } = {}) {
    await mkdir(resultsFolder, { recursive: true });
    const rows = this.#rows.flatMap((row) => ["--row", row]);
    const { stdout } = await run(binary("loadtest"), ["result", this.name, "--command", this.command, "--dir", resultsFolder, ...rows]);
    if (print) console.log(stdout);
    this.#rows = [];
  }
}

/** Writes a time series as CSV and draws it; the first column is the time in seconds. */
export async function drawSeries(name, title, columns, rows) {
  await mkdir(resultsFolder, { recursive: true });
  const table = join(resultsFolder, `${name}.csv`);
  const picture = join(resultsFolder, `${name}.svg`);
  await writeFile(table, [columns.join(","), ...rows.map((row) => row.join(","))].join("\n") + "\n");
  await run(binary("loadtest"), ["plot", "--title", title, table, picture]);
  console.log(`  ${table}\n  ${picture}`);
}

/** Prints a time series as a table. */
export function printSeries(columns, rows) {
  const widths = columns.map((column, index) => Math.max(column.length, ...rows.map((row) => String(row[index]).length)));
  for (const row of [columns, ...rows]) console.log(`  ${row.map((cell, index) => String(cell).padStart(widths[index])).join("  ")}`);
}
