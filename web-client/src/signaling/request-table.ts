// Open requests by id: each ends in a response, a timeout, or the loss of its connection.

import type { Cancel, Clock } from "../lifetime/clock.js";
import type { ErrorCode } from "../protocol/messages.js";
import type { Response } from "./messages.js";

/** Why a request has no result. */
export type RequestFailure =
  | { readonly kind: "refused"; readonly code: ErrorCode }
  | { readonly kind: "timeout" }
  | { readonly kind: "disconnected" }
  | { readonly kind: "overflow" };

/** Thrown for a request without a result. */
export class RequestError extends Error {
  constructor(readonly failure: RequestFailure) {
    super(`the request failed: ${failure.kind === "refused" ? failure.code : failure.kind}`);
    this.name = "RequestError";
  }
}

type Open = {
  readonly resolve: (response: Response) => void;
  readonly reject: (error: RequestError) => void;
  readonly cancelTimeout: Cancel;
};

/** A page has a handful of requests open; more than this means that nobody answers. */
const MAX_OPEN = 64;

/** The requests of one connection. */
export class RequestTable {
  readonly #clock: Clock;
  readonly #openById = new Map<number, Open>();
  #nextId = 1;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Opens a request; `send` is called with its id. */
  open(timeout: number, send: (id: number) => void): Promise<Response> {
    if (this.#openById.size >= MAX_OPEN) return Promise.reject(new RequestError({ kind: "overflow" }));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const cancelTimeout = this.#clock.after(timeout, () => {
        this.#openById.delete(id);
        reject(new RequestError({ kind: "timeout" }));
      });
      this.#openById.set(id, { resolve, reject, cancelTimeout });
      send(id);
    });
  }

  /** Ends the request that a response belongs to. */
  settle(id: number, response: Response): void {
    const open = this.#openById.get(id);
    if (open === undefined) return;
    this.#openById.delete(id);
    open.cancelTimeout();
    if (response.type === "error") open.reject(new RequestError({ kind: "refused", code: response.code }));
    else open.resolve(response);
  }

  /** Ends every request: the connection is gone. */
  disconnect(): void {
    for (const open of [...this.#openById.values()]) {
      open.cancelTimeout();
      open.reject(new RequestError({ kind: "disconnected" }));
    }
    this.#openById.clear();
  }
}
