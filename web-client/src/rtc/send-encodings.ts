// How each source begins to be sent, before the first plan of the gateway.

import type { TrackSource } from "../protocol/messages.js";

/** Each encoding carries three temporal layers, so that a subscriber can lose frames before lines. */
const TEMPORAL_LAYERS = "L1T3";

type Encoding = RTCRtpEncodingParameters & { scalabilityMode?: string };

/** 180, 480 and 720 lines of a 720-line camera, in the ascending order that libwebrtc wants. */
const CAMERA: readonly Encoding[] = [
  { rid: "l", scaleResolutionDownBy: 4, maxBitrate: 150_000, scalabilityMode: TEMPORAL_LAYERS },
  { rid: "m", scaleResolutionDownBy: 1.5, maxBitrate: 750_000, scalabilityMode: TEMPORAL_LAYERS },
  { rid: "h", scaleResolutionDownBy: 1, maxBitrate: 1_700_000, scalabilityMode: TEMPORAL_LAYERS },
];

/** Text and findings need every line, and few frames. */
const SCREEN: readonly Encoding[] = [{ maxBitrate: 1_800_000, maxFramerate: 15 }];

/** The voice is worth more than any picture. */
const MICROPHONE: readonly Encoding[] = [{ priority: "high" }];

/** The encodings to begin with; `layered` false leaves the temporal layers out. */
export function sendEncodings(source: TrackSource, layered: boolean): RTCRtpEncodingParameters[] {
  return encodingsOf(source).map(({ scalabilityMode, ...encoding }) =>
    layered && scalabilityMode !== undefined ? { ...encoding, scalabilityMode } : { ...encoding },
  );
}

function encodingsOf(source: TrackSource): readonly Encoding[] {
  switch (source) {
    case "camera":
      return CAMERA;
    case "screen":
      return SCREEN;
    case "microphone":
      return MICROPHONE;
  }
}

/** VP8 first: every browser encodes it in layers at 720 lines. The others stay behind it, and so does what carries repairs. */
export function preferredCodecs<Codec extends { readonly mimeType: string }>(codecs: readonly Codec[]): Codec[] {
  const isFirst = (codec: Codec): boolean => codec.mimeType.toLowerCase() === "video/vp8";
  return [...codecs.filter(isFirst), ...codecs.filter((codec) => !isFirst(codec))];
}
