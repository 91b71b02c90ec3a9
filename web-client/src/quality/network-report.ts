// What this page and the shell around it can say of the network: claims, which the gateway weighs.

import type { NetworkClass, NetworkReport, ReportSource } from "../protocol/messages.js";

/** What of `navigator.connection` is read; most browsers have nothing of it. */
export type NetworkInformation = {
  readonly type?: string;
  readonly effectiveType?: string;
  readonly saveData?: boolean;
};

/** A claim that waits for its sequence number. */
export type NetworkClaim = Pick<NetworkReport, "source" | "class" | "save_data">;

/** What the Network Information API tells: the family, never the generation. Null where it tells nothing. */
export function claimOfPage(information: NetworkInformation | undefined): NetworkClaim | null {
  if (information?.type === undefined) return null;
  return { source: "network_information", class: familyOf(information.type), save_data: information.saveData ?? false };
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

const SHELLS: Record<Exclude<ReportSource, "network_information">, true> = { shell: true, wechat_mini_program: true };

/** A claim of the shell with the number that the shell gave to it. */
export type ShellClaim = { readonly claim: NetworkClaim; readonly sequence: number };

/** Reads `{source: "tvg-shell", type: "network", class, sequence, host?}`; null for anything else. */
export function claimOfShell(message: unknown): ShellClaim | null {
  if (typeof message !== "object" || message === null) return null;
  const {
    source,
    type,
    class: claimed,
    sequence,
    host = "shell",
  } = message as Partial<Record<"source" | "type" | "class" | "sequence" | "host", unknown>>;
  if (source !== "tvg-shell" || type !== "network") return null;
  if (typeof claimed !== "string" || !Object.hasOwn(CLASSES, claimed)) return null;
  if (typeof host !== "string" || !Object.hasOwn(SHELLS, host)) return null;
  if (typeof sequence !== "number" || !Number.isSafeInteger(sequence) || sequence < 0) return null;
  return { claim: { source: host as ReportSource, class: claimed as NetworkClass, save_data: false }, sequence };
}

/** Turns claims into reports: numbers them, and leaves repetitions out. */
export class ReportBook {
  readonly #lastBySource = new Map<ReportSource, NetworkReport>();
  readonly #shellSequences = new Map<ReportSource, number>();

  /** The report of a claim of the page; null where nothing is new. */
  ofPage(claim: NetworkClaim): NetworkReport | null {
    const last = this.#lastBySource.get(claim.source);
    if (last?.class === claim.class && last.save_data === claim.save_data) return null;
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
    const { source, class: claimed, save_data } = claim;
    const report = { source, class: claimed, save_data, sequence: (this.#lastBySource.get(source)?.sequence ?? 0) + 1 };
    this.#lastBySource.set(source, report);
    return report;
  }
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
