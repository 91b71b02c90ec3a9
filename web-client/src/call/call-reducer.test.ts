import { describe, expect, it } from "vitest";
import type { Participant, RoomSnapshot, Track } from "../protocol/messages.js";
import type { Event } from "../signaling/messages.js";
import { welcome } from "../testing/fake-gateway.js";
import { reduce, type CallAction } from "./call-reducer.js";
import { OPENING, type CallState } from "./call-state.js";

const doctor: Participant = { id: "doctor", name: "Dr Chen", role: "clinician", network_class: "4g", connected: true };
const camera: Track = { id: "camera", publisher: "doctor", source: "camera", muted: false };
const room: RoomSnapshot = { participants: [doctor], unlisted_viewers: 3, tracks: [camera], video_codecs: ["vp8"] };

const welcomed = (resumed = false): CallAction => ({
  type: "session",
  notice: { type: "welcome", welcome: welcome({ resumed }) },
});
const lost: CallAction = {
  type: "session",
  notice: { type: "state", state: { state: "connecting", since: 7, attempt: 1 } },
};
const event = (what: Event): CallAction => ({ type: "session", notice: { type: "event", event: what } });
const joins: CallAction[] = [welcomed(), { type: "joining", name: "Wang" }, { type: "joined", snapshot: room }];

const after = (...actions: CallAction[]): CallState => actions.reduce(reduce, OPENING);

function roomAfter(...actions: CallAction[]) {
  const state = after(...joins, ...actions);
  if (state.phase !== "inCall") throw new Error(`in phase ${state.phase}`);
  return state.room;
}

describe("the way in", () => {
  it("leads from the link over the lobby into the call", () => {
    expect(after().phase).toBe("opening");
    expect(after(welcomed())).toMatchObject({ phase: "lobby", consult: { subject: "Follow-up", role: "patient" } });
    expect(after(...joins)).toMatchObject({
      phase: "inCall",
      name: "Wang",
      signaling: { state: "open" },
      media: { state: "idle" },
    });
  });

  it("leads back to the lobby with the reason where joining is refused", () => {
    expect(
      after(welcomed(), { type: "joining", name: "Wang" }, { type: "join_refused", code: "room_full" }),
    ).toMatchObject({ phase: "lobby", refusal: "room_full" });
  });

  it("keeps joining over a drop", () => {
    expect(after(welcomed(), { type: "joining", name: "Wang" }, lost, welcomed())).toMatchObject({
      phase: "joining",
      name: "Wang",
    });
  });

  it("counts the attempts while nothing answers", () => {
    expect(after(lost)).toEqual({ phase: "opening", attempt: 1 });
  });
});

describe("a drop of signaling", () => {
  it("leaves the call and its media as they are, and resumes", () => {
    const dropped = after(...joins, { type: "media", health: { state: "connected" } }, lost);
    expect(dropped).toMatchObject({
      phase: "inCall",
      signaling: { state: "lost", since: 7 },
      media: { state: "connected" },
      room: { participants: [doctor] },
    });
    expect(reduce(dropped, welcomed(true))).toMatchObject({ phase: "inCall", signaling: { state: "open" } });
  });

  it("stays lost with a new session until that has joined again", () => {
    const fresh = after(...joins, lost, welcomed(false));
    expect(fresh).toMatchObject({ signaling: { state: "lost" } });
    expect(reduce(fresh, { type: "joined", snapshot: { ...room, participants: [], tracks: [] } })).toMatchObject({
      signaling: { state: "open" },
      room: { participants: [], tracks: [] },
    });
  });

  it("ends where the new session may not join", () => {
    expect(after(...joins, lost, welcomed(), { type: "join_refused", code: "consult_closed" })).toMatchObject({
      phase: "ended",
      end: { by: "refusal", code: "consult_closed" },
    });
  });
});

describe("the room", () => {
  const nurse: Participant = { ...doctor, id: "nurse", name: "Zhang" };

  it("says who came, dropped, came back and left", () => {
    const seen = [
      roomAfter(event({ type: "participant_joined", ...nurse })),
      roomAfter(event({ type: "participant_changed", ...doctor, connected: false })),
      roomAfter(
        event({ type: "participant_changed", ...doctor, connected: false }),
        event({ type: "participant_changed", ...doctor }),
      ),
      roomAfter(event({ type: "participant_left", participant: "doctor" })),
    ].map(({ happening }) => [happening?.what, happening?.name]);
    expect(seen).toEqual([
      ["joined", "Zhang"],
      ["lost", "Dr Chen"],
      ["back", "Dr Chen"],
      ["left", "Dr Chen"],
    ]);
  });

  it("is quiet about a mere change of network", () => {
    const after = roomAfter(event({ type: "participant_changed", ...doctor, network_class: "5g" }));
    expect(after.happening).toBeNull();
    expect(after.participants[0]?.network_class).toBe("5g");
  });

  it("knows how many watch besides those who are listed", () => {
    expect(roomAfter().unlistedViewers).toBe(3);
    const after = roomAfter(event({ type: "viewers", unlisted: 192 }));
    expect([after.unlistedViewers, after.happening]).toEqual([192, null]);
  });

  it("loses the tracks and the voice of who leaves", () => {
    const after = roomAfter(
      event({ type: "active_speaker", participant: "doctor" }),
      event({ type: "participant_left", participant: "doctor" }),
    );
    expect(after).toMatchObject({ participants: [], tracks: [], activeSpeaker: null });
  });

  it("follows tracks", () => {
    const voice: Track = { ...camera, id: "voice", source: "microphone" };
    expect(roomAfter(event({ type: "track_published", ...voice })).tracks).toEqual([camera, voice]);
    expect(roomAfter(event({ type: "track_muted", ...camera, muted: true })).tracks).toEqual([
      { ...camera, muted: true },
    ]);
    expect(roomAfter(event({ type: "track_unpublished", track: "camera" })).tracks).toEqual([]);
  });

  it("keeps the latest quality only", () => {
    const pair = {
      track: "camera",
      publisher: "doctor",
      publisher_class: "4g",
      subscriber_class: "5g",
      rung: "480p",
      rung_reason: "class",
      hd: "publisher_class",
    } as const;
    expect(roomAfter(event({ type: "quality", pairs: [pair] })).pairs).toEqual({ camera: pair });
    expect(roomAfter(event({ type: "quality", pairs: [pair] }), event({ type: "quality", pairs: [] })).pairs).toEqual(
      {},
    );
  });

  it("knows one's own class", () => {
    expect(roomAfter(event({ type: "network_class", class: "5g" })).ownClass).toBe("5g");
  });
});
