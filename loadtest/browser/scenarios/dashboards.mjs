// A consult in which everything moves, read back through a real Prometheus by the dashboards' own queries.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { root } from "../src/binaries.mjs";
import { CONTROL_ADDRESS } from "../src/links.mjs";
import { Program } from "../src/program.mjs";
import { onStage } from "../src/stage.mjs";

const PORT = 19_090;
const MOVED = /^tvg_(joins|hd|rung|network_class|rtp|nacks|plis|layer|bwe|rtt|first_frame|join_duration|signal_messages|forward)/;

export async function dashboards(results) {
  await onStage({ classes: { doctor: "5g", patient: "5g" }, link: "rate=5M,delay=20ms,queue=250ms" }, async (stage) => {
    const directory = await mkdtemp(join(tmpdir(), "tvg-prometheus-"));
    const config = join(directory, "prometheus.yml");
    await writeFile(config, `global: { scrape_interval: 1s }\nscrape_configs: [{ job_name: gateway, static_configs: [{ targets: ["${CONTROL_ADDRESS}:9091"] }] }]\n`);
    const prometheus = new Program("prometheus", "prometheus", [`--config.file=${config}`, `--storage.tsdb.path=${directory}/data`, `--web.listen-address=127.0.0.1:${PORT}`]);
    try {
      await prometheus.line(/Server is ready/, { fromStart: true });
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      const before = counters(await stage.gateway.metrics());
      const { watcher } = await stage.enter();
      await watcher.untilSteady((height) => height >= 720, { seconds: 30 });
      await watcher.shellReports("4g", 1);
      await watcher.wait(6_000);
      await watcher.shellReports("unknown", 2);
      for (const settings of ["rate=500k", "rate=5M,loss=2%", "loss=0"]) {
        await stage.links.set("patient", "down", settings);
        await watcher.wait(8_000);
      }
      const after = counters(await stage.gateway.metrics());
      const moved = [...after].filter(([name, value]) => MOVED.test(name) && !name.includes("_bucket") && value !== (before.get(name) ?? 0));
      for (const [name, value] of moved) console.log(`  ${name}: ${before.get(name) ?? 0} → ${value}`);
      results.add("metrics that moved during the consult", moved.length, "series", ">=20");
      const query = new Program("query", "node", [join(root, "deploy/query-dashboard.mjs"), "--prometheus", `http://127.0.0.1:${PORT}`, "--expect-data"]);
      const [code] = await query.exited;
      console.log(query.output);
      results.add("dashboard queries without an answer, or refused", code, "", "<=0");
    } finally {
      await prometheus.stop();
      await rm(directory, { recursive: true, force: true });
    }
  });
  await results.write();
}

function counters(text) {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]));
}
