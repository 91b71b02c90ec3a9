// Which language the page speaks: the link's, then the one chosen before, then the browser's, then Chinese.

import { en } from "./en.js";
import type { Language, Words } from "./words.js";
import { zh } from "./zh.js";

/** The words of each language. */
export const WORDS: Record<Language, Words> = { "zh-CN": zh, en };

/** The first of the wishes that the page speaks. */
export function languageFor(wishes: readonly (string | null | undefined)[]): Language {
  for (const wish of wishes) {
    if (wish?.toLowerCase().startsWith("zh") === true) return "zh-CN";
    if (wish?.toLowerCase().startsWith("en") === true) return "en";
  }
  return "zh-CN";
}

/** The other language. */
export function otherLanguage(language: Language): Language {
  return language === "en" ? "zh-CN" : "en";
}
