// After the call, or instead of it: what happened, and the way back where there is one.

import type { SessionEnd } from "../signaling/session.js";
import type { Actions } from "./actions.js";
import { h, type VNode } from "./dom.js";
import type { Words } from "./words/words.js";

/** A page without a token has nothing to open. */
export type Closing = SessionEnd | { readonly by: "no_token" };

type Closed = { readonly title: string; readonly hint: string; readonly button: string | null };

/** The last page. */
export function endedView(closing: Closing, words: Words, actions: Actions): VNode {
  const { title, hint, button } = closed(closing, words);
  return h(
    "main",
    { key: "ended", class: "ended" },
    h(
      "div",
      { class: "card" },
      h("h1", { attributes: { tabindex: -1 } }, title),
      h("p", {}, hint),
      button === null
        ? null
        : h(
            "button",
            {
              class: "main-button",
              attributes: { type: "button", "data-control": "rejoin" },
              on: { click: actions.rejoin },
            },
            button,
          ),
    ),
  );
}

/** While the link is being opened. */
export function openingView(attempt: number, words: Words): VNode {
  return h(
    "main",
    { key: "opening", class: "ended" },
    h(
      "div",
      { class: "card", attributes: { role: "status" } },
      h("span", { class: "spinner" }),
      h("h1", { attributes: { tabindex: -1 } }, attempt > 2 ? words.openingAgain : words.opening),
    ),
  );
}

function closed(closing: Closing, words: Words): Closed {
  switch (closing.by) {
    case "no_token":
      return { ...words.noToken, button: null };
    case "client":
      return { ...words.ended.left, button: words.rejoin };
    case "unreachable":
      return { ...words.unreachable, button: words.rejoin };
    case "refusal":
      return {
        title: words.refusedTitle,
        hint: words.refused[closing.code],
        button: canRetry(closing.code) ? words.rejoin : null,
      };
    case "gateway":
      return afterEnd(closing.reason, words);
  }
}

function afterEnd(reason: Extract<SessionEnd, { by: "gateway" }>["reason"], words: Words): Closed {
  switch (reason) {
    case "consult_closed":
      return { ...words.ended.consult_closed, button: null };
    case "replaced":
      return { ...words.ended.replaced, button: words.takeOver };
    case "left":
    case "timed_out":
    case "too_slow":
    case "shutdown":
      return { ...words.ended[reason], button: words.rejoin };
  }
}

function canRetry(code: Extract<SessionEnd, { by: "refusal" }>["code"]): boolean {
  switch (code) {
    case "token_invalid":
    case "token_expired":
    case "consult_closed":
    case "forbidden":
      return false;
    case "malformed_message":
    case "unsupported_version":
    case "hello_expected":
    case "session_lost":
    case "not_joined":
    case "name_invalid":
    case "offer_rejected":
    case "unknown_track":
    case "room_full":
    case "rate_limited":
    case "media_unavailable":
    case "internal":
      return true;
  }
}
