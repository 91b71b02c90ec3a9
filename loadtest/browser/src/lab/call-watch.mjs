// Runs in the page: notes what a call is told and what it hears, with times, until it is asked.

/** Installs the watch; call it before the page's own scripts run. */
export function callWatch() {
  const VOICE_MS = 50;
  const CALL_MS = 200;
  const SENT_MS = 1_000;
  const MAX_ROWS = 40_000;
  const now = () => performance.timeOrigin + performance.now();
  const voice = [];
  const calls = [];
  const sent = [];
  const keep = (rows, row) => {
    rows.push(row);
    if (rows.length > MAX_ROWS) rows.shift();
  };
  const connection = () => (window.tvgConnection?.connectionState === "connected" ? window.tvgConnection : null);
  setInterval(() => {
    const receivers = connection()?.getReceivers() ?? [];
    for (const receiver of receivers.filter((one) => one.track.kind === "audio")) {
      const source = receiver.getSynchronizationSources()[0];
      // Chromium counts these from 1970, as opposed to everything else.
      const isAbsolute = source !== undefined && source.timestamp > performance.timeOrigin / 2;
      const at = source === undefined ? null : source.timestamp + (isAbsolute ? 0 : performance.timeOrigin);
      if (at !== null && at !== voice.at(-1)) keep(voice, at);
    }
  }, VOICE_MS);
  setInterval(() => {
    const view = window.tvg?.snapshot();
    const pair = view?.pairs.find((one) => one.publisher !== view.self?.participant);
    if (pair) keep(calls, { at: now(), hd: pair.hd === "granted", rung: pair.rung, publisher: pair.publisher_class, subscriber: pair.subscriber_class });
  }, CALL_MS);
  setInterval(async () => {
    const sender = connection()?.getSenders().find((one) => one.track?.kind === "video");
    if (!sender) return;
    const rows = [...(await sender.getStats()).values()].filter((row) => row.type === "outbound-rtp");
    const sum = (field) => rows.reduce((total, row) => total + (row[field] ?? 0), 0);
    const highest = rows.reduce((best, row) => ((row.frameHeight ?? 0) > (best?.frameHeight ?? 0) ? row : best), null);
    keep(sent, { at: now(), plis: sum("pliCount"), keyFrames: sum("keyFramesEncoded"), lines: highest?.frameHeight ?? 0, fps: highest?.framesPerSecond ?? 0, limit: highest?.qualityLimitationReason ?? "" });
  }, SENT_MS);
  window.tvgWatch = () => ({ voice, calls, sent });
}
