// Audio analysis of a stream with WebAudio, and a microphone replacement with content chosen by the test.

let context;
async function audio() {
  context ??= new AudioContext();
  if (context.state !== "running") await context.resume();
  return context;
}

const pause = (ms) => new Promise((ok) => setTimeout(ok, ms));

/** Returns a stream with a sine tone of `hz`. */
export async function toneStream(hz) {
  const c = await audio();
  const oscillator = new OscillatorNode(c, { frequency: hz });
  const out = new MediaStreamAudioDestinationNode(c);
  oscillator.connect(new GainNode(c, { gain: 0.3 })).connect(out);
  oscillator.start();
  return out.stream;
}

/** Makes getUserMedia return a sine tone of `hz` in place of the microphone. */
export function useTone(hz) {
  const original = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  const capture = async (constraints) => {
    const stream = await toneStream(hz);
    if (constraints.video) {
      for (const track of (await original({ video: constraints.video })).getVideoTracks()) stream.addTrack(track);
    }
    return stream;
  };
  navigator.mediaDevices.getUserMedia = capture;
  // The stock script uses the deprecated form with callbacks.
  for (const name of ["getUserMedia", "webkitGetUserMedia"].filter((name) => name in navigator)) {
    navigator[name] = (constraints, onSuccess, onError) => capture(constraints).then(onSuccess, onError);
  }
}

/** Returns the strongest frequency of `stream` over `ms`, its level, and the share of all power near it (above 0.9 for a tone). */
async function measure(stream, ms) {
  const c = await audio();
  const source = c.createMediaStreamSource(stream);
  const analyser = new AnalyserNode(c, { fftSize: 8192, smoothingTimeConstant: 0 });
  source.connect(analyser);
  const bins = new Float32Array(analyser.frequencyBinCount);
  await pause((1000 * analyser.fftSize) / c.sampleRate); // the window fills with sound from after this call
  const power = new Float64Array(bins.length);
  let reads = 0;
  for (const end = performance.now() + ms; performance.now() < end; reads++) {
    await pause(50);
    analyser.getFloatFrequencyData(bins);
    for (let i = 1; i < bins.length; i++) if (Number.isFinite(bins[i])) power[i] += 10 ** (bins[i] / 10);
  }
  source.disconnect();
  const total = power.reduce((sum, one) => sum + one, 0);
  if (total === 0) return { hz: 0, db: -Infinity, purity: 0 };
  const top = power.indexOf(Math.max(...power));
  const near = power.slice(Math.max(0, top - 4), top + 5).reduce((sum, one) => sum + one, 0);
  const width = c.sampleRate / analyser.fftSize;
  return { hz: Math.round(top * width), db: Math.round(10 * Math.log10(power[top] / reads)), purity: near / total };
}

/** Maximum level of silence: comfort noise and rounding errors. */
const SILENCE_DB = -65;

/** Analyzes short windows until `wanted` returns true twice in a row, or until the deadline. Returns the last analysis. */
async function listenUntil(stream, wanted, ms) {
  const deadline = performance.now() + ms;
  let inRow = 0;
  for (;;) {
    const measured = await measure(stream, 300);
    inRow = wanted(measured) ? inRow + 1 : 0;
    if (inRow === 2 || performance.now() > deadline) return { ok: inRow === 2, ...measured };
  }
}

export const awaitTone = (stream, hz, ms = 12_000) =>
  listenUntil(stream, (measured) => measured.db > -45 && measured.purity > 0.85 && Math.abs(measured.hz - hz) < 12, ms);

export const awaitSilence = (stream, ms = 12_000) => listenUntil(stream, (measured) => measured.db < SILENCE_DB, ms);
