// A peer connection that sends nothing, and remembers what was asked of it.

import type { Rtc } from "../rtc/peer-connection.js";

/** A track of a kind. */
export function fakeTrack(
  kind: "audio" | "video",
  settings: MediaTrackSettings = { width: 1280, height: 720 },
): MediaStreamTrack {
  const track = {
    kind,
    enabled: true,
    onended: null,
    stopped: false,
    getSettings: () => settings,
    stop: () => {
      track.stopped = true;
    },
  };
  return track as unknown as MediaStreamTrack;
}

/** A sender, as far as the client uses it. */
export class FakeSender {
  parameters: RTCRtpSendParameters;
  readonly set: RTCRtpSendParameters[] = [];

  constructor(
    public track: MediaStreamTrack | null,
    encodings: RTCRtpEncodingParameters[],
  ) {
    this.parameters = { encodings, transactionId: "1", codecs: [], headerExtensions: [], rtcp: {} };
  }

  getParameters(): RTCRtpSendParameters {
    return structuredClone(this.parameters);
  }

  setParameters(parameters: RTCRtpSendParameters): Promise<void> {
    this.parameters = parameters;
    this.set.push(parameters);
    return Promise.resolve();
  }

  replaceTrack(track: MediaStreamTrack | null): Promise<void> {
    this.track = track;
    return Promise.resolve();
  }
}

/** A transceiver, as far as the client uses it. */
export class FakeTransceiver {
  mid: string | null = null;
  codecs: string[] = [];
  extensions = [
    { uri: "urn:ietf:params:rtp-hdrext:sdes:mid", direction: "sendrecv" },
    { uri: "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id", direction: "stopped" },
    {
      uri: "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
      direction: "stopped",
    },
  ];
  readonly receiver: { readonly track: MediaStreamTrack };
  readonly sender: FakeSender;

  constructor(
    readonly kind: "audio" | "video",
    public direction: RTCRtpTransceiverDirection,
    track: MediaStreamTrack | null,
    encodings: RTCRtpEncodingParameters[],
  ) {
    this.receiver = { track: fakeTrack(kind) };
    this.sender = new FakeSender(track, encodings);
  }

  getHeaderExtensionsToNegotiate(): { uri: string; direction: string }[] {
    return this.extensions;
  }

  setHeaderExtensionsToNegotiate(extensions: { uri: string; direction: string }[]): void {
    this.extensions = extensions;
  }

  setCodecPreferences(codecs: RTCRtpCodec[]): void {
    this.codecs = codecs.map((codec) => codec.mimeType);
  }
}

/** A peer connection, as far as the client uses it. */
export class FakeConnection {
  connectionState: RTCPeerConnectionState = "new";
  iceConnectionState: RTCIceConnectionState = "new";
  onconnectionstatechange: (() => void) | null = null;
  oniceconnectionstatechange: (() => void) | null = null;
  localDescription: { sdp: string } | null = null;
  readonly transceivers: FakeTransceiver[] = [];
  readonly answers: string[] = [];
  readonly restarts: boolean[] = [];
  stats: [string, unknown][] = [];
  refusesLayers = false;

  constructor(readonly configuration: RTCConfiguration) {}

  addTransceiver(what: MediaStreamTrack | "audio" | "video", init: RTCRtpTransceiverInit): FakeTransceiver {
    const encodings = init.sendEncodings ?? [];
    if (this.refusesLayers && encodings.some((encoding) => "scalabilityMode" in encoding))
      throw new TypeError("unknown member");
    const transceiver = new FakeTransceiver(
      typeof what === "string" ? what : (what.kind as "audio" | "video"),
      init.direction ?? "sendrecv",
      typeof what === "string" ? null : what,
      encodings,
    );
    this.transceivers.push(transceiver);
    return transceiver;
  }

  createOffer(options: RTCOfferOptions): Promise<{ type: "offer"; sdp: string }> {
    this.restarts.push(options.iceRestart === true);
    return Promise.resolve({ type: "offer", sdp: `offer ${this.restarts.length}` });
  }

  setLocalDescription(description: { sdp: string }): Promise<void> {
    this.localDescription = description;
    this.transceivers.forEach((transceiver, index) => (transceiver.mid ??= String(index)));
    return Promise.resolve();
  }

  setRemoteDescription(description: { sdp: string }): Promise<void> {
    this.answers.push(description.sdp);
    return Promise.resolve();
  }

  getStats(): Promise<Iterable<[string, unknown]>> {
    return Promise.resolve(this.stats);
  }

  close(): void {
    this.connectionState = "closed";
  }

  become(state: RTCPeerConnectionState): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }
}

/** Makes fake connections, and keeps them. */
export function fakeRtc(): Rtc & { readonly connections: FakeConnection[]; readonly last: () => FakeConnection } {
  const connections: FakeConnection[] = [];
  const codec = (mimeType: string): RTCRtpCodec => ({ mimeType, clockRate: 90_000 });
  return {
    connections,
    last: () => {
      const last = connections.at(-1);
      if (last === undefined) throw new Error("no connection was made");
      return last;
    },
    newConnection: (configuration) => {
      const connection = new FakeConnection(configuration);
      connections.push(connection);
      return connection as unknown as RTCPeerConnection;
    },
    videoCodecs: () => ["video/H264", "video/VP8", "video/rtx", "video/AV1"].map(codec),
  };
}
