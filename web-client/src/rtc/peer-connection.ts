// The only file that calls RTCPeerConnection: one connection, which sends this participant's sources and
// receives the tracks of the others. This side always offers. RFC 8829, RFC 8853.

import type {
  Answer,
  CodecPlan,
  IceServer,
  Offer,
  Track,
  TrackId,
  TrackSource,
  UplinkPlan,
  VideoCodec,
} from "../protocol/messages.js";
import { withSendingParameters, type VoiceRedundancy } from "./answer-parameters.js";
import type { Negotiable, OfferKind } from "./negotiation.js";
import { chosenCodec, hasCodec, hasSpatialLayers, preferredCodecs, sendEncodings } from "./send-encodings.js";
import { planned, voiced } from "./uplink-plan.js";

/** What a peer connection needs of the browser. */
export type Rtc = {
  readonly newConnection: (configuration: RTCConfiguration) => RTCPeerConnection;
  readonly videoCodecs: () => readonly RTCRtpCodec[];
};

/** The browser's own. */
export const browserRtc: Rtc = {
  newConnection: (configuration) => new RTCPeerConnection(configuration),
  videoCodecs: () => RTCRtpSender.getCapabilities("video")?.codecs ?? [],
};

/** How a peer connection begins to send. */
export type PeerStart = {
  readonly kbps: number;
  /** The most liked first. */
  readonly videoCodecs: readonly VideoCodec[];
  readonly iceServers: readonly IceServer[];
};

/** What a peer connection tells. */
export type PeerListener = {
  readonly stateChanged: (state: RTCPeerConnectionState) => void;
  readonly iceStateChanged: (state: RTCIceConnectionState) => void;
};

type MediaKind = "audio" | "video";
type Shape = "streams" | "layers";
type Sending = {
  readonly transceiver: RTCRtpTransceiver;
  /** Whether its encodings are the layers of one stream, or streams of their own. */
  readonly shape: Shape;
  track: TrackId | null;
  plan: UplinkPlan | null;
  /** The ceiling of a voice. */
  maxBitrate: number | null;
  applies: "idle" | "queued";
};
type Receiving = { readonly transceiver: RTCRtpTransceiver; readonly kind: MediaKind; track: Track | null };

/** A room has at most 8 people on screen here; the gateway bounds the media descriptions of an offer. */
const MAX_RECEIVED = 20;

/** The media transport of one participant, from join to leave. */
export class PeerConnection implements Negotiable {
  readonly #rtc: Rtc;
  readonly #connection: RTCPeerConnection;
  readonly #startKbps: number;
  #videoCodecs: readonly VideoCodec[];
  readonly #sendingBySource = new Map<TrackSource, Sending>();
  readonly #receiving: Receiving[] = [];
  #parameters: Promise<void> = Promise.resolve();
  #voice: VoiceRedundancy = "plain";

  constructor(rtc: Rtc, start: PeerStart, listener: PeerListener) {
    this.#rtc = rtc;
    this.#startKbps = start.kbps;
    this.#videoCodecs = start.videoCodecs;
    // Only the site's own servers are asked, and none where it has none: nobody else learns of the consult.
    const iceServers = [...start.iceServers];
    this.#connection = rtc.newConnection({ bundlePolicy: "max-bundle", rtcpMuxPolicy: "require", iceServers });
    this.#connection.onconnectionstatechange = () => {
      listener.stateChanged(this.#connection.connectionState);
    };
    this.#connection.oniceconnectionstatechange = () => {
      listener.iceStateChanged(this.#connection.iceConnectionState);
    };
  }

  /** Sends a track from here on, or another one in its place; says whether an offer is needed. */
  publish(source: TrackSource, track: MediaStreamTrack): "offer_needed" | "replaced" {
    const sending = this.#sendingBySource.get(source);
    if (sending !== undefined && !this.#isOutgrown(source, sending)) {
      void sending.transceiver.sender.replaceTrack(track).then(() => {
        this.#applyPlan(sending);
      });
      return "replaced";
    }
    if (sending !== undefined) end(sending);
    this.#begin(source, track);
    return "offer_needed";
  }

  /**
   * Sends a camera or screen in the first of these codecs that fits its encodings, from the next answer on; says
   * whether an offer is needed. Only where none fits does the picture go on in other encodings: as another track, in a
   * media description of its own, which nobody gets back.
   */
  followCodecs({ mid, codecs }: CodecPlan): "offer_needed" | "unchanged" {
    const source = this.sourceOf(mid);
    const sending = source === null ? undefined : this.#sendingBySource.get(source);
    if (source === null || sending === undefined) return "unchanged";
    this.#videoCodecs = codecs;
    const { track } = sending.transceiver.sender;
    if (track !== null && this.#isOutgrown(source, sending)) {
      this.publish(source, track);
      return "offer_needed";
    }
    this.#preferCodecs(source, sending);
    const [wanted] = source === "camera" ? this.#fitting(sending) : codecs;
    const [sent] = sending.transceiver.sender.getParameters().codecs;
    return wanted !== undefined && sent !== undefined && hasCodec([sent], wanted) ? "unchanged" : "offer_needed";
  }

  /** Sends nothing of a source until it is published again. */
  silence(source: TrackSource): void {
    void this.#sendingBySource.get(source)?.transceiver.sender.replaceTrack(null);
  }

  /** The id that the gateway gave to a source. */
  trackOf(source: TrackSource): TrackId | null {
    return this.#sendingBySource.get(source)?.track ?? null;
  }

  /** The source that a media description carries. */
  sourceOf(mid: string): TrackSource | null {
    for (const [source, { transceiver }] of this.#sendingBySource) if (transceiver.mid === mid) return source;
    return null;
  }

  /** Receives exactly these tracks; media descriptions of ended tracks carry new ones. Says whether an offer is needed. */
  receive(tracks: readonly Track[]): "offer_needed" | "unchanged" {
    const wanted = tracks.slice(0, MAX_RECEIVED);
    let changed = false;
    for (const receiving of this.#receiving) {
      if (receiving.track === null || wanted.some((track) => track.id === receiving.track?.id)) continue;
      receiving.track = null;
      receiving.transceiver.direction = "inactive";
      changed = true;
    }
    for (const track of wanted) {
      if (this.#receiving.some((receiving) => receiving.track?.id === track.id)) continue;
      this.#receiveOne(track);
      changed = true;
    }
    return changed ? "offer_needed" : "unchanged";
  }

  /** What arrives of a track. */
  received(track: TrackId): MediaStreamTrack | null {
    return this.#receiving.find((receiving) => receiving.track?.id === track)?.transceiver.receiver.track ?? null;
  }

  /** The received track that a media description carries. */
  receivedBy(mid: string): TrackId | null {
    return this.#receiving.find((receiving) => receiving.transceiver.mid === mid)?.track?.id ?? null;
  }

  async createOffer(kind: OfferKind): Promise<Offer | null> {
    if (this.#sendingBySource.size + this.#receiving.length === 0) return null;
    // What this browser can decode has to be known before there is anything to decode.
    if (!this.#receiving.some(({ kind }) => kind === "video")) this.#addReceiver("video", null);
    const description = await this.#connection.createOffer({ iceRestart: kind === "ice_restart" });
    await this.#connection.setLocalDescription(description);
    const tracks = [...this.#sendingBySource].flatMap(([source, { transceiver }]) =>
      transceiver.mid === null ? [] : [{ mid: transceiver.mid, source }],
    );
    const subscriptions = this.#receiving.flatMap(({ transceiver, track }) =>
      transceiver.mid === null || track === null ? [] : [{ mid: transceiver.mid, track: track.id }],
    );
    return { sdp: this.#connection.localDescription?.sdp ?? "", tracks, subscriptions };
  }

  async applyAnswer(answer: Answer): Promise<void> {
    await this.#connection.setRemoteDescription({
      type: "answer",
      sdp: withSendingParameters(answer.sdp, this.#startKbps, this.#voice),
    });
    for (const { mid, track } of answer.tracks) {
      for (const sending of this.#sendingBySource.values()) if (sending.transceiver.mid === mid) sending.track = track;
    }
    for (const sending of this.#sendingBySource.values()) this.#applyPlan(sending);
  }

  /** Sends what the gateway asks for, from here on. */
  follow(plan: UplinkPlan): void {
    for (const sending of this.#sendingBySource.values()) {
      if (sending.transceiver.mid !== plan.mid) continue;
      sending.plan = plan;
      this.#applyPlan(sending);
    }
  }

  /** Sends the voice at most at this rate, from here on. */
  limitVoice(maxBitrate: number): void {
    const sending = this.#sendingBySource.get("microphone");
    if (sending === undefined || sending.maxBitrate === maxBitrate) return;
    sending.maxBitrate = maxBitrate;
    this.#applyPlan(sending);
  }

  /** Sends the voice with or without earlier frames, from the next answer on; says whether an offer is needed. */
  repeatVoice(voice: VoiceRedundancy): "offer_needed" | "unchanged" {
    if (this.#voice === voice) return "unchanged";
    this.#voice = voice;
    return "offer_needed";
  }

  readStats(): Promise<RTCStatsReport> {
    return this.#connection.getStats();
  }

  close(): void {
    this.#connection.onconnectionstatechange = null;
    this.#connection.oniceconnectionstatechange = null;
    this.#connection.close();
  }

  #begin(source: TrackSource, track: MediaStreamTrack): void {
    const transceiver = this.#addSender(source, track);
    const shape = source === "camera" ? shapeOf(chosenCodec(this.#rtc.videoCodecs(), this.#videoCodecs)) : "streams";
    const sending: Sending = { transceiver, shape, track: null, plan: null, maxBitrate: null, applies: "idle" };
    if (source === "camera") this.#preferCodecs(source, sending);
    this.#sendingBySource.set(source, sending);
  }

  #isOutgrown(source: TrackSource, sending: Sending): boolean {
    return source === "camera" && this.#fitting(sending).length === 0;
  }

  /** The codecs that everybody can decode, this browser encode, and the encodings carry. */
  #fitting({ shape }: Sending): VideoCodec[] {
    const own = this.#rtc.videoCodecs();
    return this.#videoCodecs.filter((codec) => shapeOf(codec) === shape && hasCodec(own, codec));
  }

  #preferCodecs(source: TrackSource, sending: Sending): void {
    const first = source === "camera" ? this.#fitting(sending) : [];
    const order = new Set([...first, ...this.#videoCodecs]);
    setCodecPreferences(sending.transceiver, preferredCodecs(this.#rtc.videoCodecs(), [...order]));
  }

  #addSender(source: TrackSource, track: MediaStreamTrack): RTCRtpTransceiver {
    const transceiver = this.#addEncodings(source, track);
    if (source === "camera") offerExtensions(transceiver, STREAM_IDS);
    return transceiver;
  }

  #addEncodings(source: TrackSource, track: MediaStreamTrack): RTCRtpTransceiver {
    const codec = chosenCodec(this.#rtc.videoCodecs(), this.#videoCodecs);
    const [first, ...others] = sendEncodings(source, codec);
    try {
      return this.#connection.addTransceiver(track, { direction: "sendonly", sendEncodings: first ?? [] });
    } catch (refusal) {
      // A browser that does not know the layers refuses the encodings as a whole.
      for (const encodings of others)
        try {
          return this.#connection.addTransceiver(track, { direction: "sendonly", sendEncodings: encodings });
        } catch {
          continue;
        }
      throw refusal;
    }
  }

  #receiveOne(track: Track): void {
    const kind: MediaKind = track.source === "microphone" ? "audio" : "video";
    const free = this.#receiving.find((receiving) => receiving.track === null && receiving.kind === kind);
    if (free === undefined) {
      this.#addReceiver(kind, track);
      return;
    }
    free.track = track;
    free.transceiver.direction = "recvonly";
  }

  #addReceiver(kind: MediaKind, track: Track | null): void {
    const transceiver = this.#connection.addTransceiver(kind, { direction: "recvonly" });
    if (kind === "video") offerExtensions(transceiver, [DESCRIPTOR]);
    this.#receiving.push({ transceiver, kind, track });
  }

  /** Parameters are set one after the other, since a `setParameters` needs the last `getParameters`; of waiting plans the latest counts. */
  #applyPlan(sending: Sending): void {
    if (sending.applies === "queued") return;
    sending.applies = "queued";
    this.#parameters = this.#parameters.then(async () => {
      sending.applies = "idle";
      if (this.#connection.connectionState === "closed") return;
      const { transceiver } = sending;
      const next = nextParameters(sending);
      // A refused plan is overtaken by the next one; the encodings go on as they were.
      if (next !== null) await transceiver.sender.setParameters(next).catch(() => undefined);
    });
  }
}

function shapeOf(codec: VideoCodec): Shape {
  return hasSpatialLayers(codec) ? "layers" : "streams";
}

/** Chromium would use the media description of a stopped transceiver again, which cannot carry encodings: it stays idle. */
function end({ transceiver }: Sending): void {
  transceiver.direction = "inactive";
  void transceiver.sender.replaceTrack(null);
}

function nextParameters({ plan, maxBitrate, transceiver }: Sending): RTCRtpSendParameters | null {
  if (maxBitrate !== null) return voiced(transceiver.sender.getParameters(), maxBitrate);
  return plan === null
    ? null
    : planned(transceiver.sender.getParameters(), plan, captureLines(transceiver.sender.track));
}

function captureLines(track: MediaStreamTrack | null): number {
  const { width = 0, height = 0 } = track?.getSettings() ?? {};
  return Math.min(width, height);
}

/** Says which frame rests on which, in streams with layers. */
const DESCRIPTOR = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

/** Tell the encodings of a track apart. */
const STREAM_IDS = [
  "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
  "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
];

type HeaderExtension = { readonly uri: string; readonly direction: RTCRtpTransceiverDirection };

/**
 * Offers extensions that Chromium leaves out by itself: the descriptor where it has not offered to send it before, and
 * the stream ids of a camera that comes when only pictures to receive have been negotiated, without which it refuses
 * its own offer.
 */
function offerExtensions(transceiver: RTCRtpTransceiver, uris: readonly string[]): void {
  const extensible = transceiver as Partial<{
    getHeaderExtensionsToNegotiate(): HeaderExtension[];
    setHeaderExtensionsToNegotiate(extensions: HeaderExtension[]): void;
  }>;
  const extensions = extensible.getHeaderExtensionsToNegotiate?.() ?? [];
  const isLeftOut = ({ uri, direction }: HeaderExtension): boolean => direction === "stopped" && uris.includes(uri);
  if (!extensions.some(isLeftOut)) return;
  extensible.setHeaderExtensionsToNegotiate?.(
    extensions.map((one) => (isLeftOut(one) ? { uri: one.uri, direction: "sendrecv" } : one)),
  );
}

function setCodecPreferences(transceiver: RTCRtpTransceiver, codecs: RTCRtpCodec[]): void {
  // Older Firefox has no codec preferences: its own order begins with VP8.
  const settable = transceiver as Partial<Pick<RTCRtpTransceiver, "setCodecPreferences">>;
  if (codecs.length > 0 && settable.setCodecPreferences !== undefined) transceiver.setCodecPreferences(codecs);
}
