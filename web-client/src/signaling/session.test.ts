import { describe, expect, it } from "vitest";
import type { SessionNotice } from "./session.js";
import { Session } from "./session.js";
import { FakeClock } from "../testing/fake-clock.js";
import { FakeGateway, welcome } from "../testing/fake-gateway.js";

function story(): { clock: FakeClock; gateway: FakeGateway; session: Session; notices: SessionNotice[] } {
  const clock = new FakeClock();
  const gateway = new FakeGateway(clock);
  const notices: SessionNotice[] = [];
  const session = new Session({ openSocket: gateway.openSocket, clock, random: () => 1, token: "token" });
  session.subscribe((notice) => notices.push(notice));
  session.start();
  return { clock, gateway, session, notices };
}

const eventsOf = (notices: SessionNotice[]): string[] =>
  notices.flatMap((notice) => (notice.type === "event" ? [notice.event.type] : []));

describe("a session", () => {
  it("greets with its token and opens", async () => {
    const { gateway, session } = story();
    await gateway.accept();
    expect(gateway.last("hello")).toMatchObject({ token: "token", version: 1, resume: null });
    await gateway.answer("hello", welcome());
    expect(session.state).toEqual({ state: "open" });
  });

  it("resumes with its secret and the last event it has seen, and hears no event twice", async () => {
    const { clock, gateway, notices, session } = story();
    await gateway.welcomeNew();
    gateway.event(1, { type: "active_speaker", participant: null });
    gateway.event(2, { type: "network_class", class: "4g" });
    gateway.drop();
    expect(session.state.state).toBe("connecting");
    await clock.advance(0);
    await gateway.accept();
    expect(gateway.last("hello")).toMatchObject({ resume: { secret: "secret", last_sequence: 2 } });
    await gateway.answer("hello", welcome({ resumed: true }));
    gateway.event(2, { type: "network_class", class: "4g" });
    gateway.event(3, { type: "media_failed" });
    expect(eventsOf(notices)).toEqual(["active_speaker", "network_class", "media_failed"]);
  });

  it("starts anew on the same connection where the session is gone", async () => {
    const { clock, gateway, session } = story();
    await gateway.welcomeNew();
    gateway.drop();
    await clock.advance(0);
    await gateway.accept();
    await gateway.answer("hello", { type: "error", code: "session_lost", message: "" });
    expect(gateway.opened).toBe(2);
    expect(gateway.last("hello")).toMatchObject({ resume: null });
    await gateway.answer("hello", welcome());
    gateway.event(1, { type: "media_failed" });
    expect(session.state.state).toBe("open");
  });

  it("waits 0, 0.2, 0.5, 1, 2, 3, 5, 5 s between attempts", async () => {
    const { clock, gateway } = story();
    gateway.drop();
    const waits: number[] = [];
    for (let attempt = 0; attempt < 8; attempt++) {
      const opened = gateway.opened;
      const from = clock.now();
      while (gateway.opened === opened) await clock.step();
      waits.push(clock.now() - from);
      gateway.drop();
    }
    expect(waits).toEqual([0, 200, 500, 1_000, 2_000, 3_000, 5_000, 5_000]);
  });

  it("goes on trying for ten minutes, then says that the gateway is unreachable", async () => {
    const { clock, gateway, session } = story();
    gateway.refuseConnections = true;
    gateway.drop();
    await clock.advance(9 * 60_000);
    expect(session.state.state).toBe("connecting");
    await clock.advance(2 * 60_000);
    expect(session.state).toEqual({ state: "closed", end: { by: "unreachable" } });
  });

  it("takes a connection without an answer to its ping for dead", async () => {
    const { clock, gateway, session } = story();
    await gateway.welcomeNew();
    await clock.advance(15_000);
    expect(gateway.last("ping")).toBeDefined();
    await clock.advance(5_000);
    expect(session.state.state).toBe("connecting");
  });

  it("stays open while pings are answered", async () => {
    const { clock, gateway, session } = story();
    await gateway.welcomeNew();
    for (let turn = 0; turn < 5; turn++) {
      await clock.advance(15_000);
      await gateway.answer("ping", { type: "pong" });
    }
    expect(session.state.state).toBe("open");
  });

  it("finds a dead connection within two seconds of a nudge", async () => {
    const { clock, gateway, session } = story();
    await gateway.welcomeNew();
    session.nudge();
    await clock.advance(2_000);
    expect(session.state.state).toBe("connecting");
  });

  it.each([
    ["left", "closed"],
    ["consult_closed", "closed"],
    ["replaced", "closed"],
    ["timed_out", "closed"],
    ["shutdown", "connecting"],
    ["too_slow", "connecting"],
  ] as const)("after the end `%s` is %s", async (reason, state) => {
    const { gateway, session } = story();
    await gateway.welcomeNew();
    gateway.event(1, { type: "ended", reason });
    expect(session.state.state).toBe(state);
  });

  it.each(["token_invalid", "token_expired", "consult_closed", "unsupported_version"] as const)(
    "ends when refused with `%s`",
    async (code) => {
      const { gateway, session } = story();
      await gateway.accept();
      await gateway.answer("hello", { type: "error", code, message: "" });
      expect(session.state).toEqual({ state: "closed", end: { by: "refusal", code } });
    },
  );

  it.each([
    [1001, "connecting"],
    [1006, "connecting"],
    [1002, "closed"],
    [1007, "closed"],
    [4400, "closed"],
    [4401, "closed"],
    [4408, "connecting"],
    [4409, "closed"],
    [4410, "closed"],
    [4429, "connecting"],
    [4503, "connecting"],
  ] as const)("after the close code %i is %s", async (code, state) => {
    const { gateway, session } = story();
    await gateway.welcomeNew();
    gateway.drop(code);
    expect(session.state.state).toBe(state);
  });

  it("is patient where the gateway asks for patience", async () => {
    const { clock, gateway } = story();
    await gateway.welcomeNew();
    gateway.drop(4503);
    await clock.advance(999);
    expect(gateway.opened).toBe(1);
    await clock.advance(1);
    expect(gateway.opened).toBe(2);
  });

  it("fails open requests when the connection drops, and times out the unanswered", async () => {
    const { clock, gateway, session } = story();
    await gateway.welcomeNew();
    const dropped = session.request({ type: "join", name: "a" }, "joined");
    const droppedFails = expect(dropped).rejects.toMatchObject({ failure: { kind: "disconnected" } });
    gateway.drop();
    await droppedFails;
    await clock.advance(0);
    await gateway.welcomeNew({ resumed: true });
    const unanswered = session.request({ type: "join", name: "a" }, "joined");
    const unansweredFails = expect(unanswered).rejects.toMatchObject({ failure: { kind: "timeout" } });
    await clock.advance(8_000);
    await unansweredFails;
  });

  it("passes over what it does not know", async () => {
    const { gateway, session, notices } = story();
    await gateway.welcomeNew();
    gateway.text("{");
    gateway.text('{"sequence":1,"type":"something_new"}');
    gateway.event(2, { type: "media_failed" });
    expect(session.state.state).toBe("open");
    expect(eventsOf(notices)).toEqual(["media_failed"]);
  });
});
