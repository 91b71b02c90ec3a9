// 1 % and 5 % loss both ways: repair by NACK and RTX, and what is left for eyes and ears.

import { onStage } from "../src/stage.mjs";
import { soundBetween } from "../src/visitor.mjs";

const SECONDS = 20;

export async function loss(results) {
  for (const percent of [1, 5]) {
    await onStage({ classes: { doctor: "5g", patient: "5g" }, link: "rate=5M,delay=20ms,queue=250ms" }, async (stage) => {
      const { watcher } = await stage.enter();
      await watcher.untilSteady((height) => height >= 720, { seconds: 30 });
      const counted = await repairs(stage.gateway);
      for (const name of ["doctor", "patient"]) await stage.links.set(name, "both", `loss=${percent}%`);
      await watcher.wait(2_000);
      const before = await watcher.snapshot();
      const since = Date.now();
      await watcher.wait(SECONDS * 1_000);
      const after = await watcher.snapshot();
      const frames = await watcher.frames(since);
      const { longestMs, frozenMs } = await watcher.freezes(since);
      const now = await repairs(stage.gateway);
      results.add(`${percent} % loss: NACKed packets, from subscribers`, now.nacksIn - counted.nacksIn, "packets", ">=1");
      results.add(`${percent} % loss: retransmitted to subscribers`, (now.rtxOut - counted.rtxOut) / 1_000, "kB", ">=1");
      results.add(`${percent} % loss: retransmitted by publishers`, (now.rtxIn - counted.rtxIn) / 1_000, "kB", ">=1");
      // Decoded and drawn are told apart: what is decoded and not drawn did arrive.
      results.add(`${percent} % loss: decoded frames`, (decoded(after) - decoded(before)) / SECONDS, "fps", ">=24");
      results.add(`${percent} % loss: displayed frames`, frames.length / SECONDS, "fps", ">=24");
      results.add(`${percent} % loss: frames of 720 lines`, (frames.filter((frame) => frame.height >= 720).length / Math.max(1, frames.length)) * 100, "%");
      results.add(`${percent} % loss: longest time without a new picture`, longestMs, "ms", "<=500");
      results.add(`${percent} % loss: time in freezes over 500 ms`, (frozenMs / (SECONDS * 1_000)) * 100, "%", "<=1");
      // Voice is not sent again: what is lost on both links is concealed, less what Opus repairs itself.
      results.add(`${percent} % loss: sound concealed`, soundBetween(before, after).ratio * 100, "%", `<=${percent === 1 ? 2 : 6}`);
    });
    await results.write();
  }
}

function decoded(snapshot) {
  return snapshot.remoteTracks.reduce((sum, track) => sum + (track.source === "camera" ? track.framesDecoded : 0), 0);
}

async function repairs(gateway) {
  const text = await gateway.metrics();
  const value = (pattern) => [...text.matchAll(pattern)].reduce((sum, match) => sum + Number(match[1]), 0);
  return {
    nacksIn: value(/^tvg_nacks_total\{direction="in"\} (\S+)$/gm),
    rtxIn: value(/^tvg_rtp_retransmitted_bytes_total\{direction="in"\} (\S+)$/gm),
    rtxOut: value(/^tvg_rtp_retransmitted_bytes_total\{direction="out"\} (\S+)$/gm),
  };
}
