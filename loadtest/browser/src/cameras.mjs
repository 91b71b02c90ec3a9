// Pictures for fake cameras and a voice for fake microphones, made with ffmpeg and kept for the next run.

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

/** Overtones of a voice with their strengths, as an expression of ffmpeg: gliding pitch, four syllables a second. */
const OVERTONES = [1, 0.8, 0.6, 0.35, 0.2, 0.1].map((strength, index) => `${strength}*sin(2*PI*${index + 1}*(140*t+4*sin(3*t)))`).join("+");
const VOICE = `0.2*(0.35+0.65*pow(sin(4*PI*t)\\,2))*(${OVERTONES})`;

/** A voice that never pauses: in the pauses of a real one nothing is sent, and gaps of the link could not be heard. */
export async function steadyVoice() {
  const path = join(folder, "voice.wav");
  if (existsSync(path)) return path;
  await mkdir(folder, { recursive: true });
  const unfinished = `${path}.${process.pid}.wav`;
  await run("ffmpeg", ["-v", "error", "-y", "-f", "lavfi", "-i", `aevalsrc=${VOICE}:s=48000:d=20`, unfinished]);
  await rename(unfinished, path);
  return path;
}
