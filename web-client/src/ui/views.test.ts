import { describe, expect, it } from "vitest";
import { reduce, type CallAction } from "../call/call-reducer.js";
import { OPENING, type CallState, type InCall } from "../call/call-state.js";
import type { Role } from "../protocol/messages.js";
import type { CaptureState } from "../rtc/capture.js";
import type { Event } from "../signaling/messages.js";
import { welcome } from "../testing/fake-gateway.js";
import { fakeTrack } from "../testing/fake-rtc.js";
import type { Actions } from "./actions.js";
import { textOf, type VNode } from "./dom.js";
import { endedView } from "./ended-view.js";
import { lobbyView, type LobbyModel } from "./lobby-view.js";
import { roomView, type RoomModel } from "./room-view.js";
import { WORDS } from "./words/language.js";

const words = WORDS.en;
const nothing = (): void => undefined;
const actions = new Proxy({}, { get: () => nothing }) as Actions;
const LIVE: CaptureState = {
  camera: { state: "live", track: fakeTrack("video") },
  microphone: { state: "live", track: fakeTrack("audio") },
  cameras: [],
  microphones: [],
};
const OFF: CaptureState = {
  ...LIVE,
  camera: { state: "failed", why: "denied" },
  microphone: { state: "failed", why: "denied" },
};

const welcomed: CallAction = { type: "session", notice: { type: "welcome", welcome: welcome() } };
const joined: CallAction = {
  type: "joined",
  snapshot: {
    video_codecs: ["vp8"],
    unlisted_viewers: 0,
    participants: [{ id: "doctor", name: "Dr Chen", role: "clinician", network_class: "4g", connected: true }],
    tracks: [
      { id: "camera", publisher: "doctor", source: "camera", muted: false },
      { id: "voice", publisher: "doctor", source: "microphone", muted: true },
    ],
  },
};
const stateAfter = (...more: CallAction[]): CallState =>
  [welcomed, { type: "joining", name: "Wang" } as const, joined, ...more].reduce(reduce, OPENING);

const MODEL: Omit<RoomModel, "state"> = {
  capture: LIVE,
  received: () => fakeTrack("video"),
  sound: "plays",
  leaving: "no",
  why: "closed",
};

function room(model: Partial<RoomModel>, ...more: CallAction[]): VNode {
  return roomView({ ...MODEL, state: stateAfter(...more) as InCall, ...model }, words, actions);
}

function lobby(model: Partial<LobbyModel>): VNode {
  return lobbyView(
    { state: reduce(OPENING, welcomed) as LobbyModel["state"], capture: LIVE, level: null, name: "", ...model },
    words,
    actions,
  );
}

function find(node: VNode, matches: (node: VNode) => boolean): VNode[] {
  const inner = node.children.flatMap((child) => (typeof child === "string" ? [] : find(child, matches)));
  return matches(node) ? [node, ...inner] : inner;
}

describe("the lobby", () => {
  it("names the consult and the role, and has one main button", () => {
    const view = lobby({});
    expect(textOf(view)).toContain("Follow-up");
    expect(textOf(view)).toContain("You join as: Patient");
    expect(find(view, (node) => node.attributes["class"] === "main-button").map(textOf)).toEqual(["Join the consult"]);
  });

  it.each([
    [{ state: "heard", level: 0.5 }, "We can hear you"],
    [{ state: "quiet", level: 0 }, "Please say a few words"],
    [{ state: "asleep" }, "Test the microphone"],
  ] as const)("says of the level %j “%s”", (level, text) => {
    expect(textOf(lobby({ level }))).toContain(text);
  });

  it("says what to do when nothing is allowed, and still lets one in", () => {
    const view = lobby({ capture: OFF });
    expect(textOf(view)).toContain(words.bothDenied);
    expect(textOf(view)).toContain(words.joinListening);
    expect(textOf(view)).toContain("Join the consult");
  });

  it("invites to join with sound alone without a camera", () => {
    expect(textOf(lobby({ capture: { ...LIVE, camera: { state: "failed", why: "missing" } } }))).toContain(
      "You can join with sound only.",
    );
  });
});

describe("the call", () => {
  it("shows the doctor with the networks, the rung, the reason and the mute", () => {
    const quality: CallAction = {
      type: "session",
      notice: {
        type: "event",
        event: {
          type: "quality",
          pairs: [
            {
              track: "camera",
              publisher: "doctor",
              publisher_class: "4g",
              subscriber_class: "5g",
              rung: "480p",
              rung_reason: "class",
              hd: "publisher_class",
            },
          ],
        },
      },
    };
    const text = textOf(room({}, quality));
    expect(text).toContain("Dr Chen");
    expect(text).toContain("Them 4G · You 5G · 480p");
    expect(text).toContain("The other side's network is 4G: picture lowered to stay smooth");
    expect(text).toContain("Muted");
  });

  it("plays every voice, also a muted one, and shows pictures without sound", () => {
    const view = room({});
    expect(find(view, (node) => node.tag === "audio")).toHaveLength(1);
    expect(find(view, (node) => node.tag === "video").every((node) => "muted" in node.attributes)).toBe(true);
  });

  it("keeps the picture in its place under the words while only the voice comes", () => {
    const quality: CallAction = {
      type: "session",
      notice: {
        type: "event",
        event: {
          type: "quality",
          pairs: [
            {
              track: "camera",
              publisher: "doctor",
              publisher_class: "3g",
              subscriber_class: "5g",
              rung: "audio_only",
              rung_reason: "downlink",
              hd: "publisher_class",
            },
          ],
        },
      },
    };
    const view = room({}, quality);
    expect(textOf(view)).toContain("voice only for now");
    expect(find(view, (node) => node.key === "picture camera")).toHaveLength(1);
  });

  it("comforts who waits alone", () => {
    const left: CallAction = {
      type: "session",
      notice: { type: "event", event: { type: "participant_left", participant: "doctor" } },
    };
    expect(textOf(room({}, left))).toContain("The doctor will be with you shortly");
  });

  it("says how many watch, by name as far as they are listed, in both languages", () => {
    const told = (event: Event): CallAction => ({ type: "session", notice: { type: "event", event } });
    const student = (id: string): CallAction =>
      told({
        type: "participant_joined",
        id,
        name: `▶ ${id}`,
        role: "observer",
        network_class: "wifi",
        connected: true,
      });
    const state = stateAfter(student("one"), student("two"), told({ type: "viewers", unlisted: 210 })) as InCall;
    const pill = (view: VNode): VNode[] => find(view, (node) => node.attributes["data-watching"] !== undefined);
    const shown = (["en", "zh-CN"] as const).map((language) =>
      pill(roomView({ ...MODEL, state }, WORDS[language], actions)),
    );
    expect(shown.flat().map((node) => [textOf(node), node.attributes["title"]])).toEqual([
      ["212 watching", "▶ one, ▶ two, 210 more"],
      ["212 人观看", "▶ one、▶ two、另有 210 人"],
    ]);
    expect(pill(room({}))).toEqual([]);
  });

  it("counts who only watches not among the people", () => {
    const told = (id: string, role: Role): CallAction => ({
      type: "session",
      notice: {
        type: "event",
        event: { type: "participant_joined", id, name: id, role, network_class: "wifi", connected: true },
      },
    });
    expect(textOf(room({}, told("nurse", "clinician"), told("student", "observer")))).toContain("3 people 1 watching");
  });

  it.each([
    [
      { type: "session", notice: { type: "state", state: { state: "connecting", since: 0, attempt: 1 } } },
      "Your call goes on",
    ],
    [{ type: "media", health: { state: "lost", since: 0 } }, "Bringing sound and picture back"],
    [{ type: "media", health: { state: "connecting", since: 0 } }, "Connecting sound and picture"],
  ] as const)("after %j says “%s”", (action, text) => {
    expect(textOf(room({}, action))).toContain(text);
  });

  it("offers a press where the browser holds the sound back", () => {
    expect(textOf(room({ sound: "blocked" }))).toContain("Press to hear the others");
  });

  it("asks before it leaves", () => {
    expect(textOf(room({ leaving: "asked" }))).toContain("Leave the consult?");
  });
});

describe("the end", () => {
  it.each([
    [{ by: "client" }, true],
    [{ by: "unreachable" }, true],
    [{ by: "no_token" }, false],
    [{ by: "gateway", reason: "consult_closed" }, false],
    [{ by: "gateway", reason: "replaced" }, true],
    [{ by: "gateway", reason: "timed_out" }, true],
    [{ by: "refusal", code: "token_expired" }, false],
    [{ by: "refusal", code: "room_full" }, true],
  ] as const)("by %j offers a way back: %s", (closing, back) => {
    const view = endedView(closing, words, actions);
    expect(find(view, (node) => node.tag === "button").length > 0).toBe(back);
    expect(find(view, (node) => node.tag === "h1")).toHaveLength(1);
  });
});
