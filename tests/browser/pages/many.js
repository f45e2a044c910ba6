// Many calls in one page, of which nothing may stay: calls and connections are known by weak references alone.
import { constants, createSession, init } from "offhook";

const { CALL_STATUS, SESSION_STATUS } = constants;
const made = { calls: [], connections: [] };
let current;
let connected = () => {};
let session;

const Native = window.RTCPeerConnection;
window.RTCPeerConnection = class extends Native {
  constructor(...given) {
    super(...given);
    made.connections.push(new WeakRef(this));
    this.addEventListener("connectionstatechange", () => this.connectionState === "connected" && connected());
  }
};

const media = () => ({
  localVideoDisplay: document.getElementById("local"),
  remoteVideoDisplay: document.getElementById("remote"),
  constraints: { audio: true, video: false },
});

/** The last status of a call. */
const over = (call) =>
  new Promise((ok) => {
    for (const status of ["FINISH", "FAILED", "BUSY"]) call.on(CALL_STATUS[status], () => ok());
  });

/** One call; nothing outside refers to it when it is over. */
async function one(callee) {
  const call = session.createCall({ callee, ...media() });
  made.calls.push(new WeakRef(call));
  current = call;
  const ended = over(call);
  call.call();
  await ended;
  current = undefined;
}

window.many = {
  start: (urlServer, login) =>
    init().then(() => new Promise((ok) => {
      session = createSession({ urlServer, sipOptions: { login, registerRequired: true } });
      session.on(SESSION_STATUS.REGISTERED, () => ok());
    })),
  answerAll() {
    session.on(SESSION_STATUS.INCOMING_CALL, (call) => call.on(CALL_STATUS.RING, () => call.answer(media())));
  },
  async calls(callee, count) {
    connected = () => setTimeout(() => current?.hangup());
    for (let done = 0; done < count; done++) await one(callee);
    connected = () => {};
  },
  /** Calls hung up while this method of their connection is pending. */
  async abandoned(callee, method, count) {
    const original = Native.prototype[method];
    Native.prototype[method] = function (...given) {
      const pending = original.apply(this, given);
      const call = current;
      queueMicrotask(() => call?.hangup());
      return pending;
    };
    for (let done = 0; done < count; done++) await one(callee);
    Native.prototype[method] = original;
  },
  made: () => made.calls.length,
  alive: () => Object.values(made).map((all) => all.filter((one) => one.deref()).length),
};
