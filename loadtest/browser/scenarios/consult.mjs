// Runs the scenarios of a consult that are named on the command line, or all of them.

import { Results } from "../src/results.mjs";
import { dashboards } from "./dashboards.mjs";
import { downlinkStep } from "./downlink-step.mjs";
import { garbage } from "./garbage.mjs";
import { hd } from "./hd.mjs";
import { loss } from "./loss.mjs";
import { rooms } from "./rooms.mjs";

const scenarios = { hd, "downlink-step": downlinkStep, loss, rooms, dashboards, garbage };
const named = process.argv.slice(2);
const unknown = named.filter((name) => !(name in scenarios));
if (unknown.length > 0) {
  console.error(`no scenario ${unknown.join(", ")}; there are: ${Object.keys(scenarios).join(", ")}`);
  process.exit(2);
}
const results = new Results("consult", "make consult");
for (const [name, scenario] of Object.entries(scenarios)) {
  if (named.length > 0 && !named.includes(name)) continue;
  console.log(`\n${name}`);
  await scenario(results);
}
