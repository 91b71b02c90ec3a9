import { describe, expect, it } from "vitest";
import { withSendingParameters } from "./answer-parameters.js";

const sdp = (...lines: string[]): string => lines.map((line) => `${line}\r\n`).join("");

describe("an answer with sending parameters", () => {
  it("asks for discontinuous transmission and repair, beside what is there", () => {
    const answer = sdp(
      "v=0",
      "m=audio 9 UDP/TLS/RTP/SAVPF 111",
      "a=rtpmap:111 opus/48000/2",
      "a=fmtp:111 minptime=10;useinbandfec=1",
    );
    expect(withSendingParameters(answer, 900)).toBe(
      sdp(
        "v=0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 minptime=10;useinbandfec=1;usedtx=1",
      ),
    );
  });

  it("names the start bitrate for every video codec, but not for repairs", () => {
    const answer = sdp(
      "v=0",
      "m=video 9 UDP/TLS/RTP/SAVPF 96 97 98",
      "a=rtpmap:96 VP8/90000",
      "a=rtpmap:97 rtx/90000",
      "a=fmtp:97 apt=96",
      "a=rtpmap:98 H264/90000",
      "a=fmtp:98 packetization-mode=1",
    );
    expect(withSendingParameters(answer, 900)).toBe(
      sdp(
        "v=0",
        "m=video 9 UDP/TLS/RTP/SAVPF 96 97 98",
        "a=rtpmap:96 VP8/90000",
        "a=fmtp:96 x-google-start-bitrate=900",
        "a=rtpmap:97 rtx/90000",
        "a=fmtp:97 apt=96",
        "a=rtpmap:98 H264/90000",
        "a=fmtp:98 packetization-mode=1;x-google-start-bitrate=900",
      ),
    );
  });

  it("leaves the gateway's own start bitrate", () => {
    const answer = sdp(
      "m=video 9 UDP/TLS/RTP/SAVPF 96",
      "a=rtpmap:96 VP8/90000",
      "a=fmtp:96 x-google-start-bitrate=2500",
    );
    expect(withSendingParameters(answer, 900)).toBe(answer);
  });

  const voice = (direction: string): string =>
    sdp(
      "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9",
      `a=${direction}`,
      "a=rtpmap:111 opus/48000/2",
      "a=fmtp:111 minptime=10;useinbandfec=1;usedtx=1",
      "a=rtpmap:63 red/48000/2",
      "a=fmtp:63 111/111",
    );

  it("puts redundancy first where a voice is to be sent with it", () => {
    expect(withSendingParameters(voice("recvonly"), 900, "redundant")).toContain("SAVPF 63 111 9\r\n");
    expect(withSendingParameters(voice("recvonly"), 900, "plain")).toBe(voice("recvonly"));
  });

  it("leaves the voices that arrive, and browsers without redundancy, as they are", () => {
    expect(withSendingParameters(voice("sendonly"), 900, "redundant")).toBe(voice("sendonly"));
    const without = voice("recvonly").replaceAll(/a=(rtpmap|fmtp):63.*\r\n/g, "");
    expect(withSendingParameters(without, 900, "redundant")).toBe(without);
  });
});
