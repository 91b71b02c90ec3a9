// Before the call: who one is, how one looks and sounds, and one large button.

import type { CallState } from "../call/call-state.js";
import type { MicrophoneLevel } from "../rtc/audio-check.js";
import type { CaptureState, DeviceChoice } from "../rtc/capture.js";
import type { Actions } from "./actions.js";
import { deviceControls } from "./device-controls.js";
import { h, type VNode } from "./dom.js";
import { icon } from "./icons.js";
import { pictureElement } from "./media-elements.js";
import type { Words } from "./words/words.js";

/** What the lobby shows. */
export type LobbyModel = {
  readonly state: Extract<CallState, { phase: "lobby" | "joining" }>;
  readonly capture: CaptureState;
  readonly level: MicrophoneLevel | null;
  readonly name: string;
};

/** A protocol name has at most 64 characters. */
const MAX_NAME = 64;

/** The lobby. */
export function lobbyView(model: LobbyModel, words: Words, actions: Actions): VNode {
  const { consult } = model.state;
  return h(
    "main",
    { key: "lobby", class: "lobby" },
    h(
      "header",
      { class: "lobby-head" },
      h("h1", { attributes: { tabindex: -1 } }, consult.subject),
      h("p", { class: "lobby-role" }, words.yourRole(words.role[consult.role])),
    ),
    h(
      "section",
      { class: "lobby-look", attributes: { "aria-label": words.preview } },
      preview(model.capture, words),
      h("div", { class: "lobby-switches" }, ...deviceControls(model.capture, words, actions)),
    ),
    h(
      "section",
      { class: "lobby-form" },
      soundCheck(model, words, actions),
      troubles(model.capture, words, actions),
      form(model, words, actions),
      choices(model.capture, words, actions),
    ),
  );
}

function preview({ camera }: CaptureState, words: Words): VNode {
  switch (camera.state) {
    case "live":
      return h(
        "div",
        { class: "preview" },
        pictureElement({ key: "own", track: camera.track, mirrored: true, label: words.preview }),
      );
    case "asking":
      return h(
        "div",
        { class: "preview preview-words" },
        h("p", {}, words.cameraAsking),
        h("p", { class: "soft" }, words.allowDevices),
      );
    case "off":
    case "failed":
      return h("div", { class: "preview preview-words" }, icon("cameraOff"), h("p", {}, words.cameraOff));
  }
}

function soundCheck({ capture, level }: LobbyModel, words: Words, actions: Actions): VNode | null {
  const { microphone } = capture;
  if (microphone.state === "failed" || microphone.state === "asking") return null;
  const speaker = h(
    "button",
    { class: "quiet-button", attributes: { type: "button" }, on: { click: actions.testSound } },
    icon("sound"),
    words.testSound,
  );
  if (microphone.state === "muted" || microphone.state === "off")
    return h("div", { class: "sound" }, h("p", { class: "sound-words" }, words.mutedHint), speaker);
  if (level === null || level.state === "asleep") {
    return h(
      "div",
      { class: "sound" },
      h(
        "button",
        { class: "quiet-button", attributes: { type: "button" }, on: { click: actions.testMicrophone } },
        icon("microphone"),
        words.testMicrophone,
      ),
      speaker,
    );
  }
  const heard = level.state === "heard";
  return h(
    "div",
    { class: "sound" },
    h(
      "div",
      { class: "meter", variables: { "--level": level.level.toFixed(2) }, attributes: { "aria-hidden": "true" } },
      h("span", { class: "meter-bar" }),
    ),
    h(
      "p",
      { class: heard ? "sound-words sound-heard" : "sound-words", attributes: { role: "status" } },
      heard ? icon("check") : icon("microphone"),
      heard ? words.heard : words.quiet,
    ),
    speaker,
    h("p", { class: "soft sound-hint" }, words.testSoundHint),
  );
}

function troubles({ camera, microphone }: CaptureState, words: Words, actions: Actions): VNode | null {
  const told = troubleWords(camera, microphone, words);
  if (told.length === 0) return null;
  const still =
    microphone.state === "failed"
      ? words.joinListening
      : camera.state === "failed" && camera.why !== "missing"
        ? words.joinWithoutCamera
        : null;
  const retry = (): void => {
    if (microphone.state === "failed") actions.setMicrophone(true);
    if (camera.state === "failed") actions.setCamera(true);
  };
  return h(
    "div",
    { class: "trouble", attributes: { role: "alert" } },
    icon("warning"),
    h(
      "div",
      {},
      ...told.map((text) => h("p", {}, text)),
      still === null ? null : h("p", { class: "trouble-still" }, still),
    ),
    h("button", { class: "quiet-button", attributes: { type: "button" }, on: { click: retry } }, words.tryAgain),
  );
}

function troubleWords(camera: CaptureState["camera"], microphone: CaptureState["microphone"], words: Words): string[] {
  const noCamera = camera.state === "failed" ? camera.why : null;
  const noMicrophone = microphone.state === "failed" ? microphone.why : null;
  if (noCamera === "denied" && noMicrophone === "denied") return [words.bothDenied];
  return [
    noMicrophone === null ? null : words.microphoneFailed[noMicrophone],
    noCamera === null ? null : words.cameraFailed[noCamera],
  ].filter((text) => text !== null);
}

function form({ state, name }: LobbyModel, words: Words, actions: Actions): VNode {
  const joining = state.phase === "joining";
  const refusal = state.phase === "lobby" && state.refusal !== null ? words.refused[state.refusal] : null;
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    actions.join();
  };
  return h(
    "form",
    { class: "join", on: { submit } },
    h("label", { attributes: { for: "name" } }, words.name, h("span", { class: "soft" }, words.nameHint)),
    h("input", {
      attributes: {
        id: "name",
        name: "name",
        type: "text",
        maxlength: MAX_NAME,
        autocomplete: "name",
        spellcheck: "false",
        placeholder: words.role[state.consult.role],
      },
      on: {
        input: (event) => {
          actions.setName((event.target as HTMLInputElement).value);
        },
      },
      updated: (element) => {
        const input = element as HTMLInputElement;
        if (input.value !== name) input.value = name;
      },
    }),
    refusal === null ? null : h("p", { class: "refusal", attributes: { role: "alert" } }, icon("warning"), refusal),
    h(
      "button",
      { class: "main-button", attributes: { type: "submit", "data-control": "join", disabled: joining } },
      joining ? words.joining : words.join,
    ),
  );
}

function choices(capture: CaptureState, words: Words, actions: Actions): VNode | null {
  if (capture.cameras.length < 2 && capture.microphones.length < 2) return null;
  return h(
    "div",
    { class: "choices" },
    choice(
      "camera-choice",
      words.camera,
      words.chooseCamera,
      capture.cameras,
      capture.camera,
      words,
      actions.chooseCamera,
    ),
    choice(
      "microphone-choice",
      words.microphone,
      words.chooseMicrophone,
      capture.microphones,
      capture.microphone,
      words,
      actions.chooseMicrophone,
    ),
  );
}

function choice(
  id: string,
  label: string,
  hint: string,
  devices: readonly DeviceChoice[],
  current: CaptureState["microphone"],
  words: Words,
  choose: (id: string) => void,
): VNode | null {
  if (devices.length < 2) return null;
  const chosen = "track" in current ? current.track.getSettings().deviceId : undefined;
  const options = devices.map((device, index) =>
    h(
      "option",
      { key: device.id, attributes: { value: device.id, selected: device.id === chosen } },
      device.label === "" ? words.unnamedDevice(index + 1) : device.label,
    ),
  );
  return h(
    "p",
    { key: id },
    h("label", { attributes: { for: id } }, label),
    h(
      "select",
      {
        attributes: { id, "aria-label": hint },
        on: {
          change: (event) => {
            choose((event.target as HTMLSelectElement).value);
          },
        },
      },
      ...options,
    ),
  );
}
