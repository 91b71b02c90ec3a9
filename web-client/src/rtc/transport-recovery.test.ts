import { describe, expect, it } from "vitest";
import { FakeClock } from "../testing/fake-clock.js";
import { TransportRecovery, type RestartCause } from "./transport-recovery.js";

function story() {
  const clock = new FakeClock();
  const restarts: [number, RestartCause][] = [];
  const began = clock.now();
  const recovery = new TransportRecovery(clock, (cause) => restarts.push([clock.now() - began, cause]));
  return { clock, restarts, recovery };
}

describe("transport recovery", () => {
  it("restarts at once at the first suspicion, and once for several", async () => {
    const { clock, restarts, recovery } = story();
    recovery.suspect("rtp_silence");
    recovery.suspect("connection_failed");
    await clock.advance(0);
    expect(restarts).toEqual([[0, "rtp_silence"]]);
  });

  it("spaces restarts that do not help", async () => {
    const { clock, restarts, recovery } = story();
    for (let turn = 0; turn < 120; turn++) {
      recovery.suspect("still_down");
      await clock.advance(500);
    }
    const gaps = restarts.map(([at], index) => at - (restarts[index - 1]?.[0] ?? 0)).slice(1);
    expect(gaps[0]).toBe(4_000);
    expect(Math.min(...gaps.slice(1))).toBeGreaterThanOrEqual(10_000);
    // Six a minute is the gateway's limit.
    expect(restarts.length).toBeLessThanOrEqual(7);
  });

  it("forgets what was pending when media flows again", async () => {
    const { clock, restarts, recovery } = story();
    recovery.suspect("rtp_silence");
    await clock.advance(0);
    recovery.suspect("rtp_silence");
    recovery.recovered();
    await clock.advance(60_000);
    expect(restarts).toHaveLength(1);
  });
});
