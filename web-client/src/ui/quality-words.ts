// What a pair's quality means, in plain words.

import type { NetworkClass, PairQuality, Role, Rung, Track } from "../protocol/messages.js";
import { LINES } from "../rtc/uplink-plan.js";
import type { Weaker, Words } from "./words/words.js";

/** ATA core guidelines, 2014: below this a consult is clinically impaired. */
const CLINICAL_FLOOR: Rung = "480p";
const HD: Rung = "720p";

/** What a network class usually carries; equal ones are equally strong. */
const STRENGTH: Record<NetworkClass, number> = {
  wired: 5,
  wifi: 5,
  "5g": 5,
  "4g": 4,
  unknown: 3,
  cell: 3,
  "3g": 2,
  "2g": 1,
};

/** The networks of both ends and the rung, such as "对方 4G · 您 5G · 480p 标清". */
export function badgeWords(words: Words, pair: PairQuality): string {
  const networks = words.bothNetworks(words.network[pair.publisher_class], words.network[pair.subscriber_class]);
  return `${networks} · ${words.rung[pair.rung]}`;
}

/** Why the rung is what it is. */
export function reasonWords(words: Words, pair: PairQuality): string {
  const reason = pair.rung_reason;
  switch (reason) {
    case "best":
      return isHd(pair.rung) ? words.best.hd : words.best.other;
    case "class":
      return classWords(words, pair);
    case "hd_permission":
      return hdWords(words, pair);
    case "downlink":
    case "publisher":
    case "viewport":
    case "muted":
    case "awaiting_keyframe":
    case "publisher_lost":
      return words.rungReason[reason];
    case "codec":
      return pair.rung === "audio_only" ? words.codec.undecodable : words.codec.coarse;
  }
}

function hdWords(words: Words, pair: PairQuality): string {
  switch (pair.hd) {
    case "publisher_class":
      return networkWords(words, "other", pair.publisher_class);
    case "subscriber_class":
      return networkWords(words, "own", pair.subscriber_class);
    case "granted":
    case "evidence_weak":
    case "dwell":
    case "uplink_unproven":
    case "downlink_unproven":
    case "round_trip":
    case "loss":
    case "jitter":
    case "encoder_limited":
    case "cool_down":
      return words.hdReason[pair.hd];
  }
}

function classWords(words: Words, pair: PairQuality): string {
  const difference = STRENGTH[pair.publisher_class] - STRENGTH[pair.subscriber_class];
  if (pair.publisher_class === pair.subscriber_class) return networkWords(words, "both", pair.publisher_class);
  return difference <= 0
    ? networkWords(words, "other", pair.publisher_class)
    : networkWords(words, "own", pair.subscriber_class);
}

function networkWords(words: Words, weaker: Weaker, network: NetworkClass): string {
  return network === "unknown" ? words.classUnknown(weaker) : words.classHolds(weaker, words.network[network]);
}

/** How a badge looks: good, held back for a while or by choice, or below what medicine wants. */
export function tone(pair: PairQuality): "good" | "held" | "weak" {
  if (isBelowFloor(pair) || pair.rung_reason === "publisher_lost" || isUndecodable(pair)) return "weak";
  return isHd(pair.rung) || pair.rung_reason === "best" || fillsItsTile(pair) ? "good" : "held";
}

/** Whether a picture is small because its tile is, and no smaller than medicine wants. */
function fillsItsTile({ rung, rung_reason }: PairQuality): boolean {
  return rung_reason === "viewport" && LINES[rung] >= LINES[CLINICAL_FLOOR];
}

/** Whether there is no picture because this browser cannot decode what comes. */
export function isUndecodable(pair: PairQuality): boolean {
  return pair.rung_reason === "codec" && pair.rung === "audio_only";
}

/** Whether a picture is left below the clinical floor; a small or dark tile, or none that could be seen, is not meant. */
export function isBelowFloor(pair: PairQuality): boolean {
  switch (pair.rung_reason) {
    case "viewport":
    case "muted":
    case "awaiting_keyframe":
    case "publisher_lost":
      return false;
    case "best":
    case "class":
    case "hd_permission":
    case "downlink":
    case "publisher":
      return LINES[pair.rung] < LINES[CLINICAL_FLOOR];
    case "codec":
      return !isUndecodable(pair) && LINES[pair.rung] < LINES[CLINICAL_FLOOR];
  }
}

/** The honest word above a call whose pictures are below the floor; null while none is. */
export function floorWords(
  words: Words,
  pairs: readonly PairQuality[],
  tracks: readonly Track[],
  role: Role,
): string | null {
  const below = pairs.some(
    (pair) =>
      isBelowFloor(pair) &&
      tracks.some((track) => track.id === pair.track && track.source === "camera" && !track.muted),
  );
  if (!below) return null;
  return role === "clinician" ? words.belowFloor.clinician : words.belowFloor.other;
}

function isHd(rung: Rung): boolean {
  return LINES[rung] >= LINES[HD];
}
