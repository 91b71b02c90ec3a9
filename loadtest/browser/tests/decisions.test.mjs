// A doctor asks why the picture is what it is: the panel says so, follows the link as it narrows, and the API of
// the appointment system tells the same. Then the patient is cut off, and nothing promises a clearer picture.

import assert from "node:assert/strict";
import { test } from "node:test";

import { onStage } from "../src/stage.mjs";

/** What the panel says of the only picture. */
const card = (visitor) =>
  visitor.page.evaluate(() => {
    const found = document.querySelector(".why-card");
    if (found === null) return null;
    return {
      rung: found.dataset.rung,
      reason: found.dataset.reason,
      reach: Number(found.querySelector(".ladder-gauge").style.getPropertyValue("--reach")),
      text: found.innerText,
    };
  });

/** Waits until the panel says what is expected; the last word of it otherwise. */
async function untilCard(visitor, expected, seconds = 20) {
  const end = Date.now() + seconds * 1_000;
  for (;;) {
    const told = await card(visitor);
    if (told !== null && expected(told)) return told;
    assert.ok(Date.now() < end, `the panel says ${JSON.stringify(told)}`);
    await visitor.wait(200);
  }
}

test("a doctor sees why, and sees it change with the link", { timeout: 180_000 }, async () => {
  await onStage({ classes: { doctor: "5g", patient: "5g" } }, async (stage) => {
    const { publisher: patient, watcher: doctor } = await stage.enter({ publisher: "patient" });
    assert.ok(await doctor.untilSteady((height) => height >= 720, { seconds: 30 }), "HD comes first");
    assert.equal(await patient.page.locator("[data-control=why]").count(), 0, "patients are not bothered");

    await doctor.page.click("[data-control=why]");
    const good = await untilCard(doctor, ({ rung }) => rung === "720p", 5);
    assert.equal(good.reason, "best");
    assert.ok(good.reach === 1, `the bandwidth reaches the top: ${good.reach}`);
    assert.match(good.text, /720 lines · (2|3)\d frames a second · [\d.]+ (M|k)bit\/s/);

    const since = Date.now();
    await stage.links.set("doctor", "down", "rate=600k,delay=30ms,queue=250ms");
    const narrow = await untilCard(doctor, ({ rung, reason }) => rung !== "720p" && reason === "downlink");
    console.log(`the panel says ${narrow.rung} for want of bandwidth ${Date.now() - since} ms after the step`);
    assert.ok(narrow.reach < 0.8, `the bandwidth reaches ${narrow.reach}`);
    assert.match(narrow.text, /Your network speed is the limit/);
    // An encoder on a busy machine may fall for reasons of its own; the link's are told as the link's.
    const fall = doctor.page.locator(".why-history li", { hasText: /(HD|0p) → (\d+p|Voice only) \(bandwidth\)/ });
    await fall.first().waitFor({ timeout: 20_000 });

    const told = await stage.gateway.decisions();
    assert.equal(told.pairs.length, 2);
    const own = Object.keys(told.names).find((id) => told.names[id] === "Dr Lin");
    const mine = told.pairs.find((pair) => pair.subscriber === own);
    assert.ok(mine.next !== null && mine.next.needs_bps > mine.gets.price_bps, JSON.stringify(mine));
    assert.equal(Object.values(told.names).sort().join(), "Dr Lin,Mrs Wang");

    await stage.links.set("doctor", "down", "rate=inf,delay=10ms");
    await untilCard(doctor, ({ rung }) => rung === "720p", 40);
    await doctor.page.click("[data-control=why-close]");
    assert.equal(await doctor.page.locator(".why").count(), 0);

    await stage.links.set("patient", "both", "rate=0");
    const badge = doctor.page.locator(".badge[data-reason=publisher_lost]");
    await badge.waitFor({ timeout: 10_000 });
    assert.match(await doctor.page.innerText("[data-notice=cut]"), /Mrs Wang/);
    await stage.links.set("patient", "both", "rate=inf");
    await badge.waitFor({ state: "detached", timeout: 20_000 });
    assert.deepEqual([...doctor.complaints, ...patient.complaints], []);
  });
});
