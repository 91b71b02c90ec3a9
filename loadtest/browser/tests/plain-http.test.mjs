// WHIP and WHEP as a page of somebody else's speaks them: by `fetch`, with nothing of the gateway's own client.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Gateway } from "../src/gateway.mjs";
import { Loopback } from "../src/links.mjs";
import { arrivePlainly } from "../src/plain-page.mjs";
import { until } from "../src/until.mjs";
import { Visitor } from "../src/visitor.mjs";

let gateway;
let publisher;
let player;
let doctor;
let tokens;

const received = (visitor) => visitor.page.evaluate(() => window.plain.received(window.session));

before(async () => {
  const links = new Loopback(["device", "viewer", "doctor"]);
  gateway = await Gateway.start(links);
  tokens = await gateway.createConsult(["device", "observer", "clinician"]);
  publisher = await arrivePlainly("device", links.places.device, gateway.url(links.places.device));
  player = await arrivePlainly("viewer", links.places.viewer, gateway.url(links.places.viewer));
});

after(async () => {
  await Promise.allSettled([publisher, player, doctor].map((visitor) => visitor?.leave()));
  await gateway?.stop();
});

test("nobody publishes: there is nothing to play", { timeout: 60_000 }, async () => {
  const refusal = await player.page.evaluate(
    (token) => window.plain.play(`${location.origin}/whep`, token).catch((error) => error.message),
    tokens[1],
  );
  assert.match(refusal, /^409: .*nothing_published/);
});

test("what one page publishes by WHIP another plays by WHEP", { timeout: 60_000 }, async () => {
  await publisher.page.evaluate(async (token) => {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 1280, height: 720 } });
    const encodings = [
      { rid: "l", scaleResolutionDownBy: 4, maxBitrate: 150_000 },
      { rid: "m", scaleResolutionDownBy: 2, maxBitrate: 500_000 },
      { rid: "h", maxBitrate: 1_500_000 },
    ];
    window.session = await window.plain.publish(`${location.origin}/whip`, token, stream, encodings);
  }, tokens[0]);
  await until("a WHEP resource", async () =>
    await player.page.evaluate(
      (token) => window.plain.play(`${location.origin}/whep`, token).then((session) => (window.session = session), () => null).then(Boolean),
      tokens[1],
    ),
  );
  const got = await until("a picture and a sound", async () => {
    const now = await received(player);
    return now.frames > 30 && now.voice > 50 ? now : null;
  });
  assert.ok(got.lines >= 180, `${got.lines} lines`);
});

test("an ICE restart by PATCH interrupts nothing", { timeout: 60_000 }, async () => {
  for (const [visitor, token] of [[publisher, tokens[0]], [player, tokens[1]]]) {
    const fragment = await visitor.page.evaluate((key) => window.plain.restart(window.session, key), token);
    await until("the new ICE session", async () =>
      (await visitor.page.evaluate(() => window.plain.iceSession(window.session))) === fragment,
    );
  }
  const before = await received(player);
  await until("pictures after the restart", async () => (await received(player)).frames > before.frames + 30);
});

test("a player that hangs up without a word is gone", { timeout: 60_000 }, async () => {
  const observers = async () => (await gateway.decisions()).participants.filter((one) => one.role === "observer").length;
  assert.equal(await observers(), 1);
  await player.page.evaluate(() => window.session.connection.close());
  await until("a room without the player", async () => (await observers()) === 0);
});

test("a page sees the device, and how many watch it", { timeout: 60_000 }, async () => {
  const place = { name: "doctor", namespace: null, gateway: "localhost" };
  doctor = await Visitor.arrive("Dr Lin", place);
  await doctor.join(gateway.link(place, tokens[2]));
  const seen = await doctor.untilShown((height) => height > 0, { since: doctor.joinedAt });
  assert.ok(seen !== null, "the device is not seen");
  const watching = async () =>
    await doctor.page.evaluate(() => document.querySelector("[data-watching]")?.textContent ?? null);
  assert.equal(await watching(), null);
  await player.page.evaluate(async (token) => {
    window.session = await window.plain.play(`${location.origin}/whep`, token);
  }, tokens[1]);
  await until("a player on the page", async () => (await watching()) === "1 watching");
  await player.page.evaluate((token) => window.plain.end(window.session, token), tokens[1]);
  await until("a page without players", async () => (await watching()) === null);
});

test("a page sees the device no more once it deletes its resource", { timeout: 60_000 }, async () => {
  const status = await publisher.page.evaluate((token) => window.plain.end(window.session, token), tokens[0]);
  assert.equal(status, 200);
  await until("a room without the device", async () =>
    (await doctor.snapshot()).remoteTracks.every((track) => track.source !== "camera"),
  );
});
