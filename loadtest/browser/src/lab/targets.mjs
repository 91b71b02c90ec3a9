// What the figures of a run have to be.

/** On schedules of steps; the worst run counts. */
const STEPPED = {
  "HD at 24 fps below the ceiling": "<=4",
  "offered rate fits after a drop": "<=0.5",
  "longest time above 1.5 of capacity": "<=200",
  "link drops": "<=1",
  "voice concealed": "<=0.3",
  "720 lines at 24 fps again after the rise": "<=3",
  "queue p95": "<=150",
  "480 lines again after the rise": "<=8",
};

/** Where the link never goes dark. */
const WITHOUT_OUTAGE = { freeze: "<=0.5", "longest time without a new picture": "<=0.5" };

/** Where it does: beyond what nobody can do anything about, and how things come back. */
const WITH_OUTAGE = {
  "freeze beyond outages": "<=0.5",
  "longest time without a new picture beyond outages": "<=0.5",
  "voice again after the outage": "<=300",
  "picture again after the outage": "<=1000",
  "estimate at 80 % again after the outage": "<=5",
  "key frames asked for around the outage": "<=2",
};

/** On traces, of people who move. */
const TRACES = {
  "overloaded seconds": "<=2",
  "rung switches": "<=3",
  "permission flips": "<=0.3",
};

/** The target of a column; empty where there is none. Yardsticks have none. */
export function targetOf(plan, policy, column) {
  if (policy !== "two_loop") return "";
  const outage = plan.downlink.outages.length > 0;
  if (!plan.stepped) return TRACES[column] ?? (column === (outage ? "freeze beyond outages" : "freeze") ? "<=2" : "");
  return STEPPED[column] ?? (outage ? WITH_OUTAGE : WITHOUT_OUTAGE)[column] ?? "";
}
