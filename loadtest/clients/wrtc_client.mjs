// Publishes by WHIP or plays by WHEP with the libwebrtc that @roamhq/wrtc brings to Node, for a while, and tells as JSON
// what came of it: `{ refused }`, or `{ state, deleted, received }`.
//
//     wrtc_client.mjs publish|play ENDPOINT TOKEN SECONDS
//
// The library brings Node down where it ends by itself: whoever starts this waits for the line, and kills it.

import { createRequire } from "node:module";

const { RTCPeerConnection, nonstandard } = createRequire(new URL("../browser/package.json", import.meta.url))("@roamhq/wrtc");

const PICTURE = { width: 640, height: 360 };
const SAMPLE_RATE = 48_000;
/** What a source takes at once: 10 ms. */
const SAMPLES = SAMPLE_RATE / 100;

/** A picture whose grey goes up and down, 30 times a second. */
function movingPicture() {
  const source = new nonstandard.RTCVideoSource();
  const data = new Uint8ClampedArray((PICTURE.width * PICTURE.height * 3) / 2).fill(128);
  let frame = 0;
  setInterval(() => {
    frame += 1;
    data.fill(60 + Math.abs((frame % 120) - 60), 0, PICTURE.width * PICTURE.height);
    source.onFrame({ ...PICTURE, data });
  }, 33);
  return source.createTrack();
}

/** A tone of 400 Hz. */
function tone() {
  const source = new nonstandard.RTCAudioSource();
  const samples = Int16Array.from({ length: SAMPLES }, (_, at) => 8_000 * Math.sin((2 * Math.PI * 400 * at) / SAMPLE_RATE));
  setInterval(() => {
    source.onData({ samples, sampleRate: SAMPLE_RATE, bitsPerSample: 16, channelCount: 1, numberOfFrames: SAMPLES });
  }, 10);
  return source.createTrack();
}

/** Counts what arrives of a track, decoded. */
function count(track, received, sinks) {
  if (track.kind === "video") {
    const sink = new nonstandard.RTCVideoSink(track);
    sink.onframe = ({ frame }) => {
      received.video += 1;
      received.lines = frame.height;
    };
    sinks.push(sink);
  } else {
    const sink = new nonstandard.RTCAudioSink(track);
    sink.ondata = () => {
      received.audio += 1;
    };
    sinks.push(sink);
  }
}

function tell(what) {
  console.log(JSON.stringify(what));
}

const [part, endpoint, token, seconds] = process.argv.slice(2);
const connection = new RTCPeerConnection();
const received = { audio: 0, video: 0, lines: 0 };
// What nobody holds is collected, and counts nothing any more.
const sinks = [];
if (part === "publish") {
  for (const track of [tone(), movingPicture()]) connection.addTransceiver(track, { direction: "sendonly" });
} else {
  for (const kind of ["audio", "video"]) connection.addTransceiver(kind, { direction: "recvonly" });
  connection.ontrack = ({ track }) => count(track, received, sinks);
}
await connection.setLocalDescription(await connection.createOffer());
const authorization = `Bearer ${token}`;
const answer = await fetch(endpoint, {
  method: "POST",
  headers: { authorization, "content-type": "application/sdp" },
  body: connection.localDescription.sdp,
});
if (answer.status === 201) {
  await connection.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  await new Promise((resolve) => setTimeout(resolve, 1_000 * Number(seconds)));
  const state = connection.connectionState;
  const location = new URL(answer.headers.get("location"), endpoint);
  const { status } = await fetch(location, { method: "DELETE", headers: { authorization } });
  tell({ state, deleted: status, received });
} else {
  tell({ refused: answer.status });
}
// Until it is killed.
setInterval(() => undefined, 1_000);
