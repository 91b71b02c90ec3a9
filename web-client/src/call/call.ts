// One participant in one consult: joins signaling, capture and media, and lets each go its way.

import { every, type Cancel, type Clock } from "../lifetime/clock.js";
import { Listeners } from "../lifetime/listeners.js";
import { Scope } from "../lifetime/scope.js";
import type { ErrorCode, TrackId, TrackSource } from "../protocol/messages.js";
import {
  attestedOfShell,
  claimOfPage,
  claimOfPerson,
  claimOfShell,
  ReportBook,
  startKbps,
  type NetworkInformation,
} from "../quality/network-report.js";
import { TileWishes } from "../quality/tile-wishes.js";
import type { Capture } from "../rtc/capture.js";
import type { Rtc } from "../rtc/peer-connection.js";
import type { ClientMessage, Event } from "../signaling/messages.js";
import { RequestError } from "../signaling/request-table.js";
import type { Session, SessionNotice } from "../signaling/session.js";
import { reduce, type CallAction } from "./call-reducer.js";
import { OPENING, type CallState } from "./call-state.js";
import { MediaLink, type MediaNotice } from "./media-link.js";
import { Timeline } from "./timeline.js";

/** What a call needs from outside. */
export type CallParts = {
  readonly session: Session;
  readonly capture: Capture;
  readonly rtc: Rtc;
  readonly clock: Clock;
  readonly networkInformation: () => NetworkInformation | undefined;
  /** Gives the shell around the page what it has to sign. */
  readonly giveNonce: (nonce: string) => void;
};

/** Claims lose their weight within 10 to 15 seconds at the gateway. */
const REPORT_INTERVAL = 5_000;

/** A call, from opening the link to its end. */
export class Call {
  readonly timeline: Timeline;
  readonly #parts: CallParts;
  readonly #scope = new Scope();
  readonly #changes = new Listeners<CallState>();
  readonly #reports = new ReportBook();
  readonly #wishes = new TileWishes();
  readonly #mutedByTrack = new Map<TrackId, boolean>();
  #state: CallState = OPENING;
  #link: MediaLink | null = null;
  #watchesDecisions = false;

  constructor(parts: CallParts) {
    this.#parts = parts;
    this.timeline = new Timeline(parts.clock.now);
    this.#scope.add(
      parts.session.subscribe((notice) => {
        this.#sessionSays(notice);
      }),
    );
    this.#scope.add(
      parts.capture.subscribe(() => {
        this.#publishCapture();
      }),
    );
    this.#scope.add(
      every(parts.clock, REPORT_INTERVAL, () => {
        this.#tellReports();
      }),
    );
  }

  get state(): CallState {
    return this.#state;
  }

  /** The media of the present stay in the room. */
  get link(): MediaLink | null {
    return this.#link;
  }

  subscribe(listener: (state: CallState) => void): Cancel {
    return this.#changes.subscribe(listener);
  }

  /** Enters the room. */
  join(name: string): void {
    if (this.#state.phase !== "lobby") return;
    this.timeline.reach("joinClicked");
    this.#dispatch({ type: "joining", name });
    void this.#enter(name);
  }

  /** Leaves for good, and lets go of camera and microphone. */
  leave(): void {
    this.#parts.session.close();
  }

  /** A tile shows a track with so many device pixels from top to bottom; zero while hidden. */
  tileShown(track: TrackId, lines: number): void {
    // The tile of an ended track goes after it.
    if (this.#state.phase !== "inCall" || !this.#state.room.tracks.some(({ id }) => id === track)) return;
    const wish = this.#wishes.change(track, lines);
    this.#expectFrames();
    if (wish !== null) this.#tell({ type: "subscribe", ...wish });
  }

  /** Has the decisions of the room told every second, or no more; for clinicians. */
  watchDecisions(watch: boolean): void {
    this.#watchesDecisions = watch;
    this.#tell({ type: "watch_decisions", watch });
    if (!watch) this.#dispatch({ type: "decisions_closed" });
  }

  /** The device's network has changed, or may have. */
  networkChanged(): void {
    this.timeline.note("network changed");
    this.#claimPage();
    this.#parts.session.nudge();
    this.#link?.suspect("network_changed");
  }

  /** A message that may come from the shell around the page; the caller has judged who sent it. */
  shellSays(message: unknown): void {
    const attested = attestedOfShell(message);
    if (attested !== null) {
      this.#tell({ type: "attested_report", ...attested });
      return;
    }
    const claim = claimOfShell(message);
    const report = claim === null ? null : this.#reports.ofShell(claim);
    if (report !== null) this.#tell({ type: "network_report", ...report });
  }

  /** What the link says of the network: a hint, told with the other reports. */
  linkSays(claimed: string | null): void {
    const claim = claimOfPerson(claimed);
    const report = claim === null ? null : this.#reports.ofPage(claim);
    if (report !== null) this.#tell({ type: "network_report", ...report });
  }

  #sessionSays(notice: SessionNotice): void {
    const before = this.#state;
    this.#dispatch({ type: "session", notice });
    switch (notice.type) {
      case "state":
        this.timeline.note(`signaling ${notice.state.state}`);
        if (notice.state.state === "closed") this.#finish();
        return;
      case "welcome":
        this.timeline.note(notice.welcome.resumed ? "session resumed" : "session new");
        if (before.phase === "joining") void this.#enter(before.name);
        else if (before.phase === "inCall") this.#cameBack(notice.welcome.resumed, before.name);
        this.#claimPage();
        return;
      case "event":
        this.#eventCame(notice.event);
    }
  }

  #cameBack(resumed: boolean, name: string): void {
    this.#mutedByTrack.clear();
    if (!resumed) {
      void this.#enter(name);
      return;
    }
    this.#link?.signalingIsBack();
    this.#tellWishes();
    this.#tellReports();
    this.#tellMutes();
  }

  async #enter(name: string): Promise<void> {
    try {
      const { type: _, ...snapshot } = await this.#parts.session.request({ type: "join", name }, "joined");
      this.#dispatch({ type: "joined", snapshot });
      this.timeline.reach("joined");
      this.#startMedia();
      this.#tellReports();
      if (this.#watchesDecisions) this.#tell({ type: "watch_decisions", watch: true });
    } catch (error) {
      const code = refusalOf(error);
      // Without a connection the next `welcome` brings the next try.
      if (code !== null) this.#dispatch({ type: "join_refused", code });
    }
  }

  #startMedia(): void {
    if (this.#state.phase !== "inCall") return;
    this.#link?.dispose();
    this.#mutedByTrack.clear();
    this.#link = new MediaLink({
      rtc: this.#parts.rtc,
      clock: this.#parts.clock,
      startKbps: startKbps(this.#parts.networkInformation()),
      videoCodecs: this.#state.consult.videoCodecs,
      iceServers: this.#state.consult.iceServers,
      exchange: async (offer) => {
        const request = { type: "offer", ...offer } as const;
        const { sdp, tracks, shell_nonce } = await this.#parts.session.request(request, "answer");
        this.#parts.giveNonce(shell_nonce);
        return { sdp, tracks, shell_nonce };
      },
      timeline: this.timeline,
      tell: (notice) => {
        this.#mediaSays(notice);
      },
    });
    this.#publishCapture();
    this.#receive();
  }

  #mediaSays(notice: MediaNotice): void {
    switch (notice.type) {
      case "health":
        this.#dispatch({ type: "media", health: notice.health });
        return;
      case "negotiated":
        this.#tellMutes();
        // A wish for a track that was not negotiated yet may have been refused.
        this.#tellWishes();
        // New receivers have tracks to show.
        this.#changes.notify(this.#state);
        return;
      case "encoder_limit":
        this.#tell({ type: "encoder_limit", track: notice.track, limit: notice.limit });
    }
  }

  #eventCame(event: Event): void {
    switch (event.type) {
      case "track_published":
      case "track_unpublished":
      case "participant_left":
        this.#receive();
        return;
      case "uplink_plan":
        this.#link?.follow(event);
        return;
      case "voice_plan":
        this.#link?.followVoice(event);
        return;
      case "codec_plan":
        this.#link?.followCodecs(event);
        return;
      case "media_failed":
        this.#link?.suspect("gateway_says_failed");
        return;
      case "track_muted":
        this.#receive();
        return;
      case "quality":
      case "decisions":
      case "participant_joined":
      case "participant_changed":
      case "viewers":
      case "active_speaker":
      case "network_class":
      case "ended":
    }
  }

  #receive(): void {
    if (this.#state.phase !== "inCall") return;
    const { tracks } = this.#state.room;
    for (const { track } of this.#wishes.all())
      if (!tracks.some((other) => other.id === track)) this.#wishes.forget(track);
    this.#link?.receive(tracks);
  }

  #publishCapture(): void {
    const link = this.#link;
    if (link === null) return;
    const { camera, microphone } = this.#parts.capture.state;
    if ("track" in camera) link.publish("camera", camera.track);
    else if (camera.state !== "asking") link.silence("camera");
    if ("track" in microphone) link.publish("microphone", microphone.track);
    else if (microphone.state !== "asking") link.silence("microphone");
    this.#tellMutes();
  }

  #tellMutes(): void {
    const { camera, microphone } = this.#parts.capture.state;
    this.#tellMute("camera", camera.state !== "live" && camera.state !== "asking");
    this.#tellMute("microphone", microphone.state !== "live" && microphone.state !== "asking");
  }

  #tellMute(source: TrackSource, muted: boolean): void {
    const track = this.#link?.trackOf(source) ?? null;
    if (track === null || (this.#mutedByTrack.get(track) ?? false) === muted) return;
    this.#mutedByTrack.set(track, muted);
    this.#tell({ type: "mute", track, muted });
  }

  #claimPage(): void {
    const claim = claimOfPage(this.#parts.networkInformation());
    const report = claim === null ? null : this.#reports.ofPage(claim);
    if (report !== null) this.#tell({ type: "network_report", ...report });
  }

  #tellWishes(): void {
    for (const wish of this.#wishes.all()) this.#tell({ type: "subscribe", ...wish });
  }

  #tellReports(): void {
    for (const report of this.#reports.again()) this.#tell({ type: "network_report", ...report });
  }

  /** Sends what needs no answer. What is lost with a connection is said again after `welcome`. */
  #tell(message: ClientMessage): void {
    if (this.#state.phase !== "inCall" || this.#state.signaling.state !== "open") return;
    this.#parts.session.request(message, "ok").catch((error: unknown) => {
      this.timeline.note(`${message.type} failed: ${error instanceof Error ? error.message : "unknown"}`);
    });
  }

  #finish(): void {
    this.#scope.dispose();
    this.#link?.dispose();
    this.#parts.capture.release();
  }

  /** A gap is a freeze only where a person looks at a picture that should move. */
  #expectFrames(): void {
    if (this.#state.phase !== "inCall") return;
    const { tracks, pairs } = this.#state.room;
    const shown = new Set(
      this.#wishes
        .all()
        .filter(({ max_lines }) => max_lines > 0)
        .map(({ track }) => track),
    );
    const moving = tracks.filter(
      (track) => shown.has(track.id) && !track.muted && pairs[track.id]?.rung !== "audio_only",
    );
    this.#link?.expectFrames(new Set(moving.map((track) => track.id)));
  }

  #dispatch(action: CallAction): void {
    const next = reduce(this.#state, action);
    if (next === this.#state) return;
    this.#state = next;
    this.#expectFrames();
    this.#changes.notify(next);
  }
}

function refusalOf(error: unknown): ErrorCode | null {
  if (!(error instanceof RequestError)) return "internal";
  switch (error.failure.kind) {
    case "refused":
      return error.failure.code;
    case "timeout":
    case "overflow":
      return "media_unavailable";
    case "disconnected":
      return null;
  }
}
