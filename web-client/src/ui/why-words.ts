// What the gateway's decisions and their history say in plain words.

import type {
  DecisionChange,
  PairDecision,
  PairQuality,
  Participant,
  ParticipantDecision,
  ParticipantId,
} from "../protocol/messages.js";
import type { Words } from "./words/words.js";

/** A decision as a badge would show it. */
export function pairQuality(
  pair: PairDecision,
  publisher: ParticipantDecision | undefined,
  subscriber: ParticipantDecision | undefined,
): PairQuality {
  return {
    track: pair.track,
    publisher: pair.publisher,
    publisher_class: publisher?.network.class ?? "unknown",
    subscriber_class: subscriber?.network.class ?? "unknown",
    rung: pair.gets.rung,
    rung_reason: pair.reason,
    hd: pair.hd,
  };
}

/** A change, as `viewer` is told of it. */
export function changeWords(
  words: Words,
  change: DecisionChange,
  viewer: ParticipantId,
  others: readonly Participant[],
): string {
  const { why } = words;
  const name = (id: ParticipantId): string =>
    id === viewer ? words.you : (others.find((other) => other.id === id)?.name ?? why.somebody);
  const picture = (publisher: ParticipantId, subscriber: ParticipantId): string =>
    subscriber === viewer ? why.pictureOf(name(publisher)) : why.pictureFor(name(subscriber));
  switch (change.what) {
    case "hd":
      return why.hdChanged(
        picture(change.publisher, change.subscriber),
        change.permitted ? null : why.hdWithdrawn[change.reason],
      );
    case "rung":
      return why.changed(
        picture(change.publisher, change.subscriber),
        words.rung[change.from],
        words.rung[change.to],
        why.cause[change.cause],
      );
    case "network_class":
      return why.changed(
        change.participant === viewer ? why.yourNetwork : why.networkOf(name(change.participant)),
        words.network[change.from],
        words.network[change.to],
        null,
      );
    case "uplink":
      return why.sends(
        name(change.publisher),
        change.sends.map((rung) => words.rung[rung]),
        why.cause[change.cause],
      );
    case "connection":
      return change.lost ? why.lost(name(change.participant)) : why.back(name(change.participant));
  }
}
