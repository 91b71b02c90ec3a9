// Where the programs under test are.

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** The root of the repository. */
export const root = fileURLToPath(new URL("../../..", import.meta.url));

/** A program of the workspace; `CARGO_TARGET_DIR` and `TVG_PROFILE` say where it was built. */
export function binary(name) {
  const target = resolve(root, process.env.CARGO_TARGET_DIR ?? "target");
  const path = resolve(target, process.env.TVG_PROFILE ?? "debug", name);
  if (!existsSync(path)) throw new Error(`${path} is not there: build it with \`cargo build -p ${name}\``);
  return path;
}

/** Debian's Chromium. */
export const chromium = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** Python with aiortc and GStreamer, made by `make clients`. */
export const python = resolve(root, "target/python/bin/python");
