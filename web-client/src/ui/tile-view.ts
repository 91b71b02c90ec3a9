// One participant on screen: the picture, the name, and what the networks allow.

import type { PairQuality, Participant, Track } from "../protocol/messages.js";
import type { CameraState, CaptureState } from "../rtc/capture.js";
import type { Actions } from "./actions.js";
import { h, type Child, type VNode } from "./dom.js";
import { icon } from "./icons.js";
import { pictureElement } from "./media-elements.js";
import { badgeWords, reasonWords, tone } from "./quality-words.js";
import type { Words } from "./words/words.js";

/** One remote participant, or one shared screen. */
export type TileModel = {
  readonly participant: Participant;
  readonly video: Track | undefined;
  readonly microphone: Track | undefined;
  readonly picture: MediaStreamTrack | null;
  readonly pair: PairQuality | undefined;
  readonly speaks: boolean;
};

/** How much room a tile has for words. */
export type TileSize = "large" | "small";

/** A remote participant's tile. */
export function tileView(model: TileModel, size: TileSize, words: Words, actions: Actions): VNode {
  const { participant, video, pair } = model;
  const name = video?.source === "screen" ? words.screenOf(participant.name) : participant.name;
  const classes = [
    "tile",
    `tile-${size}`,
    video?.source === "screen" ? "tile-screen" : "",
    model.speaks ? "speaks" : "",
  ];
  return h(
    "article",
    {
      key: video?.source === "screen" ? video.id : participant.id,
      class: classes.filter(Boolean).join(" "),
      attributes: { "aria-label": name, "data-participant": participant.id },
    },
    ...face(model, words, actions),
    h(
      "div",
      { key: "foot", class: "foot" },
      pair !== undefined && video !== undefined && !video.muted ? badge(pair, size, words) : null,
      plate(name, words.role[participant.role], marks(model, words)),
    ),
  );
}

/**
 * The picture stays in its place under the words: a tile without one would tell the gateway that nobody
 * looks, and the picture would never come back.
 */
function face(model: TileModel, words: Words, actions: Actions): Child[] {
  const { participant, video, picture } = model;
  const covered = coverWords(model, words);
  return [
    video === undefined || picture === null ? null : movingPicture(model.participant.name, video, picture, actions),
    still(participant, covered ?? words.pictureComes, covered === null ? "until_first_frame" : "covers"),
  ];
}

function coverWords({ video, pair }: TileModel, words: Words): string | null {
  if (video === undefined || video.muted) return words.noPicture;
  if (pair === undefined || pair.rung !== "audio_only") return null;
  switch (pair.rung_reason) {
    // A hidden tile, or a picture that is about to come: neither says anything of the network.
    case "viewport":
    case "awaiting_keyframe":
      return null;
    case "codec":
      return words.codec.undecodable;
    case "best":
    case "class":
    case "hd_permission":
    case "downlink":
    case "publisher":
    case "muted":
    case "publisher_lost":
      return words.audioOnly;
  }
}

function movingPicture(label: string, video: Track, picture: MediaStreamTrack, actions: Actions): VNode {
  return pictureElement({
    key: `picture ${video.id}`,
    track: picture,
    mirrored: false,
    label,
    onLines: (lines) => {
      actions.tileShown(video.id, lines);
    },
    onFrame: (lines) => {
      actions.frameShown(video.id, lines);
    },
  });
}

function still(participant: { readonly name: string }, text: string, place: "covers" | "until_first_frame"): VNode {
  return h(
    "div",
    { key: "still", class: `still still-${place}` },
    h("span", { class: "initial", attributes: { "aria-hidden": "true" } }, initial(participant.name)),
    h("p", {}, text),
  );
}

function initial(name: string): string {
  return [...name.trim()][0]?.toUpperCase() ?? "·";
}

function badge(pair: PairQuality, size: TileSize, words: Words): VNode {
  const reason = reasonWords(words, pair);
  return h(
    "div",
    {
      key: "badge",
      class: `badge badge-${tone(pair)}`,
      attributes: { title: reason, "data-rung": pair.rung, "data-reason": pair.rung_reason, "data-hd": pair.hd },
    },
    h(
      "p",
      { class: "badge-figures" },
      icon("signal"),
      h(
        "span",
        {},
        size === "large"
          ? badgeWords(words, pair)
          : `${words.network[pair.publisher_class]} · ${words.rung[pair.rung]}`,
      ),
    ),
    h("p", { class: "badge-reason" }, reason),
  );
}

function marks({ participant, microphone, speaks }: TileModel, words: Words): Child[] {
  const muted = microphone?.muted === true;
  return [
    muted ? mutedMark(words) : null,
    speaks && !muted ? h("span", { class: "plate-mark plate-speaks" }, icon("sound"), words.speaks) : null,
    // Only their signaling is known to be gone: picture and voice may flow on.
    participant.connected ? null : h("span", { class: "plate-mark" }, icon("warning"), words.personLost),
  ];
}

function mutedMark(words: Words): VNode {
  return h("span", { class: "plate-mark" }, icon("microphoneOff"), words.muted);
}

function plate(name: string, role: string | null, marks: readonly Child[]): VNode {
  return h(
    "p",
    { key: "plate", class: "plate" },
    h("span", { class: "plate-name" }, name),
    role === null ? null : h("span", { class: "plate-role" }, role),
    ...marks,
  );
}

/** This participant's own tile. */
export function selfView(name: string, capture: CaptureState, place: "corner" | "grid" | "alone", words: Words): VNode {
  return h(
    "article",
    { key: "self", class: `tile tile-self self-${place}`, attributes: { "aria-label": words.you } },
    ownFace(name, capture.camera, words),
    h(
      "div",
      { key: "foot", class: "foot" },
      plate(words.you, null, [capture.microphone.state === "live" ? null : mutedMark(words)]),
    ),
  );
}

function ownFace(name: string, camera: CameraState, words: Words): VNode {
  if (camera.state === "live")
    return pictureElement({ key: "own", track: camera.track, mirrored: true, label: words.preview });
  return still({ name }, camera.state === "asking" ? words.cameraAsking : words.cameraOff, "covers");
}
