// Three and eight in a room, a real browser among synthetic participants: everyone sees everyone, one leaves, one
// joins, and nobody freezes.

import { controlUrl } from "../src/gateway.mjs";
import { Program } from "../src/program.mjs";
import { binary } from "../src/binaries.mjs";
import { freezes } from "../src/frame-monitor.mjs";
import { onStage } from "../src/stage.mjs";
import { Camera, Visitor } from "../src/visitor.mjs";
import { stillCamera } from "../src/cameras.mjs";

const BEFORE_SECONDS = 12;
const CHANGE_SECONDS = 8;
const AFTER_SECONDS = 10;
/** A browser takes a while to start and to join. */
const STARTUP_SECONDS = 6;

export async function rooms(results) {
  for (const size of [3, 8]) {
    const others = size - 1;
    const roles = ["clinician", "patient", ...Array.from({ length: others + 1 }, () => "family")];
    await onStage({ classes: { doctor: "wired" }, roles }, async (stage) => {
      const invites = stage.otherTokens.map((token) => `${controlUrl}/join#token=${token}`);
      const [leaver, newcomer, ...staying] = invites;
      const whole = BEFORE_SECONDS + CHANGE_SECONDS + AFTER_SECONDS + 2 * STARTUP_SECONDS;
      const calls = [call("staying", staying, whole), call("leaver", [leaver], BEFORE_SECONDS + STARTUP_SECONDS)];
      const doctor = await Visitor.arrive("Dr Lin", stage.links.places.doctor, { camera: Camera.file(await stillCamera()) });
      stage.visitors.doctor = doctor;
      await doctor.join(stage.linkOf("doctor"));
      await doctor.wait(BEFORE_SECONDS * 1_000 - 2_000);
      const seen = await moving(doctor);
      results.add(`${size} in a room: moving pictures that the browser sees`, seen, "pictures", `>=${others}`);
      const from = Date.now();
      await doctor.wait((STARTUP_SECONDS + 1) * 1_000);
      calls.push(call("newcomer", [newcomer], CHANGE_SECONDS + AFTER_SECONDS));
      await doctor.wait((CHANGE_SECONDS + AFTER_SECONDS - 4) * 1_000);
      const after = await moving(doctor);
      results.add(`${size} in a room, one left and one joined: moving pictures`, after, "pictures", `>=${others}`);
      results.add(`${size} in a room, one left and one joined: longest freeze of who stayed`, await longestFreeze(doctor, from), "ms", "<=500");
      const records = (await Promise.all(calls.map(finished))).flat();
      const tracks = records.map((record) => camerasWithFrames(record));
      const expected = records.length === 0 ? 0 : Math.min(...tracks.slice(0, staying.length));
      results.add(`${size} in a room: moving cameras that each synthetic participant saw at least`, expected, "pictures", `>=${others}`);
    });
    await results.write();
  }
}

function call(name, invites, seconds) {
  const args = ["call", "--json", "--seconds", String(seconds), ...invites.flatMap((invite) => ["--invite", invite])];
  return new Program(name, binary("loadtest"), args);
}

async function finished(program) {
  await program.exited;
  const start = program.output.search(/^[[{]/m);
  const text = program.output.slice(start, program.output.lastIndexOf(program.output[start] === "[" ? "]" : "}") + 1);
  const parsed = JSON.parse(text);
  return Array.isArray(parsed) ? parsed : (parsed.participants ?? [parsed]);
}

function camerasWithFrames(record) {
  return (record.tracks ?? record.received ?? []).filter((track) => track.source === "camera" && (track.frames ?? 0) > 10).length;
}

/** How many pictures moved within a second. */
async function moving(visitor) {
  const count = async () => new Map((await visitor.snapshot()).remoteTracks.filter((track) => track.source === "camera").map((track) => [track.track, track.framesDecoded]));
  const first = await count();
  await visitor.wait(1_500);
  const second = await count();
  return [...second].filter(([track, frames]) => frames > (first.get(track) ?? 0)).length;
}

/** The worst freeze of any picture that is there from the first moment to the last. */
async function longestFreeze(visitor, from) {
  const to = Date.now();
  const byParticipant = grouped(await visitor.frames(from - 1_000));
  const stayed = [...byParticipant.values()].filter((frames) => frames[0].at < from && frames.at(-1).at > to - 1_500);
  return Math.max(0, ...stayed.map((frames) => freezes(frames, from, frames.at(-1).at).longestMs));
}

function grouped(frames) {
  const groups = new Map();
  for (const frame of frames) groups.set(frame.participant, [...(groups.get(frame.participant) ?? []), frame]);
  return groups;
}
