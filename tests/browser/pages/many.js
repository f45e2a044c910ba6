// Many calls in one page, all objects of which must be collected: calls and connections are only referenced weakly.
import { constants, createSession, init } from "offhook";

const { CALL_STATUS, SESSION_STATUS } = constants;

/** Weak references to objects that are not collected yet, and the number of all objects that were added. */
class Watched {
  #made = 0;
  #references = [];

  add(one) {
    this.#made += 1;
    this.#references.push(new WeakRef(one));
  }

  get made() {
    return this.#made;
  }

  alive() {
    // References to collected objects would count as growth of the heap.
    this.#references = this.#references.filter((reference) => reference.deref());
    return this.#references.length;
  }
}

/** A sequence of calls, one at a time, with separate displays. */
class Lane {
  constructor() {
    [this.local, this.remote] = [0, 1].map(() => document.body.appendChild(document.createElement("div")));
    this.call = undefined;
    this.connected = () => {};
  }

  get options() {
    const [localVideoDisplay, remoteVideoDisplay] = [this.local, this.remote];
    return { localVideoDisplay, remoteVideoDisplay, constraints: { audio: true, video: false } };
  }

  /** Runs one call, without references to it after its end. */
  async run(callee) {
    const call = session.createCall({ callee, ...this.options });
    calls.add(call);
    this.call = call;
    const ended = over(call);
    call.call();
    await ended;
    this.call = undefined;
  }
}

const calls = new Watched();
const connections = new Watched();
const lanes = [];
let session;
let core;

const instantiate = WebAssembly.instantiate;
WebAssembly.instantiate = async (...given) => {
  const made = await instantiate(...given);
  core = (made.instance ?? made).exports;
  return made;
};

const Native = window.RTCPeerConnection;
window.RTCPeerConnection = class extends Native {
  constructor(...given) {
    super(...given);
    connections.add(this);
  }

  addTrack(track, stream) {
    const lane = lanes.find(({ local }) => local.firstChild?.srcObject === stream);
    this.addEventListener("connectionstatechange", () => this.connectionState === "connected" && lane?.connected());
    return super.addTrack(track, stream);
  }
};

/** Waits for the terminal status of a call. */
const over = (call) =>
  new Promise((ok) => {
    for (const status of ["FINISH", "FAILED", "BUSY"]) call.on(CALL_STATUS[status], () => ok());
  });

/** Returns the first `count` lanes. */
function take(count) {
  while (lanes.length < count) lanes.push(new Lane());
  return lanes.slice(0, count);
}

window.many = {
  start: (urlServer, login) =>
    init().then(() => new Promise((ok) => {
      session = createSession({ urlServer, sipOptions: { login, registerRequired: true } });
      session.on(SESSION_STATUS.REGISTERED, () => ok());
    })),
  answerAll() {
    const [lane] = take(1);
    session.on(SESSION_STATUS.INCOMING_CALL, (call) => call.on(CALL_STATUS.RING, () => call.answer(lane.options)));
  },
  /** Runs a total number of calls with this concurrency; each is hung up when its connection is established. */
  async calls(callee, count, atOnce) {
    let left = count;
    await Promise.all(take(atOnce).map(async (lane) => {
      lane.connected = () => setTimeout(() => lane.call?.hangup());
      while (left-- > 0) await lane.run(callee);
      lane.connected = () => {};
    }));
  },
  /** Runs calls that are hung up while this method of their connection is pending. */
  async abandoned(callee, method, count) {
    const [lane] = take(1);
    const original = Native.prototype[method];
    Native.prototype[method] = function (...given) {
      const pending = original.apply(this, given);
      const { call } = lane;
      queueMicrotask(() => call?.hangup());
      return pending;
    };
    for (let done = 0; done < count; done++) await lane.run(callee);
    Native.prototype[method] = original;
  },
  /** Runs calls that are hung up during a permission prompt that stays open. */
  async unanswered(callee, count) {
    const [lane] = take(1);
    const { mediaDevices } = navigator;
    mediaDevices.getUserMedia = () => {
      setTimeout(() => lane.call.hangup());
      return new Promise(() => {});
    };
    for (let done = 0; done < count; done++) await lane.run(callee);
    delete mediaDevices.getUserMedia;
  },
  /** Fills V8's cache of decimal strings of numbers to its maximum size. */
  fillCache() {
    for (let number = 0; number < 300_000; number++) String(number * 7919);
  },
  made: () => calls.made,
  alive: () => [calls.alive(), connections.alive()],
  /** Returns the size of the WebAssembly memory in octets and the number of browser objects that it references. */
  core: () => [core.memory.buffer.byteLength, core.__wbindgen_externrefs?.length],
};
