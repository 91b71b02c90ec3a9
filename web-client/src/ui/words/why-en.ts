import type { WhyWords } from "./words.js";

const rate = (bps: number): string =>
  bps >= 995_000 ? `${(bps / 1_000_000).toFixed(1)} Mbit/s` : `${Math.round(bps / 10_000) * 10} kbit/s`;

function time(ms: number): string {
  const seconds = Math.max(1, Math.round(ms / 1_000));
  return seconds < 90 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}

/** Why the picture is what it is. */
export const whyEn: WhyWords = {
  button: "Why this picture?",
  title: "Why this picture?",
  close: "Close the explanation",
  asking: "Asking…",
  nobody: "There is no picture of anybody yet.",
  somebody: "Somebody",
  lines: (lines) => `${lines} lines`,
  frames: (perSecond) => `${perSecond} frames a second`,
  rate,
  since: (ms) => `for ${time(ms)}`,
  ago: (ms) => `${time(ms)} ago`,
  now: "now",
  needs: (bps) => `needs ${rate(bps)}`,
  carries: (bps) => `Your network has ${rate(bps)} for this picture`,
  closed: {
    classes: "not on these two networks",
    permission: "HD is not permitted yet",
    tile: "the window is too small for it",
    publisher: "not sent at present",
    codec: "not in this format",
  },
  top: "This is the most that this window can show.",
  next: (rung, needs, missing) =>
    missing > 0
      ? `The next step, ${rung}, needs ${rate(needs)}: your network lacks ${rate(missing)}.`
      : `The next step, ${rung}, needs ${rate(needs)}: there is room, and it follows once that has lasted.`,
  moreFrames: (needs, missing) =>
    missing > 0
      ? `Some frames are left out to stay smooth; all of them need ${rate(needs)}: ${rate(missing)} more than there is.`
      : `All frames are back in a moment (they need ${rate(needs)}).`,
  nextClosed: (rung, why) => `The next step, ${rung}: ${why}. Your speed is not what is missing.`,
  theySee: (rung, why) => `They see you in ${rung} (${why})`,
  theirReason: {
    best: "the best there is",
    class: "held by the networks",
    hd_permission: "HD is not permitted yet",
    downlink: "held by their speed",
    publisher: "held by your upload or device",
    viewport: "their window is small",
    muted: "your camera is off",
    awaiting_keyframe: "going over",
    publisher_lost: "your connection is interrupted",
    codec: "held by the picture format",
  },
  theirUplink: {
    upload: (carries) => `Their upload carries about ${rate(carries)}; only what fits is asked of it.`,
    device: "Their device is at its limit: it cannot make a clearer picture.",
    browser_upload: "Their browser says that the upload is too slow.",
    browser_other: "Their browser holds the picture back for another reason.",
    free: (arriving) => `Nothing holds their upload back; ${rate(arriving)} arrive.`,
  },
  yourUplink: {
    upload: (carries) => `Your upload carries about ${rate(carries)}; only what fits is asked of it.`,
    device: "Your device is at its limit: it cannot make a clearer picture. Closing other programs helps.",
    browser_upload: "Your browser says that the upload is too slow.",
    browser_other: "Your browser holds the picture back for another reason.",
    free: (arriving) => `Nothing holds your upload back; ${rate(arriving)} go out.`,
  },
  evidence: "What this rests on",
  theirNetwork: "Their network",
  yourNetwork: "Your network",
  verdict: (whose, network, percent) =>
    percent === 0 ? `${whose}: ${network}` : `${whose}: ${network}, ${percent} % certain`,
  says: (who, network, tier) => `${who}: ${network} (trust ${tier} of 4)`,
  from: {
    stun: "The browser's connection checks",
    network_information: "The browser's network information",
    shell: "The app around the page",
    wechat_mini_program: "The WeChat mini-program",
    person: "The participant",
    attested_app: "An enrolled app, signed",
    site: "A registered network address",
    operator: "The mobile operator",
  },
  noEvidence: "Nothing is known",
  contradicted: "Two trusted sources disagree: the lower one counts.",
  unproven: "A mere claim, which is not enough for HD.",
  budget: (estimate, audio, budget) =>
    `Your downlink is measured at ${rate(estimate)}; ${rate(audio)} are kept for voices, and pictures may use ${rate(budget)}.`,
  history: "What changed of late",
  pictureOf: (name) => `The picture of ${name}`,
  pictureFor: (name) => `What ${name} sees of you`,
  networkOf: (name) => `Network of ${name}`,
  changed: (what, from, to, cause) => `${what}: ${from} → ${to}${cause === null ? "" : ` (${cause})`}`,
  hdChanged: (what, withdrawn) =>
    withdrawn === null ? `${what}: HD is permitted` : `${what}: HD is withdrawn (${withdrawn})`,
  hdWithdrawn: {
    granted: "permitted",
    publisher_class: "the sender's network",
    subscriber_class: "the receiver's network",
    evidence_weak: "the network is not proven",
    dwell: "still being confirmed",
    uplink_unproven: "the sender's upload is short",
    downlink_unproven: "the receiver's speed is short",
    round_trip: "a long delay",
    loss: "lost packets",
    jitter: "an unsteady network",
    encoder_limited: "the sender's device is at its limit",
    cool_down: "it wavered a moment ago",
  },
  sends: (name, rungs, cause) =>
    rungs.length === 0
      ? `${name}: the camera pauses (${cause})`
      : `${name}: the camera sends ${rungs.join(", ")} (${cause})`,
  cause: {
    downlink: "bandwidth",
    policy: "networks or HD permission",
    viewport: "size of the window",
    publisher: "what the sender can do",
    audience: "somebody came or went",
  },
  lost: (name) => `The connection of ${name} is interrupted`,
  back: (name) => `The connection of ${name} is back`,
};
