// The elements that show and play tracks, and what they tell of themselves.

import { h, type VNode } from "./dom.js";

const streams = new WeakMap<MediaStreamTrack, MediaStream>();

function streamOf(track: MediaStreamTrack): MediaStream {
  const known = streams.get(track) ?? new MediaStream([track]);
  streams.set(track, known);
  return known;
}

/** A picture. */
export type Picture = {
  readonly key: string;
  readonly track: MediaStreamTrack;
  readonly mirrored: boolean;
  readonly label: string;
  /** How many device pixels the whole picture is high; zero while nobody can see it. */
  readonly onLines?: (lines: number) => void;
  /** A frame was shown, so many lines high. */
  readonly onFrame?: (lines: number) => void;
};

/** The element of a picture. Voices have elements of their own, so it is always silent and may always play. */
export function pictureElement(picture: Picture): VNode {
  return h("video", {
    key: picture.key,
    class: picture.mirrored ? "picture mirrored" : "picture",
    attributes: { playsinline: true, autoplay: true, muted: true, "aria-label": picture.label },
    mounted: (element) => watch(element as HTMLVideoElement, picture),
    updated: (element) => {
      attach(element as HTMLVideoElement, picture.track);
    },
  });
}

/** The element of a voice; `blocked` is called when the browser wants a press first. */
export function voiceElement(key: string, track: MediaStreamTrack, blocked: () => void): VNode {
  return h("audio", {
    key,
    attributes: { autoplay: true },
    updated: (element) => {
      attach(element as HTMLAudioElement, track, blocked);
    },
  });
}

/** Plays every voice of the page, from within a press. */
export async function playAll(root: ParentNode): Promise<boolean> {
  const played = await Promise.allSettled([...root.querySelectorAll("audio")].map((voice) => voice.play()));
  return played.every((outcome) => outcome.status === "fulfilled");
}

function attach(element: HTMLMediaElement, track: MediaStreamTrack, blocked: () => void = () => undefined): void {
  const stream = streamOf(track);
  if (element.srcObject === stream) return;
  if (element instanceof HTMLVideoElement) element.muted = true;
  element.srcObject = stream;
  // Some WebViews draw nothing before `play` was called.
  element.play().catch((error: unknown) => {
    if (error instanceof DOMException && error.name === "NotAllowedError") blocked();
  });
}

function watch(video: HTMLVideoElement, { onLines, onFrame }: Picture): () => void {
  const abort = new AbortController();
  const tellLines = (): void => onLines?.(document.hidden ? 0 : shownLines(video));
  const observer = new ResizeObserver(tellLines);
  observer.observe(video);
  video.addEventListener(
    "resize",
    () => {
      video.dataset["shape"] = video.videoHeight > video.videoWidth ? "upright" : "wide";
      tellLines();
    },
    { signal: abort.signal },
  );
  document.addEventListener("visibilitychange", tellLines, { signal: abort.signal });
  if (onFrame !== undefined) watchFrames(video, onFrame, abort.signal);
  return () => {
    abort.abort();
    observer.disconnect();
    video.srcObject = null;
    onLines?.(0);
  };
}

function watchFrames(video: HTMLVideoElement, onFrame: (lines: number) => void, signal: AbortSignal): void {
  // Firefox before 132 lacks the callback; freezes then come from the statistics alone.
  if (!("requestVideoFrameCallback" in video)) return;
  const next = (): void => {
    video.requestVideoFrameCallback((_, frame) => {
      if (signal.aborted) return;
      onFrame(Math.min(frame.width, frame.height));
      next();
    });
  };
  next();
}

/** The shorter side of the whole picture as it is scaled, cut off or not, in device pixels. */
function shownLines(video: HTMLVideoElement): number {
  const { clientWidth, clientHeight, videoWidth, videoHeight } = video;
  if (clientWidth === 0 || clientHeight === 0) return 0;
  const [width, height] = videoWidth > 0 && videoHeight > 0 ? [videoWidth, videoHeight] : [16, 9];
  const fits = [clientWidth / width, clientHeight / height];
  const scale = getComputedStyle(video).objectFit === "contain" ? Math.min(...fits) : Math.max(...fits);
  return Math.round(Math.min(width, height) * scale * devicePixelRatio);
}
