// One run as a picture: network classes, rates, lines and frames, and the queue, one above the other on one axis.

import { escaped, NETWORK_CLASSES } from "./page-style.mjs";

const WIDTH = 560;
const LEFT = 44;
const RIGHT = 8;
const RIBBON = 7;
const PANELS = { rates: { top: 22, height: 120 }, picture: { top: 154, height: 84 }, frames: { top: 250, height: 34 }, queue: { top: 296, height: 34 } };
const HEIGHT = 352;

const round = (value) => Math.round(value * 10) / 10;

/** The picture of these rows, as SVG. */
export function plotOf(rows, scales) {
  const x = (seconds) => LEFT + (seconds / scales.seconds) * (WIDTH - LEFT - RIGHT);
  const step = rows.length > 1 ? rows[1].seconds - rows[0].seconds : 1;
  const y = (panel, most) => (value) => panel.top + panel.height - (Math.min(value, most) / most) * panel.height;
  const { rates, picture, frames, queue } = PANELS;
  const [rateY, linesY, fpsY, queueY] = [y(rates, scales.kbps), y(picture, scales.lines), y(frames, 30), y(queue, scales.queueMs)];
  const parts = [
    ...bands(rows, step, x, (row) => row.frozen > 0).map(([from, to]) => `<rect class="frozen" x="${from}" y="${rates.top}" width="${Math.max(1, round(to - from))}" height="${queue.top + queue.height - rates.top}"><title>freeze</title></rect>`),
    ...ribbon(rows, step, x, "class_publisher", 2),
    ...ribbon(rows, step, x, "class_subscriber", 2 + RIBBON + 1),
  ];
  const permitted = bands(rows, step, x, (row) => row.hd > 0).map(([from, to]) => `<rect class="hd" x="${from}" y="${picture.top}" width="${round(to - from)}" height="${picture.height}"/>`);
  const back = [
    area(rows, step, x, rateY, rates, "capacity_kbps"),
    ...permitted,
    ...grid(rates, [1, 2, 3, 4, 5].map((mbps) => mbps * 1_000).filter((kbps) => kbps <= scales.kbps), rateY, (kbps) => kbps / 1_000),
    ...grid(picture, [180, 360, 480, 720], linesY, (lines) => lines),
    ...grid(frames, [0, 15, 30], fpsY, (fps) => fps),
    ...grid(queue, [0, scales.queueMs], queueY, (ms) => Math.round(ms)),
    ...timeAxis(scales, x),
  ];
  const lines = [
    polyline(rows, x, rateY, "estimate_kbps", "estimate"),
    stair(rows, step, x, rateY, "sent_kbps", "sent"),
    stair(rows, step, x, linesY, "lines", "lines"),
    polyline(rows, x, fpsY, "fps", "fps"),
    stair(rows, step, x, queueY, "queue_ms", "queue"),
  ];
  const names = [["Mbit/s", rates], ["lines", picture], ["fps", frames], ["ms", queue]].map(([name, panel]) => `<text class="name" x="${LEFT + 4}" y="${panel.top + 11}">${name}</text>`);
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img">${[...back, ...parts, ...lines, ...names].join("")}</svg>`;
}

/** Stretches in which a condition holds, as pairs of x. */
function bands(rows, step, x, holds) {
  const found = [];
  for (const row of rows.filter(holds)) {
    const [from, to] = [round(x(row.seconds)), round(x(row.seconds + step))];
    if (found.length > 0 && from - found.at(-1)[1] < 0.2) found.at(-1)[1] = to;
    else found.push([from, to]);
  }
  return found;
}

function ribbon(rows, step, x, field, top) {
  const classes = [...new Set(rows.map((row) => row[field]).filter(Boolean))];
  return classes.flatMap((name) =>
    bands(rows, step, x, (row) => row[field] === name).map(([from, to]) => `<rect x="${from}" y="${top}" width="${round(to - from)}" height="${RIBBON}" fill="${NETWORK_CLASSES[name] ?? NETWORK_CLASSES.unknown}"><title>${escaped(name)}</title></rect>`),
  );
}

function area(rows, step, x, y, panel, field) {
  const bottom = panel.top + panel.height;
  const points = rows.flatMap((row) => [`${round(x(row.seconds))},${round(y(row[field] ?? 0))}`, `${round(x(row.seconds + step))},${round(y(row[field] ?? 0))}`]);
  return `<polygon class="capacity" points="${LEFT},${bottom} ${points.join(" ")} ${round(x(rows.at(-1).seconds + step))},${bottom}"/>`;
}

function polyline(rows, x, y, field, name) {
  const points = rows.filter((row) => row[field] !== null && row[field] !== undefined).map((row) => `${round(x(row.seconds))},${round(y(row[field]))}`);
  return points.length < 2 ? "" : `<polyline class="${name}" points="${points.join(" ")}"/>`;
}

function stair(rows, step, x, y, field, name) {
  let last = null;
  const points = [];
  for (const row of rows) {
    const value = round(y(row[field] ?? 0));
    if (value === last) continue;
    if (last !== null) points.push(`${round(x(row.seconds))},${last}`);
    points.push(`${round(x(row.seconds))},${value}`);
    last = value;
  }
  points.push(`${round(x(rows.at(-1).seconds + step))},${last}`);
  return `<polyline class="${name}" points="${points.join(" ")}"/>`;
}

function grid(panel, values, y, word) {
  const lines = values.map((value) => `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${round(y(value))}" y2="${round(y(value))}"/><text x="${LEFT - 5}" y="${round(y(value)) + 3.5}" text-anchor="end">${word(value)}</text>`);
  return [...lines, `<rect class="frame" x="${LEFT}" y="${panel.top}" width="${WIDTH - LEFT - RIGHT}" height="${panel.height}"/>`];
}

function timeAxis({ seconds }, x) {
  const every = [5, 10, 20, 30, 60, 120].find((candidate) => seconds / candidate <= 8) ?? 300;
  const marks = Array.from({ length: Math.floor(seconds / every) + 1 }, (_, index) => index * every);
  const bottom = PANELS.queue.top + PANELS.queue.height;
  return marks.map((mark) => `<line class="grid" x1="${round(x(mark))}" x2="${round(x(mark))}" y1="${PANELS.rates.top}" y2="${bottom}"/><text x="${round(x(mark))}" y="${HEIGHT - 8}" text-anchor="${mark > 0.97 * seconds ? "end" : "middle"}">${mark} s</text>`);
}
