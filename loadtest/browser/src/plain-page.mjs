// A page of somebody else's: it has the functions of `plain-http.mjs` as `window.plain`, and nothing of the gateway's own client.

import { readFile } from "node:fs/promises";

import { Visitor } from "./visitor.mjs";

/** Opens a page of that origin at a place. */
export async function arrivePlainly(name, place, url) {
  const visitor = await Visitor.arrive(name, place);
  const source = (await readFile(new URL("./plain-http.mjs", import.meta.url), "utf8")).replaceAll("export ", "");
  await visitor.page.goto(url);
  await visitor.page.evaluate(`(() => { ${source}; window.plain = { publish, play, restart, iceSession, end, received }; })()`);
  return visitor;
}
