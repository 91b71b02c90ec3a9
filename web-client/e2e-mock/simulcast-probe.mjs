// Asks a real Chromium what it encodes for three simulcast layers with the scales 4, 1.5 and 1 of 720 lines.
import http from "node:http";
import { chromium } from "playwright-core";

const PAGE = "<!doctype html><title>probe</title>";

async function probe({ scales, codec, startKbps }) {
  const stream = await navigator.mediaDevices.getUserMedia({
    video: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } },
  });
  const [track] = stream.getVideoTracks();
  const sender = new RTCPeerConnection();
  const receiver = new RTCPeerConnection();
  sender.onicecandidate = (e) => e.candidate && receiver.addIceCandidate(e.candidate);
  receiver.onicecandidate = (e) => e.candidate && sender.addIceCandidate(e.candidate);
  const rates = [150_000, 750_000, 1_700_000];
  const transceiver = sender.addTransceiver(track, {
    direction: "sendonly",
    sendEncodings: ["l", "m", "h"].map((rid, i) => ({
      rid,
      scaleResolutionDownBy: scales[i],
      maxBitrate: rates[i],
      scalabilityMode: "L1T3",
    })),
  });
  transceiver.setCodecPreferences(
    RTCRtpSender.getCapabilities("video").codecs.filter((c) => c.mimeType === `video/${codec}`),
  );
  await sender.setLocalDescription();
  await receiver.setRemoteDescription(sender.localDescription);
  await receiver.setLocalDescription();
  let answer = receiver.localDescription.sdp.replace(
    /(m=video[\s\S]*?a=mid:\S+\r\n)/,
    (section) => `${section}a=rid:l recv\r\na=rid:m recv\r\na=rid:h recv\r\na=simulcast:recv l;m;h\r\n`,
  );
  if (startKbps) {
    const payload = /a=rtpmap:(\d+) /.exec(answer.slice(answer.indexOf("m=video")))[1];
    answer = answer.replace(
      new RegExp(`(a=rtpmap:${payload} [^\\r]*\\r\\n)`),
      `$1a=fmtp:${payload} x-google-start-bitrate=${startKbps}\r\n`,
    );
  }
  const began = performance.now();
  await sender.setRemoteDescription({ type: "answer", sdp: answer });
  const series = [];
  for (let second = 0; second < 14; second++) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const row = {};
    for (const stat of (await sender.getStats()).values()) {
      if (stat.type === "outbound-rtp") {
        row[stat.rid] = `${stat.frameWidth}x${stat.frameHeight}@${stat.framesPerSecond} ${Math.round(
          (stat.targetBitrate ?? 0) / 1000,
        )}k ${stat.qualityLimitationReason} ${stat.scalabilityMode}`;
      }
      if (stat.type === "candidate-pair" && stat.nominated)
        row.estimate = Math.round(stat.availableOutgoingBitrate / 1000);
    }
    row.at = Math.round(performance.now() - began);
    series.push(row);
  }
  sender.close();
  receiver.close();
  track.stop();
  return series;
}

const server = http.createServer((_, response) => response.setHeader("content-type", "text/html").end(PAGE));
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--use-fake-device-for-media-stream=fps=30", "--use-fake-ui-for-media-stream"],
});
try {
  for (const asked of [
    { scales: [4, 1.5, 1], codec: "VP8", startKbps: 0 },
    { scales: [4, 1.5, 1], codec: "VP8", startKbps: 1500 },
    { scales: [4, 1.5, 1], codec: "VP8", startKbps: 2600 },
    { scales: [4, 1.5, 1], codec: "H264", startKbps: 1500 },
  ]) {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    const series = await page.evaluate(probe, asked);
    console.log(JSON.stringify(asked));
    for (const row of series.filter((_, second) => [0, 1, 2, 3, 5, 8, 13].includes(second)))
      console.log("  ", JSON.stringify(row));
    await page.close();
  }
} finally {
  await browser.close();
  server.close();
}
