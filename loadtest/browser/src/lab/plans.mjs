// What the lab runs: schedules of steps on the patient's downlink, and pairs of traces.

import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";

import { root } from "../binaries.mjs";
import { Capacity } from "./capacity.mjs";

/** Measured traces lie beside the repository, where there are any. */
const measured = resolve(root, process.env.TRACES_DIR ?? "../shared/traces");
const synthetic = join(root, "loadtest/traces");

const HD_ENDS = { doctor: "wired", patient: "5g" };

/** The schedules on which other SFUs were measured: their lengths follow from the ceilings given there. */
const SCHEDULES = [
  { name: "5-2.5-0.6-5", title: "5 / 2.5 / 0.6 / 5 Mbit/s at 0 / 40 / 60 / 80 s", steps: [[0, 5_000], [40, 2_500], [60, 600], [80, 5_000]], seconds: 120 },
  { name: "5-0.5-5", title: "5 / 0.5 / 5 Mbit/s at 0 / 40 / 70 s", steps: [[0, 5_000], [40, 500], [70, 5_000]], seconds: 110 },
  { name: "4-blackout-2s", title: "4 Mbit/s, dark for 2 s at 30 s", steps: [[0, 4_000], [30, 0], [32, 4_000]], seconds: 60 },
];

/** The doctor's uplink and the patient's downlink, from a second of a trace on; `always` where a trace names no class. */
const PAIR_SECONDS = 90;
const MEASURED_PAIRS = [
  { name: "static-drive", uplink: ["ucc_5g_static_variable.csv", 450], downlink: ["ucc_5g_3g_drive.csv", 430] },
  { name: "drive-office", uplink: ["ucc_5g_3g_drive.csv", 200], downlink: ["solis_wifi_office.csv", 40, "wifi"] },
  { name: "drive-drive", uplink: ["ucc_5g_3g_drive.csv", 500], downlink: ["ucc_5g_4g_drive_c.csv", 195], isSpare: true },
];
const SYNTHETIC_PAIRS = [
  { name: "synthetic-wifi-5g", uplink: ["office_wifi.csv", 75], downlink: ["drive_5g.csv", 25] },
  { name: "synthetic-5g-4g", uplink: ["drive_5g.csv", 150], downlink: ["drive_4g.csv", 40], isSpare: true },
  { name: "synthetic-wifi-dark", uplink: ["office_wifi.csv", 0], downlink: ["blackout.csv", 0], isSpare: true },
];

/** The plans of these names, or those that are run by default, in an n-th of their time. */
export async function plansNamed(names, part) {
  const hasMeasured = existsSync(join(measured, MEASURED_PAIRS[0].downlink[0]));
  if (!hasMeasured) console.log(`no measured traces in ${measured} (TRACES_DIR): pairs of synthetic ones only`);
  const pairs = [
    ...(hasMeasured ? MEASURED_PAIRS.map((pair) => ({ ...pair, folder: measured })) : []),
    ...SYNTHETIC_PAIRS.map((pair) => ({ ...pair, folder: synthetic, isSpare: pair.isSpare && hasMeasured })),
  ];
  const known = [...SCHEDULES, ...pairs].map((plan) => plan.name);
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`no scenario ${unknown.join(", ")}; there are: ${known.join(", ")}`);
  const isWanted = (plan) => (names.length === 0 ? !plan.isSpare : names.includes(plan.name));
  return [
    ...SCHEDULES.filter(isWanted).map((plan) => schedulePlan(plan, part)),
    ...(await Promise.all(pairs.filter(isWanted).map((pair) => pairPlan(pair, part)))),
  ];
}

function schedulePlan({ name, title, steps, seconds }, part) {
  const length = seconds / part;
  const downlink = Capacity.schedule(steps.map(([at, kbps]) => [at / part, kbps]), length);
  return { name, title, stepped: true, seconds: length, uplink: Capacity.unlimited(length * 1_000), downlink, classes: HD_ENDS };
}

async function pairPlan({ name, folder, uplink, downlink }, part) {
  const seconds = PAIR_SECONDS / part;
  const read = ([file, from, always]) => Capacity.trace(join(folder, file), { from, seconds, always });
  const word = ([file, from]) => `${basename(file, ".csv")} from ${from} s`;
  const [up, down] = await Promise.all([read(uplink), read(downlink)]);
  return { name, title: `uplink ${word(uplink)}, downlink ${word(downlink)}`, stepped: false, seconds, uplink: up, downlink: down, classes: HD_ENDS };
}
