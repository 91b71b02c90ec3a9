// Writes the browser half of `loadtest/docs/results.md` from `target/results/lab.json`, between its two marks:
//
//   node src/lab-document.mjs

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { root } from "./binaries.mjs";
import { resultsFolder } from "./results-folder.mjs";

const BEGIN = "<!-- browser lab: written by loadtest/browser/src/lab-document.mjs -->";
const END = "<!-- end of browser lab -->";
const POLICIES = ["two-loop", "fixed-by-class", "bandwidth-only"];

/** The columns of the tables; a value `a / b` is of two columns. */
const SCHEDULE_COLUMNS = [
  ["freeze %", "freeze", "freeze beyond outages"],
  ["longest s", "longest freeze", "longest beyond outages"],
  ["HD % (ceiling)", "HD", "HD ceiling"],
  ["HD at 24 fps %", "HD at 24 fps"],
  ["switches /min", "switches"],
  ["HD flips /min", "HD flips"],
  ["queue p95 ms", "queue p95"],
  ["link drops %", "link drops"],
  ["voice concealed %", "voice concealed", "concealed beyond outages"],
  ["downgrade ms", "downgrade"],
  ["over 1.5× ms", "longest over 1.5x"],
  ["back to HD s", "back to HD"],
];
const OUTAGE_COLUMNS = [
  ["voice back ms", "voice back"],
  ["picture back ms", "picture back"],
  ["estimate back s", "estimate back"],
  ["PLI", "PLI"],
];
const TRACE_COLUMNS = [...SCHEDULE_COLUMNS.slice(0, 3), ["HD % when eligible", "HD when eligible"], ...SCHEDULE_COLUMNS.slice(3, 9), ["overload %", "overload"], ["over 1.5× ms", "longest over 1.5x"]];

/** mediasoup 3.27.1 with its defaults, two runs on the same emulator, source and schedules. */
const RIVAL = {
  "5-2.5-0.6-5": ["2.5–3.0", "1.3–1.8", "77 (83)", "76", "2.6", "", "24", "5–7", "1.1–1.2", "3,000–3,700", "", "4.8–5.1"],
  "5-0.5-5": ["2.9–3.5", "1.9", "66–69 (73)", "66–68", "2.7", "", "32–41", "5–10", "1.3", "3,000–3,700", "", "2.3–5.4"],
  "4-blackout-2s": ["4.4", "3.3", "93 (97)", "69", "0.8", "", "14", "10", "2.8", "", "", "17.9"],
};

/** Writes the section into the document; returns its path. */
export async function writeDocument() {
  const path = join(root, "loadtest/docs/results.md");
  const { command, machine, rows } = JSON.parse(await readFile(join(resultsFolder, "lab.json"), "utf8"));
  const section = `${BEGIN}\n${sectionOf(rows.filter((row) => row.what.startsWith("browser ")), command, machine)}\n${END}`;
  const present = await readFile(path, "utf8").catch(() => "# Results of the network lab\n");
  const [from, to] = [present.indexOf(BEGIN), present.indexOf(END)];
  const whole = from >= 0 && to > from ? present.slice(0, from) + section + present.slice(to + END.length) : `${present.trimEnd()}\n\n${section}\n`;
  await writeFile(path, whole);
  return path;
}

function sectionOf(rows, command, machine) {
  const cells = new Map();
  for (const row of rows) {
    const [, scenario, policy, column, worst] = row.what.match(new RegExp(`^browser (.+?), (${POLICIES.join("|")}): (.+?)(, worst of \\d+)?$`)) ?? [];
    if (scenario === undefined) continue;
    const key = `${scenario}|${policy}|${column}`;
    cells.set(key, { ...cells.get(key), [worst === undefined ? "middle" : "worst"]: row });
  }
  const scenarios = [...new Set([...cells.keys()].map((key) => key.split("|")[0]))];
  const schedules = scenarios.filter((one) => one in RIVAL);
  const traces = scenarios.filter((one) => !(one in RIVAL));
  const others = rows.filter((row) => !new RegExp(`, (${POLICIES.join("|")}): `).test(row.what));
  return [
    "## Real browsers",
    "",
    `Chromium on both ends, the real gateway, links emulated between network namespaces; ${machine ?? "two cores"}, everything on the same machine. Commands: ${command.split("\n").map((one) => `\`${one}\``).join(", ")}.`,
    "**Bold** misses its target. Where there are several runs the figure is the worst of them if it has a target, else their median. The second figure of a pair, behind the stroke, leaves outages of the link out.",
    "",
    ...(schedules.length === 0 ? [] : ["### Schedules", "", ...scheduleTables(schedules, cells)]),
    ...(traces.length === 0 ? [] : ["### Pairs of traces, three policies", "", ...table(["pair, policy", ...TRACE_COLUMNS.map(([title]) => title)], traces.flatMap((one) => POLICIES.filter((policy) => has(cells, one, policy)).map((policy) => [`${one}, ${policy}`, ...TRACE_COLUMNS.map((column) => cell(cells, one, policy, column))]))), ""]),
    ...(others.length === 0 ? [] : ["### Compared, and two makers of browsers in one room", "", ...table(["figure", "value", "target"], others.map((row) => [row.what.replace(/^browser /, ""), `${marked(row)} ${row.unit ?? ""}`.trim(), row.target ?? ""])), ""]),
  ].join("\n").trimEnd();
}

function scheduleTables(schedules, cells) {
  const rows = schedules.flatMap((one) => [
    [`${one}, ours`, ...SCHEDULE_COLUMNS.map((column) => cell(cells, one, "two-loop", column))],
    [`${one}, mediasoup 3.27.1`, ...RIVAL[one]],
  ]);
  const outages = schedules.filter((one) => cells.has(`${one}|two-loop|voice back`));
  const after = outages.map((one) => [one, ...OUTAGE_COLUMNS.map((column) => cell(cells, one, "two-loop", column))]);
  return [
    ...table(["schedule", ...SCHEDULE_COLUMNS.map(([title]) => title)], rows),
    "",
    ...(after.length === 0 ? [] : [...table(["after the outage", ...OUTAGE_COLUMNS.map(([title]) => title)], after), ""]),
  ];
}

function has(cells, scenario, policy) {
  return [...cells.keys()].some((key) => key.startsWith(`${scenario}|${policy}|`));
}

function cell(cells, scenario, policy, [title, first, second]) {
  const value = (column) => {
    const found = cells.get(`${scenario}|${policy}|${column}`);
    return found === undefined ? "" : marked(found.worst ?? found.middle);
  };
  const beside = second === undefined ? "" : value(second);
  if (beside === "") return value(first);
  return title.includes("(") ? `${value(first)} (${beside})` : `${value(first)} / ${beside}`;
}

function marked(row) {
  const text = row.value === 99 || row.value === 99_000 ? "never" : String(Number(row.value.toFixed(Math.abs(row.value) >= 100 ? 0 : Math.abs(row.value) >= 10 ? 1 : 2)));
  return row.met === false ? `**${text}**` : text;
}

function table(head, rows) {
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`);
}

if (process.argv[1] === new URL(import.meta.url).pathname) console.log(await writeDocument());
