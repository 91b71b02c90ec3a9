// Messages of the native shell around the page, and who may send them.
//
// A shell posts `{source: "tvg-shell", type: "network", class: "5g", sequence: 7}` (optionally
// `host: "wechat_mini_program"`), as an object or as JSON, in one of three ways: `window.postMessage` from within the
// page (iOS: evaluateJavaScript), `postMessage` from a parent frame whose origin the page's
// `<meta name="tvg-shell-origins">` lists, or through an injected `window.tvgShell` (Android: addWebMessageListener).

import type { Cancel } from "../lifetime/clock.js";

type NativeShell = { addEventListener: (type: "message", listener: (event: MessageEvent<unknown>) => void) => void };

/** Listens to the shell until it is cancelled. */
export function listenToShell(tell: (message: unknown) => void): Cancel {
  const abort = new AbortController();
  const allowed = new Set(
    document.querySelector<HTMLMetaElement>("meta[name=tvg-shell-origins]")?.content.split(/\s+/).filter(Boolean),
  );
  window.addEventListener(
    "message",
    (event: MessageEvent<unknown>) => {
      const fromPage = event.source === window && event.origin === location.origin;
      const fromParent = event.source === window.parent && window.parent !== window && allowed.has(event.origin);
      if (fromPage || fromParent) tell(parsed(event.data));
    },
    { signal: abort.signal },
  );
  const { tvgShell } = window as { tvgShell?: NativeShell };
  tvgShell?.addEventListener("message", (event) => {
    if (!abort.signal.aborted) tell(parsed(event.data));
  });
  return () => {
    abort.abort();
  };
}

function parsed(data: unknown): unknown {
  if (typeof data !== "string") return data;
  try {
    return JSON.parse(data);
  } catch {
    return null;
  }
}
