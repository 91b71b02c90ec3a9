// The read-only view for tests and support: everything that is known of a call, as plain JSON and without names.

import type { ErrorCode, NetworkClass, PairQuality, Role, TrackId, TrackSource } from "../protocol/messages.js";
import type { ReceivedRate, SentRate, StatsRow } from "../quality/stats-history.js";
import type { Call } from "./call.js";
import type { CallState, Room } from "./call-state.js";
import type { MediaLink } from "./media-link.js";
import type { Milestone, TimelineEntry } from "./timeline.js";

/** A received track: its last second, and its sums since it is received. */
export type RemoteTrackView = {
  readonly track: TrackId;
  readonly publisher: string;
  readonly source: TrackSource;
  readonly muted: boolean;
  readonly frameWidth: number | null;
  readonly frameHeight: number | null;
  readonly fps: number;
  readonly kbps: number;
  readonly lossRatio: number;
  readonly jitterMs: number;
  readonly jitterBufferMs: number | null;
  readonly concealedRatio: number;
  readonly framesDecoded: number;
  readonly freezes: number;
  readonly frozenMs: number;
  readonly longestFreezeMs: number;
  readonly browserFreezes: number;
  readonly browserFrozenMs: number;
  readonly concealedSamples: number;
  readonly samples: number;
};

/** A sent encoding. */
export type SentEncodingView = Omit<SentRate, "mid" | "kind"> & { readonly source: TrackSource };

/** The whole view. */
export type DebugSnapshot = {
  readonly at: number;
  readonly phase: CallState["phase"];
  readonly end: string | null;
  readonly refusal: ErrorCode | null;
  readonly self: { readonly participant: string; readonly role: Role } | null;
  readonly signaling: string | null;
  readonly media: string | null;
  readonly ownClass: NetworkClass | null;
  readonly activeSpeaker: string | null;
  readonly participants: readonly {
    readonly id: string;
    readonly role: Role;
    readonly networkClass: NetworkClass;
    readonly connected: boolean;
  }[];
  readonly remoteTracks: readonly RemoteTrackView[];
  readonly sent: readonly SentEncodingView[];
  readonly pairs: readonly PairQuality[];
  readonly rttMs: number | null;
  readonly estimateKbps: number | null;
  readonly localCandidate: string | null;
  readonly milestones: Readonly<Partial<Record<Milestone, number>>>;
  readonly timeline: readonly TimelineEntry[];
  readonly history: readonly StatsRow[];
};

/** The view of a call at this moment. */
export function snapshot(call: Call, now: number): DebugSnapshot {
  const { state, link } = call;
  const room = state.phase === "inCall" ? state.room : null;
  const row = link?.history.rows.at(-1) ?? null;
  return {
    at: now,
    phase: state.phase,
    end: state.phase === "ended" ? endWord(state.end) : null,
    refusal: state.phase === "lobby" ? state.refusal : null,
    self:
      "consult" in state && state.consult !== null
        ? { participant: state.consult.participant, role: state.consult.role }
        : null,
    signaling: state.phase === "inCall" ? state.signaling.state : null,
    media: state.phase === "inCall" ? state.media.state : null,
    ownClass: room?.ownClass ?? null,
    activeSpeaker: room?.activeSpeaker ?? null,
    participants: (room?.participants ?? []).map(({ id, role, network_class, connected }) => ({
      id,
      role,
      networkClass: network_class,
      connected,
    })),
    remoteTracks: room === null || link === null ? [] : remoteTracks(room, link, row),
    sent: link === null || row === null ? [] : sentEncodings(link, row),
    pairs: Object.values(room?.pairs ?? {}),
    rttMs: row?.rttMs ?? null,
    estimateKbps: row?.estimateKbps ?? null,
    localCandidate: link?.sample?.transport.localCandidate ?? null,
    milestones: { ...call.timeline.milestones },
    timeline: [...call.timeline.entries],
    history: [...(link?.history.rows ?? [])],
  };
}

function remoteTracks(room: Room, link: MediaLink, row: StatsRow | null): RemoteTrackView[] {
  return room.tracks.map((track) => {
    const sum = link.sample?.received.find((received) => link.describe(received.mid).receives === track.id);
    const rate: ReceivedRate | undefined = row?.received.find(
      (received) => link.describe(received.mid).receives === track.id,
    );
    const freezes = link.freezes(track.id);
    return {
      track: track.id,
      publisher: track.publisher,
      source: track.source,
      muted: track.muted,
      frameWidth: sum?.frameWidth ?? null,
      frameHeight: sum?.frameHeight ?? null,
      fps: rate?.fps ?? 0,
      kbps: rate?.kbps ?? 0,
      lossRatio: rate?.lossRatio ?? 0,
      jitterMs: rate?.jitterMs ?? 0,
      jitterBufferMs: rate?.jitterBufferMs ?? null,
      concealedRatio: sum === undefined || sum.samples === 0 ? 0 : sum.concealedSamples / sum.samples,
      framesDecoded: sum?.framesDecoded ?? 0,
      freezes: freezes.count,
      frozenMs: freezes.totalMs,
      longestFreezeMs: freezes.longestMs,
      browserFreezes: sum?.freezes ?? 0,
      browserFrozenMs: sum?.frozenMs ?? 0,
      concealedSamples: sum?.concealedSamples ?? 0,
      samples: sum?.samples ?? 0,
    };
  });
}

function sentEncodings(link: MediaLink, row: StatsRow): SentEncodingView[] {
  return row.sent.flatMap(({ mid, kind: _, ...encoding }) => {
    const source = link.describe(mid).sends;
    return source === null ? [] : [{ source, ...encoding }];
  });
}

function endWord(end: Extract<CallState, { phase: "ended" }>["end"]): string {
  switch (end.by) {
    case "gateway":
      return end.reason;
    case "refusal":
      return end.code;
    case "unreachable":
    case "client":
      return end.by;
  }
}
