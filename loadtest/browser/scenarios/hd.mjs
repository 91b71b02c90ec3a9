// HD by network class: how long until 720 lines, how fast below when an end becomes 4G, and when back.

import { onStage } from "../src/stage.mjs";
import { soundBetween } from "../src/visitor.mjs";

const isHd = (height) => height >= 720;
const isBelow = (height) => height <= 480;

/** Joins of the watcher, each measured from its click. */
const JOINS = 5;

export async function hd(results) {
  for (const publisher of ["doctor", "patient"]) await direction(results, publisher);
  for (const [hdMode, expected] of [["strict", "below"], ["equivalent", "HD"]]) await wired(results, hdMode, expected);
}

async function direction(results, publisher) {
  await onStage({ classes: { doctor: "5g", patient: "5g" } }, async (stage) => {
    const { watcher } = await stage.enter({ publisher });
    const name = watcher === stage.visitors.doctor ? "doctor" : "patient";
    const times = [];
    for (let join = 0; join < JOINS; join += 1) {
      if (join > 0) {
        await watcher.page.goto("about:blank");
        await watcher.wait(2_000);
        await watcher.join(stage.linkOf(name));
      }
      times.push(await watcher.untilShown(isHd, { since: watcher.joinedAt, seconds: 20 }));
      await watcher.wait(2_000);
    }
    const worst = Math.max(...times.map((time) => time ?? 99_000)) / 1_000;
    results.add(`5G to 5G, ${publisher} to ${name}: 720 lines after joining, worst of ${JOINS}`, worst, "s", "<=6");

    await watcher.untilSteady(isHd, { seconds: 30 });
    const before = await watcher.snapshot();
    const since = Date.now();
    await watcher.shellReports("4g", 1);
    const low = await watcher.untilShown(isBelow, { since, seconds: 15 });
    await watcher.wait(3_000);
    const { longestMs } = await watcher.freezes(since);
    const sound = soundBetween(before, await watcher.snapshot());
    results.add(`${name} becomes 4G: at most 480 lines after`, (low ?? 99_000) / 1_000, "s", "<=5");
    results.add(`${name} becomes 4G: longest time without a new picture`, longestMs, "ms", "<=500");
    results.add(`${name} becomes 4G: sound concealed`, sound.ratio * 100, "%", "<=1");

    const back = Date.now();
    await watcher.shellReports("unknown", 2);
    const again = await watcher.untilShown(isHd, { since: back + 300, seconds: 60 });
    results.add(`${name} back on 5G: HD again after`, ((again ?? 99_000) + 300) / 1_000, "s");
  });
  await results.write();
}

async function wired(results, hdMode, expected) {
  await onStage({ classes: { doctor: "wired", patient: "wired" }, hdMode }, async (stage) => {
    const { watcher } = await stage.enter();
    await watcher.wait(10_000);
    const heights = (await watcher.frames(watcher.joinedAt)).map((frame) => frame.height);
    const highest = Math.max(0, ...heights);
    const target = expected === "HD" ? ">=720" : "<=480";
    results.add(`wired to wired, ${hdMode}: most lines in 10 s`, highest, "lines", target);
  });
  await results.write();
}
