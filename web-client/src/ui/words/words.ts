// Every word that the page shows, as a type: a language that lacks one does not compile.

import type {
  ChangeCause,
  EndReason,
  ErrorCode,
  EvidenceWord,
  HdReason,
  NetworkClass,
  Role,
  Rung,
  RungReason,
} from "../../protocol/messages.js";
import type { Limit, UplinkHold } from "../../quality/explanation.js";
import type { CaptureFailure } from "../../rtc/capture.js";

/** The languages of the page. */
export type Language = "zh-CN" | "en";

/** Whose network is the weaker one. */
export type Weaker = "other" | "own" | "both";

/** A name with what the person is. */
export type Person = { readonly name: string; readonly role: string };

/** What holds an uplink back; `upload` is told with what it carries, and what nothing holds back with what arrives. */
export type UplinkWords = Record<Exclude<UplinkHold, "upload">, string> & {
  readonly upload: (carries: number) => string;
  readonly free: (arriving: number) => string;
};

/** The words of the panel that explains the pictures. */
export type WhyWords = {
  readonly button: string;
  readonly title: string;
  readonly close: string;
  readonly asking: string;
  readonly nobody: string;
  readonly somebody: string;
  readonly lines: (lines: number) => string;
  readonly frames: (perSecond: number) => string;
  readonly rate: (bps: number) => string;
  readonly since: (ms: number) => string;
  readonly ago: (ms: number) => string;
  readonly now: string;
  readonly needs: (bps: number) => string;
  readonly carries: (bps: number) => string;
  readonly closed: Record<Limit, string>;
  readonly top: string;
  readonly next: (rung: string, needs: number, missing: number) => string;
  readonly moreFrames: (needs: number, missing: number) => string;
  readonly nextClosed: (rung: string, why: string) => string;
  readonly theySee: (rung: string, why: string) => string;
  readonly theirReason: Record<RungReason, string>;
  readonly theirUplink: UplinkWords;
  readonly yourUplink: UplinkWords;
  readonly evidence: string;
  readonly theirNetwork: string;
  readonly yourNetwork: string;
  readonly verdict: (whose: string, network: string, percent: number) => string;
  readonly says: (who: string, network: string, tier: number) => string;
  readonly from: Record<EvidenceWord, string>;
  readonly noEvidence: string;
  readonly contradicted: string;
  readonly unproven: string;
  readonly budget: (estimate: number, audio: number, budget: number) => string;
  readonly history: string;
  readonly pictureOf: (name: string) => string;
  readonly pictureFor: (name: string) => string;
  readonly networkOf: (name: string) => string;
  readonly changed: (what: string, from: string, to: string, cause: string | null) => string;
  readonly hdChanged: (what: string, withdrawn: string | null) => string;
  readonly hdWithdrawn: Record<HdReason, string>;
  readonly sends: (name: string, rungs: readonly string[], cause: string) => string;
  readonly cause: Record<ChangeCause, string>;
  readonly lost: (name: string) => string;
  readonly back: (name: string) => string;
};

/** The words of one language. */
export type Words = {
  readonly product: string;
  readonly otherLanguage: string;
  readonly otherLanguageHint: string;
  readonly opening: string;
  readonly openingAgain: string;

  readonly you: string;
  readonly yourRole: (role: string) => string;
  readonly role: Record<Role, string>;

  readonly preview: string;
  readonly cameraOff: string;
  readonly cameraAsking: string;
  readonly allowDevices: string;
  readonly bothDenied: string;
  readonly cameraFailed: Record<CaptureFailure, string>;
  readonly microphoneFailed: Record<CaptureFailure, string>;
  readonly joinWithoutCamera: string;
  readonly joinListening: string;
  readonly tryAgain: string;
  readonly turnCameraOn: string;
  readonly turnCameraOff: string;
  readonly mute: string;
  readonly unmute: string;
  readonly camera: string;
  readonly microphone: string;
  readonly chooseCamera: string;
  readonly chooseMicrophone: string;
  readonly unnamedDevice: (number: number) => string;
  readonly heard: string;
  readonly quiet: string;
  readonly mutedHint: string;
  readonly testMicrophone: string;
  readonly testSound: string;
  readonly testSoundHint: string;
  readonly name: string;
  readonly nameHint: string;
  readonly join: string;
  readonly joining: string;

  readonly participants: (count: number) => string;
  readonly watching: (count: number) => string;
  /** The names of those who watch, and how many more there are. */
  readonly watchers: (names: readonly string[], more: number) => string;
  readonly waitingTitle: (role: Role) => string;
  readonly waitingHint: string;
  readonly leave: string;
  readonly leaveQuestion: string;
  readonly leaveYes: string;
  readonly leaveNo: string;
  readonly ownNetwork: (network: string) => string;
  readonly playSound: string;
  readonly muted: string;
  readonly noPicture: string;
  readonly audioOnly: string;
  readonly pictureComes: string;
  readonly personLost: string;
  readonly speaks: string;
  readonly screenOf: (name: string) => string;

  readonly network: Record<NetworkClass, string>;
  readonly rung: Record<Rung, string>;
  readonly bothNetworks: (other: string, own: string) => string;
  readonly best: { readonly hd: string; readonly other: string };
  readonly classHolds: (weaker: Weaker, network: string) => string;
  readonly classUnknown: (weaker: Weaker) => string;
  readonly rungReason: Record<Exclude<RungReason, "best" | "class" | "hd_permission" | "codec">, string>;
  readonly codec: { readonly undecodable: string; readonly coarse: string };
  readonly hdReason: Record<Exclude<HdReason, "publisher_class" | "subscriber_class">, string>;
  readonly belowFloor: { readonly clinician: string; readonly other: string };

  readonly why: WhyWords;

  readonly peerCut: (names: readonly string[]) => string;
  readonly signalingLost: string;
  readonly mediaLostTitle: string;
  readonly mediaLostHint: string;
  readonly mediaConnecting: string;
  readonly happened: Record<"joined" | "left" | "lost" | "back", (person: Person) => string>;

  readonly ended: Record<EndReason, { readonly title: string; readonly hint: string }>;
  readonly refused: Record<ErrorCode, string>;
  readonly refusedTitle: string;
  readonly unreachable: { readonly title: string; readonly hint: string };
  readonly noToken: { readonly title: string; readonly hint: string };
  readonly rejoin: string;
  readonly takeOver: string;
};
