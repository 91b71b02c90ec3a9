// Garbage on every door while a consult runs: no panic, no gap in it, counters that moved, memory back.

import { controlUrl, metricsUrl } from "../src/gateway.mjs";
import { CONTROL_ADDRESS } from "../src/links.mjs";
import { Program } from "../src/program.mjs";
import { binary } from "../src/binaries.mjs";
import { onStage } from "../src/stage.mjs";
import { soundBetween } from "../src/visitor.mjs";

const DATAGRAMS = 100_000;

export async function garbage(results) {
  await onStage({ classes: { doctor: "5g", patient: "5g" }, roles: ["clinician", "patient", "family"] }, async (stage) => {
    const { watcher } = await stage.enter();
    await watcher.untilSteady((height) => height >= 720, { seconds: 30 });
    await watcher.wait(5_000);
    const before = await watcher.snapshot();
    const memory = await stage.gateway.memory();
    const since = Date.now();
    const invite = `${controlUrl}/join#token=${stage.otherTokens[0]}`;
    const attack = new Program("garbage", binary("loadtest"), [
      "garbage",
      ...["--media", `${CONTROL_ADDRESS}:50000`, "--url", controlUrl, "--invite", invite],
      ...["--datagrams", String(DATAGRAMS), "--metrics", metricsUrl, "--pid", String(stage.gateway.pid)],
    ]);
    const [code] = await attack.exited;
    console.log(attack.output);
    const after = await watcher.snapshot();
    const { longestMs } = await watcher.freezes(since);
    await watcher.wait(10_000);
    results.add("garbage: datagrams sent", DATAGRAMS, "datagrams", ">=100000");
    results.add("garbage: the gateway still runs", stage.gateway.isRunning ? 1 : 0, "", ">=1");
    results.add("garbage: panics in the log", (stage.gateway.log.match(/panicked/g) ?? []).length, "", "<=0");
    results.add("garbage: exit code of the generator", code ?? 99, "", "<=0");
    results.add("garbage: longest time without a new picture", longestMs, "ms", "<=500");
    results.add("garbage: sound concealed", soundBetween(before, after).ratio * 100, "%", "<=1");
    results.add("garbage: memory before", memory / 1e6, "MB");
    results.add("garbage: memory grown 10 s after", ((await stage.gateway.memory()) - memory) / 1e6, "MB", "<=8");
  });
  await results.write();
}
