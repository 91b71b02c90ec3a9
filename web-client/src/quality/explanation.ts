// What the decisions of the gateway mean for one viewer: for every picture a ladder with the step it is on, what
// closes the steps above, and how far the measured bandwidth reaches.

import type {
  DecisionChange,
  HdReason,
  NetworkDecision,
  PairDecision,
  ParticipantDecision,
  ParticipantId,
  RoomDecisions,
  Rung,
  UplinkDecision,
} from "../protocol/messages.js";

/** What can close a step of the ladder, bandwidth apart. */
export type Limit = "classes" | "permission" | "tile" | "publisher" | "codec";

/** What holds back what somebody sends: what its upload was found to carry, its device, or what its browser says. */
export type UplinkHold = "upload" | "device" | "browser_upload" | "browser_other";

/** What a step of the ladder is for this picture. */
export type Step = {
  readonly rung: Rung;
  readonly state:
    | { readonly is: "passed" }
    | { readonly is: "now" }
    /** Nothing but bandwidth, or a moment, is missing; with what it takes where that is known. */
    | { readonly is: "open"; readonly needsBps: number | null }
    | { readonly is: "closed"; readonly by: Limit };
};

/** Why one picture is what it is. */
export type Explanation = {
  readonly pair: PairDecision;
  /** The publisher; undefined where the gateway says nothing of it. */
  readonly publisher: ParticipantDecision | undefined;
  readonly own: ParticipantDecision | undefined;
  /** From the top down. */
  readonly ladder: readonly Step[];
  /** How far up the ladder the bandwidth for this picture reaches: 0 is its foot, 1 its top. */
  readonly reach: number;
  /** What this picture may cost. */
  readonly purseBps: number;
  /** What the publisher gets of this viewer's camera. */
  readonly back: PairDecision | undefined;
};

/** Rungs that change nothing but what they cost: enough to place a bandwidth between two steps. */
const PRICES: Record<Rung, number> = {
  audio_only: 0,
  "180p": 150_000,
  "360p": 400_000,
  "480p": 750_000,
  "720p": 1_700_000,
  "1080p": 3_200_000,
};

const RUNGS = Object.keys(PRICES) as readonly Rung[];

/** Every picture that `viewer` gets, explained. */
export function explain(decisions: RoomDecisions, viewer: ParticipantId): Explanation[] {
  const about = (id: ParticipantId): ParticipantDecision | undefined =>
    decisions.participants.find(({ participant }) => participant === id);
  const own = about(viewer);
  return decisions.pairs
    .filter((pair) => pair.subscriber === viewer)
    .map((pair) => {
      const rungs = RUNGS.slice(0, pair.source === "screen" ? RUNGS.length : RUNGS.indexOf("720p") + 1);
      const purseBps = purse(pair, own);
      return {
        pair,
        publisher: about(pair.publisher),
        own,
        ladder: [...rungs].reverse().map((rung) => ({ rung, state: stateOf(rung, pair) })),
        reach: reach(pair, purseBps, rungs),
        purseBps,
        back: decisions.pairs.find(
          (other) => other.publisher === viewer && other.subscriber === pair.publisher && other.source === "camera",
        ),
      };
    });
}

/** The newest changes first, and no more than a person reads. */
export function latest(decisions: RoomDecisions, count: number): DecisionChange[] {
  return decisions.changes.slice(-count).reverse();
}

/** Whether there is anything to say for a network besides its class. */
export function isDoubtful(network: NetworkDecision): boolean {
  return network.contradicted || !network.proven;
}

/** What closes a step: of all that does, what a person would have to change first. */
export function limitOf(rung: Rung, { allows }: PairDecision): Limit | null {
  const order: readonly Limit[] = ["publisher", "classes", "permission", "tile"];
  // Without a codec in common nothing else matters; a size that the codec leaves out matters last.
  const all: readonly Limit[] = allows.codec === "audio_only" ? ["codec", ...order] : [...order, "codec"];
  return all.find((limit) => above(rung, allows[limit])) ?? null;
}

/** Why HD is missing where a sender may be the cause; what it was that has just failed, `cool_down` does not say. */
const BY_SENDER: readonly HdReason[] = ["uplink_unproven", "encoder_limited", "cool_down"];

/** Whether it may be the sender that holds a picture, by its uplink or its device. */
export function isHeldBySender({ reason, hd }: PairDecision): boolean {
  return reason === "publisher" || (reason === "hd_permission" && BY_SENDER.includes(hd));
}

/** What holds an uplink back, what was measured before what a browser says; null where nothing does. */
export function uplinkHold({ carries_bps, encoder }: UplinkDecision): UplinkHold | null {
  if (encoder === "cpu") return "device";
  if (carries_bps !== null) return "upload";
  switch (encoder) {
    case "bandwidth":
      return "browser_upload";
    case "other":
      return "browser_other";
    case "none":
      return null;
  }
}

function stateOf(rung: Rung, pair: PairDecision): Step["state"] {
  if (rung === pair.gets.rung) return { is: "now" };
  if (above(pair.gets.rung, rung)) return { is: "passed" };
  const by = limitOf(rung, pair);
  if (by !== null) return { is: "closed", by };
  return { is: "open", needsBps: pair.next?.rung === rung ? pair.next.needs_bps : null };
}

function above(rung: Rung, other: Rung): boolean {
  return RUNGS.indexOf(rung) > RUNGS.indexOf(other);
}

function purse({ gets }: PairDecision, own: ParticipantDecision | undefined): number {
  if (own === undefined) return gets.price_bps;
  const { budget_bps, spent_bps } = own.downlink;
  return Math.max(0, budget_bps - Math.max(0, spent_bps - gets.price_bps));
}

/** Between two steps in proportion to their prices; but what flows is carried, and what lacks bandwidth is not reached. */
function reach({ gets, next }: PairDecision, purseBps: number, rungs: readonly Rung[]): number {
  const place = (rung: Rung): number => rungs.indexOf(rung) / (rungs.length - 1);
  const upper = rungs.findIndex((rung) => PRICES[rung] > purseBps);
  const step = 1 / (rungs.length - 1);
  let reached = 1;
  if (upper > 0) {
    const [from, to] = [PRICES[rungs[upper - 1] ?? "audio_only"], PRICES[rungs[upper] ?? "audio_only"]];
    reached = (upper - 1 + (purseBps - from) / (to - from)) * step;
  }
  reached = Math.max(reached, place(gets.rung));
  if (next === null || !rungs.includes(next.rung) || next.rung === gets.rung) return reached;
  return next.missing_bps > 0 ? Math.min(reached, place(next.rung) - step / 5) : Math.max(reached, place(next.rung));
}
