// The sound test of the lobby: how loud the microphone is, and a tone for the ears.

import { every, type Cancel, type Clock } from "../lifetime/clock.js";

/** What the level meter shows. */
export type MicrophoneLevel =
  /** The browser lets no audio be measured before the page is touched. */
  | { readonly state: "asleep" }
  | { readonly state: "quiet"; readonly level: number }
  | { readonly state: "heard"; readonly level: number };

/** Ten times a second reads as a living meter and costs next to nothing. */
const INTERVAL = 100;

/** A voice at arm's length is far above this root mean square, a quiet room below. */
const HEARD_ABOVE = 0.02;

/** Words have pauses: after a voice, this long still counts as heard. */
const HEARD_FOR = 3_000;

/** Measures a microphone until it is cancelled. */
export function watchLevel(
  track: MediaStreamTrack,
  audio: AudioContext,
  clock: Clock,
  tell: (level: MicrophoneLevel) => void,
): Cancel {
  const source = audio.createMediaStreamSource(new MediaStream([track]));
  const analyser = audio.createAnalyser();
  analyser.fftSize = 1_024;
  source.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  let lastHeard = Number.NEGATIVE_INFINITY;
  const stop = every(clock, INTERVAL, () => {
    if (audio.state !== "running") {
      tell({ state: "asleep" });
      return;
    }
    analyser.getFloatTimeDomainData(samples);
    const loudness = rootMeanSquare(samples);
    if (loudness > HEARD_ABOVE) lastHeard = clock.now();
    tell({ state: clock.now() - lastHeard < HEARD_FOR ? "heard" : "quiet", level: meterLevel(loudness) });
  });
  return () => {
    stop();
    source.disconnect();
  };
}

/** Plays two soft notes. */
export async function playTestTone(audio: AudioContext): Promise<void> {
  await audio.resume();
  [523.25, 659.25].forEach((frequency, index) => {
    const start = audio.currentTime + index * 0.35;
    const tone = new OscillatorNode(audio, { frequency });
    const volume = new GainNode(audio, { gain: 0 });
    volume.gain.linearRampToValueAtTime(0, start);
    volume.gain.linearRampToValueAtTime(0.25, start + 0.05);
    volume.gain.linearRampToValueAtTime(0, start + 0.6);
    tone.connect(volume).connect(audio.destination);
    tone.start(start);
    tone.stop(start + 0.65);
  });
}

function rootMeanSquare(samples: Float32Array): number {
  return Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
}

/** From 0 to 1, over the 50 decibels in which voices lie. */
function meterLevel(loudness: number): number {
  return Math.min(1, Math.max(0, 1 + (20 * Math.log10(Math.max(loudness, 1e-5))) / 50));
}
