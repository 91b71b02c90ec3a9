// How the page of the lab looks.

/** Radio and other classes, good ones green. */
export const NETWORK_CLASSES = {
  wired: "#3f6b8f",
  wifi: "#3fa7c4",
  "5g": "#3f9b5a",
  "4g": "#d9b13b",
  "3g": "#dd7b34",
  "2g": "#b8443c",
  unknown: "#b4bac2",
};

export const escaped = (text) => String(text).replace(/[&<>"]/g, (letter) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[letter]);

export const style = `
:root { --paper: #fff; --ink: #1b2430; --soft: #5d6875; --rule: #e3e7ec; --capacity: #d7dde4; --estimate: #c2701c; --sent: #1f5fbf; --lines: #1b2430; --fps: #8a94a0; --queue: #7b4bb0; --frozen: #e0483e; --hd: #bfe3c9; --good: #e4f4e8; --bad: #fbe4e1; }
@media (prefers-color-scheme: dark) { :root { --paper: #14191f; --ink: #e6eaef; --soft: #99a4b0; --rule: #2b333d; --capacity: #323c48; --estimate: #f0a351; --sent: #6ea4f5; --lines: #e6eaef; --fps: #77828f; --queue: #b48be6; --frozen: #ff6a5f; --hd: #1f4a2c; --good: #17351f; --bad: #45201d; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px 28px 60px; max-width: 1720px; background: var(--paper); color: var(--ink); font: 14px/1.45 system-ui, "Liberation Sans", sans-serif; }
h1 { margin: 0; font-size: 24px; } h2 { margin: 40px 0 0; padding-top: 14px; border-top: 2px solid var(--ink); font-size: 18px; } h3 { margin: 26px 0 6px; font-size: 15px; }
.about { margin: 4px 0 8px; color: var(--soft); } nav a { margin-right: 10px; color: var(--sent); text-decoration: none; white-space: nowrap; } nav a:hover { text-decoration: underline; }
.legend { position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 14px 0 0; padding: 8px 0; background: var(--paper); border-bottom: 1px solid var(--rule); font-size: 12.5px; }
.legend span { white-space: nowrap; } .legend .gap { margin-left: 10px; color: var(--soft); }
.legend i { display: inline-block; margin-right: 6px; vertical-align: middle; } .legend .line { width: 20px; height: 0; border-top: 2.5px solid; } .legend .box { width: 14px; height: 11px; border-radius: 2px; }
.line.estimate { border-color: var(--estimate); } .line.sent { border-color: var(--sent); } .line.lines { border-color: var(--lines); } .line.fps { border-color: var(--fps); border-top-width: 1.5px; } .line.queue { border-color: var(--queue); }
.box.capacity { background: var(--capacity); } .box.frozen { background: var(--frozen); opacity: 0.55; } .box.hd { background: var(--hd); }
.plots { display: grid; grid-template-columns: repeat(var(--columns), minmax(0, 1fr)); gap: 14px 22px; }
@media (max-width: 900px) { .plots { grid-template-columns: minmax(0, 1fr); } }
figure { margin: 0; } figcaption { font-weight: 600; font-size: 13px; } svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--soft); font: 10.5px system-ui, "Liberation Sans", sans-serif; } svg .name { fill: var(--ink); }
svg .grid { stroke: var(--rule); stroke-width: 1; } svg .frame { fill: none; stroke: var(--rule); }
svg .capacity { fill: var(--capacity); } svg .hd { fill: var(--hd); } svg .frozen { fill: var(--frozen); opacity: 0.38; }
svg polyline { fill: none; stroke-linejoin: round; } svg .estimate { stroke: var(--estimate); stroke-width: 1.4; } svg .sent { stroke: var(--sent); stroke-width: 1.2; } svg .lines { stroke: var(--lines); stroke-width: 1.8; } svg .fps { stroke: var(--fps); stroke-width: 1.1; } svg .queue { stroke: var(--queue); stroke-width: 1.2; }
details { margin: 8px 0 0; } summary { cursor: pointer; color: var(--soft); font-size: 12.5px; } .wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 12.5px; font-variant-numeric: tabular-nums; } th { text-align: left; font-weight: 600; } th, td { padding: 2px 14px 2px 0; border-bottom: 1px solid var(--rule); white-space: nowrap; }
.overview { margin-top: 14px; } .overview th.number { white-space: normal; min-width: 62px; vertical-align: bottom; line-height: 1.2; } .overview .number { padding-left: 6px; padding-right: 8px; } .overview a { color: inherit; }
.number { text-align: right; padding-left: 14px; padding-right: 10px; } .met { background: var(--good); } .missed { background: var(--bad); font-weight: 600; } small { color: var(--soft); font-weight: 400; }
footer { margin-top: 40px; color: var(--soft); font-size: 12.5px; max-width: 900px; }
`;
