import { describe, expect, it } from "vitest";
import { Capture, type Devices } from "../rtc/capture.js";
import { Session } from "../signaling/session.js";
import { FakeClock, settle } from "../testing/fake-clock.js";
import { FakeGateway } from "../testing/fake-gateway.js";
import { fakeRtc, fakeTrack } from "../testing/fake-rtc.js";
import { Call } from "./call.js";
import { snapshot } from "./debug-view.js";

const DEVICES: Devices = {
  getUserMedia: (asked) =>
    Promise.resolve({
      getTracks: () => [
        ...(asked?.audio === undefined ? [] : [fakeTrack("audio")]),
        ...(asked?.video === undefined ? [] : [fakeTrack("video")]),
      ],
    } as unknown as MediaStream),
  enumerateDevices: () => Promise.resolve([]),
  addEventListener: () => undefined,
};

const ROOM = {
  participants: [{ id: "doctor", name: "Dr Chen", role: "clinician", network_class: "4g", connected: true }],
  tracks: [{ id: "theirs", publisher: "doctor", source: "camera", muted: false }],
} as const;

const TURN = { urls: ["turn:turn.example.org"], username: "1800086400:me", credential: "proof" };

async function story() {
  const clock = new FakeClock();
  const gateway = new FakeGateway(clock);
  const rtc = fakeRtc();
  const session = new Session({ openSocket: gateway.openSocket, clock, random: () => 0, token: "token" });
  const capture = new Capture(DEVICES);
  const nonces: string[] = [];
  const call = new Call({
    session,
    capture,
    rtc,
    clock,
    networkInformation: () => ({ type: "wifi" }),
    giveNonce: (nonce) => nonces.push(nonce),
  });
  session.start();
  await capture.openBoth();
  await gateway.welcomeNew({ ice_servers: [TURN] });
  return { clock, gateway, rtc, session, capture, call, nonces };
}

async function joined() {
  const parts = await story();
  parts.call.join("Wang");
  await enterRoom(parts.gateway);
  return parts;
}

async function enterRoom(gateway: FakeGateway): Promise<void> {
  await gateway.answer("join", {
    type: "joined",
    participants: [...ROOM.participants],
    tracks: [...ROOM.tracks],
    unlisted_viewers: 0,
    video_codecs: ["vp8"],
  });
  await gateway.answer("offer", {
    type: "answer",
    sdp: "",
    shell_nonce: "nonce",
    tracks: [
      { mid: "0", track: "camera" },
      { mid: "1", track: "voice" },
    ],
  });
}

describe("a call", () => {
  it("asks the servers that the gateway names, and no others", async () => {
    const { rtc } = await joined();
    expect(rtc.last().configuration.iceServers).toEqual([TURN]);
  });

  it("begins in what the room can decode, and changes where it is told to", async () => {
    const parts = await story();
    parts.call.join("Wang");
    await parts.gateway.answer("join", {
      type: "joined",
      participants: [],
      unlisted_viewers: 0,
      tracks: [],
      video_codecs: ["h264"],
    });
    const camera = () =>
      parts.rtc.last().transceivers.find(({ direction, kind }) => direction === "sendonly" && kind === "video");
    expect(camera()?.codecs[0]).toBe("video/H264");
    const answered = {
      type: "answer",
      sdp: "",
      shell_nonce: "nonce",
      tracks: [{ mid: "0", track: "camera" }],
    } as const;
    await parts.gateway.answer("offer", { ...answered, tracks: [...answered.tracks] });
    parts.gateway.event(1, {
      type: "codec_plan",
      track: "camera",
      mid: "0",
      codecs: ["vp8"],
      reason: "somebody_lacks",
    });
    await parts.clock.advance(1_000);
    expect(camera()?.codecs[0]).toBe("video/VP8");
    expect(parts.gateway.count("offer")).toBe(2);
  });

  it("publishes its camera and voice and receives the doctor with one offer", async () => {
    const { gateway, rtc, call } = await joined();
    expect(gateway.count("offer")).toBe(1);
    expect(gateway.last("offer")).toMatchObject({
      tracks: [{ source: "camera" }, { source: "microphone" }],
      subscriptions: [{ mid: "2", track: "theirs" }],
    });
    rtc.last().become("connecting");
    rtc.last().become("connected");
    expect(call.state).toMatchObject({ phase: "inCall", media: { state: "connected" } });
    expect(call.link?.received("theirs")).toBe(rtc.last().transceivers[2]?.receiver.track);
  });

  it("reports its network, and again before the claim is forgotten", async () => {
    const { clock, gateway } = await joined();
    expect(gateway.last("network_report")).toMatchObject({ source: "network_information", class: "wifi" });
    const before = gateway.last("network_report").sequence;
    await clock.advance(5_000);
    expect(gateway.last("network_report").sequence).toBe(before + 1);
  });

  it("passes the shell's claim on", async () => {
    const { gateway, call } = await joined();
    call.shellSays({ source: "tvg-shell", type: "network", class: "5g", sequence: 1 });
    expect(gateway.last("network_report")).toMatchObject({ source: "shell", class: "5g" });
  });

  it("gives the shell the nonce of its transport, and passes on what the shell signs", async () => {
    const { gateway, call, nonces } = await joined();
    expect(nonces).toEqual(["nonce"]);
    const signed = {
      app: "clinic-app",
      nonce: "nonce",
      sequence: 1,
      class: "5g",
      time_ms: 7,
      signature: "c2ln",
    } as const;
    call.shellSays({ source: "tvg-shell", type: "attested", ...signed });
    expect(gateway.last("attested_report")).toMatchObject(signed);
    call.shellSays({ source: "tvg-shell", type: "attested", ...signed, class: "6g" });
    expect(gateway.count("attested_report")).toBe(1);
  });

  it("tells what the link says as a hint, with the other reports", async () => {
    const { clock, gateway, call } = await joined();
    call.linkSays("4g");
    call.linkSays("everything");
    expect(gateway.last("network_report")).toMatchObject({ source: "person", class: "4g" });
    const before = gateway.count("network_report");
    await clock.advance(5_000);
    expect(gateway.count("network_report")).toBe(before + 2);
  });

  it("tells when it is muted, and turns the camera's light off", async () => {
    const { gateway, capture, rtc } = await joined();
    capture.close("microphone");
    expect(gateway.last("mute")).toMatchObject({ track: "voice", muted: true });
    capture.close("camera");
    expect(gateway.last("mute")).toMatchObject({ track: "camera", muted: true });
    expect(rtc.last().transceivers[0]?.sender.track).toBeNull();
    await capture.open("camera");
    expect(gateway.last("mute")).toMatchObject({ track: "camera", muted: false });
    expect(rtc.last().transceivers[0]?.sender.track).not.toBeNull();
    expect(gateway.count("offer")).toBe(1);
  });

  it("keeps its media over a resumed session, and says its wishes and mutes again", async () => {
    const { clock, gateway, rtc, call, capture } = await joined();
    call.tileShown("theirs", 720);
    gateway.drop();
    capture.close("microphone");
    expect(call.state).toMatchObject({ phase: "inCall", signaling: { state: "lost" } });
    await clock.advance(0);
    gateway.sent.length = 0;
    await gateway.welcomeNew({ resumed: true });
    expect(gateway.last("subscribe")).toMatchObject({ track: "theirs", max_lines: 720 });
    expect(gateway.last("mute")).toMatchObject({ track: "voice", muted: true });
    expect(gateway.count("join")).toBe(0);
    expect(rtc.connections).toHaveLength(1);
  });

  it("wishes for nothing of a track that has ended", async () => {
    const { gateway, call } = await joined();
    call.tileShown("theirs", 720);
    gateway.event(1, { type: "track_unpublished", track: "theirs" });
    const before = gateway.count("subscribe");
    call.tileShown("theirs", 0);
    expect(gateway.count("subscribe")).toBe(before);
  });

  it("joins again with new media where the session is gone", async () => {
    const { clock, gateway, rtc, call } = await joined();
    gateway.drop();
    await clock.advance(0);
    gateway.sent.length = 0;
    await gateway.welcomeNew();
    expect(gateway.last("join")).toMatchObject({ name: "Wang" });
    await enterRoom(gateway);
    expect(rtc.connections.map(({ connectionState }) => connectionState)).toEqual(["closed", "new"]);
    expect(call.state).toMatchObject({ phase: "inCall", signaling: { state: "open" } });
  });

  it("joins once the connection is back, where it dropped while joining", async () => {
    const { clock, gateway, call } = await story();
    call.join("Wang");
    gateway.drop();
    await clock.advance(0);
    await gateway.welcomeNew();
    await enterRoom(gateway);
    expect(call.state.phase).toBe("inCall");
  });

  it.each(["gateway", "connection"] as const)("restarts ICE when the %s says that media failed", async (who) => {
    const { clock, gateway, rtc } = await joined();
    await clock.advance(300);
    rtc.last().become("connected");
    if (who === "gateway") gateway.event(1, { type: "media_failed" });
    else rtc.last().become("failed");
    await clock.advance(0);
    expect(rtc.last().restarts).toEqual([false, true]);
    expect(gateway.count("offer")).toBe(2);
  });

  it("notices silence within two seconds, and is well again only with bytes", async () => {
    const { clock, rtc, call } = await joined();
    const arrive = (bytes: number): void => {
      rtc.last().stats = [["t", { type: "transport", bytesReceived: bytes, bytesSent: bytes }]];
    };
    rtc.last().become("connected");
    for (let reading = 1; reading <= 6; reading++) {
      arrive(reading);
      await clock.advance(500);
    }
    await clock.advance(2_000);
    expect(call.state).toMatchObject({ media: { state: "lost" } });
    expect(rtc.last().restarts.at(-1)).toBe(true);
    rtc.last().become("connected");
    expect(call.state).toMatchObject({ media: { state: "lost" } });
    arrive(100);
    await clock.advance(500);
    expect(call.state).toMatchObject({ media: { state: "connected" } });
  });

  it("follows who comes and goes with one media description each", async () => {
    const { clock, gateway, rtc } = await joined();
    gateway.event(1, { type: "track_published", id: "second", publisher: "doctor", source: "screen", muted: false });
    await clock.advance(250);
    await gateway.answer("offer", { type: "answer", sdp: "", tracks: [], shell_nonce: "nonce" });
    expect(gateway.last("offer").subscriptions.map(({ track }) => track)).toEqual(["theirs", "second"]);
    gateway.event(2, { type: "participant_left", participant: "doctor" });
    await clock.advance(250);
    expect(gateway.last("offer").subscriptions).toEqual([]);
    expect(rtc.last().transceivers).toHaveLength(4);
  });

  it("lets everything go when it is left", async () => {
    const { gateway, rtc, call, capture } = await joined();
    call.leave();
    await settle();
    expect(gateway.last("leave")).toBeDefined();
    expect(call.state).toMatchObject({ phase: "ended", end: { by: "client" } });
    expect(rtc.last().connectionState).toBe("closed");
    expect(capture.state.camera.state).toBe("off");
  });

  it("counts gaps as freezes only while a moving picture is shown", async () => {
    const { clock, gateway, call } = await joined();
    const frames = (count: number): void => {
      for (let frame = 0; frame < count; frame++) call.link?.frameShown("theirs", clock.now() + frame * 33, 480);
    };
    const freezes = (): number => call.link?.freezes("theirs").count ?? 0;
    call.tileShown("theirs", 700);
    frames(10);
    gateway.event(1, { type: "track_muted", ...ROOM.tracks[0], muted: true });
    await clock.advance(10_000);
    expect(freezes()).toBe(0);
    gateway.event(2, { type: "track_muted", ...ROOM.tracks[0], muted: false });
    frames(10);
    call.tileShown("theirs", 0);
    await clock.advance(10_000);
    expect(freezes()).toBe(0);
    call.tileShown("theirs", 700);
    frames(10);
    await clock.advance(10_000);
    expect(freezes()).toBe(1);
  });

  it("shows itself without names", async () => {
    const { clock, call } = await joined();
    call.link?.frameShown("theirs", clock.now(), 720);
    const view = snapshot(call, clock.now());
    expect(view).toMatchObject({
      phase: "inCall",
      participants: [{ id: "doctor", networkClass: "4g" }],
      remoteTracks: [{ track: "theirs", source: "camera" }],
    });
    expect(Object.keys(view.milestones)).toEqual([
      "joinClicked",
      "joined",
      "offered",
      "answered",
      "firstFrame",
      "first720",
    ]);
    expect(JSON.stringify(view)).not.toMatch(/Chen|Wang|Follow-up|token|secret/);
  });
});
