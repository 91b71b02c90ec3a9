// What the figures of a run have to be.

/** On schedules of steps; the worst run counts. */
const STEPPED = {
  "HD at 24 fps below the ceiling": "<=4",
  "back to HD": "<=3",
  "back to floor": "<=8",
  "longest over 1.5x": "<=200",
  downgrade: "<=500",
  "queue p95": "<=150",
  "link drops": "<=1",
};

/** Where the link never goes dark. */
const WITHOUT_OUTAGE = { freeze: "<=0.5", "longest freeze": "<=0.5", "voice concealed": "<=0.3" };

/** Where it does: beyond what nobody can do anything about, and how things come back. */
const WITH_OUTAGE = {
  "freeze beyond outages": "<=0.5",
  "longest beyond outages": "<=0.5",
  "concealed beyond outages": "<=0.3",
  "voice back": "<=300",
  "picture back": "<=1000",
  "estimate back": "<=5",
  PLI: "<=2",
};

/** On traces, of people who move. */
const TRACES = { overload: "<=2", switches: "<=3", "HD flips": "<=0.3" };

/** What the camera has to send at its best: less, and the machine was too busy for the figures of the run to count. */
export const LEAST_CAMERA_FPS = 24;

/** The target of a column; empty where there is none. Yardsticks have none, but their runs have to count too. */
export function targetOf(plan, policy, column) {
  if (column === "camera sent") return `>=${LEAST_CAMERA_FPS}`;
  if (policy !== "two_loop") return "";
  const outage = plan.downlink.outages.length > 0;
  if (!plan.stepped) return TRACES[column] ?? (column === (outage ? "freeze beyond outages" : "freeze") ? "<=2" : "");
  return STEPPED[column] ?? (outage ? WITH_OUTAGE : WITHOUT_OUTAGE)[column] ?? "";
}
