// How the state changes; a pure function of what happened.

import type { ErrorCode, Participant, RoomSnapshot, Track, Welcome } from "../protocol/messages.js";
import type { Event } from "../signaling/messages.js";
import type { SessionNotice, SessionState } from "../signaling/session.js";
import type { CallState, Consult, Happening, MediaHealth, Room } from "./call-state.js";

/** What can happen. */
export type CallAction =
  | { readonly type: "session"; readonly notice: SessionNotice }
  | { readonly type: "joining"; readonly name: string }
  | { readonly type: "joined"; readonly snapshot: RoomSnapshot }
  | { readonly type: "join_refused"; readonly code: ErrorCode }
  | { readonly type: "media"; readonly health: MediaHealth }
  | { readonly type: "decisions_closed" };

const EMPTY_ROOM: Room = {
  participants: [],
  unlistedViewers: 0,
  tracks: [],
  pairs: {},
  decisions: null,
  activeSpeaker: null,
  ownClass: "unknown",
  happening: null,
};

/** The state after an action. */
export function reduce(state: CallState, action: CallAction): CallState {
  switch (action.type) {
    case "session":
      return afterNotice(state, action.notice);
    case "joining":
      return state.phase === "lobby" ? { phase: "joining", consult: state.consult, name: action.name } : state;
    case "joined":
      return afterJoined(state, action.snapshot);
    case "join_refused":
      return afterRefusal(state, action.code);
    case "media":
      return state.phase === "inCall" ? { ...state, media: action.health } : state;
    case "decisions_closed":
      return state.phase === "inCall" ? { ...state, room: { ...state.room, decisions: null } } : state;
  }
}

function afterNotice(state: CallState, notice: SessionNotice): CallState {
  switch (notice.type) {
    case "state":
      return afterSessionState(state, notice.state);
    case "welcome":
      return afterWelcome(state, notice.welcome);
    case "event":
      return state.phase === "inCall" ? { ...state, room: afterEvent(state.room, notice.event) } : state;
  }
}

function afterSessionState(state: CallState, session: SessionState): CallState {
  switch (session.state) {
    case "open":
      return state;
    case "connecting":
      if (state.phase === "opening") return { phase: "opening", attempt: session.attempt };
      return state.phase === "inCall" ? { ...state, signaling: { state: "lost", since: session.since } } : state;
    case "closed":
      return { phase: "ended", end: session.end, consult: "consult" in state ? state.consult : null };
  }
}

function afterWelcome(state: CallState, welcome: Welcome): CallState {
  const consult = consultOf(welcome);
  switch (state.phase) {
    case "opening":
      return { phase: "lobby", consult, refusal: null };
    case "lobby":
    case "joining":
      return { ...state, consult };
    case "inCall":
      // A new session has to join first; until then the room is the old one.
      return welcome.resumed ? { ...state, consult, signaling: { state: "open" } } : { ...state, consult };
    case "ended":
      return state;
  }
}

function afterJoined(state: CallState, snapshot: RoomSnapshot): CallState {
  const { participants, tracks } = snapshot;
  const room = { ...EMPTY_ROOM, participants, tracks, unlistedViewers: snapshot.unlisted_viewers };
  if (state.phase === "joining") {
    const { name } = state;
    const consult = { ...state.consult, videoCodecs: snapshot.video_codecs };
    return { phase: "inCall", consult, name, room, signaling: { state: "open" }, media: { state: "idle" } };
  }
  if (state.phase === "inCall") {
    const consult = { ...state.consult, videoCodecs: snapshot.video_codecs };
    return { ...state, consult, room: { ...room, ownClass: state.room.ownClass }, signaling: { state: "open" } };
  }
  return state;
}

function afterRefusal(state: CallState, code: ErrorCode): CallState {
  if (state.phase === "joining") return { phase: "lobby", consult: state.consult, refusal: code };
  return state.phase === "inCall" ? { phase: "ended", end: { by: "refusal", code }, consult: state.consult } : state;
}

function afterEvent(room: Room, event: Event): Room {
  switch (event.type) {
    case "participant_joined":
      return told({ ...room, participants: [...without(room.participants, event.id), person(event)] }, "joined", event);
    case "participant_changed":
      return afterChange(room, person(event));
    case "participant_left":
      return afterLeft(room, event.participant);
    case "viewers":
      return { ...room, unlistedViewers: event.unlisted };
    case "track_published":
    case "track_muted":
      return {
        ...room,
        tracks: withTrack(room.tracks, {
          id: event.id,
          publisher: event.publisher,
          source: event.source,
          muted: event.muted,
        }),
      };
    case "track_unpublished":
      return { ...room, tracks: room.tracks.filter((track) => track.id !== event.track) };
    case "quality":
      return { ...room, pairs: Object.fromEntries(event.pairs.map((pair) => [pair.track, pair])) };
    case "decisions": {
      const { participants, pairs, changes, forgotten_changes } = event;
      return { ...room, decisions: { participants, pairs, changes, forgotten_changes } };
    }
    case "active_speaker":
      return { ...room, activeSpeaker: event.participant };
    case "network_class":
      return { ...room, ownClass: event.class };
    case "uplink_plan":
    case "voice_plan":
    case "codec_plan":
    case "media_failed":
    case "ended":
      return room;
  }
}

function afterChange(room: Room, changed: Participant): Room {
  const before = room.participants.find((participant) => participant.id === changed.id);
  const after = {
    ...room,
    participants: room.participants.map((participant) => (participant.id === changed.id ? changed : participant)),
  };
  if (before === undefined || before.connected === changed.connected) return after;
  return told(after, changed.connected ? "back" : "lost", changed);
}

function afterLeft(room: Room, id: string): Room {
  const gone = room.participants.find((participant) => participant.id === id);
  const after = {
    ...room,
    participants: without(room.participants, id),
    tracks: room.tracks.filter((track) => track.publisher !== id),
    activeSpeaker: room.activeSpeaker === id ? null : room.activeSpeaker,
  };
  return gone === undefined ? after : told(after, "left", gone);
}

function told(room: Room, what: Happening["what"], { name, role }: Participant): Room {
  return { ...room, happening: { number: (room.happening?.number ?? 0) + 1, what, name, role } };
}

function withTrack(tracks: readonly Track[], track: Track): readonly Track[] {
  return tracks.some((other) => other.id === track.id)
    ? tracks.map((other) => (other.id === track.id ? track : other))
    : [...tracks, track];
}

function without(participants: readonly Participant[], id: string): readonly Participant[] {
  return participants.filter((participant) => participant.id !== id);
}

function person({ id, name, role, network_class, connected }: Participant): Participant {
  return { id, name, role, network_class, connected };
}

function consultOf(welcome: Welcome): Consult {
  return {
    id: welcome.consult,
    subject: welcome.subject,
    participant: welcome.participant,
    role: welcome.role,
    hdMode: welcome.hd_mode,
    videoCodecs: welcome.video_codecs,
    iceServers: welcome.ice_servers,
  };
}

/** Those who only watch, as far as they are listed. */
export function watchersOf(room: Room): readonly Participant[] {
  return room.participants.filter((participant) => participant.role === "observer");
}

/** The track of one source of a participant. */
export function trackOf(room: Room, publisher: string, source: Track["source"]): Track | undefined {
  return room.tracks.find((track) => track.publisher === publisher && track.source === source);
}
