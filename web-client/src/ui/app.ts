// The page: renders the state of the call, and carries out what the buttons ask for.

import type { Call } from "../call/call.js";
import type { CallState } from "../call/call-state.js";
import type { Cancel, Clock } from "../lifetime/clock.js";
import { playTestTone, watchLevel, type MicrophoneLevel } from "../rtc/audio-check.js";
import type { Capture } from "../rtc/capture.js";
import type { Actions } from "./actions.js";
import { h, render, type VNode } from "./dom.js";
import { endedView, openingView } from "./ended-view.js";
import { icon } from "./icons.js";
import { lobbyView } from "./lobby-view.js";
import { playAll } from "./media-elements.js";
import { roomView } from "./room-view.js";
import { WakeLock } from "./wake-lock.js";
import { otherLanguage, WORDS } from "./words/language.js";
import type { Language, Words } from "./words/words.js";

/** What the page is made of. */
export type AppParts = {
  readonly root: HTMLElement;
  readonly announcer: HTMLElement;
  /** Null where the link has no token. */
  readonly call: Call | null;
  readonly capture: Capture;
  readonly clock: Clock;
  readonly language: Language;
  readonly name: string;
  readonly rememberLanguage: (language: Language) => void;
  readonly rememberName: (name: string) => void;
};

/** The page of one participant. */
export class App {
  readonly #parts: AppParts;
  readonly #wakeLock = new WakeLock();
  readonly #actions: Actions;
  #language: Language;
  #name: string;
  #level: MicrophoneLevel | null = null;
  #audio: AudioContext | null = null;
  #watched: { readonly track: MediaStreamTrack; readonly stop: Cancel } | null = null;
  #sound: "plays" | "blocked" = "plays";
  #leaving: "no" | "asked" = "no";
  #why: "closed" | "open" = "closed";
  #shownPhase: CallState["phase"] | null = null;
  #announced = 0;
  #scheduled = false;

  constructor(parts: AppParts) {
    this.#parts = parts;
    this.#language = parts.language;
    this.#name = parts.name;
    this.#actions = this.#makeActions();
    parts.call?.subscribe(() => {
      this.#schedule();
    });
    parts.capture.subscribe(() => {
      this.#schedule();
    });
    this.#schedule();
  }

  get #words(): Words {
    return WORDS[this.#language];
  }

  /** Renders soon, and once for many changes. A hidden page renders too: its voices must be heard. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#render();
    });
  }

  #render(): void {
    const state = this.#parts.call?.state ?? null;
    document.documentElement.lang = this.#language;
    document.documentElement.dataset["phase"] = state?.phase ?? "ended";
    document.title =
      state !== null && "consult" in state && state.consult !== null
        ? `${state.consult.subject} · ${this.#words.product}`
        : this.#words.product;
    this.#measureVoice(state);
    render(this.#parts.root, [this.#frame(state), this.#view(state)]);
    this.#wakeLock.want(state?.phase === "inCall");
    if (state !== null) this.#announce(state);
    this.#moveFocus(state?.phase ?? "ended");
  }

  #frame(state: CallState | null): VNode | string {
    if (state?.phase === "inCall") return "";
    return h(
      "div",
      { key: "frame", class: "frame" },
      h(
        "span",
        { class: "brand" },
        h("span", { class: "brand-mark", attributes: { "aria-hidden": "true" } }),
        this.#words.product,
      ),
      h(
        "button",
        {
          class: "quiet-button",
          attributes: {
            type: "button",
            lang: otherLanguage(this.#language),
            "aria-label": this.#words.otherLanguageHint,
            "data-control": "language",
          },
          on: { click: this.#actions.switchLanguage },
        },
        icon("language"),
        this.#words.otherLanguage,
      ),
    );
  }

  #view(state: CallState | null): VNode {
    const { capture, call } = this.#parts;
    const words = this.#words;
    switch (state?.phase) {
      case undefined:
        return endedView({ by: "no_token" }, words, this.#actions);
      case "opening":
        return openingView(state.attempt, words);
      case "lobby":
      case "joining":
        return lobbyView({ state, capture: capture.state, level: this.#level, name: this.#name }, words, this.#actions);
      case "inCall":
        return roomView(
          {
            state,
            capture: capture.state,
            received: (track) => call?.link?.received(track) ?? null,
            sound: this.#sound,
            leaving: this.#leaving,
            why: this.#why,
          },
          words,
          this.#actions,
        );
      case "ended":
        return endedView(state.end, words, this.#actions);
    }
  }

  #makeActions(): Actions {
    const { call, capture } = this.#parts;
    return {
      switchLanguage: () => {
        this.#language = otherLanguage(this.#language);
        this.#parts.rememberLanguage(this.#language);
        this.#schedule();
      },
      setName: (name) => {
        this.#name = name;
      },
      join: () => {
        this.#join();
      },
      setCamera: (on) => {
        if (on) void capture.open("camera");
        else capture.close("camera");
      },
      setMicrophone: (on) => {
        if (on) void capture.open("microphone");
        else capture.close("microphone");
      },
      chooseCamera: (id) => void capture.open("camera", id),
      chooseMicrophone: (id) => void capture.open("microphone", id),
      testMicrophone: () => void this.#context().resume(),
      testSound: () => void playTestTone(this.#context()),
      askToLeave: (asking) => {
        this.#leaving = asking ? "asked" : "no";
        this.#schedule();
      },
      leave: () => call?.leave(),
      askWhy: (open) => {
        this.#why = open ? "open" : "closed";
        call?.watchDecisions(open);
        this.#schedule();
      },
      playSound: () => {
        void playAll(this.#parts.root).then((plays) => {
          this.#sound = plays ? "plays" : "blocked";
          this.#schedule();
        });
      },
      soundBlocked: () => {
        this.#sound = "blocked";
        this.#schedule();
      },
      rejoin: () => {
        location.reload();
      },
      tileShown: (track, lines) => call?.tileShown(track, lines),
      frameShown: (track, lines) => call?.link?.frameShown(track, this.#parts.clock.now(), lines),
    };
  }

  #join(): void {
    const { call } = this.#parts;
    if (call?.state.phase !== "lobby") return;
    // Nobody is kept waiting for want of a name: the role says who comes.
    const name = this.#name.trim() || this.#words.role[call.state.consult.role];
    this.#parts.rememberName(this.#name.trim());
    call.join(name);
  }

  /** Measures the microphone in the lobby only. */
  #measureVoice(state: CallState | null): void {
    const { microphone } = this.#parts.capture.state;
    const wanted = state?.phase === "lobby" && microphone.state === "live" ? microphone.track : null;
    if (this.#watched?.track === wanted || (this.#watched === null && wanted === null)) return;
    this.#watched?.stop();
    this.#watched = null;
    this.#level = null;
    if (wanted === null) return;
    const stop = watchLevel(wanted, this.#context(), this.#parts.clock, (level) => {
      this.#level = level;
      this.#schedule();
    });
    this.#watched = { track: wanted, stop };
  }

  #context(): AudioContext {
    this.#audio ??= new AudioContext();
    return this.#audio;
  }

  #announce(state: CallState): void {
    const happening = state.phase === "inCall" ? state.room.happening : null;
    if (happening === null || happening.number === this.#announced) return;
    this.#announced = happening.number;
    this.#parts.announcer.textContent = this.#words.happened[happening.what]({
      name: happening.name,
      role: this.#words.role[happening.role],
    });
  }

  /** A new page begins at its heading, also for those who do not see it. */
  #moveFocus(phase: CallState["phase"]): void {
    const before = this.#shownPhase;
    this.#shownPhase = phase;
    if (before === null || before === phase || phase === "joining") return;
    this.#parts.root.querySelector("h1")?.focus();
  }
}
