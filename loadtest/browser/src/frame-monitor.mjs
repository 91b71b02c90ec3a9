// Runs in the page: notes every displayed frame of every remote picture, with its time and its height. What the
// browser counts as a freeze leaves gaps without packets out; what people see does not.
//
// A page is not told of every frame: where two are presented within one turn of its rendering, or while it is busy,
// it hears of the last one only, together with how many there were. The others are noted evenly spread before it.

/** Installs the monitor; call it before the page's own scripts run. */
export function frameMonitor() {
  const MAX_FRAMES = 40_000;
  /** More than this many at once is a counter that began anew. */
  const MAX_UNTOLD = 60;
  const frames = [];
  const watched = new WeakSet();
  const watch = (video) => {
    if (watched.has(video)) return;
    watched.add(video);
    let before = null;
    const note = (_, metadata) => {
      const at = performance.timeOrigin + metadata.presentationTime;
      // One's own camera is shown mirrored; everything else comes from somebody else.
      if (!video.classList.contains("mirrored")) {
        // Whose picture it is says the tile: the browser's track goes from one participant to the next.
        const participant = video.closest("[data-participant]")?.dataset.participant ?? "";
        const height = Math.min(metadata.height, metadata.width);
        const count = before === null ? 1 : metadata.presentedFrames - before.count;
        const told = count >= 1 && count <= MAX_UNTOLD ? count : 1;
        for (let index = 1; index <= told; index += 1) {
          const since = before?.at ?? at;
          frames.push({ at: since + ((at - since) * index) / told, height, participant });
          if (frames.length > MAX_FRAMES) frames.shift();
        }
      }
      before = { at, count: metadata.presentedFrames };
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
