// Runs in the page: notes every displayed frame of every remote picture, with its time and its height. What the
// browser counts as a freeze leaves gaps without packets out; what people see does not.

/** Installs the monitor; call it before the page's own scripts run. */
export function frameMonitor() {
  const MAX_FRAMES = 40_000;
  const frames = [];
  const watched = new WeakSet();
  const watch = (video) => {
    if (watched.has(video)) return;
    watched.add(video);
    const note = (now, metadata) => {
      // One's own camera is shown mirrored; everything else comes from somebody else.
      if (!video.classList.contains("mirrored")) {
        // Whose picture it is says the tile: the browser's track goes from one participant to the next.
        const participant = video.closest("[data-participant]")?.dataset.participant ?? "";
        frames.push({ at: performance.timeOrigin + now, height: Math.min(metadata.height, metadata.width), participant });
        if (frames.length > MAX_FRAMES) frames.shift();
      }
      video.requestVideoFrameCallback(note);
    };
    video.requestVideoFrameCallback(note);
  };
  new MutationObserver(() => document.querySelectorAll("video").forEach(watch)).observe(document, { childList: true, subtree: true });
  window.tvgFrames = (since) => frames.filter((frame) => frame.at >= since);
}

/** The longest time without a new frame between two moments, and the time lost in gaps over `threshold`. */
export function freezes(frames, from, to, threshold = 500) {
  const times = [from, ...frames.map((frame) => frame.at).filter((at) => at > from && at < to), to];
  const gaps = times.slice(1).map((at, index) => at - times[index]);
  const long = gaps.filter((gap) => gap > threshold);
  return { longestMs: Math.max(...gaps), frozenMs: long.reduce((sum, gap) => sum + gap, 0), count: long.length };
}
