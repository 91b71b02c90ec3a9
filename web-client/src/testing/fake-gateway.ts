// The far end of the signaling WebSocket, as a test plays it.

import type { Clock } from "../lifetime/clock.js";
import type { Welcome } from "../protocol/messages.js";
import type { ClientMessage, Event, Response } from "../signaling/messages.js";
import type { OpenSocket, SocketListener } from "../signaling/socket.js";
import { settle } from "./fake-clock.js";

type Sent = ClientMessage & { id: number };

/** A `welcome`, with what the test cares about. */
export function welcome(part: Partial<Welcome> = {}): Extract<Response, { type: "welcome" }> {
  return {
    type: "welcome",
    version: 1,
    session: "session",
    resume_secret: "secret",
    resumed: false,
    consult: "consult",
    subject: "Follow-up",
    participant: "me",
    role: "patient",
    hd_mode: "equivalent",
    video_codecs: ["vp8", "h264", "vp9", "av1"],
    ice_servers: [],
    ...part,
  };
}

/** Records what a session sends, and says what the test tells it to. */
export class FakeGateway {
  readonly sent: Sent[] = [];
  opened = 0;
  refuseConnections = false;
  readonly #clock: Clock;
  #listener: SocketListener | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  readonly openSocket: OpenSocket = (listener) => {
    this.opened += 1;
    this.#listener = listener;
    if (this.refuseConnections)
      this.#clock.after(1, () => {
        if (this.#listener === listener) this.drop();
      });
    return {
      send: (text) => this.sent.push(JSON.parse(text) as Sent),
      close: () => {
        if (this.#listener === listener) this.#listener = null;
      },
    };
  };

  /** Completes the connection. */
  async accept(): Promise<void> {
    this.#listener?.opened();
    await settle();
  }

  /** Completes the connection and welcomes the client. */
  async welcomeNew(part: Partial<Welcome> = {}): Promise<void> {
    await this.accept();
    await this.answer("hello", welcome(part));
  }

  /** The last request of a type. */
  last<Type extends Sent["type"]>(type: Type): Extract<Sent, { type: Type }> {
    const found = this.sent.findLast((message) => message.type === type);
    if (found === undefined) throw new Error(`no ${type} was sent`);
    return found as Extract<Sent, { type: Type }>;
  }

  /** How many requests of a type were sent. */
  count(type: Sent["type"]): number {
    return this.sent.filter((message) => message.type === type).length;
  }

  /** Answers the last request of a type. */
  async answer(type: Sent["type"], response: Response): Promise<void> {
    this.text(JSON.stringify({ id: this.last(type).id, ...response }));
    await settle();
  }

  /** Sends an event. */
  event(sequence: number, event: Event): void {
    this.text(JSON.stringify({ sequence, ...event }));
  }

  /** Sends a text. */
  text(text: string): void {
    this.#listener?.received(text);
  }

  /** Ends the connection: cut, or closed with a code. */
  drop(code = 1006): void {
    const listener = this.#listener;
    this.#listener = null;
    listener?.closed(code);
  }
}
