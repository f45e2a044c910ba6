// Replaces getUserMedia with a behavior chosen by the test, and stores every returned track.
import { toneStream } from "./listen.js";

const tracks = [];
let answer = (original, constraints) => original(constraints);

const original = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (constraints) => {
  const stream = await answer(original, constraints);
  tracks.push(...stream.getTracks());
  return stream;
};

let open;

export const microphone = {
  /** Keeps the permission prompt open until `allow`. */
  prompt() {
    const allowed = new Promise((ok) => (open = ok));
    answer = (capture, constraints) => allowed.then(() => capture(constraints));
  },
  allow: () => open(),
  /** Refuses every request with this DOMException. */
  refuse(name) {
    answer = () => Promise.reject(new DOMException("refused by the test", name));
  },
  permit() {
    answer = (capture, constraints) => capture(constraints);
  },
  /** Simulates the permission prompt of a page in the background. */
  never() {
    answer = () => new Promise(() => {});
  },
  /** Removes the media devices, as on a page without TLS. */
  remove() {
    Object.defineProperty(navigator, "mediaDevices", { value: undefined });
  },
  /** Sets the tones of a microphone requested by its id (`chosen`) and of the default one (`standard`). */
  tones(standard, chosen) {
    answer = (_, { audio }) => toneStream(audio.deviceId?.exact ? chosen : standard);
  },
  /** Simulates unplugging the microphones in use. */
  unplug() {
    for (const track of tracks.filter((one) => one.readyState === "live")) {
      track.stop();
      track.dispatchEvent(new Event("ended"));
    }
  },
  /** Simulates plugging in a microphone. */
  plugIn: () => navigator.mediaDevices.dispatchEvent(new Event("devicechange")),
  /** Stops the tracks by the page, for which there is no event. */
  stop: () => tracks.forEach((track) => track.stop()),
  /** Makes getDisplayMedia return a canvas in place of the screen, without a prompt. */
  screen() {
    navigator.mediaDevices.getDisplayMedia = async () => {
      const stream = document.createElement("canvas").captureStream();
      tracks.push(...stream.getTracks());
      return stream;
    };
  },
  /** Returns the number of tracks captured so far. */
  captured: () => tracks.length,
  /** Returns the number of live captured tracks. */
  live: () => tracks.filter((track) => track.readyState === "live").length,
};
