import { describe, expect, it } from "vitest";
import type { HdReason, NetworkClass, PairQuality, Rung, RungReason, Track } from "../protocol/messages.js";
import { badgeWords, floorWords, isBelowFloor, reasonWords, tone } from "./quality-words.js";
import { languageFor, WORDS } from "./words/language.js";
import type { Language } from "./words/words.js";

const CLASSES = Object.keys({
  wired: 1,
  wifi: 1,
  "5g": 1,
  "4g": 1,
  "3g": 1,
  "2g": 1,
  cell: 1,
  unknown: 1,
} satisfies Record<NetworkClass, 1>) as NetworkClass[];
const RUNGS = Object.keys({ audio_only: 1, "180p": 1, "360p": 1, "480p": 1, "720p": 1, "1080p": 1 } satisfies Record<
  Rung,
  1
>) as Rung[];
const REASONS = Object.keys({
  best: 1,
  class: 1,
  hd_permission: 1,
  downlink: 1,
  publisher: 1,
  viewport: 1,
  muted: 1,
  awaiting_keyframe: 1,
  publisher_lost: 1,
  codec: 1,
} satisfies Record<RungReason, 1>) as RungReason[];
const HD_REASONS = Object.keys({
  granted: 1,
  publisher_class: 1,
  subscriber_class: 1,
  evidence_weak: 1,
  dwell: 1,
  uplink_unproven: 1,
  downlink_unproven: 1,
  round_trip: 1,
  loss: 1,
  jitter: 1,
  encoder_limited: 1,
  cool_down: 1,
} satisfies Record<HdReason, 1>) as HdReason[];

const pair = (part: Partial<PairQuality>): PairQuality => ({
  track: "camera",
  publisher: "doctor",
  publisher_class: "5g",
  subscriber_class: "5g",
  rung: "480p",
  rung_reason: "best",
  hd: "granted",
  ...part,
});

/** The texts of a language, with where they stand; functions apart. */
function textsOf(value: unknown, path = ""): [string, string][] {
  if (typeof value === "string") return [[path, value]];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => textsOf(inner, `${path}.${key}`));
}

describe.each(["zh-CN", "en"] as const)("in %s", (language: Language) => {
  const words = WORDS[language];

  it("every pair of classes, rung, reason and HD reason has its words", () => {
    for (const publisher_class of CLASSES)
      for (const subscriber_class of CLASSES)
        for (const rung of RUNGS)
          for (const rung_reason of REASONS)
            for (const hd of HD_REASONS) {
              const text = `${badgeWords(words, pair({ publisher_class, subscriber_class, rung }))} ${reasonWords(words, pair({ publisher_class, subscriber_class, rung, rung_reason, hd }))}`;
              if (/undefined|null|\[object|^\s|\s$/.test(text)) throw new Error(text);
            }
  });

  it("no word is left empty or in the other language", () => {
    for (const [path, text] of textsOf(words)) {
      expect(text.trim(), path).not.toBe("");
      if (path.startsWith(".otherLanguage")) continue;
      if (language === "en") expect(text, path).not.toMatch(/[\u4e00-\u9fff]/);
      else if (!path.startsWith(".network") && !path.startsWith(".rung."))
        expect(text, path).toMatch(/[\u4e00-\u9fff]/);
    }
  });
});

describe("a reason", () => {
  it.each([
    [
      { rung_reason: "class", publisher_class: "4g", subscriber_class: "5g" },
      "对方网络为4G，已自动降低清晰度以保持流畅",
    ],
    [
      { rung_reason: "class", publisher_class: "wifi", subscriber_class: "3g" },
      "您的网络为3G，已自动降低清晰度以保持流畅",
    ],
    [
      { rung_reason: "class", publisher_class: "4g", subscriber_class: "4g" },
      "双方网络为4G，已自动降低清晰度以保持流畅",
    ],
    [
      { rung_reason: "hd_permission", hd: "subscriber_class", subscriber_class: "cell" },
      "您的网络为移动网络，已自动降低清晰度以保持流畅",
    ],
    [{ rung_reason: "class", publisher_class: "unknown" }, "暂未识别对方的网络类型，先以流畅为主"],
    [{ rung_reason: "best", rung: "720p" }, "网络良好，高清画面"],
  ] as const)("for %j is “%s”", (part, text) => {
    expect(reasonWords(WORDS["zh-CN"], pair(part))).toBe(text);
  });
});

describe("the clinical floor", () => {
  const camera: Track = { id: "camera", publisher: "doctor", source: "camera", muted: false };

  it.each([
    [{ rung: "360p", rung_reason: "downlink" }, true],
    [{ rung: "audio_only", rung_reason: "class" }, true],
    [{ rung: "480p", rung_reason: "downlink" }, false],
    [{ rung: "180p", rung_reason: "viewport" }, false],
    [{ rung: "180p", rung_reason: "awaiting_keyframe" }, false],
  ] as const)("is missed by %j: %s", (part, missed) => {
    expect(isBelowFloor(pair(part))).toBe(missed);
    expect(tone(pair(part)) === "weak").toBe(missed);
  });

  it("leaves nothing to worry about where a small tile is full", () => {
    expect(tone(pair({ rung: "480p", rung_reason: "viewport" }))).toBe("good");
    expect(tone(pair({ rung: "360p", rung_reason: "viewport" }))).toBe("held");
  });

  it("is not what matters where nothing arrives, though the badge is no calm one", () => {
    const cut = pair({ rung: "180p", rung_reason: "publisher_lost" });
    expect(isBelowFloor(cut)).toBe(false);
    expect(tone(cut)).toBe("weak");
  });

  it("is told to the doctor as a warning, to the patient as comfort, and not for a dark camera", () => {
    const words = WORDS.en;
    const low = [pair({ rung: "360p", rung_reason: "downlink" })];
    expect(floorWords(words, low, [camera], "clinician")).toBe(words.belowFloor.clinician);
    expect(floorWords(words, low, [camera], "patient")).toBe(words.belowFloor.other);
    expect(floorWords(words, low, [{ ...camera, muted: true }], "patient")).toBeNull();
    expect(floorWords(words, low, [{ ...camera, source: "screen" }], "patient")).toBeNull();
  });
});

describe("the language", () => {
  it.each([
    [["en", "zh-CN"], "en"],
    [[null, undefined, "zh-TW"], "zh-CN"],
    [["fr", "en-GB"], "en"],
    [["fr"], "zh-CN"],
    [[], "zh-CN"],
  ] as const)("for %j is %s", (wishes, language) => {
    expect(languageFor(wishes)).toBe(language);
  });
});
