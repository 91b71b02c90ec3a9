// The browser half of the lab: the schedules on which others were measured, and pairs of traces under three policies.
//
//   node scenarios/lab.mjs [NAME…]     the runs whose scenario has one of the names; all of them take half an hour;
//                                      two-makers is the test with Chromium and Firefox, for its figures
//   RUNS=1                             runs of each schedule, 3 unless told otherwise
//   POLICIES="two_loop …"              policies on the traces
//   SHORT=1                            a third of the time, to try the lab itself: its figures mean nothing
//   TRACES_DIR=…                       measured traces; without them pairs of the synthetic ones are run

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { COLUMNS, SERIES, seriesOf } from "../src/lab/figures.mjs";
import { plansNamed } from "../src/lab/plans.mjs";
import { median, NEVER } from "../src/lab/measures.mjs";
import { runPlan } from "../src/lab/run.mjs";
import { LEAST_CAMERA_FPS, targetOf } from "../src/lab/targets.mjs";
import { writeDocument } from "../src/lab-document.mjs";
import { writePage } from "../src/lab-page.mjs";
import { Program } from "../src/program.mjs";
import { Results } from "../src/results.mjs";
import { resultsFolder } from "../src/results-folder.mjs";

/** Starting the browsers, joining, warming up and striking, in seconds. */
const AROUND_A_RUN = 14;

const folder = join(resultsFolder, "lab");
const runs = Number(process.env.RUNS ?? 3);
const short = process.env.SHORT ? 3 : 1;
const policies = (process.env.POLICIES ?? "two_loop fixed_by_class bandwidth_only").split(/\s+/);
const TWO_MAKERS = "two-makers";
const named = process.argv.slice(2);
const withTwoMakers = named.length === 0 || named.includes(TWO_MAKERS);
const plans = named.length > 0 && named.every((name) => name === TWO_MAKERS) ? [] : await plansNamed(named.filter((name) => name !== TWO_MAKERS), short);

// Policies take turns, so that what changes on the machine meanwhile meets all of them.
const queue = plans.flatMap((plan) => {
  const turns = plan.stepped ? Array.from({ length: runs }, () => "two_loop") : policies;
  return turns.map((policy, turn) => ({ plan, policy, number: plan.stepped ? turn + 1 : 1 }));
});
const secondsOf = ({ plan }) => plan.seconds + AROUND_A_RUN;
const TWO_MAKERS_SECONDS = withTwoMakers ? 100 : 0;
const build = `${process.env.TVG_PROFILE ?? "debug"} build${process.env.SHORT ? ", SHORT" : ""}`;
const results = new Results("lab", `make lab (${build})`);
const done = [];
const failures = [];
await mkdir(folder, { recursive: true });
console.log(`browser lab, ${build}: ${queue.length} runs, about ${minutes(queue)} minutes`);
for (const [index, next] of queue.entries()) {
  const { plan, policy, number } = next;
  console.log(`[${index + 1} of ${queue.length}, about ${minutes(queue.slice(index))} min left] ${plan.name}, ${policy}, run ${number}: ${plan.title}`);
  const ran = await runPlan(plan, policy).catch((error) => {
    // Half an hour of other runs must not be lost to one browser that did not start.
    failures.push(`${plan.name}, ${policy}, run ${number}: ${error.message}`);
    console.error(`  ${failures.at(-1)}`);
    return null;
  });
  if (ran !== null) await take(ran, next);
  const hasMore = queue.slice(index + 1).some((later) => later.plan === plan);
  if (hasMore) continue;
  for (const each of new Set(done.filter((run) => run.plan === plan).map((run) => run.policy))) report(plan, each);
  await results.write({ print: false });
}
if (withTwoMakers) await twoMakers();
if (compare()) await results.write({ print: false });
console.log(`plots: ${await writePage()}`);
if (!process.env.SHORT) console.log(`document: ${await writeDocument()}`);
if (failures.length > 0) {
  console.error(`runs that failed or ended early:\n${failures.join("\n")}`);
  process.exitCode = 1;
}

/** The test writes its figures itself. */
async function twoMakers() {
  console.log(`[last, about ${minutes([])} min left] ${TWO_MAKERS}: Chromium and Firefox in one room, the downlink of each drops in turn`);
  const test = new Program(TWO_MAKERS, process.execPath, ["--test", fileURLToPath(new URL("../tests/firefox.test.mjs", import.meta.url))]);
  const [code] = await test.exited;
  console.log(test.output.split("\n").filter((line) => /^(#   |(not )?ok )/.test(line)).map((line) => `  ${line}`).join("\n"));
  if (code !== 0) failures.push(`${TWO_MAKERS}: ${test.output.match(/^not ok .*/gm)?.join(", ") ?? code}`);
}

async function take({ record, figures }, { plan, policy, number }) {
  await writeSeries(`browser-${plan.name}-${wordFor(policy)}-${number}`, seriesOf(plan, record));
  done.push({ plan, policy, figures });
  console.log(`  ${summary(figures)}`);
  const camera = figures["camera sent"] ?? 0;
  if (camera < LEAST_CAMERA_FPS) console.log(`  the camera sent ${camera} fps: the machine was too busy, these figures do not count`);
}

/** The word for a policy in names of files and rows. */
function wordFor(policy) {
  return policy.replaceAll("_", "-");
}

function minutes(list) {
  return Math.ceil(list.reduce((sum, one) => sum + secondsOf(one), TWO_MAKERS_SECONDS) / 60);
}

function summary(figures) {
  return ["freeze", "longest freeze", "HD at 24 fps", "HD ceiling", "switches", "queue p95", "link drops", "voice concealed", "camera sent"]
    .filter((column) => column in figures)
    .map((column) => `${column} ${figures[column].toFixed(1)}`)
    .join(", ");
}

async function writeSeries(name, rows) {
  await writeFile(join(folder, `${name}.csv`), [SERIES.join(","), ...rows.map((row) => row.join(","))].join("\n") + "\n");
}

/** The median of the runs in every column, held against its target by the worst of them. */
function report(plan, policy) {
  const figures = done.filter((run) => run.plan === plan && run.policy === policy).map((run) => run.figures);
  const name = `browser ${plan.name}, ${wordFor(policy)}`;
  for (const [column, unit] of COLUMNS) {
    const values = figures.map((one) => one[column]).filter((value) => value !== undefined);
    if (values.length === 0) continue;
    const target = targetOf(plan, policy, column);
    if (target === "" || values.length > 1) results.add(`${name}: ${column}`, median(values), unit);
    if (target === "") continue;
    const worst = target.startsWith(">") ? Math.min(...values) : Math.max(...values);
    results.add(`${name}: ${column}${values.length > 1 ? `, worst of ${values.length}` : ""}`, worst, unit, target);
  }
}

/** Ours against the yardsticks, over all pairs of traces that every policy ran. */
function compare() {
  // Whatever the policy, nothing moves while a link is dark.
  const figure = ({ figures }, column) => figures[`${column} beyond outages`] ?? figures[column] ?? 0;
  const sum = (policy, column) => done.filter((run) => !run.plan.stepped && run.policy === policy).reduce((total, run) => total + figure(run, column), 0);
  const ratio = (one, other) => (other > 0 ? one / other : one > 0 ? NEVER : 0);
  const has = (policy) => done.some((run) => !run.plan.stepped && run.policy === policy);
  if (!has("two_loop")) return false;
  if (has("fixed_by_class")) results.add("browser traces: freeze time, two-loop over fixed-by-class", ratio(sum("two_loop", "freeze"), sum("fixed_by_class", "freeze")), "x", "<=0.5");
  if (has("bandwidth_only")) {
    results.add("browser traces: rung switches, two-loop over bandwidth-only", ratio(sum("two_loop", "switches"), sum("bandwidth_only", "switches")), "x", "<=0.5");
    results.add("browser traces: HD time, two-loop over bandwidth-only", ratio(sum("two_loop", "HD"), sum("bandwidth_only", "HD")), "x", ">=0.9");
    results.add("browser traces: HD time when eligible, two-loop over bandwidth-only", ratio(sum("two_loop", "HD when eligible"), sum("bandwidth_only", "HD when eligible")), "x", ">=0.9");
  }
  return has("fixed_by_class") || has("bandwidth_only");
}
