// Puts the browser's own objects into the layers, and begins.

import { Call } from "./call/call.js";
import { snapshot, type DebugSnapshot } from "./call/debug-view.js";
import { browserClock } from "./lifetime/clock.js";
import type { NetworkInformation } from "./quality/network-report.js";
import { Capture } from "./rtc/capture.js";
import { browserRtc } from "./rtc/peer-connection.js";
import { Session } from "./signaling/session.js";
import { webSocketTo } from "./signaling/socket.js";
import { App } from "./ui/app.js";
import { pageMemory, type PageMemory } from "./ui/page-memory.js";
import { giveNonce, listenToShell, messageOfLink } from "./ui/shell-bridge.js";
import { languageFor } from "./ui/words/language.js";
import "./ui/styles/page.css";
import "./ui/styles/lobby.css";
import "./ui/styles/room.css";
import "./ui/styles/ended.css";
import "./ui/styles/why.css";

declare global {
  interface Window {
    /** The read-only view for tests and support; see `README.md`. */
    readonly tvg: { readonly snapshot: () => DebugSnapshot | null };
  }
}

const LANGUAGE_KEY = "tvg.language";
const NAME_KEY = "tvg.name";
const TOKEN_KEY = "tvg.token";

type Connection = NetworkInformation & Partial<EventTarget>;

function connection(): Connection | undefined {
  return (navigator as { connection?: Connection }).connection;
}

function openCall(token: string, capture: Capture): Call {
  const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/v1/session`;
  const session = new Session({ openSocket: webSocketTo(url), clock: browserClock, random: Math.random, token });
  const call = new Call({
    session,
    capture,
    rtc: browserRtc,
    clock: browserClock,
    networkInformation: connection,
    giveNonce,
  });
  const changed = (): void => {
    call.networkChanged();
  };
  window.addEventListener("online", changed);
  connection()?.addEventListener?.("change", changed);
  listenToShell((message) => {
    call.shellSays(message);
  });
  // A page that goes away for good says so; one that may come back does not.
  window.addEventListener("pagehide", (event) => {
    if (!event.persisted) call.leave();
  });
  session.start();
  return call;
}

/**
 * The token of the link. It came behind the `#`, so that no server log on the way ever holds it; from here on it
 * stands in the memory of this tab alone, where a reload finds it and a screenshot does not.
 */
function takeToken(link: URLSearchParams, tab: PageMemory): string | null {
  const token = link.get("token") ?? "";
  if (token === "") return tab.read(TOKEN_KEY);
  tab.write(TOKEN_KEY, token);
  tab.write(NAME_KEY, null);
  link.delete("token");
  history.replaceState(null, "", `${location.pathname}${location.search}${link.size > 0 ? `#${link.toString()}` : ""}`);
  return token;
}

function start(root: HTMLElement, announcer: HTMLElement): void {
  const link = new URLSearchParams(location.hash.slice(1));
  const tab = pageMemory(() => sessionStorage);
  const device = pageMemory(() => localStorage);
  const token = takeToken(link, tab);
  const capture = new Capture(navigator.mediaDevices as MediaDevices | undefined);
  const call = token === null ? null : openCall(token, capture);
  call?.linkSays(link.get("network"));
  const claim = messageOfLink(link);
  if (claim !== null) call?.shellSays(claim);
  new App({
    root,
    announcer,
    call,
    capture,
    clock: browserClock,
    language: languageFor([link.get("lang"), device.read(LANGUAGE_KEY), ...navigator.languages]),
    name: tab.read(NAME_KEY) ?? link.get("name") ?? "",
    rememberLanguage: (language) => {
      device.write(LANGUAGE_KEY, language);
    },
    rememberName: (name) => {
      tab.write(NAME_KEY, name);
    },
  });
  if (call !== null) void capture.openBoth();
  Object.defineProperty(window, "tvg", {
    value: Object.freeze({ snapshot: () => (call === null ? null : snapshot(call, browserClock.now())) }),
  });
  // Another link in the same tab is another consult, unless a wrapper that can do nothing else says by it what
  // network it is on.
  window.addEventListener("hashchange", () => {
    const claim = messageOfLink(new URLSearchParams(location.hash.slice(1)));
    if (claim === null) location.reload();
    else call?.shellSays(claim);
  });
}

const root = document.getElementById("app");
const announcer = document.getElementById("announcer");
if (root !== null && announcer !== null) start(root, announcer);
