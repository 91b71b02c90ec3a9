// The media of one stay in the room: one peer connection with its negotiation, its recovery, and its measurements.

import { every, type Clock } from "../lifetime/clock.js";
import { Scope } from "../lifetime/scope.js";
import type {
  CodecPlan,
  EncoderLimit,
  IceServer,
  Track,
  TrackId,
  TrackSource,
  UplinkPlan,
  VideoCodec,
  VoicePlan,
} from "../protocol/messages.js";
import { EncoderLimitWatch, worstLimit } from "../quality/encoder-limit.js";
import { FreezeDetector, type Freezes } from "../quality/freeze-detector.js";
import { SilenceDetector } from "../quality/silence-detector.js";
import { StatsHistory } from "../quality/stats-history.js";
import { readSample, type StatsSample } from "../quality/stats-sample.js";
import { VoiceRate } from "../quality/voice-rate.js";
import { Negotiation, type Exchange } from "../rtc/negotiation.js";
import { PeerConnection, type Rtc } from "../rtc/peer-connection.js";
import { TransportRecovery, type RestartCause } from "../rtc/transport-recovery.js";
import type { MediaHealth } from "./call-state.js";
import type { Timeline } from "./timeline.js";

/** What a media link needs. */
export type MediaLinkParts = {
  readonly rtc: Rtc;
  readonly clock: Clock;
  readonly startKbps: number;
  readonly videoCodecs: readonly VideoCodec[];
  readonly iceServers: readonly IceServer[];
  readonly exchange: Exchange;
  readonly timeline: Timeline;
  readonly tell: (notice: MediaNotice) => void;
};

/** What a media link tells. */
export type MediaNotice =
  | { readonly type: "health"; readonly health: MediaHealth }
  | { readonly type: "negotiated" }
  | { readonly type: "encoder_limit"; readonly track: TrackId; readonly limit: EncoderLimit };

/** Silence is to be noticed within 1.5 s; reading the statistics twice a second costs a few milliseconds. */
const SAMPLE_INTERVAL = 500;

/** HD begins here, on the shorter side of the picture. */
const HD_LINES = 720;

/** The media transport from a join to the next one, or to the end. */
export class MediaLink {
  readonly history = new StatsHistory();
  readonly #parts: MediaLinkParts;
  readonly #scope = new Scope();
  readonly #peer: PeerConnection;
  readonly #negotiation: Negotiation;
  readonly #recovery: TransportRecovery;
  readonly #silence = new SilenceDetector();
  readonly #cameraLimit = new EncoderLimitWatch();
  readonly #voiceRate = new VoiceRate();
  readonly #published = new Map<TrackSource, MediaStreamTrack>();
  readonly #freezesByTrack = new Map<TrackId, FreezeDetector>();
  #remote: readonly Track[] = [];
  #health: MediaHealth = { state: "idle" };
  #connection: RTCPeerConnectionState = "new";
  #sample: StatsSample | null = null;
  #reading = false;

  constructor(parts: MediaLinkParts) {
    this.#parts = parts;
    this.#peer = new PeerConnection(
      parts.rtc,
      { kbps: parts.startKbps, videoCodecs: parts.videoCodecs, iceServers: parts.iceServers },
      {
        stateChanged: (state) => {
          this.#connectionChanged(state);
        },
        iceStateChanged: (state) => {
          parts.timeline.note(`ice ${state}`);
          if (state === "connected" || state === "completed") parts.timeline.reach("iceConnected");
        },
      },
    );
    this.#negotiation = new Negotiation(this.#negotiable(), parts.exchange, parts.clock, (error) => {
      parts.timeline.note(`offer failed: ${error instanceof Error ? error.message : "unknown"}`);
    });
    this.#recovery = new TransportRecovery(parts.clock, (cause) => {
      parts.timeline.note(`ice restart: ${cause}`);
      this.#negotiation.request("ice_restart");
    });
    this.#scope.add(every(parts.clock, SAMPLE_INTERVAL, () => void this.#measure()));
  }

  /** The last reading of the statistics. */
  get sample(): StatsSample | null {
    return this.#sample;
  }

  /** Sends a source from here on. */
  publish(source: TrackSource, track: MediaStreamTrack): void {
    if (this.#published.get(source) === track) return;
    this.#published.set(source, track);
    if (this.#peer.publish(source, track) === "offer_needed") this.#negotiation.request("continue");
  }

  /** Sends nothing of a source. */
  silence(source: TrackSource): void {
    if (this.#published.delete(source)) this.#peer.silence(source);
  }

  /** Receives these tracks. */
  receive(tracks: readonly Track[]): void {
    this.#remote = tracks;
    for (const id of this.#freezesByTrack.keys())
      if (!tracks.some((track) => track.id === id)) this.#freezesByTrack.delete(id);
    if (this.#peer.receive(tracks) === "offer_needed") this.#negotiation.request("continue");
  }

  /** What arrives of a track. */
  received(track: TrackId): MediaStreamTrack | null {
    return this.#peer.received(track);
  }

  /** The id of one's own source. */
  trackOf(source: TrackSource): TrackId | null {
    return this.#peer.trackOf(source);
  }

  /** What a media description of the statistics is about. */
  describe(mid: string): { readonly sends: TrackSource | null; readonly receives: TrackId | null } {
    return { sends: this.#peer.sourceOf(mid), receives: this.#peer.receivedBy(mid) };
  }

  /** Carries out a plan of the gateway. */
  follow(plan: UplinkPlan): void {
    this.#peer.follow(plan);
  }

  /** Sends the voice as the gateway asks. */
  followVoice(plan: VoicePlan): void {
    this.#voiceRate.plan(plan.max_bitrate_bps);
    this.#limitVoice();
    const changed = this.#peer.repeatVoice(plan.redundancy ? "redundant" : "plain");
    if (changed === "offer_needed") this.#negotiation.request("continue");
  }

  /** Sends a picture in what the others can decode. */
  followCodecs(plan: CodecPlan): void {
    this.#parts.timeline.note(`codec ${plan.codecs[0] ?? "none"}: ${plan.reason}`);
    if (this.#peer.followCodecs(plan) === "offer_needed") this.#negotiation.request("continue");
  }

  /** Something says that the transport may be dead. */
  suspect(cause: RestartCause): void {
    if (this.#health.state !== "idle") this.#recovery.suspect(cause);
  }

  /** Signaling is back: offers that failed without it are made at once. */
  signalingIsBack(): void {
    this.#negotiation.hurry();
  }

  /** A frame of a track was shown, so many lines high. */
  frameShown(track: TrackId, now: number, lines: number): void {
    this.#parts.timeline.reach("firstFrame");
    if (lines >= HD_LINES) this.#parts.timeline.reach("first720");
    this.#freezes(track).frame(now);
  }

  /** Frames are to be expected of these tracks, and of no others. */
  expectFrames(tracks: ReadonlySet<TrackId>): void {
    for (const [track, freezes] of this.#freezesByTrack) {
      if (tracks.has(track)) freezes.watch();
      else freezes.rest();
    }
  }

  /** The freezes of a track. */
  freezes(track: TrackId): Freezes {
    return this.#freezes(track).read(this.#parts.clock.now());
  }

  dispose(): void {
    this.#scope.dispose();
    this.#recovery.dispose();
    this.#negotiation.dispose();
    this.#peer.close();
  }

  #negotiable(): ConstructorParameters<typeof Negotiation>[0] {
    return {
      createOffer: async (kind) => {
        const offer = await this.#peer.createOffer(kind);
        if (offer !== null) this.#parts.timeline.reach("offered");
        return offer;
      },
      applyAnswer: async (answer) => {
        await this.#peer.applyAnswer(answer);
        this.#parts.timeline.reach("answered");
        this.#parts.tell({ type: "negotiated" });
      },
    };
  }

  #freezes(track: TrackId): FreezeDetector {
    const known = this.#freezesByTrack.get(track) ?? new FreezeDetector();
    this.#freezesByTrack.set(track, known);
    return known;
  }

  #connectionChanged(state: RTCPeerConnectionState): void {
    this.#connection = state;
    this.#parts.timeline.note(`connection ${state}`);
    switch (state) {
      case "connecting":
        if (this.#health.state === "idle") this.#become({ state: "connecting", since: this.#parts.clock.now() });
        return;
      case "connected":
        this.#parts.timeline.reach("connected");
        // After a loss only bytes prove that it is over: see `#judge`.
        if (this.#health.state !== "lost") this.#isWell();
        return;
      case "disconnected":
        this.#isLost();
        return;
      case "failed":
        this.#isLost();
        this.#recovery.suspect("connection_failed");
        return;
      case "new":
      case "closed":
    }
  }

  async #measure(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    try {
      const report = await this.#peer.readStats();
      if (!this.#scope.disposed)
        this.#judge(readSample(report as unknown as Iterable<readonly [string, unknown]>, this.#parts.clock.now()));
    } finally {
      this.#reading = false;
    }
  }

  #judge(sample: StatsSample): void {
    this.#sample = sample;
    this.history.add(sample);
    this.#limitVoice();
    const silent = this.#silence.isSilent(sample.transport, this.#expectsBytes(), sample.at);
    if (silent && this.#connection !== "new") {
      this.#isLost();
      this.#recovery.suspect("rtp_silence");
    } else if (this.#connection === "failed") {
      this.#recovery.suspect("still_down");
    } else if (this.#connection === "connected") {
      this.#isWell();
    }
    const camera = this.#peer.trackOf("camera");
    const sent = sample.sent.filter((encoding) => this.#peer.sourceOf(encoding.mid) === "camera");
    const limit = this.#cameraLimit.changed(worstLimit(sent), sample.at);
    if (camera !== null && limit !== null) this.#parts.tell({ type: "encoder_limit", track: camera, limit });
  }

  #limitVoice(): void {
    const estimate = this.#sample?.transport.estimateBps ?? null;
    const ceiling = this.#voiceRate.ceiling(estimate, this.#parts.clock.now());
    if (ceiling !== null) this.#peer.limitVoice(ceiling);
  }

  /** A camera that sends brings feedback; voices and pictures that are not muted come by themselves. */
  #expectsBytes(): boolean {
    return this.#published.has("camera") || this.#remote.some((track) => !track.muted);
  }

  #isWell(): void {
    if (this.#health.state === "connected") return;
    this.#recovery.recovered();
    this.#become({ state: "connected" });
  }

  #isLost(): void {
    if (this.#health.state !== "lost") this.#become({ state: "lost", since: this.#parts.clock.now() });
  }

  #become(health: MediaHealth): void {
    this.#health = health;
    this.#parts.timeline.note(`media ${health.state}`);
    this.#parts.tell({ type: "health", health });
  }
}
