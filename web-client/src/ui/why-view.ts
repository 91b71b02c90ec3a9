// Why the pictures are what they are: a panel for clinicians, with a ladder per picture and the latest changes.

import type { InCall } from "../call/call-state.js";
import type { NetworkDecision, PairDecision, ParticipantDecision } from "../protocol/messages.js";
import {
  explain,
  isDoubtful,
  isHeldBySender,
  latest,
  uplinkHold,
  type Explanation,
  type Step,
} from "../quality/explanation.js";
import type { Actions } from "./actions.js";
import { h, type Child, type VNode } from "./dom.js";
import { icon } from "./icons.js";
import { reasonWords, tone } from "./quality-words.js";
import { changeWords, pairQuality } from "./why-words.js";
import type { UplinkWords, Words } from "./words/words.js";

/** Changes that are shown: a glance, and not a log. */
const SHOWN_CHANGES = 6;

/** The panel. */
export function whyView({ room, consult }: InCall, words: Words, actions: Actions): VNode {
  const { decisions } = room;
  const close = (): void => {
    actions.askWhy(false);
  };
  return h(
    "aside",
    {
      key: "why",
      class: "why",
      attributes: { "aria-labelledby": "why-title", "data-state": decisions === null ? "asking" : "told" },
      on: {
        keydown: (event) => {
          if (event.key === "Escape") close();
        },
      },
    },
    h(
      "header",
      { class: "why-head" },
      h("h2", { attributes: { id: "why-title" } }, words.why.title),
      h(
        "button",
        {
          class: "why-close",
          attributes: { type: "button", "aria-label": words.why.close, "data-control": "why-close" },
          on: { click: close },
          mounted: (element) => {
            (element as HTMLElement).focus();
            return () => undefined;
          },
        },
        icon("close"),
      ),
    ),
    h(
      "div",
      { class: "why-body" },
      ...(decisions === null
        ? [h("p", { class: "why-soft", attributes: { role: "status" } }, words.why.asking)]
        : [
            ...explain(decisions, consult.participant).map((one) => card(one, room, words)),
            decisions.pairs.some((pair) => pair.subscriber === consult.participant)
              ? null
              : h("p", { class: "why-soft" }, words.why.nobody),
            history(
              latest(decisions, SHOWN_CHANGES).map((change) => ({
                ago: words.why.ago(change.ago_ms),
                text: changeWords(words, change, consult.participant, room.participants),
              })),
              words,
            ),
          ]),
    ),
  );
}

function card(one: Explanation, room: InCall["room"], words: Words): VNode {
  const { pair } = one;
  const person = room.participants.find(({ id }) => id === pair.publisher);
  const quality = pairQuality(pair, one.publisher, one.own);
  const name = person?.name ?? "";
  return h(
    "section",
    {
      key: `why ${pair.track}`,
      class: `why-card why-${tone(quality)}`,
      attributes: { "data-rung": pair.gets.rung, "data-reason": pair.reason, "data-publisher": pair.publisher },
    },
    h(
      "h3",
      {},
      pair.source === "screen" ? words.screenOf(name) : name,
      person === undefined ? null : h("span", { class: "why-role" }, words.role[person.role]),
    ),
    h("p", { class: "why-now" }, words.rung[pair.gets.rung]),
    h("p", { class: "why-facts" }, facts(pair, words)),
    h("p", { class: "why-reason" }, reasonWords(words, quality)),
    ladder(one, words),
    h("p", { class: "why-next" }, nextWords(one, words)),
    heldUplink(pair, one.publisher, words.why.theirUplink),
    one.back === undefined ? null : h("p", { class: "why-soft" }, backWords(one.back, words)),
    heldUplink(one.back, one.own, words.why.yourUplink),
    evidence(one, words),
  );
}

function facts({ gets, for_ms }: PairDecision, words: Words): string {
  const parts =
    gets.lines === 0 || gets.frame_rate === 0
      ? []
      : [words.why.lines(gets.lines), words.why.frames(gets.frame_rate), words.why.rate(gets.price_bps)];
  return [...parts, words.why.since(for_ms)].join(" · ");
}

/** Rungs from the top down, and beside them how far the measured bandwidth reaches. */
function ladder({ ladder: steps, reach, purseBps }: Explanation, words: Words): VNode {
  return h(
    "div",
    { class: "ladder" },
    h(
      "div",
      {
        class: "ladder-gauge",
        variables: { "--reach": reach.toFixed(3), "--steps": String(steps.length) },
        attributes: { role: "img", "aria-label": words.why.carries(purseBps) },
      },
      h("span", { class: "ladder-fill" }),
    ),
    h("ol", { class: "ladder-steps", attributes: { reversed: true } }, ...steps.map((step) => stepView(step, words))),
    h("p", { class: "ladder-legend" }, h("span", { class: "ladder-key" }), words.why.carries(purseBps)),
  );
}

function stepView({ rung, state }: Step, words: Words): VNode {
  return h(
    "li",
    { class: `step step-${state.is}`, attributes: { "data-step": rung, "data-is": state.is } },
    h("span", { class: "step-rung" }, words.rung[rung]),
    h("span", { class: "step-word" }, ...stepWords(state, words)),
  );
}

function stepWords(state: Step["state"], words: Words): Child[] {
  switch (state.is) {
    case "now":
      return [words.why.now];
    case "passed":
      return [];
    case "open":
      return [state.needsBps === null ? "" : words.why.needs(state.needsBps)];
    case "closed":
      return [icon("lock"), words.why.closed[state.by]];
  }
}

function nextWords({ pair, ladder: steps }: Explanation, words: Words): string {
  const { next } = pair;
  if (pair.reason === "publisher_lost" || pair.reason === "muted" || pair.allows.codec === "audio_only") return "";
  if (next === null) return words.why.top;
  if (next.rung === pair.gets.rung) return words.why.moreFrames(next.needs_bps, next.missing_bps);
  const closed = steps.find((step) => step.rung === next.rung)?.state;
  if (closed?.is === "closed") return words.why.nextClosed(words.rung[next.rung], words.why.closed[closed.by]);
  return words.why.next(words.rung[next.rung], next.needs_bps, next.missing_bps);
}

function backWords({ gets, reason }: PairDecision, words: Words): string {
  return words.why.theySee(words.rung[gets.rung], words.why.theirReason[reason]);
}

/** What holds back the sender of a picture, where the sender is what holds it; else that is part of the evidence. */
function heldUplink(
  pair: PairDecision | undefined,
  sender: ParticipantDecision | undefined,
  words: UplinkWords,
): VNode | null {
  if (pair === undefined || sender === undefined || sender.lost || !isHeldBySender(pair)) return null;
  const hold = uplinkHold(sender.uplink);
  if (hold === null) return null;
  return h("p", { class: "why-uplink", attributes: { "data-uplink": hold } }, uplinkWords(sender, words) ?? "");
}

function uplinkWords({ uplink }: ParticipantDecision, words: UplinkWords): string | null {
  const hold = uplinkHold(uplink);
  if (hold === "upload") return words.upload(uplink.carries_bps ?? uplink.arriving_bps);
  if (hold !== null) return words[hold];
  return uplink.arriving_bps > 0 ? words.free(uplink.arriving_bps) : null;
}

function evidence({ publisher, own }: Explanation, words: Words): VNode {
  return h(
    "details",
    { class: "why-evidence" },
    h("summary", {}, words.why.evidence),
    ...[[words.why.theirNetwork, publisher?.network] as const, [words.why.yourNetwork, own?.network] as const].flatMap(
      ([whose, network]) => (network === undefined ? [] : [networkView(whose, network, words)]),
    ),
    own === undefined
      ? null
      : h("p", {}, words.why.budget(own.downlink.estimate_bps, own.downlink.audio_bps, own.downlink.budget_bps)),
    ...[
      publisher === undefined || publisher.lost ? null : uplinkWords(publisher, words.why.theirUplink),
      own === undefined ? null : uplinkWords(own, words.why.yourUplink),
    ].map((text) => (text === null ? null : h("p", {}, text))),
  );
}

function networkView(whose: string, network: NetworkDecision, words: Words): VNode {
  return h(
    "div",
    {},
    h("p", {}, words.why.verdict(whose, words.network[network.class], network.confidence_percent)),
    h(
      "ul",
      {},
      ...network.evidence.map((one) =>
        h("li", {}, words.why.says(words.why.from[one.from], words.network[one.class], one.tier)),
      ),
      network.evidence.length === 0 ? h("li", {}, words.why.noEvidence) : null,
    ),
    network.evidence.length > 0 && isDoubtful(network)
      ? h("p", { class: "why-doubt" }, network.contradicted ? words.why.contradicted : words.why.unproven)
      : null,
  );
}

function history(changes: readonly { readonly ago: string; readonly text: string }[], words: Words): VNode | null {
  if (changes.length === 0) return null;
  return h(
    "section",
    { key: "why history", class: "why-history" },
    h("h3", {}, words.why.history),
    h(
      "ol",
      {},
      ...changes.map(({ ago, text }) => h("li", {}, h("span", { class: "why-ago" }, ago), h("span", {}, text))),
    ),
  );
}
