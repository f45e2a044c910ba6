// What the page's getUserMedia does, as the test chooses; every track that it gave is remembered.
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
  /** The permission prompt stays open until `allow`. */
  prompt() {
    const allowed = new Promise((ok) => (open = ok));
    answer = (capture, constraints) => allowed.then(() => capture(constraints));
  },
  allow: () => open(),
  /** From now on every request is refused with this DOMException. */
  refuse(name) {
    answer = () => Promise.reject(new DOMException("refused by the test", name));
  },
  permit() {
    answer = (capture, constraints) => capture(constraints);
  },
  /** The permission prompt of a page that the user does not look at. */
  never() {
    answer = () => new Promise(() => {});
  },
  /** As on a page without TLS. */
  remove() {
    Object.defineProperty(navigator, "mediaDevices", { value: undefined });
  },
  /** From now on a microphone that is asked for by its id sounds like `chosen`, the default one like `standard`. */
  tones(standard, chosen) {
    answer = (_, { audio }) => toneStream(audio.deviceId?.exact ? chosen : standard);
  },
  /** As if the microphones in use were unplugged. */
  unplug() {
    for (const track of tracks.filter((one) => one.readyState === "live")) {
      track.stop();
      track.dispatchEvent(new Event("ended"));
    }
  },
  /** As if one was plugged in. */
  plugIn: () => navigator.mediaDevices.dispatchEvent(new Event("devicechange")),
  /** The page stops the tracks itself; there is no event of it. */
  stop: () => tracks.forEach((track) => track.stop()),
  /** From now on the user shares a canvas in place of the screen, without being asked. */
  screen() {
    navigator.mediaDevices.getDisplayMedia = async () => {
      const stream = document.createElement("canvas").captureStream();
      tracks.push(...stream.getTracks());
      return stream;
    };
  },
  /** How many tracks were captured so far. */
  captured: () => tracks.length,
  /** How many captured tracks are running. */
  live: () => tracks.filter((track) => track.readyState === "live").length,
};
