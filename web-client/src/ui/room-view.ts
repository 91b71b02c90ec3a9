// The call: who is there, how well it goes, and three buttons.

import { trackOf, watchersOf } from "../call/call-reducer.js";
import type { InCall, Room } from "../call/call-state.js";
import type { Track } from "../protocol/messages.js";
import type { CaptureState } from "../rtc/capture.js";
import type { Actions } from "./actions.js";
import { control, deviceControls } from "./device-controls.js";
import { h, type VNode } from "./dom.js";
import { icon } from "./icons.js";
import { voiceElement } from "./media-elements.js";
import { floorWords } from "./quality-words.js";
import { selfView, tileView, type TileModel } from "./tile-view.js";
import { whyView } from "./why-view.js";
import type { Words } from "./words/words.js";

/** What the call shows. */
export type RoomModel = {
  readonly state: InCall;
  readonly capture: CaptureState;
  /** What arrives of a track; null while it is being negotiated. */
  readonly received: (track: string) => MediaStreamTrack | null;
  readonly sound: "plays" | "blocked";
  readonly leaving: "no" | "asked";
  readonly why: "closed" | "open";
};

/** Beyond this many tiles the words of a badge do not fit. */
const LARGE_TILES = 4;

/** The call. */
export function roomView(model: RoomModel, words: Words, actions: Actions): VNode {
  const tiles = tilesOf(model);
  return h(
    "main",
    { key: "room", class: `room room-${shape(tiles.length)}` },
    head(model, tiles.length, words, actions),
    h("div", { class: "notices" }, ...notices(model, words, actions)),
    stage(model, tiles, words, actions),
    h(
      "nav",
      { class: "controls", attributes: { "aria-label": words.product } },
      ...deviceControls(model.capture, words, actions),
      control("leave", words.leave, "leave", "leave", () => {
        actions.askToLeave(true);
      }),
    ),
    h("div", { class: "voices" }, ...voices(model, actions)),
    model.why === "open" ? whyView(model.state, words, actions) : null,
    model.leaving === "asked" ? leaveQuestion(words, actions) : null,
  );
}

function shape(tiles: number): "alone" | "pair" | "group" {
  if (tiles === 0) return "alone";
  return tiles === 1 ? "pair" : "group";
}

function tilesOf({ state, received }: RoomModel): TileModel[] {
  const { room } = state;
  return room.participants
    .filter((participant) => participant.role !== "observer" || trackOf(room, participant.id, "camera") !== undefined)
    .flatMap((participant) => {
      const microphone = trackOf(room, participant.id, "microphone");
      const screen = trackOf(room, participant.id, "screen");
      const shown: (Track | undefined)[] = [
        trackOf(room, participant.id, "camera"),
        ...(screen === undefined || screen.muted ? [] : [screen]),
      ];
      return shown.map((video) => ({
        participant,
        video,
        microphone,
        picture: video === undefined ? null : received(video.id),
        pair: video === undefined ? undefined : room.pairs[video.id],
        speaks: room.activeSpeaker === participant.id && video?.source !== "screen",
      }));
    });
}

function head({ state, why }: RoomModel, tiles: number, words: Words, actions: Actions): VNode {
  const { room, consult } = state;
  const watchers = watchersOf(room).length;
  const people = room.participants.length - watchers + (consult.role === "observer" ? 0 : 1);
  return h(
    "header",
    { class: "room-head" },
    h("h1", { attributes: { tabindex: -1 } }, consult.subject),
    tiles > 1 ? h("span", { key: "people", class: "pill" }, words.participants(people)) : null,
    watchers + room.unlistedViewers > 0 ? watching(state, words) : null,
    h(
      "span",
      { key: "network", class: "pill own-network", attributes: { "data-class": room.ownClass } },
      icon("signal"),
      words.ownNetwork(words.network[room.ownClass]),
    ),
    consult.role === "clinician" && tiles > 0
      ? h(
          "button",
          {
            key: "why",
            class: "pill why-button",
            attributes: { type: "button", "aria-expanded": String(why === "open"), "data-control": "why" },
            on: {
              click: () => {
                actions.askWhy(why === "closed");
              },
            },
          },
          icon("question"),
          words.why.button,
        )
      : null,
  );
}

/** How many watch, who does so here among them; their names under the pointer. */
function watching({ room, consult }: InCall, words: Words): VNode {
  const others = watchersOf(room).map(({ name }) => name);
  const count = others.length + room.unlistedViewers + (consult.role === "observer" ? 1 : 0);
  return h(
    "span",
    {
      key: "watching",
      class: "pill",
      attributes: { title: words.watchers(others, room.unlistedViewers), "data-watching": String(count) },
    },
    icon("eye"),
    words.watching(count),
  );
}

function notices({ state, sound }: RoomModel, words: Words, actions: Actions): VNode[] {
  const cut = cutPeople(state.room);
  const floor = floorWords(words, Object.values(state.room.pairs), state.room.tracks, state.consult.role);
  return [
    // Where media is lost too, the curtain says so: then no call goes on.
    state.signaling.state === "lost" && state.media.state !== "lost"
      ? h(
          "p",
          { key: "signaling", class: "notice notice-wait", attributes: { role: "status" } },
          h("span", { class: "spinner" }),
          words.signalingLost,
        )
      : null,
    floor !== null && state.media.state === "connected"
      ? h("p", { key: "floor", class: "notice notice-floor", attributes: { role: "status" } }, icon("warning"), floor)
      : null,
    cut.length > 0 && state.media.state === "connected"
      ? h(
          "p",
          { key: "cut", class: "notice notice-wait", attributes: { role: "status", "data-notice": "cut" } },
          h("span", { class: "spinner" }),
          words.peerCut(cut),
        )
      : null,
    sound === "blocked"
      ? h(
          "button",
          {
            key: "sound",
            class: "notice notice-sound",
            attributes: { type: "button" },
            on: { click: actions.playSound },
          },
          icon("sound"),
          words.playSound,
        )
      : null,
  ].filter((notice) => notice !== null);
}

/** The names of those whose picture stands still because nothing comes from them. */
function cutPeople({ participants, pairs }: Room): string[] {
  const cut = new Set(
    Object.values(pairs)
      .filter((pair) => pair.rung_reason === "publisher_lost")
      .map((pair) => pair.publisher),
  );
  return participants.filter(({ id }) => cut.has(id)).map(({ name }) => name);
}

function stage(model: RoomModel, tiles: readonly TileModel[], words: Words, actions: Actions): VNode {
  const { state, capture } = model;
  const size = tiles.length <= LARGE_TILES ? "large" : "small";
  const others = tiles.map((tile) => tileView(tile, size, words, actions));
  switch (shape(tiles.length)) {
    case "alone":
      return h(
        "section",
        { class: "stage stage-alone" },
        selfView(state.name, capture, "alone", words),
        h("h2", {}, words.waitingTitle(state.consult.role)),
        h("p", { class: "soft" }, words.waitingHint),
      );
    case "pair":
      return h(
        "section",
        { class: "stage stage-pair" },
        ...others,
        selfView(state.name, capture, "corner", words),
        mediaCurtain(state, words),
      );
    case "group":
      return h(
        "section",
        { class: `stage stage-group of-${Math.min(tiles.length + 1, 16)}` },
        ...others,
        selfView(state.name, capture, "grid", words),
        mediaCurtain(state, words),
      );
  }
}

function mediaCurtain({ media }: InCall, words: Words): VNode | null {
  switch (media.state) {
    case "lost":
      return h(
        "div",
        { key: "curtain", class: "curtain", attributes: { role: "alert" } },
        h("span", { class: "spinner" }),
        h("p", { class: "curtain-title" }, words.mediaLostTitle),
        h("p", {}, words.mediaLostHint),
      );
    case "connecting":
      return h(
        "div",
        { key: "curtain", class: "curtain", attributes: { role: "status" } },
        h("span", { class: "spinner" }),
        h("p", { class: "curtain-title" }, words.mediaConnecting),
      );
    case "idle":
    case "connected":
      return null;
  }
}

function voices({ state, received }: RoomModel, actions: Actions): VNode[] {
  return microphonesOf(state.room).flatMap((track) => {
    const voice = received(track.id);
    return voice === null ? [] : [voiceElement(`voice ${track.id}`, voice, actions.soundBlocked)];
  });
}

function microphonesOf(room: Room): Track[] {
  return room.tracks.filter((track) => track.source === "microphone");
}

function leaveQuestion(words: Words, actions: Actions): VNode {
  const stay = (): void => {
    actions.askToLeave(false);
  };
  return h(
    "dialog",
    {
      key: "leave",
      class: "question",
      attributes: { "aria-labelledby": "leave-question" },
      on: { cancel: stay },
      mounted: (element) => {
        queueMicrotask(() => {
          if (element.isConnected) (element as HTMLDialogElement).showModal();
        });
        return () => undefined;
      },
    },
    h("h2", { attributes: { id: "leave-question" } }, words.leaveQuestion),
    h(
      "button",
      {
        class: "danger-button",
        attributes: { type: "button", "data-control": "leave-yes" },
        on: { click: actions.leave },
      },
      words.leaveYes,
    ),
    h(
      "button",
      {
        class: "quiet-button",
        attributes: { type: "button", autofocus: true, "data-control": "leave-no" },
        on: { click: stay },
      },
      words.leaveNo,
    ),
  );
}
