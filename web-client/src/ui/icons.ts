// Line icons of 24 units, drawn in the colour of their text. Words stand beside them, so readers skip them.

import { h, type VNode } from "./dom.js";

const SHAPES = {
  microphone: ["M12 3a3 3 0 0 0-3 3v6a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3Z", "M5 11a7 7 0 0 0 14 0", "M12 18v3"],
  microphoneOff: [
    "M9 9v3a3 3 0 0 0 5.1 2.1",
    "M15 10V6a3 3 0 0 0-5.7-1.3",
    "M5 11a7 7 0 0 0 11.4 5.4M19 11a7 7 0 0 1-.6 2.8",
    "M12 18v3",
    "M4 4l16 16",
  ],
  camera: ["M4 7h10a2 2 0 0 1 2 2v6a2 2 0 0 1-2 2H4a2 2 0 0 1-2-2V9a2 2 0 0 1 2-2Z", "m16 11 6-3.5v9L16 13"],
  cameraOff: [
    "M4 7a2 2 0 0 0-2 2v6a2 2 0 0 0 2 2h10a2 2 0 0 0 1.6-.8",
    "M10 7h4a2 2 0 0 1 2 2v3",
    "m16 11 6-3.5v9L18.5 14.5",
    "M3 3l18 18",
  ],
  leave: [
    "M3 15.500c-.8-.9-1-2-.6-3.100C3.8 8.8 7.5 7 12 7s8.2 1.8 9.6 5.400c.4 1.1.2 2.2-.6 3.100l-.5.5c-.4.4-1 .5-1.5.2l-2.6-1.400c-.5-.2-.7-.7-.7-1.200l.1-1.400a11 11 0 0 0-7.6 0l.1 1.400c0 .5-.2 1-.7 1.200L5 16.200c-.5.3-1.1.2-1.5-.200Z",
  ],
  sound: ["M4 9.500v5h3.500L12 18.500v-13L7.5 9.500Z", "M15.5 9a4.2 4.2 0 0 1 0 6", "M18 6.500a7.8 7.8 0 0 1 0 11"],
  language: [
    "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18Z",
    "M3 12h18",
    "M12 3c2.5 2.6 3.7 5.6 3.7 9s-1.2 6.4-3.7 9c-2.5-2.6-3.7-5.6-3.7-9S9.5 5.6 12 3Z",
  ],
  signal: ["M4 18v-3", "M9.3 18v-6", "M14.7 18V9", "M20 18V5"],
  warning: ["M12 4 2.8 19.500h18.400Z", "M12 10v4.5", "M12 17.200v.1"],
  question: [
    "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18Z",
    "M9.6 9.500a2.500 2.500 0 1 1 3.600 2.300c-.8.4-1.200.9-1.200 1.700",
    "M12 16.700v.1",
  ],
  eye: [
    "M2.500 12S6 5.500 12 5.500 21.500 12 21.500 12 18 18.500 12 18.500 2.500 12 2.500 12Z",
    "M12 9.300a2.700 2.700 0 1 0 0 5.400 2.700 2.700 0 0 0 0-5.400Z",
  ],
  close: ["M6 6l12 12", "M18 6 6 18"],
  lock: [
    "M7 11h10a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1H7a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1Z",
    "M8.500 11V8a3.500 3.500 0 0 1 7 0v3",
  ],
  check: ["m5 12.5 4.5 4.500L19 7.5"],
} as const satisfies Record<string, readonly string[]>;

/** The names of the icons. */
export type IconName = keyof typeof SHAPES;

/** An icon. */
export function icon(name: IconName): VNode {
  const paths = SHAPES[name].map((d) => h("path", { attributes: { d } }));
  return h(
    "svg",
    { class: "icon", attributes: { viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" } },
    ...paths,
  );
}
