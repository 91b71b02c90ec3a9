// Draws everything that the lab left in `target/results` as one page that needs nothing else:
//
//   node src/lab-page.mjs      target/results/lab.json and target/results/lab/*.csv → target/results/lab/index.html

import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { plotOf } from "./lab/plot.mjs";
import { resultsFolder } from "./results-folder.mjs";
import { escaped, NETWORK_CLASSES, style } from "./lab/page-style.mjs";

const POLICIES = ["two-loop", "fixed-by-class", "bandwidth-only"];
const KINDS = {
  browser: "Real browsers: Chromium, the gateway, links emulated between network namespaces",
  virtual: "Virtual time: the media plane against simulated browsers",
};

/** Writes the page; returns its path. */
export async function writePage(folder = resultsFolder) {
  const series = await readSeries(join(folder, "lab"));
  const results = await readFile(join(folder, "lab.json"), "utf8").then(JSON.parse, () => ({ rows: [] }));
  const path = join(folder, "lab", "index.html");
  await writeFile(path, pageOf(results, series));
  return path;
}

/** Every time series with its kind, scenario, policy and run, from the name of its file. */
async function readSeries(folder) {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".csv")).sort();
  const all = await Promise.all(names.map(async (name) => ({ ...partsOf(name), rows: rowsOf(await readFile(join(folder, name), "utf8")) })));
  return all.filter((one) => one.kind in KINDS && one.rows.length > 1);
}

function partsOf(name) {
  const [, kind, scenario, policy, run] = name.match(new RegExp(`^(browser|virtual)-(.+?)(?:-(${POLICIES.join("|")}))?(?:-(\\d+))?\\.csv$`)) ?? [];
  return { kind, scenario, policy: policy ?? "two-loop", run: run === undefined ? null : Number(run) };
}

const WORDS = new Set(["class_publisher", "class_subscriber"]);

function rowsOf(text) {
  const [header, ...lines] = text.trim().split(/\r?\n/);
  const names = header.split(",");
  return lines.map((line) => {
    const cells = line.split(",");
    return Object.fromEntries(names.map((name, index) => [name, WORDS.has(name) ? (cells[index] ?? "") : cells[index] === "" || cells[index] === undefined ? null : Number(cells[index])]));
  });
}

function pageOf(results, series) {
  const { tables, others } = tablesOf(results.rows ?? []);
  const kinds = Object.keys(KINDS).filter((kind) => series.some((one) => one.kind === kind) || [...tables.keys()].some((key) => key.startsWith(`${kind} `)));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Network lab</title>
<style>${style}</style>
</head>
<body>
<header>
<h1>Network lab</h1>
<p class="about">${escaped(results.command ?? "make lab")}${results.commit ? ` · ${escaped(String(results.commit))}` : ""} · ${verdict(results.rows ?? [])}</p>
<nav>${kinds.flatMap((kind) => scenariosOf(kind, series, tables).map((scenario) => `<a href="#${kind}-${scenario}">${kind} ${escaped(scenario)}</a>`)).join(" ")}${others.length > 0 ? ' <a href="#others">other figures</a>' : ""}</nav>
</header>
${overview(tables)}
${legend()}
${kinds.map((kind) => `<h2>${KINDS[kind]}</h2>\n${scenariosOf(kind, series, tables).map((scenario) => section(kind, scenario, series, tables)).join("\n")}`).join("\n")}
${others.length > 0 ? `<h2 id="others">Other figures</h2>\n<div class="wide">${plainTable(others)}</div>` : ""}
<footer>Time runs in seconds from the moment at which the plan of the links begins; all plots of one row have the same scales. Capacity is what the whole path carries, the less of both links; what exceeds the scale is cut.
Sent is what enters the link toward the subscriber, retransmissions and padding included.</footer>
</body>
</html>
`;
}

function verdict(rows) {
  const judged = rows.filter((row) => row.met !== null && row.met !== undefined);
  const met = judged.filter((row) => row.met).length;
  return judged.length === 0 ? "no targets" : `${met} of ${judged.length} targets met`;
}

function scenariosOf(kind, series, tables) {
  const drawn = series.filter((one) => one.kind === kind).map((one) => one.scenario);
  const counted = [...tables.keys()].filter((key) => key.startsWith(`${kind} `)).map((key) => key.slice(kind.length + 1));
  return [...new Set([...counted, ...drawn])];
}

/** Rows such as `browser 5-0.5-5, two-loop: freeze, worst of 3`, by scenario; and all others. */
function tablesOf(rows) {
  const tables = new Map();
  const others = [];
  const named = new RegExp(`^(browser|virtual) (.+?), (${POLICIES.join("|")}): (.+?)(, worst of \\d+)?$`);
  for (const row of rows) {
    const [, kind, scenario, policy, column, worst] = row.what.match(named) ?? [];
    if (kind === undefined) {
      others.push(row);
      continue;
    }
    const key = `${kind} ${scenario}`;
    if (!tables.has(key)) tables.set(key, new Map());
    const table = tables.get(key);
    if (!table.has(column)) table.set(column, { unit: row.unit, cells: new Map() });
    const cell = table.get(column).cells.get(policy) ?? {};
    table.get(column).cells.set(policy, worst === undefined ? { ...cell, ...row } : { ...cell, worst: { ...row, note: worst.slice(2) } });
  }
  return { tables, others };
}

function section(kind, scenario, series, tables) {
  const table = tables.get(`${kind} ${scenario}`);
  const all = series.filter((one) => one.kind === kind && one.scenario === scenario);
  all.sort((one, other) => POLICIES.indexOf(one.policy) - POLICIES.indexOf(other.policy) || (one.run ?? 0) - (other.run ?? 0));
  const scales = scalesOf(all);
  const cells = all.map((one) => `<figure><figcaption>${escaped(one.policy)}${one.run === null || all.filter((other) => other.policy === one.policy).length === 1 ? "" : `, run ${one.run}`}</figcaption>${plotOf(one.rows, scales)}</figure>`);
  return `<section id="${kind}-${scenario}">
<h3>${escaped(scenario)}</h3>
<div class="plots" style="--columns: ${Math.max(3, Math.min(4, cells.length))}">${cells.join("")}</div>
${table === undefined ? "" : `<details${kind === "browser" ? " open" : ""}><summary>figures</summary><div class="wide">${policyTable(table)}</div></details>`}
</section>`;
}

/** The columns that every table of the lab has, side by side: what a reader compares first. */
const OVERVIEW = [
  ["freeze", "freeze %"],
  ["longest freeze", "longest s"],
  ["freeze beyond outages", "beyond outages: freeze %"],
  ["longest beyond outages", "longest s"],
  ["HD", "HD %"],
  ["HD ceiling", "ceiling %"],
  ["HD when eligible", "eligible %"],
  ["HD at 24 fps", "HD at 24 fps %"],
  ["switches", "switches /min"],
  ["HD flips", "HD flips /min"],
  ["queue p95", "queue p95 ms"],
  ["link drops", "link drops %"],
  ["voice concealed", "voice concealed %"],
  ["downgrade", "downgrade ms"],
  ["downgrade p95", "downgrade p95 ms"],
  ["longest over 1.5x", "over 1.5× ms"],
  ["back to HD", "back to HD s"],
  ["voice back", "voice back ms"],
  ["picture back", "picture back ms"],
];

function overview(tables) {
  const rows = [...tables].flatMap(([key, table]) => POLICIES.filter((policy) => [...table.values()].some(({ cells }) => cells.has(policy))).map((policy) => ({ key, policy, table })));
  if (rows.length === 0) return "";
  const columns = OVERVIEW.filter(([column]) => rows.some(({ table }) => table.has(column)));
  const cell = ({ policy, table }, column) => {
    const found = table.get(column)?.cells.get(policy);
    if (found === undefined) return '<td class="number"></td>';
    const judged = found.worst ?? found;
    const mark = judged.met === true ? " met" : judged.met === false ? " missed" : "";
    return `<td class="number${mark}" title="${escaped(`${judged.note ?? ""} ${judged.target ?? ""}`.trim())}">${number(judged.value)}</td>`;
  };
  const line = (row) => `<tr><td><a href="#${row.key.replace(" ", "-")}">${escaped(row.key)}</a></td><td>${row.policy}</td>${columns.map(([column]) => cell(row, column)).join("")}</tr>`;
  return `<div class="wide"><table class="overview"><tr><th>scenario</th><th>policy</th>${columns.map(([, word]) => `<th class="number">${word}</th>`).join("")}</tr>${rows.map(line).join("")}</table></div>
<p class="about">The worst run where there is a target, else the median. Green meets its target, red misses it; the baselines have none.</p>`;
}

/** One scale for all plots of a scenario, or they could not be compared. Links of 100 Mbit/s would flatten everything that matters. */
function scalesOf(all) {
  const MOST_KBPS = 6_000;
  const rows = all.flatMap((one) => one.rows);
  const most = (field) => rows.reduce((max, row) => Math.max(max, row[field] ?? 0), 0);
  const capacity = rows.reduce((max, row) => Math.max(max, Math.min(row.capacity_kbps ?? 0, MOST_KBPS)), 0);
  return {
    seconds: Math.ceil(most("seconds") + 0.25),
    kbps: Math.min(MOST_KBPS, Math.max(capacity, Math.min(most("sent_kbps"), MOST_KBPS), 1_000) * 1.05),
    lines: Math.max(720, most("lines")),
    queueMs: Math.max(100, Math.min(500, most("queue_ms"))),
  };
}

function policyTable(table) {
  const present = POLICIES.filter((policy) => [...table.values()].some(({ cells }) => cells.has(policy)));
  const head = `<tr><th>figure</th><th>unit</th>${present.map((policy) => `<th class="number">${policy}</th>`).join("")}<th>target</th></tr>`;
  const body = [...table].map(([column, { unit, cells }]) => {
    const target = [...cells.values()].map((cell) => cell.worst?.target ?? cell.target).find(Boolean) ?? "";
    return `<tr><td>${escaped(column)}</td><td>${escaped(unit)}</td>${present.map((policy) => policyCell(cells.get(policy))).join("")}<td>${escaped(target)}</td></tr>`;
  });
  return `<table>${head}${body.join("")}</table>`;
}

function policyCell(cell) {
  if (cell === undefined) return '<td class="number">·</td>';
  const judged = cell.worst ?? cell;
  const mark = judged.met === true ? " met" : judged.met === false ? " missed" : "";
  const middle = cell.value === undefined ? "" : number(cell.value);
  const worst = cell.worst === undefined ? "" : `<small title="${escaped(cell.worst.note)}">worst ${number(cell.worst.value)}</small>`;
  return `<td class="number${mark}">${[middle, worst].filter(Boolean).join(" ")}</td>`;
}

function plainTable(rows) {
  const line = (row) => `<tr><td>${escaped(row.what)}</td><td class="number${row.met === true ? " met" : row.met === false ? " missed" : ""}">${number(row.value)}</td><td>${escaped(row.unit ?? "")}</td><td>${escaped(row.target ?? "")}</td></tr>`;
  return `<table><tr><th>figure</th><th class="number">value</th><th>unit</th><th>target</th></tr>${rows.map(line).join("")}</table>`;
}

/** The lab writes 99 for what did not happen within a run. */
function number(value) {
  if (value === 99 || value === 99_000) return "never";
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return String(Number(value.toFixed(digits)));
}

function legend() {
  const line = (name, word) => `<span><i class="line ${name}"></i>${word}</span>`;
  return `<div class="legend">
<span><i class="box capacity"></i>capacity</span>${line("estimate", "estimate of the gateway")}${line("sent", "sent")}${line("lines", "lines of the picture")}${line("fps", "frames a second")}${line("queue", "queue")}
<span><i class="box frozen"></i>freeze</span><span><i class="box hd"></i>HD permitted</span>
<span class="gap">class of publisher (upper) and subscriber (lower):</span>${Object.entries(NETWORK_CLASSES).map(([name, colour]) => `<span><i class="box" style="background:${colour}"></i>${name}</span>`).join("")}
</div>`;
}

if (process.argv[1] === new URL(import.meta.url).pathname) console.log(await writePage());
