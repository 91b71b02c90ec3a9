// Offers, one after the other: never two open, and whatever was wished for meanwhile goes into the next one.

import type { Clock } from "../lifetime/clock.js";
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
  readonly #failed: (error: unknown) => void;
  #wanted: OfferKind | null = null;
  #loop: "idle" | "running" | "disposed" = "idle";
  #endWait: () => void = () => undefined;
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
    if (this.#loop === "idle") void this.#run();
  }

  /** The gateway can be reached again: what failed meanwhile is tried at once. */
  hurry(): void {
    if (this.#failures === 0) return;
    this.#failures = 0;
    this.#endWait();
  }

  /** Ends the negotiation; an answer that is still on its way is not applied. */
  dispose(): void {
    this.#loop = "disposed";
    this.#endWait();
  }

  async #run(): Promise<void> {
    this.#loop = "running";
    // All that is asked for in one turn goes into one offer.
    await Promise.resolve();
    while (this.#wanted !== null && this.#isAlive()) {
      const kind = this.#wanted;
      this.#wanted = null;
      const done = await this.#offer(kind);
      if (!done) this.#wanted ??= kind;
      if (!done && kind === "ice_restart") this.#wanted = kind;
      await this.#wait(done ? SPACING : Math.min(RETRY_FIRST * 2 ** (this.#failures - 1), RETRY_MAX));
    }
    if (this.#isAlive()) this.#loop = "idle";
  }

  #isAlive(): boolean {
    return this.#loop !== "disposed";
  }

  #wait(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(milliseconds, resolve);
      this.#endWait = () => {
        cancel();
        resolve();
      };
    });
  }

  async #offer(kind: OfferKind): Promise<boolean> {
    try {
      const offer = await this.#peer.createOffer(kind);
      if (offer !== null && this.#isAlive()) {
        const answer = await this.#exchange(offer);
        if (this.#isAlive()) await this.#peer.applyAnswer(answer);
      }
      this.#failures = 0;
      return true;
    } catch (error) {
      this.#failures += 1;
      if (this.#isAlive()) this.#failed(error);
      return false;
    }
  }
}
