// One participant on screen: the picture, the name, and what the networks allow.

import type { PairQuality, Participant, Role, Track } from "../protocol/messages.js";
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
  const classes = ["tile", `tile-${size}`, video?.source === "screen" ? "tile-screen" : "", model.speaks ? "speaks" : "", participant.connected ? "" : "absent"];
  return h(
    "article",
    {
      key: video?.source === "screen" ? video.id : participant.id,
      class: classes.filter(Boolean).join(" "),
      attributes: { "aria-label": name, "data-participant": participant.id },
    },
    face(model, words, actions),
    h(
      "div",
      { key: "foot", class: "foot" },
      pair !== undefined && video !== undefined && !video.muted && participant.connected ? badge(pair, size, words) : null,
      plate(name, participant.role, model.microphone?.muted === true, model.speaks, words),
    ),
  );
}

function face(model: TileModel, words: Words, actions: Actions): VNode {
  const { participant, video, picture, pair } = model;
  if (!participant.connected) return still(participant, words.personLost);
  if (video === undefined || video.muted) return still(participant, words.noPicture);
  if (pair?.rung === "audio_only" && pair.rung_reason !== "viewport") return still(participant, words.audioOnly);
  if (picture === null) return still(participant, words.pictureComes);
  return pictureElement({
    key: `picture ${video.id}`,
    track: picture,
    mirrored: false,
    label: participant.name,
    onLines: (lines) => {
      actions.tileShown(video.id, lines);
    },
    onFrame: (lines) => {
      actions.frameShown(video.id, lines);
    },
  });
}

function still(participant: { readonly name: string }, text: string): VNode {
  return h("div", { key: "still", class: "still" }, h("span", { class: "initial", attributes: { "aria-hidden": "true" } }, initial(participant.name)), h("p", {}, text));
}

function initial(name: string): string {
  return [...name.trim()][0]?.toUpperCase() ?? "·";
}

function badge(pair: PairQuality, size: TileSize, words: Words): VNode {
  const reason = reasonWords(words, pair);
  return h(
    "div",
    { key: "badge", class: `badge badge-${tone(pair)}`, attributes: { title: reason, "data-rung": pair.rung, "data-reason": pair.rung_reason, "data-hd": pair.hd } },
    h("p", { class: "badge-figures" }, icon("signal"), h("span", {}, size === "large" ? badgeWords(words, pair) : `${words.network[pair.publisher_class]} · ${words.rung[pair.rung]}`)),
    h("p", { class: "badge-reason" }, reason),
  );
}

function plate(name: string, role: Role | null, muted: boolean, speaks: boolean, words: Words): VNode {
  const marks: Child[] = [
    muted ? h("span", { class: "plate-mark" }, icon("microphoneOff"), words.muted) : null,
    speaks && !muted ? h("span", { class: "plate-mark plate-speaks" }, icon("sound"), words.speaks) : null,
  ];
  return h("p", { key: "plate", class: "plate" }, h("span", { class: "plate-name" }, name), role === null ? null : h("span", { class: "plate-role" }, words.role[role]), ...marks);
}

/** This participant's own tile. */
export function selfView(name: string, capture: CaptureState, place: "corner" | "grid" | "alone", words: Words): VNode {
  return h("article", { key: "self", class: `tile tile-self self-${place}`, attributes: { "aria-label": words.you } }, ownFace(name, capture.camera, words), h("div", { key: "foot", class: "foot" }, plate(words.you, null, capture.microphone.state !== "live", false, words)));
}

function ownFace(name: string, camera: CameraState, words: Words): VNode {
  if (camera.state === "live") return pictureElement({ key: "own", track: camera.track, mirrored: true, label: words.preview });
  return still({ name }, camera.state === "asking" ? words.cameraAsking : words.cameraOff);
}
