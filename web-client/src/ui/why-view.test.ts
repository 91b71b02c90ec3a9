import { describe, expect, it } from "vitest";
import { reduce, type CallAction } from "../call/call-reducer.js";
import { OPENING, type InCall } from "../call/call-state.js";
import type { DecisionChange, PairDecision, ParticipantDecision, RoomDecisions } from "../protocol/messages.js";
import type { Event } from "../signaling/messages.js";
import { welcome } from "../testing/fake-gateway.js";
import type { Actions } from "./actions.js";
import { textOf, type VNode } from "./dom.js";
import { roomView } from "./room-view.js";
import { changeWords } from "./why-words.js";
import { WORDS } from "./words/language.js";

const words = WORDS.en;
const actions = new Proxy({}, { get: () => () => undefined }) as Actions;

const PAIR: PairDecision = {
  track: "camera",
  source: "camera",
  publisher: "wang",
  subscriber: "me",
  gets: { rung: "480p", lines: 480, frame_rate: 30, temporal_layer: 2, price_bps: 748_000 },
  allows: { classes: "480p", permission: "480p", tile: "720p", publisher: "720p", downlink: "720p", codec: "720p" },
  next: { rung: "720p", needs_bps: 2_040_000, missing_bps: 0 },
  reason: "class",
  for_ms: 58_000,
  hd: "publisher_class",
  hd_for_ms: 61_000,
};

const ME: ParticipantDecision = {
  participant: "me",
  role: "clinician",
  lost: false,
  network: {
    class: "wired",
    for_ms: 1_000,
    confidence_percent: 95,
    proven: true,
    contradicted: false,
    evidence: [],
  },
  downlink: {
    state: "steady",
    estimate_bps: 4_800_000,
    audio_bps: 40_000,
    budget_bps: 4_280_000,
    spent_bps: 748_000,
  },
  uplink: { arriving_bps: 900_000, carries_bps: null, encoder: "none" },
};

const told = (pair: Partial<PairDecision>, changes: DecisionChange[] = []): RoomDecisions => ({
  participants: [
    ME,
    {
      participant: "wang",
      role: "patient",
      lost: false,
      network: {
        class: "4g",
        for_ms: 1_000,
        confidence_percent: 88,
        proven: false,
        contradicted: true,
        evidence: [{ from: "stun", class: "4g", tier: 2, ago_ms: 900 }],
      },
      downlink: { state: "steady", estimate_bps: 0, audio_bps: 0, budget_bps: 0, spent_bps: 0 },
      uplink: { arriving_bps: 0, carries_bps: null, encoder: "none" },
    },
  ],
  pairs: [{ ...PAIR, ...pair }],
  changes,
  forgotten_changes: 0,
});

const session = (event: Event): CallAction => ({ type: "session", notice: { type: "event", event } });

function inCall(role: "clinician" | "patient", ...more: CallAction[]): InCall {
  const begun: CallAction[] = [
    { type: "session", notice: { type: "welcome", welcome: welcome({ role }) } },
    { type: "joining", name: "Li" },
    {
      type: "joined",
      snapshot: {
        video_codecs: ["vp8"],
        unlisted_viewers: 0,
        participants: [{ id: "wang", name: "Wang", role: "patient", network_class: "4g", connected: true }],
        tracks: [{ id: "camera", publisher: "wang", source: "camera", muted: false }],
      },
    },
  ];
  return [...begun, ...more].reduce(reduce, OPENING) as InCall;
}

function room(state: InCall, why: "closed" | "open" = "open"): VNode {
  const off = { state: "off" } as const;
  const capture = { camera: off, microphone: off, cameras: [], microphones: [] };
  return roomView({ state, capture, received: () => null, sound: "plays", leaving: "no", why }, words, actions);
}

function controls(node: VNode): string[] {
  const inner = node.children.flatMap((child) => (typeof child === "string" ? [] : controls(child)));
  return [...(node.attributes["data-control"] === undefined ? [] : [node.attributes["data-control"]]), ...inner];
}

describe("the panel", () => {
  it("is offered to clinicians only", () => {
    expect(controls(room(inCall("clinician"), "closed"))).toContain("why");
    expect(controls(room(inCall("patient"), "closed"))).not.toContain("why");
  });

  it("waits for the first word of the gateway", () => {
    expect(textOf(room(inCall("clinician")))).toContain("Asking…");
  });

  it("says what one gets, what closes the next step, and what that rests on", () => {
    const text = textOf(room(inCall("clinician", session({ type: "decisions", ...told({}) }))));
    expect(text).toContain("480 lines · 30 frames a second · 750 kbit/s · for 58 s");
    expect(text).toContain("The other side's network is 4G");
    expect(text).toContain("720p HD: not on these two networks");
    expect(text).toContain("Their network: 4G, 88 % certain");
    expect(text).toContain("The browser's connection checks: 4G (trust 2 of 4)");
    expect(text).toContain("Two trusted sources disagree");
  });

  it.each([
    [{ arriving_bps: 700_000, carries_bps: 1_200_000, encoder: "none" }, "Their upload carries about 1.2 Mbit/s"],
    [{ arriving_bps: 700_000, carries_bps: null, encoder: "cpu" }, "Their device is at its limit"],
    [
      { arriving_bps: 700_000, carries_bps: null, encoder: "bandwidth" },
      "Their browser says that the upload is too slow",
    ],
    [
      { arriving_bps: 700_000, carries_bps: null, encoder: "none" },
      "Nothing holds their upload back; 700 kbit/s arrive",
    ],
  ] as const)("says of an uplink of %j “%s”", (uplink, text) => {
    const decisions = told({});
    const participants = decisions.participants.map((one) => (one.participant === "wang" ? { ...one, uplink } : one));
    const shown = room(inCall("clinician", session({ type: "decisions", ...decisions, participants })));
    expect(textOf(shown)).toContain(text);
    expect(textOf(shown)).toContain("Nothing holds your upload back; 900 kbit/s go out");
  });

  it("says so beside the reason where it is the reason, and else among the evidence only", () => {
    const held = (part: Partial<PairDecision>): boolean => {
      const decisions = told(part);
      const uplink = { arriving_bps: 700_000, carries_bps: 1_200_000, encoder: "none" } as const;
      const participants = decisions.participants.map((one) => ({ ...one, uplink }));
      const shown = room(inCall("clinician", session({ type: "decisions", ...decisions, participants })));
      return JSON.stringify(shown).includes('"data-uplink":"upload"');
    };
    expect(held({ reason: "publisher" })).toBe(true);
    expect(held({ reason: "hd_permission", hd: "uplink_unproven" })).toBe(true);
    expect(held({ reason: "class" })).toBe(false);
    expect(held({ reason: "best", next: null })).toBe(false);
  });

  it("says that a picture cannot be decoded, and promises no next step", () => {
    const allows = { ...PAIR.allows, codec: "audio_only" } as const;
    const gets = { rung: "audio_only", lines: 0, frame_rate: 0, temporal_layer: null, price_bps: 0 } as const;
    const state = inCall(
      "clinician",
      session({ type: "decisions", ...told({ allows, gets, next: null, reason: "codec" }) }),
    );
    const text = textOf(room(state));
    expect(text).toContain("No picture format in common");
    expect(text).toContain("not in this format");
    expect(text).not.toContain("This is the most");
  });

  it("follows the bandwidth", () => {
    const allows = { ...PAIR.allows, classes: "720p", permission: "720p" } as const;
    const next = { rung: "720p", needs_bps: 2_040_000, missing_bps: 640_000 } as const;
    const state = inCall(
      "clinician",
      session({ type: "decisions", ...told({}) }),
      session({ type: "decisions", ...told({ allows, next, reason: "downlink" }) }),
    );
    const text = textOf(room(state));
    expect(text).toContain("needs 2.0 Mbit/s: your network lacks 640 kbit/s");
    expect(text).not.toContain("not on these two networks");
  });

  it("forgets what it showed when it closes", () => {
    const state = inCall("clinician", session({ type: "decisions", ...told({}) }), { type: "decisions_closed" });
    expect(state.room.decisions).toBeNull();
  });
});

describe("a picture whose sender is cut off", () => {
  const cut = session({
    type: "quality",
    pairs: [
      {
        track: "camera",
        publisher: "wang",
        publisher_class: "4g",
        subscriber_class: "5g",
        rung: "360p",
        rung_reason: "publisher_lost",
        hd: "publisher_class",
      },
    ],
  });
  const media: CallAction = { type: "media", health: { state: "connected" } };

  it("says so, and promises no clearer picture", () => {
    const text = textOf(room(inCall("clinician", media, cut), "closed"));
    expect(text).toContain("The connection of Wang is interrupted");
    expect(text).toContain("Their connection is interrupted: the picture stands still");
    expect(text).not.toContain("clearer picture");
  });
});

describe("the cover of a picture that is not there", () => {
  const audioOnly = (rung_reason: "codec" | "downlink" | "awaiting_keyframe"): CallAction =>
    session({
      type: "quality",
      pairs: [
        {
          track: "camera",
          publisher: "wang",
          publisher_class: "5g",
          subscriber_class: "5g",
          rung: "audio_only",
          rung_reason,
          hd: "granted",
        },
      ],
    });
  const text = (reason: "codec" | "downlink" | "awaiting_keyframe"): string =>
    textOf(room(inCall("clinician", audioOnly(reason)), "closed"));

  it("blames the network only where it is the network", () => {
    expect(text("downlink")).toContain("Weak network: voice only for now");
    expect(text("awaiting_keyframe")).toContain("The picture is on its way");
    expect(text("awaiting_keyframe")).not.toContain("Weak network");
    expect(text("codec")).toContain("No picture format in common");
    expect(text("codec")).not.toContain("Weak network");
  });
});

describe("the history", () => {
  const others = [{ id: "wang", name: "Wang", role: "patient", network_class: "4g", connected: true }] as const;
  const pair = { publisher: "wang", subscriber: "me" };
  const back = { publisher: "me", subscriber: "wang" };

  it.each<[DecisionChange, string]>([
    [
      { ago_ms: 1, what: "rung", ...pair, track: "camera", from: "720p", to: "480p", cause: "policy" },
      "The picture of Wang: 720p HD → 480p (networks or HD permission)",
    ],
    [
      { ago_ms: 1, what: "rung", ...back, track: "mine", from: "480p", to: "360p", cause: "downlink" },
      "What Wang sees of you: 480p → 360p (bandwidth)",
    ],
    [{ ago_ms: 1, what: "hd", ...pair, permitted: true, reason: "granted" }, "The picture of Wang: HD is permitted"],
    [
      { ago_ms: 1, what: "hd", ...pair, permitted: false, reason: "loss" },
      "The picture of Wang: HD is withdrawn (lost packets)",
    ],
    [{ ago_ms: 1, what: "network_class", participant: "me", from: "unknown", to: "5g" }, "Your network: Unknown → 5G"],
    [{ ago_ms: 1, what: "network_class", participant: "wang", from: "5g", to: "4g" }, "Network of Wang: 5G → 4G"],
    [
      { ago_ms: 1, what: "uplink", publisher: "me", track: "mine", sends: [], cause: "audience" },
      "You: the camera pauses (somebody came or went)",
    ],
    [{ ago_ms: 1, what: "connection", participant: "wang", lost: true }, "The connection of Wang is interrupted"],
    [{ ago_ms: 1, what: "connection", participant: "gone", lost: false }, "The connection of Somebody is back"],
  ])("tells %j", (change, text) => {
    expect(changeWords(words, change, "me", others)).toBe(text);
  });
});
