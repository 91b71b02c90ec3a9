// What a participant is in the middle of, as one immutable union; `call-reducer.ts` says how it changes.

import type {
  ConsultId,
  ErrorCode,
  HdMode,
  IceServer,
  NetworkClass,
  PairQuality,
  Participant,
  ParticipantId,
  Role,
  RoomDecisions,
  Track,
  TrackId,
  VideoCodec,
} from "../protocol/messages.js";
import type { SessionEnd } from "../signaling/session.js";

/** The consult of the link, and who this participant is in it. */
export type Consult = {
  readonly id: ConsultId;
  readonly subject: string;
  readonly participant: ParticipantId;
  readonly role: Role;
  readonly hdMode: HdMode;
  /** What pictures are sent in, the most liked first: by the site, and after joining by what the others can decode. */
  readonly videoCodecs: readonly VideoCodec[];
  /** What helps where a network lets media take no way of its own. */
  readonly iceServers: readonly IceServer[];
};

/** The signaling connection during a call; media goes on without it. */
export type SignalingHealth = { readonly state: "open" } | { readonly state: "lost"; readonly since: number };

/** The media transport during a call. */
export type MediaHealth =
  /** Nothing is sent or received yet. */
  | { readonly state: "idle" }
  | { readonly state: "connecting"; readonly since: number }
  | { readonly state: "connected" }
  | { readonly state: "lost"; readonly since: number };

/** Something worth saying aloud. */
export type Happening = {
  /** Tells two equal happenings apart. */
  readonly number: number;
  readonly what: "joined" | "left" | "lost" | "back";
  readonly name: string;
  readonly role: Role;
};

/** Everybody and everything in the room, this participant apart. */
export type Room = {
  readonly participants: readonly Participant[];
  /** How many more watch than are listed. */
  readonly unlistedViewers: number;
  readonly tracks: readonly Track[];
  readonly pairs: Readonly<Record<TrackId, PairQuality>>;
  /** What was decided and why, while it is watched; null before the first word of it. */
  readonly decisions: RoomDecisions | null;
  readonly activeSpeaker: ParticipantId | null;
  readonly ownClass: NetworkClass;
  readonly happening: Happening | null;
};

/** The state of the page, its own devices apart. */
export type CallState =
  | { readonly phase: "opening"; readonly attempt: number }
  | { readonly phase: "lobby"; readonly consult: Consult; readonly refusal: ErrorCode | null }
  | { readonly phase: "joining"; readonly consult: Consult; readonly name: string }
  | {
      readonly phase: "inCall";
      readonly consult: Consult;
      readonly name: string;
      readonly room: Room;
      readonly signaling: SignalingHealth;
      readonly media: MediaHealth;
    }
  | { readonly phase: "ended"; readonly end: SessionEnd; readonly consult: Consult | null };

/** A call in progress. */
export type InCall = Extract<CallState, { phase: "inCall" }>;

/** How a page begins. */
export const OPENING: CallState = { phase: "opening", attempt: 0 };
