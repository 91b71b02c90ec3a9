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
