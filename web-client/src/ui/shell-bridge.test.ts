import fs from "node:fs";
import { describe, expect, it } from "vitest";
import { attestedOfShell, claimOfShell } from "../quality/network-report.js";
import { messageOfLink } from "./shell-bridge.js";

const REFERENCE = fs.readFileSync(new URL("../../../signaling/docs/network-shell.md", import.meta.url), "utf8");

/** The code blocks of a kind in the reference for authors of shells. */
function examples(kind: string): unknown[] {
  const blocks = REFERENCE.split(`\`\`\`json ${kind}\n`).slice(1);
  return blocks.map((block) => JSON.parse(block.slice(0, block.indexOf("\n```"))));
}

describe("the reference for shells", () => {
  it("shows claims that the page takes", () => {
    const claims = examples("shell-network").map((message) => claimOfShell(message));
    expect(claims).toHaveLength(2);
    expect(claims.every((claim) => claim !== null)).toBe(true);
    expect(claims[1]?.claim).toMatchObject({ class: "4g", vpn: true });
  });

  it("shows signed reports that the page passes on as they are", () => {
    const messages = examples("shell-attested");
    expect(messages).toHaveLength(2);
    for (const message of messages) expect(message).toMatchObject(attestedOfShell(message) ?? { never: true });
  });

  it("shows the address by which a mini-program speaks", () => {
    const [, fragment = ""] = /`#(shell-network=[^`]+)`/.exec(REFERENCE) ?? [];
    const claim = claimOfShell(messageOfLink(new URLSearchParams(fragment)));
    expect(claim).toMatchObject({ claim: { source: "wechat_mini_program", class: "5g" }, sequence: 7 });
  });
});

describe("the address", () => {
  it("says nothing of the network where it names none", () => {
    expect(messageOfLink(new URLSearchParams("token=eyJ0&lang=zh"))).toBeNull();
  });

  it.each(["shell-network=5g", "shell-network=5g&shell-sequence=-1", "shell-network=6g&shell-sequence=1"])(
    "is no claim as %s",
    (fragment) => {
      expect(claimOfShell(messageOfLink(new URLSearchParams(fragment)))).toBeNull();
    },
  );
});
