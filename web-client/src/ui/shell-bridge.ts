// The shell around the page: whom it is heard from, and how it is spoken to. `signaling/docs/network-shell.md` tells
// authors of shells the rest.
//
// A shell posts its messages, as objects or as JSON, in one of four ways: `window.postMessage` from within the page
// (iOS: evaluateJavaScript), `postMessage` from a parent frame whose origin the page's `<meta name="tvg-shell-origins">`
// lists, through an injected `window.tvgShell` (Android: addWebMessageListener), or behind the `#` of the address
// where a wrapper can change nothing else (WeChat's web-view).

import type { Cancel } from "../lifetime/clock.js";

type InjectedShell = {
  readonly addEventListener?: (type: "message", listener: (event: MessageEvent<unknown>) => void) => void;
  readonly postMessage?: (message: string) => void;
};

type WebKitShell = {
  readonly messageHandlers?: { readonly tvgShell?: { readonly postMessage: (message: unknown) => void } };
};

type ShellWindow = { readonly tvgShell?: InjectedShell; readonly webkit?: WebKitShell };

function shellOrigins(): ReadonlySet<string> {
  const listed = document.querySelector<HTMLMetaElement>("meta[name=tvg-shell-origins]")?.content;
  return new Set(listed?.split(/\s+/).filter(Boolean));
}

/** Listens to the shell until it is cancelled. */
export function listenToShell(tell: (message: unknown) => void): Cancel {
  const abort = new AbortController();
  const allowed = shellOrigins();
  window.addEventListener(
    "message",
    (event: MessageEvent<unknown>) => {
      const fromPage = event.source === window && event.origin === location.origin;
      const fromParent = event.source === window.parent && window.parent !== window && allowed.has(event.origin);
      if (fromPage || fromParent) tell(parsed(event.data));
    },
    { signal: abort.signal },
  );
  (window as ShellWindow).tvgShell?.addEventListener?.("message", (event) => {
    if (!abort.signal.aborted) tell(parsed(event.data));
  });
  return () => {
    abort.abort();
  };
}

/** Gives the shell the nonce that it has to sign; a page without a shell gives it to nobody. */
export function giveNonce(nonce: string): void {
  const message = { source: "tvg-page", type: "nonce", nonce };
  const { tvgShell, webkit } = window as ShellWindow;
  tvgShell?.postMessage?.(JSON.stringify(message));
  webkit?.messageHandlers?.tvgShell?.postMessage(message);
  if (window.parent !== window) {
    for (const origin of shellOrigins()) window.parent.postMessage(message, origin);
  }
}

/** What a mini-program says behind the `#`: `shell-network=5g&shell-sequence=7`; null where it says nothing. */
export function messageOfLink(link: URLSearchParams): unknown {
  const claimed = link.get("shell-network");
  if (claimed === null) return null;
  const sequence = Number(link.get("shell-sequence") ?? Number.NaN);
  return { source: "tvg-shell", type: "network", class: claimed, sequence, host: "wechat_mini_program" };
}

function parsed(data: unknown): unknown {
  if (typeof data !== "string") return data;
  try {
    return JSON.parse(data);
  } catch {
    return null;
  }
}
