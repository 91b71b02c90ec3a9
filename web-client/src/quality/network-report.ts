// What this page and the shell around it can say of the network: claims, which the gateway weighs.

import type { AttestedReport, NetworkClass, NetworkReport, ReportSource } from "../protocol/messages.js";

/** What of `navigator.connection` is read; most browsers have nothing of it. */
export type NetworkInformation = {
  readonly type?: string;
  readonly effectiveType?: string;
  readonly saveData?: boolean;
};

/** A claim that waits for its sequence number. */
export type NetworkClaim = Omit<NetworkReport, "sequence">;

/** What the Network Information API tells: the family, never the generation. Null where it tells nothing. */
export function claimOfPage(information: NetworkInformation | undefined): NetworkClaim | null {
  if (information?.type === undefined) return null;
  return {
    source: "network_information",
    class: familyOf(information.type),
    save_data: information.saveData ?? false,
    vpn: false,
    roaming: false,
  };
}

/** What whoever made the link, or a person, says of the network: a hint. Null for anything but a class. */
export function claimOfPerson(claimed: string | null): NetworkClaim | null {
  return isClass(claimed) ? { source: "person", class: claimed, save_data: false, vpn: false, roaming: false } : null;
}

function familyOf(type: string): NetworkClass {
  switch (type) {
    case "cellular":
      return "cell";
    case "wifi":
      return "wifi";
    case "ethernet":
      return "wired";
    default:
      return "unknown";
  }
}

const CLASSES: Record<NetworkClass, true> = {
  wired: true,
  wifi: true,
  "5g": true,
  "4g": true,
  "3g": true,
  "2g": true,
  cell: true,
  unknown: true,
};

function isClass(word: unknown): word is NetworkClass {
  return typeof word === "string" && Object.hasOwn(CLASSES, word);
}

const SHELLS: Record<Exclude<ReportSource, "network_information" | "person">, true> = {
  shell: true,
  wechat_mini_program: true,
};

/** A claim of the shell with the number that the shell gave to it. */
export type ShellClaim = { readonly claim: NetworkClaim; readonly sequence: number };

/**
 * Reads `{source: "tvg-shell", type: "network", class, sequence, host?, vpn?, roaming?, save_data?}`; null for
 * anything else.
 */
export function claimOfShell(message: unknown): ShellClaim | null {
  if (typeof message !== "object" || message === null) return null;
  const {
    source,
    type,
    class: claimed,
    sequence,
    host = "shell",
    vpn = false,
    roaming = false,
    save_data = false,
  } = message as Partial<
    Record<"source" | "type" | "class" | "sequence" | "host" | "vpn" | "roaming" | "save_data", unknown>
  >;
  if (source !== "tvg-shell" || type !== "network") return null;
  if (!isClass(claimed)) return null;
  if (typeof host !== "string" || !Object.hasOwn(SHELLS, host)) return null;
  if (!isNumber(sequence)) return null;
  if (typeof vpn !== "boolean" || typeof roaming !== "boolean" || typeof save_data !== "boolean") return null;
  return { claim: { source: host as ReportSource, class: claimed, save_data, vpn, roaming }, sequence };
}

/**
 * Reads `{source: "tvg-shell", type: "attested", app, nonce, sequence, class, time_ms, signature}`, which the
 * gateway alone can judge; null for anything else.
 */
export function attestedOfShell(message: unknown): AttestedReport | null {
  if (typeof message !== "object" || message === null) return null;
  const {
    source,
    type,
    app,
    nonce,
    sequence,
    class: claimed,
    time_ms,
    signature,
  } = message as Partial<
    Record<"source" | "type" | "app" | "nonce" | "sequence" | "class" | "time_ms" | "signature", unknown>
  >;
  if (source !== "tvg-shell" || type !== "attested") return null;
  if (typeof app !== "string" || typeof nonce !== "string" || typeof signature !== "string") return null;
  if (!isClass(claimed) || !isNumber(sequence) || !isNumber(time_ms)) return null;
  return { app, nonce, sequence, class: claimed, time_ms, signature };
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** Turns claims into reports: numbers them, and leaves repetitions out. */
export class ReportBook {
  readonly #lastBySource = new Map<ReportSource, NetworkReport>();
  readonly #shellSequences = new Map<ReportSource, number>();

  /** The report of a claim of the page; null where nothing is new. */
  ofPage(claim: NetworkClaim): NetworkReport | null {
    const last = this.#lastBySource.get(claim.source);
    if (last !== undefined && isSame(last, claim)) return null;
    return this.#number(claim);
  }

  /** The report of a claim of the shell; null where it is older than the last. Repetitions count: they keep the evidence fresh. */
  ofShell({ claim, sequence }: ShellClaim): NetworkReport | null {
    if (sequence <= (this.#shellSequences.get(claim.source) ?? -1)) return null;
    this.#shellSequences.set(claim.source, sequence);
    return this.#number(claim);
  }

  /** The last report of every source, renumbered: for a new session, or to keep the evidence fresh. */
  again(): NetworkReport[] {
    return [...this.#lastBySource.values()].map((report) => this.#number(report));
  }

  #number(claim: NetworkClaim): NetworkReport {
    const { source } = claim;
    const report = { ...claim, sequence: (this.#lastBySource.get(source)?.sequence ?? 0) + 1 };
    this.#lastBySource.set(source, report);
    return report;
  }
}

function isSame(one: NetworkClaim, other: NetworkClaim): boolean {
  return (
    one.class === other.class &&
    one.save_data === other.save_data &&
    one.vpn === other.vpn &&
    one.roaming === other.roaming
  );
}

/** The rate at which to begin to send, from what the page knows of its network before anything was measured. */
export function startKbps(information: NetworkInformation | undefined): number {
  if (information?.saveData === true) return 400;
  switch (information?.effectiveType ?? "") {
    case "slow-2g":
    case "2g":
      return 120;
    case "3g":
      return 400;
    default:
      return 1_800;
  }
}
