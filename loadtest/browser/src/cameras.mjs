// Pictures for fake cameras, made with ffmpeg and kept for the next run.

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

import { root } from "./binaries.mjs";

const run = promisify(execFile);
const folder = join(root, "target", "cameras");

async function camera(name, source, seconds) {
  const path = join(folder, name);
  if (existsSync(path)) return path;
  await mkdir(folder, { recursive: true });
  const unfinished = `${path}.${process.pid}.mjpeg`;
  await run("ffmpeg", ["-v", "error", "-y", "-f", "lavfi", "-i", source, "-t", String(seconds), "-q:v", "5", unfinished]);
  await rename(unfinished, path);
  return path;
}

/** A small, nearly still picture: it costs an encoder next to nothing. */
export const stillCamera = () => camera("still-320x180.mjpeg", "testsrc=size=320x180:rate=15", 4);

/** A busy picture of 720 lines at 30 frames per second, which takes all the rate that it is given. */
export const busyCamera = () => camera("busy-1280x720.mjpeg", "testsrc2=size=1280x720:rate=30,noise=alls=6:allf=t", 8);
