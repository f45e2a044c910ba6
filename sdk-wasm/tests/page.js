// A TypeScript part of the drivers that logs all calls, and a minimal relay behind the `WebSocket` of URLs that begin with
// LOOPBACK. All other URLs use the browser's own socket.

const LOOPBACK = "ws://loopback.test/";

/** Log entries in order; `until` waits for an entry, which may be present already. */
export class Log {
  constructor() {
    this.all = [];
    this.waiting = [];
  }
  add(entry) {
    this.all.push(entry);
    this.waiting = this.waiting.filter((waiter) => waiter.entry !== entry || waiter.done());
  }
  entries() {
    return this.all;
  }
  until(entry) {
    if (this.all.includes(entry)) return Promise.resolve();
    return new Promise((resolve) => this.waiting.push({ entry, done: () => resolve() }));
  }
}

export class CallSide {
  constructor(log, details, refusal) {
    this.log = log;
    this.values = details;
    this.refusal = refusal;
    this.hz = details.tone;
  }
  emit(name, data) {
    this.log.add(data === undefined ? name : `${name} ${data}`);
  }
  capture(videoPossible) {
    this.log.add(`capture video=${videoPossible}`);
    return this.refusal ? Promise.reject(new Error(this.refusal)) : Promise.resolve();
  }
  release() {
    this.log.add("release");
  }
  configuration() {
    // Every browser refuses a TURN server without credentials.
    return { iceServers: this.values.turn ? [{ urls: "turn:turn.example.org" }] : [] };
  }
  connected(connection) {
    this.connection = connection;
    connection.onsignalingstatechange = () => this.log.add(`signaling ${connection.signalingState}`);
    const context = new AudioContext();
    const microphone = context.createMediaStreamDestination();
    if (this.hz) {
      const tone = new OscillatorNode(context, { frequency: this.hz });
      tone.connect(microphone);
      tone.start();
    }
    return microphone.stream;
  }
  play(stream) {
    this.ear ??= listen(stream);
    this.log.add(`play ${stream.getTracks().map((track) => track.kind)}`);
  }
  closed() {
    this.log.add(`connection ${this.connection?.signalingState}`);
  }
  remoteSdp(sdp) {
    return this.values.garbled ? "garbled" : sdp;
  }
  details() {
    return Promise.resolve(this.values);
  }
  fault(error) {
    this.log.add(`fault ${error}`);
  }
  /** Settles when this tone is the loudest one received. */
  async receivesTone(hz) {
    await this.ear.until((peak) => peak !== undefined && Math.abs(peak - hz) < 40);
  }
  /** Settles when half a second of silence was received. */
  async receivesSilence() {
    let quiet = performance.now();
    await this.ear.until((peak) => {
      if (peak !== undefined) quiet = performance.now();
      return performance.now() - quiet > 500;
    });
  }
  localSdp() {
    return this.connection.localDescription.sdp;
  }
  remoteKind() {
    return this.connection.remoteDescription.type;
  }
}

/** A level far below a tone and far above codec noise. */
const LOUD_DB = -40;

/** Analyzes a stream: `until` polls the loudest frequency, undefined in silence, until `judge` returns true. */
function listen(stream) {
  // Chromium only feeds a remote stream into WebAudio if an element plays it.
  const player = new Audio();
  player.srcObject = stream;
  player.muted = true;
  player.play();
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: 4096, smoothingTimeConstant: 0 });
  context.createMediaStreamSource(stream).connect(analyser);
  const bins = new Float32Array(analyser.frequencyBinCount);
  const peak = () => {
    analyser.getFloatFrequencyData(bins);
    const loudest = bins.reduce((best, db, bin) => (db > bins[best] ? bin : best), 0);
    return bins[loudest] > LOUD_DB ? (loudest * context.sampleRate) / analyser.fftSize : undefined;
  };
  return {
    player,
    until: (judge) =>
      new Promise((resolve) => {
        const look = setInterval(() => {
          if (!judge(peak())) return;
          clearInterval(look);
          resolve();
        }, 20);
      }),
  };
}

export class SessionSide {
  constructor(login, log) {
    this.login = login;
    this.log = log;
  }
  connection() {
    const offhook = { version: 1, features: ["dtmfEvents", "endReasons"] };
    if (this.authToken) return { authToken: this.authToken, keepAlive: true, offhook };
    return { sipLogin: this.login, keepAlive: true, offhook };
  }
  status(name, data) {
    this.issued = data?.authToken ?? this.issued;
    this.log.add(name);
  }
  /** Returns the token issued by the relay. */
  token() {
    return this.issued;
  }
  /** Uses only this token for connecting. */
  resume(token) {
    this.authToken = token;
  }
  notice(name) {
    this.log.add(name);
  }
  listening() {
    return true;
  }
  incoming(call) {
    this.call = call;
    this.callSide = new CallSide(new Log(), {}, "");
    call.attach(this.callSide);
    this.log.add("INCOMING_CALL");
  }
  settle(operationId, accepted) {
    this.log.add(`settle ${operationId} ${accepted}`);
  }
  remove() {
    this.log.add("remove");
  }
  callLog() {
    return this.callSide.log;
  }
  remoteKind() {
    return this.callSide.remoteKind();
  }
  answer() {
    this.call.answer();
  }
  answerWith(hz) {
    this.callSide.hz = hz;
    this.call.answer();
  }
  reject() {
    this.call.hangUp();
  }
}

const sockets = new Map();
const calls = new Map();
const frames = [];

/** Returns the data of every received frame with this name, as JSON. */
export function received(name) {
  return frames.filter(({ message }) => message === name).map(({ data }) => JSON.stringify(data[0]));
}

/** Returns the URL of a server that refuses WebSockets: that of this page. */
export function refusingUrl() {
  return `ws://${location.host}/`;
}

const relay = {
  connection(socket, { sipLogin }) {
    sockets.set(sipLogin, socket);
    socket.deliver("getUserData", { sipLogin });
    socket.deliver("registered", {});
  },
  call(caller, { callId, callee, sdp }) {
    const called = sockets.get(callee);
    calls.set(callId, { caller, called });
    caller.deliver("notifyTryingResponse", { callId, status: "TRYING" });
    called.deliver("setRemoteSDP", callId, sdp);
    called.deliver("notifyIncomingCall", { callId });
    called.deliver("ring", { callId, status: "RING" });
    caller.deliver("ring", { callId, status: "RING" });
  },
  answer(called, { callId, sdp }) {
    const { caller } = calls.get(callId);
    caller.deliver("setRemoteSDP", callId, sdp);
    for (const side of [caller, called]) side.deliver("talk", { callId, status: "ESTABLISHED" });
  },
  hangup(_socket, { callId }) {
    const { caller, called } = calls.get(callId);
    for (const side of [caller, called]) {
      // The second terminal status must be ignored; `fail` marks that it was delivered.
      side.deliver("finish", { callId, status: "FINISH" });
      side.deliver("finish", { callId, status: "FAILED" });
      side.deliver("fail", {});
    }
  },
  sendDtmf(socket, { callId, dtmf }) {
    const { caller, called } = calls.get(callId);
    (socket === caller ? called : caller).deliver("offhookDtmf", { callId, digit: dtmf });
  },
  pong() {},
};

class LoopbackSocket {
  constructor(silent) {
    this.readyState = WebSocket.CONNECTING;
    if (!silent) this.later(() => this.opened());
  }
  later(act) {
    queueMicrotask(act);
  }
  opened() {
    this.readyState = WebSocket.OPEN;
    this.onopen(new Event("open"));
  }
  send(text) {
    const frame = JSON.parse(text);
    frames.push(frame);
    relay[frame.message](this, ...frame.data);
  }
  deliver(message, ...data) {
    this.later(() => this.onmessage(new MessageEvent("message", { data: JSON.stringify({ message, data }) })));
  }
  close() {
    this.readyState = WebSocket.CLOSED;
    this.later(() => this.onclose(new Event("close")));
  }
}

globalThis.WebSocket = new Proxy(WebSocket, {
  construct(Browser, [url]) {
    return url.startsWith(LOOPBACK) ? new LoopbackSocket(url === `${LOOPBACK}silent`) : new Browser(url);
  },
});
