import { describe, expect, it } from "vitest";
import { FakeClock, settle } from "../testing/fake-clock.js";
import type { Answer, Offer } from "../protocol/messages.js";
import { Negotiation, type OfferKind } from "./negotiation.js";

function story() {
  const clock = new FakeClock();
  const made: OfferKind[] = [];
  const applied: Answer[] = [];
  const failures: unknown[] = [];
  let open: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | null = null;
  const peer = {
    createOffer: (kind: OfferKind): Promise<Offer | null> => {
      made.push(kind);
      return Promise.resolve({ sdp: "offer", tracks: [], subscriptions: [] });
    },
    applyAnswer: (answer: Answer): Promise<void> => {
      applied.push(answer);
      return Promise.resolve();
    },
  };
  const exchange = (): Promise<Answer> =>
    new Promise((resolve, reject) => {
      if (open !== null) throw new Error("two offers are open");
      open = { resolve, reject };
    });
  const negotiation = new Negotiation(peer, exchange, clock, (error) => failures.push(error));
  const end = async (how: "answer" | "failure"): Promise<void> => {
    const request = open;
    open = null;
    if (how === "answer") request?.resolve({ sdp: "answer", tracks: [], shell_nonce: "" });
    else request?.reject(new Error("refused"));
    await settle();
  };
  return { clock, made, applied, failures, negotiation, end };
}

describe("a negotiation", () => {
  it("has one offer open at a time, and one more for all that was wished for meanwhile", async () => {
    const { clock, made, applied, negotiation, end } = story();
    negotiation.request("continue");
    await settle();
    negotiation.request("continue");
    negotiation.request("continue");
    await clock.advance(1_000);
    expect(made).toHaveLength(1);
    await end("answer");
    await clock.advance(1_000);
    expect(made).toHaveLength(2);
    await end("answer");
    await clock.advance(10_000);
    expect(made).toHaveLength(2);
    expect(applied).toHaveLength(2);
  });

  it("puts all that is asked for in one turn into one offer", async () => {
    const { clock, made, negotiation, end } = story();
    negotiation.request("continue");
    negotiation.request("continue");
    await settle();
    await end("answer");
    await clock.advance(5_000);
    expect(made).toHaveLength(1);
  });

  it("lets an ICE restart win over an update that waits with it", async () => {
    const { clock, made, negotiation, end } = story();
    negotiation.request("continue");
    await settle();
    negotiation.request("ice_restart");
    negotiation.request("continue");
    await end("answer");
    await clock.advance(1_000);
    expect(made).toEqual(["continue", "ice_restart"]);
  });

  it("tries a failed offer again, later each time, and as a restart if it was one", async () => {
    const { clock, made, failures, negotiation, end } = story();
    negotiation.request("ice_restart");
    await settle();
    await end("failure");
    await clock.advance(299);
    expect(made).toHaveLength(1);
    await clock.advance(1);
    expect(made).toEqual(["ice_restart", "ice_restart"]);
    await end("failure");
    await clock.advance(599);
    expect(made).toHaveLength(2);
    await clock.advance(1);
    expect(made).toHaveLength(3);
    expect(failures).toHaveLength(2);
  });

  it("tries a failed offer at once when the gateway is back", async () => {
    const { clock, made, negotiation, end } = story();
    negotiation.request("continue");
    await settle();
    await end("failure");
    negotiation.hurry();
    await settle();
    expect(made).toHaveLength(2);
    await end("answer");
    negotiation.hurry();
    await clock.advance(5_000);
    expect(made).toHaveLength(2);
  });

  it("keeps offers apart for the gateway's rate limit", async () => {
    const { clock, made, negotiation, end } = story();
    negotiation.request("continue");
    await settle();
    await end("answer");
    negotiation.request("continue");
    await clock.advance(249);
    expect(made).toHaveLength(1);
    await clock.advance(1);
    expect(made).toHaveLength(2);
  });

  it("applies no answer after its end", async () => {
    const { applied, negotiation, end } = story();
    negotiation.request("continue");
    await settle();
    negotiation.dispose();
    await end("answer");
    expect(applied).toEqual([]);
  });
});
