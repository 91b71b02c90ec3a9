// How each source begins to be sent, before the first plan of the gateway.

import type { TrackSource, VideoCodec } from "../protocol/messages.js";

/** Each encoding carries three temporal layers, so that a subscriber can lose frames before lines. */
const TEMPORAL_LAYERS = "L1T3";

/**
 * Three spatial layers in one stream, each of half the lines of the next. They rest on each other in key frames
 * only, so a subscriber gets no more than its own layer in between.
 */
const SPATIAL_LAYERS = "L3T3_KEY";

/** Sum of the rates of 180, 360 and 720 lines in a codec that has spatial layers. */
const SPATIAL_BITRATE = 1_800_000;

/** 180, 480 and 720 lines of a 720-line camera, in the ascending order that libwebrtc wants. */
const CAMERA: readonly RTCRtpEncodingParameters[] = [
  { rid: "l", scaleResolutionDownBy: 4, maxBitrate: 150_000 },
  { rid: "m", scaleResolutionDownBy: 1.5, maxBitrate: 750_000 },
  { rid: "h", scaleResolutionDownBy: 1, maxBitrate: 1_700_000 },
];

/** Text and findings need every line, and few frames. */
const SCREEN: readonly RTCRtpEncodingParameters[] = [{ maxBitrate: 1_800_000, maxFramerate: 15 }];

/** The voice is worth more than any picture. */
const MICROPHONE: readonly RTCRtpEncodingParameters[] = [{ priority: "high" }];

/** The encodings to begin with, in the order in which to try them: a browser refuses layers that it does not know. */
export function sendEncodings(source: TrackSource, codec: VideoCodec): RTCRtpEncodingParameters[][] {
  switch (source) {
    case "camera":
      return hasSpatialLayers(codec)
        ? [
            layered([{ maxBitrate: SPATIAL_BITRATE }], SPATIAL_LAYERS),
            layered([{ maxBitrate: SPATIAL_BITRATE }], TEMPORAL_LAYERS),
            [...CAMERA],
          ]
        : [layered(CAMERA, TEMPORAL_LAYERS), [...CAMERA]];
    case "screen":
      return [[...SCREEN]];
    case "microphone":
      return [[...MICROPHONE]];
  }
}

function layered(encodings: readonly RTCRtpEncodingParameters[], scalabilityMode: string): RTCRtpEncodingParameters[] {
  return encodings.map((encoding) => ({ ...encoding, scalabilityMode }));
}

/** Whether browsers send a codec as one stream with spatial layers, and not as simulcast. */
export function hasSpatialLayers(codec: VideoCodec): boolean {
  switch (codec) {
    case "vp8":
    case "h264":
      return false;
    case "vp9":
    case "av1":
      return true;
  }
}

/** The first codec of the preference that the browser has; VP8 where it has none of them. */
export function chosenCodec(
  codecs: readonly { readonly mimeType: string }[],
  preference: readonly VideoCodec[],
): VideoCodec {
  return preference.find((wanted) => hasCodec(codecs, wanted)) ?? "vp8";
}

/** Whether a codec is among those of the browser. */
export function hasCodec(codecs: readonly { readonly mimeType: string }[], wanted: VideoCodec): boolean {
  return codecs.some((codec) => isOf(codec, wanted));
}

/** The codecs in the order of the preference. What carries repairs stays behind them. */
export function preferredCodecs<Codec extends { readonly mimeType: string }>(
  codecs: readonly Codec[],
  preference: readonly VideoCodec[],
): Codec[] {
  const preferred = preference.flatMap((wanted) => codecs.filter((codec) => isOf(codec, wanted)));
  return [...preferred, ...codecs.filter((codec) => !preferred.includes(codec))];
}

function isOf(codec: { readonly mimeType: string }, wanted: VideoCodec): boolean {
  return codec.mimeType.toLowerCase() === `video/${wanted}`;
}
