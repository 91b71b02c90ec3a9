// What links carry over time in the lab: schedules of steps, and traces of measured or made-up networks.

import { readFile, writeFile } from "node:fs/promises";

/** What 720 lines and a voice take of a link: from this capacity on HD is possible. */
export const HD_KBPS = 1_900;

/** After its end a trace would begin anew: its last capacity is held for an hour instead. */
const HELD_MS = 3_600_000;

export class Capacity {
  /** `steps` are `{ at, kbps, networkClass }` in milliseconds, ascending, the first at 0. */
  constructor(steps, endMs) {
    this.steps = steps;
    this.endMs = endMs;
  }

  /** Without limit, and without a class that changes. */
  static unlimited(endMs) {
    return new Capacity([{ at: 0, kbps: Infinity, networkClass: "" }], endMs);
  }

  /** Steps as `[seconds, kbit/s]`. */
  static schedule(pairs, seconds) {
    return new Capacity(pairs.map(([at, kbps]) => ({ at: Math.round(at * 1_000), kbps, networkClass: "" })), seconds * 1_000);
  }

  /** A part of a trace file, `time_ms,kbps[,class,…]`, that begins at `from` seconds. `always` names the class where the file does not. */
  static async trace(path, { from = 0, seconds, always = "" }) {
    const [header, ...lines] = (await readFile(path, "utf8")).trim().split(/\r?\n/);
    const names = header.split(",");
    const [time, rate, radio] = ["time_ms", "kbps", "class"].map((name) => names.indexOf(name));
    const [start, end] = [from * 1_000, (from + seconds) * 1_000];
    const rows = lines.map((line) => line.split(",")).map((row) => ({ at: Number(row[time]), kbps: Number(row[rate]), networkClass: (radio < 0 ? "" : row[radio]) || always }));
    const first = rows.findLast((row) => row.at <= start) ?? rows[0];
    const inside = rows.filter((row) => row.at > start && row.at < end);
    return new Capacity([{ ...first, at: 0 }, ...inside.map((row) => ({ ...row, at: row.at - start }))], seconds * 1_000);
  }

  #stepAt(ms) {
    return this.steps.findLast((step) => step.at <= ms) ?? this.steps[0];
  }

  /** In kbit/s, so many milliseconds after the beginning. */
  kbpsAt(ms) {
    return this.#stepAt(ms).kbps;
  }

  classAt(ms) {
    return this.#stepAt(ms).networkClass;
  }

  /** Every class in it, the one that lasts longest first. */
  get classes() {
    return [...new Set(this.steps.map((step) => step.networkClass))];
  }

  /** When the class becomes another one. */
  get classChanges() {
    return this.steps.filter((step, index) => step.networkClass !== this.steps[index - 1]?.networkClass);
  }

  /** Falls by a third or more, and rises back from below to what carries HD, as `{ at, from, to }`. Outages are neither. */
  get drops() {
    return this.#turns((from, to) => to > 0 && from > 0 && to <= from * 0.67);
  }

  get rises() {
    return this.#turns((from, to) => from < HD_KBPS && to >= HD_KBPS);
  }

  /** Times without any capacity, as `{ at, until }`. */
  get outages() {
    return this.steps.flatMap((step, index) => {
      if (step.kbps > 0 || this.steps[index - 1]?.kbps === 0) return [];
      const end = this.steps.slice(index).find((later) => later.kbps > 0);
      return [{ at: step.at, until: end?.at ?? this.endMs }];
    });
  }

  #turns(isTurn) {
    return this.steps.flatMap((step, index) => {
      const before = this.steps[index - 1];
      return before !== undefined && isTurn(before.kbps, step.kbps) ? [{ at: step.at, from: before.kbps, to: step.kbps }] : [];
    });
  }

  /** Writes it as a trace of the link emulator; returns the setting that begins it. */
  async setting(path) {
    if (this.steps[0].kbps === Infinity) return "rate=inf";
    const last = this.steps.at(-1);
    const held = [{ ...last, at: this.endMs }, { ...last, at: this.endMs + HELD_MS }];
    const rows = [...this.steps, ...held].map((step) => `${Math.round(step.at)},${step.kbps}`);
    await writeFile(path, ["time_ms,kbps", ...rows].join("\n") + "\n");
    return `trace=${path}`;
  }

  /** The setting that holds what it begins with. */
  get firstSetting() {
    return this.steps[0].kbps === Infinity ? "rate=inf" : `rate=${Math.max(this.steps[0].kbps, 300)}k`;
  }
}
