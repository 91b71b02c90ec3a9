// One resumable signaling session: hello, requests and events, proof of life, and the way back after a
// drop: first the same session again, and only where that is gone, a new one. `signaling/docs/protocol.md`.

import { every, type Cancel, type Clock } from "../lifetime/clock.js";
import { Listeners } from "../lifetime/listeners.js";
import {
  PROTOCOL_VERSION,
  type EndReason,
  type ErrorCode,
  type EventEnvelope,
  type Resume,
  type Welcome,
} from "../protocol/messages.js";
import { readServerMessage, type ClientMessage, type Event, type Response, type ResponseOf } from "./messages.js";
import { GIVE_UP_AFTER, GIVE_UP_ATTEMPTS, reconnectDelay } from "./reconnect-delay.js";
import { RequestError, RequestTable } from "./request-table.js";
import type { OpenSocket, Socket } from "./socket.js";

/** Why a session is over for good. */
export type SessionEnd =
  | { readonly by: "gateway"; readonly reason: EndReason }
  | { readonly by: "refusal"; readonly code: ErrorCode }
  | { readonly by: "unreachable" }
  | { readonly by: "client" };

/** The state of the signaling connection. */
export type SessionState =
  | { readonly state: "connecting"; readonly since: number; readonly attempt: number }
  | { readonly state: "open" }
  | { readonly state: "closed"; readonly end: SessionEnd };

/** What a session tells its listeners. */
export type SessionNotice =
  | { readonly type: "state"; readonly state: SessionState }
  | { readonly type: "welcome"; readonly welcome: Welcome }
  | { readonly type: "event"; readonly event: Event };

/** What a session needs from outside. */
export type SessionParts = {
  readonly openSocket: OpenSocket;
  readonly clock: Clock;
  readonly random: () => number;
  readonly token: string;
};

/** A slow 3G link needs seconds for TCP, TLS and the upgrade. */
const CONNECT_TIMEOUT = 8_000;

/** Answers to requests take a round trip and, for offers, the media plane. */
const REQUEST_TIMEOUT = 8_000;

/** The gateway wants proof of life every 20 seconds. */
const PING_INTERVAL = 15_000;

/** A connection without an answer to a ping for this long is dead, whatever TCP still believes. */
const PING_TIMEOUT = 5_000;

/** The same after a sign that the network has changed, when a dead connection is likely. */
const NUDGE_TIMEOUT = 2_000;

/** Where the gateway has asked for patience, attempts go on as if several had failed: after about a second. */
const PATIENT_ATTEMPT = 3;

/** The session of one participant on this page. */
export class Session {
  readonly #parts: SessionParts;
  readonly #notices = new Listeners<SessionNotice>();
  #state: SessionState;
  #socket: Socket | null = null;
  #requests: RequestTable;
  #resume: Resume | null = null;
  #lostSince: number;
  #attempt = 0;
  #cancelTimer: Cancel = () => undefined;
  #cancelPings: Cancel = () => undefined;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.#requests = new RequestTable(parts.clock);
    this.#lostSince = parts.clock.now();
    this.#state = { state: "connecting", since: this.#lostSince, attempt: 0 };
  }

  /** The state of the connection. */
  get state(): SessionState {
    return this.#state;
  }

  /** Listens to notices; the result ends it. */
  subscribe(listener: (notice: SessionNotice) => void): Cancel {
    return this.#notices.subscribe(listener);
  }

  /** Connects for the first time. */
  start(): void {
    this.#connect();
  }

  /** Sends a request while the connection is open; rejects with a `RequestError` otherwise. */
  async request<Type extends Response["type"]>(message: ClientMessage, type: Type): Promise<ResponseOf<Type>> {
    if (this.#state.state !== "open") throw new RequestError({ kind: "disconnected" });
    return this.#ask(message, type, REQUEST_TIMEOUT);
  }

  /** The network may have changed: tries at once, or finds out at once whether the connection still lives. */
  nudge(): void {
    if (this.#state.state === "open") this.#ping(NUDGE_TIMEOUT);
    else if (this.#state.state === "connecting" && this.#socket === null) this.#connect();
  }

  /** Ends the session for good; tells the gateway where it can. */
  close(): void {
    if (this.#state.state === "open") {
      this.#ask({ type: "leave" }, "bye", REQUEST_TIMEOUT).catch(() => undefined);
    }
    this.#end({ by: "client" });
  }

  #connect(): void {
    this.#dropSocket();
    const socket: Socket = this.#parts.openSocket({
      opened: () => {
        void this.#greet(socket);
      },
      received: (text) => {
        this.#receive(text);
      },
      closed: (code) => {
        this.#closed(code);
      },
    });
    this.#socket = socket;
    this.#cancelTimer = this.#parts.clock.after(CONNECT_TIMEOUT, () => {
      this.#retry();
    });
  }

  async #greet(socket: Socket): Promise<void> {
    const resume = this.#resume;
    try {
      const { type: _, ...welcome } = await this.#ask(
        { type: "hello", version: PROTOCOL_VERSION, token: this.#parts.token, resume },
        "welcome",
        CONNECT_TIMEOUT,
      );
      if (socket === this.#socket) this.#open(welcome);
    } catch (error) {
      if (socket === this.#socket) this.#greetingFailed(socket, error);
    }
  }

  #open(welcome: Welcome): void {
    this.#cancelTimer();
    this.#attempt = 0;
    const seen = welcome.resumed ? (this.#resume?.last_sequence ?? 0) : 0;
    this.#resume = { secret: welcome.resume_secret, last_sequence: seen };
    this.#cancelPings = every(this.#parts.clock, PING_INTERVAL, () => {
      this.#ping(PING_TIMEOUT);
    });
    this.#become({ state: "open" });
    this.#notices.notify({ type: "welcome", welcome });
  }

  #greetingFailed(socket: Socket, error: unknown): void {
    const failure = error instanceof RequestError ? error.failure : null;
    if (failure?.kind !== "refused") {
      this.#retry();
      return;
    }
    switch (failure.code) {
      case "session_lost":
        // The connection stays: the next `hello` on it begins a new session.
        this.#resume = null;
        void this.#greet(socket);
        return;
      case "token_invalid":
      case "token_expired":
      case "consult_closed":
      case "unsupported_version":
      case "forbidden":
      case "malformed_message":
      case "hello_expected":
        this.#end({ by: "refusal", code: failure.code });
        return;
      case "not_joined":
      case "name_invalid":
      case "offer_rejected":
      case "unknown_track":
      case "room_full":
      case "rate_limited":
      case "media_unavailable":
      case "internal":
        this.#retry();
    }
  }

  /** The close code says whether another attempt makes sense; see the table in the protocol's reference. */
  #closed(code: number): void {
    switch (code) {
      case 4400:
        this.#end({ by: "refusal", code: "unsupported_version" });
        return;
      case 4401:
        this.#end({ by: "refusal", code: "token_invalid" });
        return;
      case 4409:
        this.#end({ by: "gateway", reason: "replaced" });
        return;
      case 4410:
        this.#end({ by: "gateway", reason: "consult_closed" });
        return;
      case 1002:
      case 1007:
        // The frames or the text of this page were broken: the next ones would be, too.
        this.#end({ by: "refusal", code: "malformed_message" });
        return;
      case 4429:
      case 4503:
        this.#attempt = Math.max(this.#attempt, PATIENT_ATTEMPT);
        this.#retry();
        return;
      default:
        this.#retry();
    }
  }

  #receive(text: string): void {
    const received = readServerMessage(text);
    switch (received.kind) {
      case "response": {
        const { id, ...response } = received.response;
        this.#requests.settle(id, response);
        return;
      }
      case "event":
        if (this.#isNew(received.event.sequence)) this.#deliver(received.event);
        return;
      case "unknown":
        if (received.sequence !== null) this.#isNew(received.sequence);
    }
  }

  /** Counts an event as seen; a resumed session may repeat some. */
  #isNew(sequence: number): boolean {
    if (this.#resume === null || sequence <= this.#resume.last_sequence) return false;
    this.#resume = { ...this.#resume, last_sequence: sequence };
    return true;
  }

  #deliver({ sequence: _, ...event }: EventEnvelope): void {
    if (event.type !== "ended") {
      this.#notices.notify({ type: "event", event });
      return;
    }
    switch (event.reason) {
      case "left":
      case "consult_closed":
      case "replaced":
      case "timed_out":
        this.#end({ by: "gateway", reason: event.reason });
        return;
      case "too_slow":
      case "shutdown":
        // The consult goes on: another node, or the same one in a moment, takes a new session.
        this.#resume = null;
        this.#retry();
    }
  }

  #ping(timeout: number): void {
    const socket = this.#socket;
    this.#ask({ type: "ping" }, "pong", timeout).catch(() => {
      if (socket !== null && socket === this.#socket) this.#retry();
    });
  }

  async #ask<Type extends Response["type"]>(
    message: ClientMessage,
    type: Type,
    timeout: number,
  ): Promise<ResponseOf<Type>> {
    const response = await this.#requests.open(timeout, (id) => this.#socket?.send(JSON.stringify({ id, ...message })));
    if (response.type !== type) throw new RequestError({ kind: "refused", code: "malformed_message" });
    return response as ResponseOf<Type>;
  }

  #retry(): void {
    if (this.#state.state === "closed") return;
    const { clock, random } = this.#parts;
    if (this.#state.state === "open") this.#lostSince = clock.now();
    this.#dropSocket();
    if (clock.now() - this.#lostSince > GIVE_UP_AFTER && this.#attempt >= GIVE_UP_ATTEMPTS) {
      this.#end({ by: "unreachable" });
      return;
    }
    const delay = reconnectDelay(this.#attempt, random());
    this.#attempt += 1;
    this.#cancelTimer = clock.after(delay, () => {
      this.#connect();
    });
    this.#become({ state: "connecting", since: this.#lostSince, attempt: this.#attempt });
  }

  #dropSocket(): void {
    this.#cancelTimer();
    this.#cancelPings();
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.#requests.disconnect();
  }

  #end(end: SessionEnd): void {
    if (this.#state.state === "closed") return;
    this.#dropSocket();
    this.#become({ state: "closed", end });
  }

  #become(state: SessionState): void {
    this.#state = state;
    this.#notices.notify({ type: "state", state });
  }
}
