// This participant's own camera and microphone: asking for them, losing them, choosing among them.

import type { Cancel } from "../lifetime/clock.js";
import { Listeners } from "../lifetime/listeners.js";

/** Why a device gives nothing. */
export type CaptureFailure = "denied" | "missing" | "busy" | "insecure" | "ended" | "other";

/** A camera: off means off, its light included. */
export type CameraState =
  | { readonly state: "off" }
  | { readonly state: "asking" }
  | { readonly state: "live"; readonly track: MediaStreamTrack }
  | { readonly state: "failed"; readonly why: CaptureFailure };

/** A microphone: muted, it stays open, so that the voice is back at once. */
export type MicrophoneState = CameraState | { readonly state: "muted"; readonly track: MediaStreamTrack };

/** A device that can be chosen. */
export type DeviceChoice = { readonly id: string; readonly label: string };

/** Both devices, and what else there is. */
export type CaptureState = {
  readonly camera: CameraState;
  readonly microphone: MicrophoneState;
  readonly cameras: readonly DeviceChoice[];
  readonly microphones: readonly DeviceChoice[];
};

/** What of `navigator.mediaDevices` is used; undefined on an insecure page. */
export type Devices = Pick<MediaDevices, "getUserMedia" | "enumerateDevices" | "addEventListener"> | undefined;

type Kind = "camera" | "microphone";

const CAMERA: MediaTrackConstraints = {
  width: { ideal: 1280 },
  height: { ideal: 720 },
  frameRate: { ideal: 30 },
  facingMode: "user",
};

/** Two channels would switch echo cancellation off in Chromium. */
const MICROPHONE: MediaTrackConstraints = {
  echoCancellation: true,
  noiseSuppression: true,
  autoGainControl: true,
  channelCount: 1,
};

/** The capture of this page. */
export class Capture {
  readonly #devices: Devices;
  readonly #changes = new Listeners<CaptureState>();
  #state: CaptureState = { camera: { state: "off" }, microphone: { state: "off" }, cameras: [], microphones: [] };

  constructor(devices: Devices) {
    this.#devices = devices;
    devices?.addEventListener("devicechange", () => void this.#list());
  }

  get state(): CaptureState {
    return this.#state;
  }

  subscribe(listener: (state: CaptureState) => void): Cancel {
    return this.#changes.subscribe(listener);
  }

  /** Asks for both devices in one question; for each alone where that fails. */
  async openBoth(): Promise<void> {
    if (this.#devices === undefined) {
      this.#become({ camera: { state: "failed", why: "insecure" }, microphone: { state: "failed", why: "insecure" } });
      return;
    }
    this.#become({ camera: { state: "asking" }, microphone: { state: "asking" } });
    try {
      const stream = await this.#devices.getUserMedia({ audio: MICROPHONE, video: CAMERA });
      for (const track of stream.getTracks()) this.#hold(track.kind === "audio" ? "microphone" : "camera", track);
    } catch {
      await this.open("microphone");
      await this.open("camera");
    }
    await this.#list();
  }

  /** Turns a device on, or goes over to another one. */
  async open(kind: Kind, deviceId?: string): Promise<void> {
    const current = this.#state[kind];
    if (kind === "microphone" && current.state === "muted" && deviceId === undefined) {
      current.track.enabled = true;
      this.#become({ microphone: { state: "live", track: current.track } });
      return;
    }
    this.#become({ [kind]: { state: "asking" } });
    // Two devices of a phone cannot be open at once.
    if ("track" in current) stop(current.track);
    const wish = {
      ...(kind === "camera" ? CAMERA : MICROPHONE),
      ...(deviceId === undefined ? {} : { deviceId: { exact: deviceId } }),
    };
    try {
      if (this.#devices === undefined) throw new DOMException("insecure page", "SecurityError");
      const stream = await this.#devices.getUserMedia(kind === "camera" ? { video: wish } : { audio: wish });
      const [track] = stream.getTracks();
      if (track !== undefined) this.#hold(kind, track);
    } catch (error) {
      this.#become({ [kind]: { state: "failed", why: failureOf(error) } });
    }
    await this.#list();
  }

  /** Turns a device off. */
  close(kind: Kind): void {
    const current = this.#state[kind];
    if (!("track" in current)) {
      this.#become({ [kind]: { state: "off" } });
    } else if (kind === "microphone") {
      current.track.enabled = false;
      this.#become({ microphone: { state: "muted", track: current.track } });
    } else {
      stop(current.track);
      this.#become({ camera: { state: "off" } });
    }
  }

  /** Lets go of both devices. */
  release(): void {
    for (const device of [this.#state.camera, this.#state.microphone]) if ("track" in device) stop(device.track);
    this.#become({ camera: { state: "off" }, microphone: { state: "off" } });
  }

  #hold(kind: Kind, track: MediaStreamTrack): void {
    // A phone call, an unplugged cable, or the operating system ends a track; one more try finds the default device.
    track.onended = () => {
      void this.open(kind).then(() => {
        if (this.#state[kind].state === "failed") this.#become({ [kind]: { state: "failed", why: "ended" } });
      });
    };
    this.#become({ [kind]: { state: "live", track } });
  }

  async #list(): Promise<void> {
    const all = (await this.#devices?.enumerateDevices().catch(() => [])) ?? [];
    const of = (kind: MediaDeviceKind): DeviceChoice[] =>
      all
        .filter((device) => device.kind === kind && device.deviceId !== "")
        .map((device) => ({ id: device.deviceId, label: device.label }));
    this.#become({ cameras: of("videoinput"), microphones: of("audioinput") });
  }

  #become(part: Partial<CaptureState>): void {
    this.#state = { ...this.#state, ...part };
    this.#changes.notify(this.#state);
  }
}

function stop(track: MediaStreamTrack): void {
  track.onended = null;
  track.stop();
}

function failureOf(error: unknown): CaptureFailure {
  switch (error instanceof DOMException ? error.name : "") {
    case "NotAllowedError":
      return "denied";
    case "NotFoundError":
    case "OverconstrainedError":
      return "missing";
    case "NotReadableError":
    case "AbortError":
      return "busy";
    case "SecurityError":
      return "insecure";
    default:
      return "other";
  }
}
