// What a plan of the gateway means for the encodings of a sender.

import type { EncodingPlan, Rung, UplinkPlan } from "../protocol/messages.js";

/** Lines of the picture of each rung. */
export const LINES: Record<Rung, number> = {
  audio_only: 0,
  "180p": 180,
  "360p": 360,
  "480p": 480,
  "720p": 720,
  "1080p": 1080,
};

/**
 * The parameters that carry out a plan, or null where the sender has nothing to set yet.
 * `captureLines` is the shorter side of what the camera gives, so a phone held upright counts as 720 too.
 */
export function planned(
  parameters: RTCRtpSendParameters,
  plan: UplinkPlan,
  captureLines: number,
): RTCRtpSendParameters | null {
  // Firefox leaves `encodings` out before the first negotiation.
  const encodings = (parameters.encodings as RTCRtpEncodingParameters[] | undefined) ?? [];
  if (encodings.length === 0) return null;
  const [single, ...others] = encodings;
  const [codec] = parameters.codecs;
  if (single !== undefined && others.length === 0 && plan.encodings.length > 1 && codec !== undefined && LAYERED.test(codec.mimeType))
    return { ...parameters, encodings: [spatialEncoding(single, plan, captureLines)] };
  return {
    ...parameters,
    encodings: encodings.map((encoding) =>
      plannedEncoding(encoding, encodingPlan(encoding, encodings, plan), captureLines),
    ),
  };
}

/** The parameters of a voice with a ceiling for its rate, or null where the sender has nothing to set yet. */
export function voiced(parameters: RTCRtpSendParameters, maxBitrate: number): RTCRtpSendParameters | null {
  const encodings = (parameters.encodings as RTCRtpEncodingParameters[] | undefined) ?? [];
  if (encodings.length === 0) return null;
  return { ...parameters, encodings: encodings.map((encoding) => ({ ...encoding, maxBitrate })) };
}

/**
 * One stream whose spatial layers carry the planned encodings: as many layers as are on, the highest of the highest
 * size that is. The sizes below follow from it, each half of the next.
 */
function spatialEncoding(
  encoding: RTCRtpEncodingParameters,
  plan: UplinkPlan,
  captureLines: number,
): RTCRtpEncodingParameters {
  const active = plan.encodings.filter((candidate) => candidate.active);
  const top = active.at(-1);
  if (top === undefined) return { ...encoding, active: false };
  const bitrate = active.reduce((sum, candidate) => sum + candidate.max_bitrate_bps, 0);
  const planned = plannedEncoding(encoding, { ...top, max_bitrate_bps: Math.round(bitrate * LAYERED_SHARE) }, captureLines);
  return { ...planned, scalabilityMode: active.length > 1 ? `L${active.length}T3_KEY` : "L1T3" } as RTCRtpEncodingParameters;
}

/** Codecs that carry spatial layers in one stream, */
const LAYERED = /^video\/(VP9|AV1)$/i;

/** and which need so much less for the same picture than those that the plan is made for. */
const LAYERED_SHARE = 0.7;

function encodingPlan(
  encoding: RTCRtpEncodingParameters,
  all: readonly RTCRtpEncodingParameters[],
  plan: UplinkPlan,
): EncodingPlan | undefined {
  const byRid = plan.encodings.find((candidate) => candidate.rid === encoding.rid);
  if (byRid !== undefined) return byRid;
  // A browser that refused simulcast sends one encoding without a RID: it carries the best of the plan.
  return all.length === 1 ? plan.encodings.findLast((candidate) => candidate.active) : undefined;
}

function plannedEncoding(
  encoding: RTCRtpEncodingParameters,
  plan: EncodingPlan | undefined,
  captureLines: number,
): RTCRtpEncodingParameters {
  if (plan === undefined) return encoding;
  const lines = LINES[plan.rung];
  const sends = plan.active && lines > 0;
  return {
    ...encoding,
    active: sends,
    ...(plan.max_bitrate_bps > 0 ? { maxBitrate: plan.max_bitrate_bps } : {}),
    ...(plan.max_framerate > 0 ? { maxFramerate: plan.max_framerate } : {}),
    ...(sends && captureLines > 0 ? { scaleResolutionDownBy: Math.max(1, captureLines / lines) } : {}),
  };
}
