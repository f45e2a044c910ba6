// The page of the suites: our SDK controlled by the test. All events are stored in `phone.events`.
import { constants, createSession, getMediaAccess, init } from "offhook";
import { awaitSilence, awaitTone, useTone } from "./listen.js";
import { microphone } from "./microphone.js";

const { SESSION_STATUS, CALL_STATUS } = constants;
const PURE = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
const RSA = { name: "RSASSA-PKCS1-v1_5", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: "SHA-256" };
const connections = [];
const Native = window.RTCPeerConnection;
window.RTCPeerConnection = class extends Native {
  constructor(...given) {
    super(...given);
    connections.push(this);
  }
};

const events = [];
const calls = new Map(); // our name for a call -> the SDK's object
let session;
const now = () => performance.timeOrigin + performance.now();
const say = (event, more = {}) => events.push({ event, at: now(), ...more });

function follow(name, call, hangUpOn) {
  calls.set(name, call);
  for (const status of Object.values(CALL_STATUS)) {
    call.on(status, () => {
      say(`${name}:${status}`);
      if (status === hangUpOn) call.hangup();
    });
  }
  call.on("DTMF", (_, digit) => say(`${name}:DTMF`, { digit }));
  call.on("REMOTE_HOLD", (_, held) => say(`${name}:REMOTE_HOLD`, { held }));
  call.on("MEDIA_PATH", (_, path) => say(`${name}:MEDIA_PATH`, { path }));
  call.on("LOCAL_DEVICE", (_, change) => say(`${name}:LOCAL_DEVICE`, change));
  call.on("SOUND_BLOCKED", (_, blocked) => say(`${name}:SOUND_BLOCKED`, { blocked }));
  call.on("TRANSFER", (_, status) => say(`${name}:TRANSFER`, { status }));
}

function camera({ video = false, screen = false, maxBitrate }) {
  if (screen) return { type: "screen" };
  return video ? { width: 640, height: 480, maxBitrate } : false;
}

const media = ({ listens = false, ...options }) => ({
  localVideoDisplay: document.getElementById("local"),
  remoteVideoDisplay: document.getElementById("remote"),
  constraints: { audio: listens ? false : PURE, video: camera(options) },
});

const remoteStream = () => document.querySelector("#remote video").srcObject;
const text = (error) => (error instanceof Error ? error.message : String(error));

window.phone = {
  events,
  async start(url, login, { hz, firstIncoming = 0, deaf = false, rsa = false, sip = {}, timers, ...given } = {}) {
    const { mediaOptions = rsa ? { certificates: [await RTCPeerConnection.generateCertificate(RSA)] } : undefined } = given;
    if (hz) useTone(hz);
    // Only a direct connection has trickled candidates.
    if (deaf) Native.prototype.addIceCandidate = () => Promise.resolve();
    await init();
    session = createSession({ urlServer: url, mediaOptions, sipOptions: { login, registerRequired: true, ...sip }, ...timers });
    for (const status of ["ESTABLISHED", "REGISTERED", "DISCONNECTED", "FAILED", "WARN"]) {
      session.on(SESSION_STATUS[status], (first, more) => say(status, { info: (more ?? first)?.info }));
    }
    let count = firstIncoming;
    session.on(SESSION_STATUS.INCOMING_CALL, (call) => {
      const name = `in${count++ || ""}`;
      follow(name, call);
      say("INCOMING_CALL", { caller: call.caller(), id: call.id() });
    });
  },
  dial(name, callee, { stripCodecs, garbled = false, hangUpOn, ...options } = {}) {
    const { video: receiveVideo = false, cacheLocalResources } = options;
    const sdpHook = garbled ? () => "garbled" : undefined;
    const call = session.createCall({ callee, stripCodecs, sdpHook, receiveVideo, cacheLocalResources, ...media(options) });
    follow(name, call, hangUpOn);
    call.call();
  },
  answer: (name, options = {}) => calls.get(name).answer(media(options)),
  capture: () => getMediaAccess({ audio: PURE, video: false }, document.getElementById("local")).then(() => {}),
  act: (name, method, ...given) => void calls.get(name)[method](...given),
  ask: (name, method, ...given) => calls.get(name)[method](...given),
  /** Returns the relay's `info` text for the status. */
  text: (name) => calls.get(name).info,
  /** Returns the error that a method throws or rejects with. */
  refusal: async (name, method, ...given) => {
    try {
      await calls.get(name)[method](...given);
    } catch (error) {
      return text(error);
    }
  },
  disconnect: () => session.disconnect(),
  /** Returns the milliseconds that this number of ticks of a 100 ms timer takes. */
  ticks: (count) =>
    new Promise((ok) => {
      const began = performance.now();
      const timer = setInterval(() => {
        if (--count > 0) return;
        clearInterval(timer);
        ok(performance.now() - began);
      }, 100);
    }),
  remoteElement() {
    const { paused, muted, controls } = document.querySelector("#remote video");
    return { paused, muted, controls };
  },
  microphone: (method, ...given) => microphone[method](...given),
  awaitTone: (hz, ms) => awaitTone(remoteStream(), hz, ms),
  awaitSilence: (ms) => awaitSilence(remoteStream(), ms),
  /** Returns the statistics of one media kind of the newest open connection, with codec names. */
  async stats(type, kind) {
    const open = connections.filter((one) => one.connectionState !== "closed").at(-1);
    if (!open) return [];
    const all = [...(await open.getStats()).values()];
    const codec = (id) => all.find((one) => one.id === id)?.mimeType;
    const wanted = all.filter((one) => one.type === type && one.kind === kind);
    return wanted.map((one) => ({ ...one, codec: codec(one.codecId), at: now() }));
  },
  /** Returns the remote address of the newest open connection. */
  async remoteAddress() {
    const open = connections.filter((one) => one.connectionState === "connected").at(-1);
    const all = [...(await open.getStats()).values()];
    const pair = all.find((one) => one.type === "candidate-pair" && one.nominated && one.state === "succeeded");
    const { address, port } = all.find((one) => one.id === pair.remoteCandidateId);
    return { address, port };
  },
  /** Makes this method of peer connections reject. */
  breakConnections(method) {
    Native.prototype[method] = () => Promise.reject(new DOMException(`no ${method} in this test`, "OperationError"));
  },
  /** Simulates the loss of the network path to the other browser. */
  loseDirect() {
    const direct = connections.filter((one) => one.connectionState === "connected").at(-1);
    Object.defineProperty(direct, "connectionState", { value: "failed" });
    direct.dispatchEvent(new Event("connectionstatechange"));
  },
  connections: () => connections.map((one) => [one.connectionState, one.iceConnectionState]),
};
