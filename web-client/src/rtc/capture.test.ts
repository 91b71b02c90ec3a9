import { describe, expect, it } from "vitest";
import { settle } from "../testing/fake-clock.js";
import { fakeTrack } from "../testing/fake-rtc.js";
import { Capture, type Devices } from "./capture.js";

type Asked = MediaStreamConstraints | undefined;

function devices(give: (asked: Asked) => MediaStreamTrack[]): Devices {
  return {
    getUserMedia: (asked: Asked) => {
      try {
        return Promise.resolve({ getTracks: () => give(asked) } as unknown as MediaStream);
      } catch (error) {
        return Promise.reject(error as Error);
      }
    },
    enumerateDevices: () =>
      Promise.resolve([{ kind: "videoinput", deviceId: "c1", label: "Front" } as MediaDeviceInfo]),
    addEventListener: () => undefined,
  };
}

const refuse = (name: string) => (): never => {
  throw new DOMException("", name);
};

const tracksFor = (asked: Asked): MediaStreamTrack[] => [
  ...(asked?.audio === undefined ? [] : [fakeTrack("audio")]),
  ...(asked?.video === undefined ? [] : [fakeTrack("video")]),
];

describe("capture", () => {
  it("opens both devices with one question", async () => {
    const capture = new Capture(devices(tracksFor));
    await capture.openBoth();
    expect([capture.state.camera.state, capture.state.microphone.state]).toEqual(["live", "live"]);
    expect(capture.state.cameras).toEqual([{ id: "c1", label: "Front" }]);
  });

  it.each([
    ["NotAllowedError", "denied"],
    ["NotFoundError", "missing"],
    ["NotReadableError", "busy"],
    ["UnknownError", "other"],
  ])("tells %s as `%s`", async (name, why) => {
    const capture = new Capture(devices(refuse(name)));
    await capture.openBoth();
    expect(capture.state.camera).toEqual({ state: "failed", why });
  });

  it("has a voice where there is no camera", async () => {
    const capture = new Capture(
      devices((asked) => (asked?.video === undefined ? tracksFor(asked) : refuse("NotFoundError")())),
    );
    await capture.openBoth();
    expect([capture.state.camera, capture.state.microphone.state]).toEqual([
      { state: "failed", why: "missing" },
      "live",
    ]);
  });

  it("says so on an insecure page", async () => {
    const capture = new Capture(undefined);
    await capture.openBoth();
    expect(capture.state.microphone).toEqual({ state: "failed", why: "insecure" });
  });

  it("mutes the microphone without letting it go, and lets the camera go", async () => {
    const capture = new Capture(devices(tracksFor));
    await capture.openBoth();
    const { camera } = capture.state;
    capture.close("microphone");
    capture.close("camera");
    expect(capture.state.microphone).toMatchObject({ state: "muted", track: { enabled: false } });
    expect(camera).toMatchObject({ track: { stopped: true } });
    await capture.open("microphone");
    expect(capture.state.microphone).toMatchObject({ state: "live", track: { enabled: true } });
  });

  it("finds another device when one ends, and says so where there is none", async () => {
    let unplugged = false;
    const capture = new Capture(devices((asked) => (unplugged ? refuse("NotFoundError")() : tracksFor(asked))));
    await capture.openBoth();
    const end = async (): Promise<void> => {
      const { camera } = capture.state;
      if ("track" in camera) camera.track.onended?.(new Event("ended"));
      await settle();
    };
    await end();
    expect(capture.state.camera.state).toBe("live");
    unplugged = true;
    await end();
    expect(capture.state.camera).toEqual({ state: "failed", why: "ended" });
  });
});
