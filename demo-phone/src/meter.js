// Level meters of the streams in the SDK's video elements.

const FLOOR_DB = -60;
const EVERY_MS = 100;

/**
 * Shows the level of the stream that the element in `display` plays.
 * @param {HTMLElement} display the parent of the SDK's video element
 * @param {HTMLElement} meter an element of role meter
 * @param {() => boolean} silenced whether to show silence regardless of the stream
 */
export function watchLevel(display, meter, silenced = () => false) {
  let current = null;
  let analysis = null;

  const analyze = (stream) => {
    analysis?.source.disconnect();
    analysis = null;
    current = stream;
    if (!stream || stream.getAudioTracks().length === 0) return;
    const context = audioContext();
    const source = context.createMediaStreamSource(stream);
    const analyser = context.createAnalyser();
    analyser.fftSize = 2048;
    source.connect(analyser);
    analysis = { source, analyser, samples: new Float32Array(analyser.fftSize) };
  };

  setInterval(() => {
    const stream = display.querySelector("video")?.srcObject ?? null;
    const live = stream && stream.getAudioTracks().some((track) => track.readyState === "live") ? stream : null;
    if (live !== current) analyze(live);
    show(meter, analysis && !silenced() ? loudness(analysis) : FLOOR_DB);
  }, EVERY_MS);
}

let shared;
/** Returns the context of both meters. It is created during a call, after the user gesture that started it. */
function audioContext() {
  shared ??= new AudioContext();
  if (shared.state === "suspended") shared.resume();
  return shared;
}

/** Returns the root mean square level in dBFS. */
function loudness({ analyser, samples }) {
  analyser.getFloatTimeDomainData(samples);
  let squares = 0;
  for (const sample of samples) squares += sample * sample;
  return Math.max(FLOOR_DB, 10 * Math.log10(squares / samples.length + 1e-12));
}

function show(meter, db) {
  const level = Math.min(100, Math.round((1 - db / FLOOR_DB) * 100));
  meter.style.setProperty("--level", level);
  meter.setAttribute("aria-valuenow", level);
  meter.dataset.db = db.toFixed(1);
}
