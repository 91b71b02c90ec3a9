// The messages without their envelopes, and the border where text becomes one of them.

import type { ClientEnvelope, EventEnvelope, ResponseEnvelope, ServerMessage } from "../protocol/messages.js";

type Without<Union, Key extends PropertyKey> = Union extends unknown ? Omit<Union, Key> : never;

/** A request of this client. */
export type ClientMessage = Without<ClientEnvelope, "id">;

/** The answer to a request. */
export type Response = Without<ResponseEnvelope, "id">;

/** Something that happened in the room. */
export type Event = Without<EventEnvelope, "sequence">;

/** The answer to a request of one type, errors apart. */
export type ResponseOf<Type extends Response["type"]> = Extract<Response, { type: Type }>;

const EVENT_TYPES: Record<Event["type"], true> = {
  participant_joined: true,
  participant_changed: true,
  participant_left: true,
  viewers: true,
  track_published: true,
  track_muted: true,
  track_unpublished: true,
  uplink_plan: true,
  voice_plan: true,
  codec_plan: true,
  quality: true,
  decisions: true,
  active_speaker: true,
  network_class: true,
  media_failed: true,
  ended: true,
};

const RESPONSE_TYPES: Record<Response["type"], true> = {
  welcome: true,
  joined: true,
  answer: true,
  ok: true,
  pong: true,
  bye: true,
  error: true,
};

/** What a text from the gateway turned out to be. */
export type Received =
  | { readonly kind: "response"; readonly response: ResponseEnvelope }
  | { readonly kind: "event"; readonly event: EventEnvelope }
  | { readonly kind: "unknown"; readonly sequence: number | null };

/** Reads a text of the gateway. A newer gateway may send types that this client does not know. */
export function readServerMessage(text: string): Received {
  const nothing: Received = { kind: "unknown", sequence: null };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return nothing;
  }
  if (typeof value !== "object" || value === null) return nothing;
  const { id, sequence, type } = value as Partial<Record<"id" | "sequence" | "type", unknown>>;
  if (typeof type !== "string") return nothing;
  if (isEnvelope(value, id, type, RESPONSE_TYPES)) return { kind: "response", response: value as ResponseEnvelope };
  if (isEnvelope(value, sequence, type, EVENT_TYPES)) return { kind: "event", event: value as EventEnvelope };
  return { kind: "unknown", sequence: typeof sequence === "number" ? sequence : null };
}

function isEnvelope(value: object, number: unknown, type: string, types: Record<string, true>): value is ServerMessage {
  return typeof number === "number" && Object.hasOwn(types, type) && value !== null;
}
