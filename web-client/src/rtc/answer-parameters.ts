// What this client adds to an answer before it takes effect: the answer tells its own encoders how to begin.

/** A voice pauses half of the time, and loses packets: discontinuous transmission and in-band repair. */
const VOICE_PARAMETERS = ["usedtx=1", "useinbandfec=1"] as const;

/** Codecs whose format parameters may name the start bitrate. */
const VIDEO_CODECS = /^(VP8|VP9|H264|AV1)\//i;

/** Whether a voice carries earlier frames again in every packet (RED, RFC 2198). */
export type VoiceRedundancy = "plain" | "redundant";

/**
 * The answer with the voice parameters, and with the rate at which Chromium begins to send pictures:
 * its own 300 kbit/s would take many seconds to 720 lines.
 */
export function withSendingParameters(sdp: string, startKbps: number, voice: VoiceRedundancy = "plain"): string {
  return sdp
    .split(/(?=^m=)/m)
    .map((section) => {
      if (section.startsWith("m=audio")) return withVoice(withParameters(section, /^opus\//i, VOICE_PARAMETERS), voice);
      if (section.startsWith("m=video"))
        return withParameters(section, VIDEO_CODECS, [`x-google-start-bitrate=${startKbps}`]);
      return section;
    })
    .join("");
}

/** Chromium repeats frames where RED comes before Opus in the answer, whatever its own offer says; there is no other switch. */
function withVoice(section: string, voice: VoiceRedundancy): string {
  const red = /^a=rtpmap:(\d+) red\/48000/m.exec(section)?.[1];
  if (voice === "plain" || red === undefined || !/^a=recvonly/m.test(section)) return section;
  return section.replace(/^(m=audio \d+ \S+)(( \d+)+)/, (_, head: string, payloads: string) => {
    const others = payloads.split(" ").filter((payload) => payload !== red && payload !== "");
    return [head, red, ...others].join(" ");
  });
}

function withParameters(section: string, codec: RegExp, parameters: readonly string[]): string {
  const lines = section.split(/\r?\n/);
  const payloads = lines.flatMap((line) => {
    const [, payload, encoding] = /^a=rtpmap:(\d+) (.+)$/.exec(line) ?? [];
    return payload !== undefined && encoding !== undefined && codec.test(encoding) ? [payload] : [];
  });
  return lines.flatMap((line) => lineWithParameters(line, lines, payloads, parameters)).join("\r\n");
}

function lineWithParameters(
  line: string,
  lines: readonly string[],
  payloads: readonly string[],
  parameters: readonly string[],
): string[] {
  for (const payload of payloads) {
    const format = `a=fmtp:${payload} `;
    if (line.startsWith(format)) return [format + merged(line.slice(format.length), parameters)];
    const hasFormat = lines.some((other) => other.startsWith(format));
    if (!hasFormat && line.startsWith(`a=rtpmap:${payload} `)) return [line, format + parameters.join(";")];
  }
  return [line];
}

/** What the gateway has set itself stays. */
function merged(present: string, parameters: readonly string[]): string {
  const names = new Set(present.split(";").map((parameter) => parameter.split("=")[0]?.trim()));
  return [present, ...parameters.filter((parameter) => !names.has(parameter.split("=")[0]))].join(";");
}
