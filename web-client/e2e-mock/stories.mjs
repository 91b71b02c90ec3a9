// Opens the built page in a real Chromium, against the gateway in the page, under the product's own
// Content-Security-Policy; takes a picture of each story, and fails on any error that the page reports.
//
//   npm run build && npm run stories -- [--out DIR] [name part]

import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const DIST = path.join(HERE, "..", "dist");
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data: blob:; media-src 'self' blob: mediastream:";
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };

const outAt = process.argv.indexOf("--out");
const OUT = outAt > 0 ? process.argv[outAt + 1] : path.join(HERE, "shots");
const FILTER = process.argv.slice(2).find((word, index, all) => word !== "--out" && all[index - 1] !== "--out") ?? "";

const VIEWS = { phone: { width: 390, height: 844 }, desk: { width: 1440, height: 900 } };

const zh = {
  subject: "儿童哮喘复诊 · 联合门诊",
  people: ["陈医生", "李主任", "王小明", "张护士", "赵翻译", "孙医生", "周阿姨"],
};
const en = {
  subject: "Paediatric asthma follow-up",
  people: ["Dr Chen", "Dr Lee", "Wang Xiaoming", "Nurse Zhang", "Ms Zhao", "Dr Sun", "Aunt Zhou"],
};

const DOCTOR = {
  role: "clinician",
  network: "4g",
  pair: { rung: "480p", rung_reason: "class", hd: "publisher_class" },
};
const OTHERS = [
  { role: "clinician", network: "wired", pair: { rung: "720p", rung_reason: "best", hd: "granted" } },
  {
    role: "patient",
    network: "3g",
    microphone: "off",
    pair: { rung: "360p", rung_reason: "downlink", hd: "publisher_class" },
  },
  { role: "clinician", network: "wifi", pair: { rung: "480p", rung_reason: "viewport", hd: "granted" } },
  { role: "interpreter", network: "5g", camera: "off" },
  { role: "clinician", network: "5g", pair: { rung: "480p", rung_reason: "hd_permission", hd: "uplink_unproven" } },
  { role: "family", network: "cell", pair: { rung: "audio_only", rung_reason: "downlink", hd: "subscriber_class" } },
];
const group = (count) => [DOCTOR, ...OTHERS].slice(0, count);

const STORIES = [
  { name: "lobby", people: [] },
  { name: "denied", people: [], denied: true },
  { name: "alone", people: [], joins: true },
  { name: "pair", people: [DOCTOR], joins: true, speaker: 0 },
  { name: "three", people: group(2), joins: true, speaker: 1 },
  { name: "eight", people: group(7), joins: true, speaker: 1, ownClass: "wifi" },
  { name: "lecture", role: "clinician", ownClass: "wired", people: group(2), unlistedViewers: 212, joins: true },
  { name: "reconnecting", people: [DOCTOR], joins: true, act: (page) => page.evaluate(() => window.mockGateway.cut()) },
  {
    name: "medialost",
    people: [DOCTOR],
    joins: true,
    act: async (page) => {
      await page.evaluate(() => window.mockGateway.stopMedia());
      await page.waitForTimeout(2_600);
    },
  },
  {
    name: "floor",
    role: "clinician",
    ownClass: "wired",
    people: [{ role: "patient", network: "3g", pair: { rung: "360p", rung_reason: "class", hd: "publisher_class" } }],
    joins: true,
  },
  {
    name: "cut",
    role: "clinician",
    ownClass: "wired",
    people: [
      {
        role: "patient",
        network: "4g",
        connected: false,
        pair: { rung: "480p", rung_reason: "publisher_lost", hd: "publisher_class" },
      },
    ],
    joins: true,
  },
  {
    name: "why-class",
    role: "clinician",
    ownClass: "wired",
    people: [{ role: "patient", network: "4g", pair: { rung: "480p", rung_reason: "class", hd: "publisher_class" } }],
    why: {
      price: 748_000,
      downlink: { estimate_bps: 4_800_000, budget_bps: 4_280_000 },
      allows: { classes: "480p", permission: "480p", tile: "720p", publisher: "720p", downlink: "720p", codec: "720p" },
      next: { rung: "720p", needs_bps: 2_040_000, missing_bps: 0 },
    },
    joins: true,
    act: (page) => page.click("[data-control=why]"),
  },
  {
    name: "why-downlink",
    role: "clinician",
    ownClass: "5g",
    people: [{ role: "patient", network: "5g", pair: { rung: "360p", rung_reason: "downlink", hd: "granted" } }],
    why: {
      price: 390_000,
      downlink: { estimate_bps: 640_000, budget_bps: 536_000 },
      allows: { classes: "720p", permission: "720p", tile: "720p", publisher: "720p", downlink: "360p", codec: "720p" },
      next: { rung: "480p", needs_bps: 900_000, missing_bps: 364_000 },
    },
    joins: true,
    act: (page) => page.click("[data-control=why]"),
  },
  {
    name: "why-uplink",
    role: "clinician",
    ownClass: "wired",
    people: [{ role: "patient", network: "wifi", pair: { rung: "480p", rung_reason: "publisher", hd: "granted" } }],
    why: {
      price: 748_000,
      downlink: { estimate_bps: 4_800_000, budget_bps: 4_280_000 },
      uplink: { carries_bps: 1_200_000 },
      allows: { classes: "720p", permission: "720p", tile: "720p", publisher: "480p", downlink: "720p", codec: "720p" },
      next: { rung: "720p", needs_bps: 2_040_000, missing_bps: 0 },
    },
    joins: true,
    act: (page) => page.click("[data-control=why]"),
  },
  {
    name: "why-codec",
    role: "clinician",
    ownClass: "wired",
    people: [{ role: "patient", network: "wired", pair: { rung: "audio_only", rung_reason: "codec", hd: "granted" } }],
    why: {
      price: 0,
      downlink: { estimate_bps: 4_800_000, budget_bps: 4_280_000 },
      allows: {
        classes: "720p",
        permission: "720p",
        tile: "720p",
        publisher: "720p",
        downlink: "720p",
        codec: "audio_only",
      },
      next: null,
    },
    joins: true,
    act: (page) => page.click("[data-control=why]"),
  },
  {
    name: "why-best",
    role: "clinician",
    ownClass: "5g",
    people: [{ role: "patient", network: "5g", pair: { rung: "720p", rung_reason: "best", hd: "granted" } }],
    why: {
      price: 1_640_000,
      downlink: { estimate_bps: 5_600_000, budget_bps: 5_000_000 },
      allows: { classes: "720p", permission: "720p", tile: "720p", publisher: "720p", downlink: "720p", codec: "720p" },
      next: null,
    },
    joins: true,
    act: async (page) => {
      await page.click("[data-control=why]");
      await page.click(".why-evidence summary");
    },
  },
  { name: "leaving", people: [DOCTOR], joins: true, act: (page) => page.click("[data-control=leave]") },
  {
    name: "ended",
    people: [DOCTOR],
    joins: true,
    act: (page) => page.evaluate(() => window.mockGateway.event({ type: "ended", reason: "consult_closed" })),
  },
  {
    name: "left",
    people: [DOCTOR],
    joins: true,
    act: async (page) => {
      await page.click("[data-control=leave]");
      await page.click("[data-control=leave-yes]");
    },
  },
  { name: "refused", people: [], refuse: "token_expired" },
];

function serve() {
  const server = http.createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    const file = path.join(DIST, path.extname(pathname) === "" ? "index.html" : path.normalize(pathname));
    if (!file.startsWith(DIST) || !fs.existsSync(file)) return response.writeHead(404).end();
    response.writeHead(200, {
      "content-type": TYPES[path.extname(file)] ?? "application/octet-stream",
      "content-security-policy": CSP,
    });
    return response.end(fs.readFileSync(file));
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

async function tell(browser, origin, story, view, lang, dark) {
  const words = lang === "en" ? en : zh;
  const context = await browser.newContext({
    viewport: VIEWS[view],
    deviceScaleFactor: 1,
    colorScheme: dark ? "dark" : "light",
    locale: lang === "en" ? "en-GB" : "zh-CN",
  });
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  const plain = {
    subject: words.subject,
    role: story.role ?? "patient",
    ownClass: story.ownClass ?? "5g",
    speaker: story.speaker,
    why: story.why,
    refuse: story.refuse,
    unlistedViewers: story.unlistedViewers,
    people: story.people.map((person, index) => ({ ...person, name: words.people[index] })),
  };
  await page.addInitScript((value) => {
    window.mockStory = value;
  }, plain);
  if (story.denied) {
    await page.addInitScript(() => {
      navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("denied", "NotAllowedError"));
    });
  }
  await page.addInitScript({ path: path.join(HERE, "gateway-in-page.js") });
  await page.goto(`${origin}/join#token=story&lang=${lang}`);
  await page.waitForSelector(story.refuse ? ".ended h1" : ".lobby h1");
  await page.waitForTimeout(700);
  if (story.joins) {
    await page.fill("#name", lang === "en" ? "Wang Fang" : "王芳");
    await page.click("[data-control=join]");
    await page.waitForSelector(".room");
    if (story.people.length > 0)
      await page.waitForFunction(() => window.tvg.snapshot().milestones.firstFrame !== undefined, null, {
        timeout: 20_000,
      });
    await page.waitForTimeout(1_500);
  }
  await story.act?.(page);
  await page.waitForTimeout(500);
  const file = path.join(OUT, `${story.name}-${view}-${lang}${dark ? "-dark" : ""}.png`);
  await page.screenshot({ path: file });
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  if (overflow) errors.push("the page is wider than the screen");
  const small = await page.evaluate(() =>
    [...document.querySelectorAll("button, input, select")]
      .filter((element) => {
        const box = element.getBoundingClientRect();
        return box.width > 0 && (box.height < 44 || box.width < 44);
      })
      .map((element) => element.textContent),
  );
  if (small.length > 0) errors.push(`targets below 44 px: ${small.join(", ")}`);
  const snapshot = await page.evaluate(() => window.tvg.snapshot());
  await context.close();
  console.log(
    errors.length === 0 ? "ok  " : "FAIL",
    path.basename(file),
    snapshot.phase,
    JSON.stringify(
      snapshot.milestones.firstFrame === undefined
        ? {}
        : { firstFrameAfterJoin: Math.round(snapshot.milestones.firstFrame - snapshot.milestones.joinClicked) },
    ),
    ...errors,
  );
  return errors.length;
}

fs.mkdirSync(OUT, { recursive: true });
const server = await serve();
const origin = `http://127.0.0.1:${server.address().port}`;
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--use-fake-device-for-media-stream=fps=30", "--use-fake-ui-for-media-stream"],
});
let failures = 0;
try {
  for (const story of STORIES.filter(({ name }) => name.includes(FILTER))) {
    for (const view of ["phone", "desk"]) {
      for (const lang of ["zh", "en"]) failures += await tell(browser, origin, story, view, lang, false);
    }
  }
  if ("lobby".includes(FILTER)) failures += await tell(browser, origin, STORIES[0], "desk", "zh", true);
} finally {
  await browser.close();
  server.close();
}
process.exitCode = failures === 0 ? 0 : 1;
