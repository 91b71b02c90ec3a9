// Runs every query of the Grafana dashboards against a Prometheus and prints what it answers.
//
//   node deploy/query-dashboard.mjs --prometheus http://127.0.0.1:9090 [--expect-data]
//        [--window 1m] [--allow-empty "Panel title"]... [dashboard.json]...
//
// Ends with a failure on a query that Prometheus refuses and, with --expect-data, on a panel without
// a single value. Without dashboards on the command line it takes all of deploy/grafana.
//
// A rate needs a scrape before the event that it counts: let Prometheus scrape once before the first join.

import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    prometheus: { type: "string" },
    "expect-data": { type: "boolean", default: false },
    window: { type: "string", default: "1m" },
    "allow-empty": { type: "string", multiple: true, default: [] },
  },
});

if (options.prometheus === undefined) {
  console.error("--prometheus URL is missing");
  process.exit(2);
}

const folder = fileURLToPath(new URL("grafana", import.meta.url));
const files = positionals.length > 0 ? positionals : await dashboardsOf(folder);

let refused = 0;
let empty = 0;
let panels = 0;

for (const file of files) {
  const dashboard = JSON.parse(await readFile(file, "utf8"));
  console.log(`\n${basename(file)}: ${dashboard.title}`);
  for (const panel of dashboard.panels) {
    panels += 1;
    await checkPanel(panel);
  }
}

console.log(`\n${panels} panels, ${refused} queries refused, ${empty} panels without data`);
process.exit(refused > 0 || (options["expect-data"] && empty > 0) ? 1 : 0);

async function checkPanel(panel) {
  console.log(`  ${panel.title}`);
  let hasData = false;
  for (const target of panel.targets) {
    const expression = target.expr.replaceAll("$__rate_interval", options.window);
    const answer = await query(expression);
    if (answer.error !== undefined) {
      refused += 1;
      console.log(`    REFUSED ${expression}\n            ${answer.error}`);
      continue;
    }
    const present = answer.series.filter((series) => Number.isFinite(series.value));
    hasData ||= present.length > 0;
    console.log(`    ${expression}`);
    for (const { labels, value } of present) {
      console.log(`      ${named(target.legendFormat, labels)} = ${value}`);
    }
  }
  if (!hasData && !options["allow-empty"].includes(panel.title)) {
    empty += 1;
    console.log("    NO DATA");
  }
}

/** The answer to an instant query: series with a number each, or why there is none. */
async function query(expression) {
  const url = new URL("/api/v1/query", options.prometheus);
  url.searchParams.set("query", expression);
  const response = await fetch(url, { signal: AbortSignal.timeout(10_000) });
  const body = await response.json();
  if (body.status !== "success") return { error: body.error };
  if (body.data.resultType === "scalar") {
    return { series: [{ labels: {}, value: Number(body.data.result[1]) }] };
  }
  return { series: body.data.result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) })) };
}

/** A legend with its `{{label}}`s filled in. */
function named(legend, labels) {
  return legend.replaceAll(/\{\{\s*(\w+)\s*\}\}/g, (_, name) => labels[name] ?? "");
}

async function dashboardsOf(path) {
  const names = await readdir(path);
  return names.filter((name) => name.endsWith(".json")).sort().map((name) => join(path, name));
}
