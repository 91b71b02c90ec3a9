// Offers, one after the other: never two open, and whatever was wished for meanwhile goes into the next one.

import { pause, type Clock } from "../lifetime/clock.js";
import { Scope } from "../lifetime/scope.js";
import type { Answer, Offer } from "../protocol/messages.js";

/** What is negotiated for. */
export type Negotiable = {
  /** Makes an offer; null while there is nothing to negotiate. */
  readonly createOffer: (kind: OfferKind) => Promise<Offer | null>;
  readonly applyAnswer: (answer: Answer) => Promise<void>;
};

/** Whether the transport keeps its ICE credentials. */
export type OfferKind = "continue" | "ice_restart";

/** How an offer reaches the gateway. */
export type Exchange = (offer: Offer) => Promise<Answer>;

/** Between two offers: the gateway allows five a second, and people often come in pairs of tracks. */
const SPACING = 250;

/** After a failed offer, doubled with every further failure up to `RETRY_MAX`. */
const RETRY_FIRST = 300;
const RETRY_MAX = 5_000;

/** The negotiation of one peer connection. */
export class Negotiation {
  readonly #peer: Negotiable;
  readonly #exchange: Exchange;
  readonly #clock: Clock;
  readonly #scope = new Scope();
  readonly #failed: (error: unknown) => void;
  #wanted: OfferKind | null = null;
  #running = false;
  #failures = 0;

  constructor(peer: Negotiable, exchange: Exchange, clock: Clock, failed: (error: unknown) => void) {
    this.#peer = peer;
    this.#exchange = exchange;
    this.#clock = clock;
    this.#failed = failed;
  }

  /** Asks for an offer; an ICE restart wins over a mere update. */
  request(kind: OfferKind): void {
    if (this.#wanted !== "ice_restart") this.#wanted = kind;
    if (!this.#running) void this.#run();
  }

  /** Ends the negotiation; an answer that is still on its way is not applied. */
  dispose(): void {
    this.#scope.dispose();
  }

  async #run(): Promise<void> {
    this.#running = true;
    try {
      // All that is asked for in one turn goes into one offer.
      await Promise.resolve();
      while (this.#wanted !== null && !this.#scope.disposed) {
        const kind = this.#wanted;
        this.#wanted = null;
        const done = await this.#offer(kind);
        if (!done && this.#wanted !== "ice_restart") this.#wanted = kind;
        const wait = done ? SPACING : Math.min(RETRY_FIRST * 2 ** (this.#failures - 1), RETRY_MAX);
        await pause(this.#clock, wait, this.#scope.signal);
      }
    } catch (error) {
      if (!this.#scope.disposed) throw error;
    } finally {
      this.#running = false;
    }
  }

  async #offer(kind: OfferKind): Promise<boolean> {
    try {
      const offer = await this.#peer.createOffer(kind);
      if (offer !== null && !this.#scope.disposed) {
        const answer = await this.#exchange(offer);
        if (!this.#scope.disposed) await this.#peer.applyAnswer(answer);
      }
      this.#failures = 0;
      return true;
    } catch (error) {
      this.#failures += 1;
      if (!this.#scope.disposed) this.#failed(error);
      return false;
    }
  }
}
