// Level meters over the streams that the SDK's video elements play.

const FLOOR_DB = -60;
const EVERY_MS = 100;

/**
 * Shows the level of whatever the element in `display` plays.
 * @param {HTMLElement} display where the SDK puts its video element
 * @param {HTMLElement} meter an element of role meter
 * @param {() => boolean} silenced whether the stream is to be shown as silent whatever is in it
 */
export function watchLevel(display, meter, silenced = () => false) {
  let heard = null;
  let listening = null;

  const listen = (stream) => {
    listening?.source.disconnect();
    listening = null;
    heard = stream;
    if (!stream || stream.getAudioTracks().length === 0) return;
    const context = audioContext();
    const source = context.createMediaStreamSource(stream);
    const analyser = context.createAnalyser();
    analyser.fftSize = 2048;
    source.connect(analyser);
    listening = { source, analyser, samples: new Float32Array(analyser.fftSize) };
  };

  setInterval(() => {
    const stream = display.querySelector("video")?.srcObject ?? null;
    const live = stream && stream.getAudioTracks().some((track) => track.readyState === "live") ? stream : null;
    if (live !== heard) listen(live);
    show(meter, listening && !silenced() ? loudness(listening) : FLOOR_DB);
  }, EVERY_MS);
}

let shared;
/** One context for both meters; made inside a call, after the click that started it. */
function audioContext() {
  shared ??= new AudioContext();
  if (shared.state === "suspended") shared.resume();
  return shared;
}

/** dBFS, root mean square. */
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
