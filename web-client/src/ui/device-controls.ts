// The two switches for one's own camera and microphone, alike in lobby and call.

import type { CaptureState } from "../rtc/capture.js";
import type { Actions } from "./actions.js";
import { h, type VNode } from "./dom.js";
import { icon, type IconName } from "./icons.js";
import type { Words } from "./words/words.js";

/** The microphone's and the camera's switch. */
export function deviceControls(capture: CaptureState, words: Words, actions: Actions): VNode[] {
  const speaks = capture.microphone.state === "live";
  const shows = capture.camera.state === "live";
  return [
    control(
      "microphone",
      speaks ? words.mute : words.unmute,
      speaks ? "microphone" : "microphoneOff",
      speaks ? "on" : "off",
      () => {
        actions.setMicrophone(!speaks);
      },
    ),
    control(
      "camera",
      shows ? words.turnCameraOff : words.turnCameraOn,
      shows ? "camera" : "cameraOff",
      shows ? "on" : "off",
      () => {
        actions.setCamera(!shows);
      },
    ),
  ];
}

/** A round button with words below it. */
export function control(
  key: string,
  label: string,
  symbol: IconName,
  look: "on" | "off" | "leave",
  press: () => void,
): VNode {
  return h(
    "button",
    {
      key,
      class: `control control-${look}`,
      attributes: { type: "button", "data-control": key, "data-state": look },
      on: { click: press },
    },
    h("span", { class: "control-disc" }, icon(symbol)),
    h("span", { class: "control-words" }, label),
  );
}
