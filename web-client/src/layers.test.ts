import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

// Imports go down only; what touches the DOM or a peer connection lives in one place.

const SOURCE = path.dirname(fileURLToPath(import.meta.url));

const MAY_IMPORT: Record<string, readonly string[]> = {
  protocol: [],
  lifetime: [],
  signaling: ["protocol", "lifetime"],
  rtc: ["protocol", "lifetime"],
  quality: ["protocol", "lifetime"],
  call: ["signaling", "rtc", "quality", "protocol", "lifetime"],
  ui: ["call", "signaling", "rtc", "quality", "protocol", "lifetime"],
};

const files = fs
  .readdirSync(SOURCE, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts") && !file.startsWith("testing"))
  .map((file) => ({
    file,
    layer: file.split(path.sep)[0] ?? "",
    text: fs.readFileSync(path.join(SOURCE, file), "utf8"),
  }));

/** A file without its comments. */
const code = (text: string): string => text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");

describe("the layers", () => {
  it("are found", () => {
    expect(new Set(files.map(({ layer }) => layer))).toEqual(new Set([...Object.keys(MAY_IMPORT), "main.ts"]));
  });

  it.each(files.filter(({ layer }) => layer !== "main.ts"))(
    "hold for the imports of $file",
    ({ file, layer, text }) => {
      for (const [, target] of text.matchAll(/from "(\.[^"]+)"/g)) {
        const imported =
          path.relative(SOURCE, path.resolve(SOURCE, path.dirname(file), target ?? "")).split(path.sep)[0] ?? "";
        if (imported !== layer) expect(MAY_IMPORT[layer], `${file} imports ${target ?? ""}`).toContain(imported);
      }
    },
  );

  it("keep the DOM in `ui`", () => {
    const found = files.filter(
      ({ layer, text }) =>
        layer !== "ui" &&
        layer !== "main.ts" &&
        /\b(document|window|HTML\w*Element|localStorage|location)\b/.test(code(text)),
    );
    expect(found.map(({ file }) => file)).toEqual([]);
  });

  it("keep RTCPeerConnection in one file", () => {
    const found = files.filter(({ text }) => /new RTCPeerConnection|: RTCPeerConnection\b/.test(code(text)));
    expect(found.map(({ file }) => file)).toEqual([path.join("rtc", "peer-connection.ts")]);
  });

  it("keep files and the bundle small", () => {
    for (const { file, text } of files.filter(({ layer }) => layer !== "protocol"))
      expect(text.split("\n").length, file).toBeLessThan(500);
  });
});
