import { describe, expect, it } from "vitest";
import type { Track, TrackSource, UplinkPlan } from "../protocol/messages.js";
import { settle } from "../testing/fake-clock.js";
import { fakeRtc, fakeTrack } from "../testing/fake-rtc.js";
import { PeerConnection } from "./peer-connection.js";

const track = (id: string, source: TrackSource = "camera"): Track => ({ id, publisher: "other", source, muted: false });

function story() {
  const rtc = fakeRtc();
  const peer = new PeerConnection(
    rtc,
    { kbps: 900, videoCodecs: ["vp8", "h264", "vp9", "av1"], iceServers: [] },
    { stateChanged: () => undefined, iceStateChanged: () => undefined },
  );
  return { peer, connection: rtc.last() };
}

describe("a peer connection", () => {
  it("sends a camera in three encodings from small to large, VP8 first", () => {
    const { peer, connection } = story();
    peer.publish("camera", fakeTrack("video"));
    const [sender] = connection.transceivers;
    expect(sender?.direction).toBe("sendonly");
    expect(
      sender?.sender.parameters.encodings.map(({ rid, scaleResolutionDownBy, maxBitrate }) => [
        rid,
        scaleResolutionDownBy,
        maxBitrate,
      ]),
    ).toEqual([
      ["l", 4, 150_000],
      ["m", 1.5, 750_000],
      ["h", 1, 1_700_000],
    ]);
    expect(sender?.codecs).toEqual(["video/VP8", "video/H264", "video/AV1", "video/rtx"]);
  });

  it("goes over to another codec within its encodings", async () => {
    const { peer, connection } = story();
    peer.publish("camera", fakeTrack("video"));
    await peer.createOffer("continue");
    const plan = { track: "mine", mid: "0", codecs: ["h264", "vp9"], reason: "somebody_lacks" } as const;
    expect(peer.followCodecs({ ...plan, codecs: [...plan.codecs] })).toBe("offer_needed");
    const [sender] = connection.transceivers;
    expect(sender?.direction).toBe("sendonly");
    expect(sender?.codecs).toEqual(["video/H264", "video/VP8", "video/rtx", "video/AV1"]);
    expect(peer.followCodecs({ ...plan, mid: "7", codecs: ["av1"] })).toBe("unchanged");
    const codecs = [{ mimeType: "video/H264", clockRate: 90_000, payloadType: 102 }];
    if (sender !== undefined) sender.sender.parameters = { ...sender.sender.parameters, codecs };
    expect(peer.followCodecs({ ...plan, codecs: ["av1", "h264"] })).toBe("unchanged");
  });

  it("sends layers in place of encodings only where nothing else is left, in a media description of its own", async () => {
    const { peer, connection } = story();
    const camera = fakeTrack("video");
    peer.publish("camera", camera);
    await peer.createOffer("continue");
    const plan = { track: "mine", mid: "0", reason: "site_preference" } as const;
    expect(peer.followCodecs({ ...plan, codecs: ["av1", "vp8", "vp9"] })).toBe("offer_needed");
    const [first] = connection.transceivers;
    expect([first?.direction, first?.codecs[0]]).toEqual(["sendonly", "video/VP8"]);
    expect(peer.followCodecs({ ...plan, codecs: ["av1"] })).toBe("offer_needed");
    const offer = await peer.createOffer("continue");
    expect(offer?.tracks).toEqual([{ mid: "2", source: "camera" }]);
    const second = connection.transceivers[2];
    expect([first?.direction, first?.sender.track]).toEqual(["inactive", null]);
    expect(second?.sender.track).toBe(camera);
    expect(second?.sender.parameters.encodings).toMatchObject([{ scalabilityMode: "L3T3_KEY" }]);
    // The camera is off when layers will not do any more: it comes back in encodings.
    peer.silence("camera");
    expect(peer.followCodecs({ ...plan, mid: "2", codecs: ["vp8"] })).toBe("offer_needed");
    expect(connection.transceivers).toHaveLength(3);
    expect(peer.publish("camera", camera)).toBe("offer_needed");
    expect(connection.transceivers[3]?.sender.parameters.encodings).toHaveLength(3);
  });

  it("says what it can decode before there is anything to decode, once", async () => {
    const { peer, connection } = story();
    peer.publish("camera", fakeTrack("video"));
    expect((await peer.createOffer("continue"))?.subscriptions).toEqual([]);
    expect(connection.transceivers.map(({ kind, direction }) => [kind, direction])).toEqual([
      ["video", "sendonly"],
      ["video", "recvonly"],
    ]);
    const [, receiver] = connection.transceivers;
    expect(receiver?.extensions.map(({ direction }) => direction)).toEqual(["sendrecv", "stopped", "sendrecv"]);
    peer.receive([track("theirs")]);
    expect((await peer.createOffer("continue"))?.subscriptions).toEqual([{ mid: "1", track: "theirs" }]);
  });

  it("tells the encodings of a camera apart that comes when pictures are received already", async () => {
    const { peer, connection } = story();
    peer.receive([track("theirs")]);
    await peer.createOffer("continue");
    peer.publish("camera", fakeTrack("video"));
    const [, sender] = connection.transceivers;
    const ids = sender?.extensions.find(({ uri }) => uri.endsWith(":rtp-stream-id"));
    expect(ids?.direction).toBe("sendrecv");
  });

  it("goes without temporal layers where the browser refuses them", () => {
    const { peer, connection } = story();
    connection.refusesLayers = true;
    peer.publish("camera", fakeTrack("video"));
    expect(connection.transceivers[0]?.sender.parameters.encodings).toHaveLength(3);
  });

  it("says in its offer what each media description is for", async () => {
    const { peer } = story();
    peer.publish("microphone", fakeTrack("audio"));
    peer.publish("camera", fakeTrack("video"));
    peer.receive([track("t1", "microphone"), track("t2")]);
    expect(await peer.createOffer("continue")).toEqual({
      sdp: "offer 1",
      tracks: [
        { mid: "0", source: "microphone" },
        { mid: "1", source: "camera" },
      ],
      subscriptions: [
        { mid: "2", track: "t1" },
        { mid: "3", track: "t2" },
      ],
    });
  });

  it("has nothing to offer before there is anything to send or receive", async () => {
    expect(await story().peer.createOffer("continue")).toBeNull();
  });

  it("uses the media description of an ended track for the next one of its kind", async () => {
    const { peer, connection } = story();
    peer.receive([track("a"), track("voice", "microphone")]);
    await peer.createOffer("continue");
    expect(peer.receive([track("voice", "microphone")])).toBe("offer_needed");
    expect(connection.transceivers.map(({ direction }) => direction)).toEqual(["inactive", "recvonly"]);
    expect((await peer.createOffer("continue"))?.subscriptions).toEqual([{ mid: "1", track: "voice" }]);
    peer.receive([track("voice", "microphone"), track("b")]);
    expect(connection.transceivers).toHaveLength(2);
    expect((await peer.createOffer("continue"))?.subscriptions).toEqual([
      { mid: "0", track: "b" },
      { mid: "1", track: "voice" },
    ]);
    expect(peer.receive([track("voice", "microphone"), track("b")])).toBe("unchanged");
  });

  it("replaces a track without an offer", () => {
    const { peer, connection } = story();
    peer.publish("camera", fakeTrack("video"));
    const next = fakeTrack("video");
    expect(peer.publish("camera", next)).toBe("replaced");
    expect(connection.transceivers[0]?.sender.track).toBe(next);
  });

  it("follows a plan, again after every answer, and scales an upright phone by its shorter side", async () => {
    const { peer, connection } = story();
    peer.publish("camera", fakeTrack("video", { width: 720, height: 1_280 }));
    await peer.createOffer("continue");
    const plan: UplinkPlan = {
      track: "mine",
      mid: "0",
      encodings: [{ rid: "h", active: true, rung: "360p", max_bitrate_bps: 400_000, max_framerate: 20 }],
    };
    peer.follow(plan);
    await settle();
    const sender = connection.transceivers[0]?.sender;
    expect(sender?.set.at(-1)?.encodings[2]).toMatchObject({
      scaleResolutionDownBy: 2,
      maxBitrate: 400_000,
      maxFramerate: 20,
      active: true,
    });
    await peer.applyAnswer({ sdp: "", tracks: [{ mid: "0", track: "mine" }], shell_nonce: "" });
    await settle();
    expect(sender?.set).toHaveLength(2);
    expect(peer.trackOf("camera")).toBe("mine");
  });

  it("survives a refused plan", async () => {
    const { peer, connection } = story();
    peer.publish("camera", fakeTrack("video"));
    await peer.createOffer("continue");
    const sender = connection.transceivers[0]?.sender;
    if (sender === undefined) throw new Error("no sender");
    const set = sender.setParameters.bind(sender);
    sender.setParameters = () => Promise.reject(new Error("InvalidModificationError"));
    const plan = (rate: number): UplinkPlan => ({
      track: "mine",
      mid: "0",
      encodings: [{ rid: "l", active: true, rung: "180p", max_bitrate_bps: rate, max_framerate: 15 }],
    });
    peer.follow(plan(1));
    await settle();
    sender.setParameters = set;
    peer.follow(plan(2));
    await settle();
    expect(sender.set.at(-1)?.encodings[0]?.maxBitrate).toBe(2);
  });

  it("restarts ICE when asked to", async () => {
    const { peer, connection } = story();
    peer.publish("microphone", fakeTrack("audio"));
    await peer.createOffer("continue");
    await peer.createOffer("ice_restart");
    expect(connection.restarts).toEqual([false, true]);
  });

  it("sends the voice at the rate that it is told, and asks for an offer to repeat frames", async () => {
    const { peer, connection } = story();
    peer.publish("microphone", fakeTrack("audio"));
    peer.limitVoice(16_000);
    peer.limitVoice(16_000);
    await settle();
    const set = connection.transceivers[0]?.sender.set ?? [];
    expect(set.map(({ encodings }) => encodings.map(({ maxBitrate }) => maxBitrate))).toEqual([[16_000]]);
    expect([peer.repeatVoice("plain"), peer.repeatVoice("redundant"), peer.repeatVoice("redundant")]).toEqual([
      "unchanged",
      "offer_needed",
      "unchanged",
    ]);
  });
});
