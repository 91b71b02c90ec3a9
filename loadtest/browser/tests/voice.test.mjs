// Where links lose packets, voices carry earlier frames again: Chromium plays what the gateway repeats, and repeats
// where the gateway asks it to.

import assert from "node:assert/strict";
import { test } from "node:test";

import { onStage } from "../src/stage.mjs";

/** Loss that calls for redundancy at once, however slowly the machine carries the call. */
const LOSS = "loss=10%";

test("lost frames of a voice come again", { timeout: 120_000 }, async () => {
  await onStage({ classes: { doctor: "wifi", patient: "wifi" }, link: "rate=5M,delay=20ms,queue=250ms" }, async (stage) => {
    const { watcher } = await stage.enter();
    await watcher.untilSteady((height) => height >= 180, { seconds: 30 });
    assert.equal((await voice(watcher)).mimeType, "audio/opus", "a link that loses nothing repeats nothing");
    for (const name of ["doctor", "patient"]) await stage.links.set(name, "both", LOSS);
    const end = Date.now() + 40_000;
    const isRepaired = async () => (await voice(watcher)).repeated > 20 && (await recovered(stage.gateway)) > 20;
    while (!(await isRepaired()) && Date.now() < end) await watcher.wait(1_000);
    const { repeated } = await voice(watcher);
    assert.ok(repeated > 20, `the patient's browser found ${repeated} repeated frames`);
    const packets = await recovered(stage.gateway);
    assert.ok(packets > 20, `the gateway recovered ${packets} packets of publishers`);
  });
});

/** The voice that the page receives. */
async function voice(visitor) {
  return await visitor.page.evaluate(async () => {
    const report = await window.tvgConnection.getStats();
    const inbound = [...report.values()].find((one) => one.type === "inbound-rtp" && one.kind === "audio");
    return { repeated: inbound?.fecPacketsReceived ?? 0, mimeType: report.get(inbound?.codecId)?.mimeType };
  });
}

async function recovered(gateway) {
  return Number(/^tvg_voice_recovered_packets_total (\S+)$/m.exec(await gateway.metrics())?.[1] ?? 0);
}
