// The phone page: connects form fields and buttons to the SDK and shows its events.
import { constants, createSession, init } from "offhook/slim";
import { watchLevel } from "./meter.js";

const { SESSION_STATUS, CALL_STATUS, CALL_EVENT } = constants;
const $ = (id) => document.getElementById(id);
const value = (id) => $(id).value.trim();

let session = null;
let call = null; // the only call of this page, ringing or established
let muted = false;
let remoteHold = false; // the peer has put the call on hold

const SESSION_WORDS = {
  [SESSION_STATUS.PENDING]: "Connecting…",
  [SESSION_STATUS.CONNECTED]: "Connecting…",
  [SESSION_STATUS.ESTABLISHED]: "Connected",
  [SESSION_STATUS.REGISTERED]: "Registered",
  [SESSION_STATUS.DISCONNECTED]: "Disconnected",
  [SESSION_STATUS.FAILED]: "Connection failed",
};
const CALL_WORDS = {
  [CALL_STATUS.PENDING]: "Starting…",
  [CALL_STATUS.TRYING]: "Calling…",
  [CALL_STATUS.RING]: "Ringing…",
  [CALL_STATUS.RING_MEDIA]: "Ringing…",
  [CALL_STATUS.SESSION_PROGRESS]: "Ringing…",
  [CALL_STATUS.ESTABLISHED]: "In call",
  [CALL_STATUS.HOLD]: "On hold",
  [CALL_STATUS.FINISH]: "Call ended",
  [CALL_STATUS.BUSY]: "Busy",
  [CALL_STATUS.FAILED]: "Call failed",
};

// --- connection ---

function connect(options) {
  const opened = createSession({ urlServer: value("url"), keepAlive: true, ...options });
  session = opened;
  showSession("connecting", SESSION_STATUS.PENDING);
  const registers = options.authToken !== undefined || options.sipOptions.registerRequired;
  const { ESTABLISHED, REGISTERED, DISCONNECTED, FAILED, INCOMING_CALL, WARN } = SESSION_STATUS;
  opened
    .on(ESTABLISHED, (_, user) => {
      $("authToken").value = user?.authToken ?? "";
      $("demoBanner").hidden = user?.demo !== true;
      // A resumed session keeps its registration state; it may place calls in either case.
      showSession(registers && options.authToken === undefined ? "connecting" : "ready", ESTABLISHED);
    })
    .on(REGISTERED, () => showSession("ready", REGISTERED))
    .on(DISCONNECTED, () => closed(opened, DISCONNECTED))
    .on(FAILED, () => closed(opened, FAILED))
    .on(INCOMING_CALL, ring)
    .on(WARN, (warning) => { $("endReason").textContent = warning?.info ?? ""; });
}

function sipOptions() {
  const login = value("login");
  return {
    login,
    authenticationName: value("authName") || login,
    password: $("password").value,
    domain: value("domain") || undefined,
    outboundProxy: value("outboundProxy") || undefined,
    port: value("port") || undefined,
    registerRequired: $("registerRequired").checked,
  };
}

function closed(which, status) {
  if (which !== session) return;
  session = null;
  // The SDK emits no call events when a session closes; hanging up releases the microphone.
  const left = call;
  call = null;
  left?.hangup();
  $("demoBanner").hidden = true;
  showSession(status === SESSION_STATUS.FAILED ? "failed" : "off", status);
  if (left) showCallStatus(CALL_STATUS.FINISH, "The connection to the relay was lost.");
  showCall();
}

function showSession(kind, status) {
  document.body.dataset.session = kind;
  $("sessionStatus").textContent = SESSION_WORDS[status] ?? status;
  $("sessionStatus").dataset.status = status;
  const open = session !== null;
  $("connect").textContent = open ? "Disconnect" : "Connect";
  $("connect").className = open ? "stop wide" : "go wide";
  for (const field of document.querySelectorAll("#connectForm input, #tokenForm input, #connectToken")) field.disabled = open;
  showCall();
}

// --- calls ---

const media = () => ({
  localVideoDisplay: $("localDisplay"),
  remoteVideoDisplay: $("remoteDisplay"),
  constraints: { audio: true, video: $("video").checked },
});

function dial() {
  const callee = value("callee");
  if (!callee) return $("callee").focus();
  const outbound = session.createCall({
    callee,
    visibleName: value("login") || undefined,
    receiveAudio: true,
    receiveVideo: $("video").checked,
    ...media(),
  });
  follow(outbound);
  take(outbound);
  outbound.call();
  showCallStatus(outbound.status());
  showCall();
}

function ring(inbound) {
  follow(inbound);
  if (call) {
    // The page supports one call: another one is rejected as soon as it rings, and its caller is shown.
    inbound.on(CALL_STATUS.RING, () => inbound.hangup());
    $("endReason").textContent = `${inbound.caller()} called meanwhile.`;
    return;
  }
  take(inbound);
  $("incomingText").textContent = `You have a new call from ${inbound.caller()}`;
  $("incoming").hidden = false;
  showCall();
  // The page may still be scrolled down to the SIP fields.
  $("incoming").scrollIntoView({ block: "center" });
}

function take(taken) {
  call = taken;
  muted = false;
  remoteHold = false;
  $("endReason").textContent = "";
  $("displays").classList.toggle("sound-only", !$("video").checked);
}

function follow(followed) {
  const { FINISH, FAILED, BUSY } = CALL_STATUS;
  followed.on(CALL_EVENT.DTMF, (_, digit) => {
    if (followed === call) $("endReason").textContent = `The far end pressed ${digit}`;
  });
  followed.on(CALL_EVENT.REMOTE_HOLD, (_, held) => {
    if (followed !== call) return;
    remoteHold = held;
    showCallStatus(call.status());
  });
  followed.on(CALL_EVENT.TRANSFER, (_, status) => {
    if (followed === call && status === "RINGING") $("endReason").textContent = "It rings where the call is going";
  });
  followed.on(CALL_EVENT.LOCAL_DEVICE, (_, { kind, state, label }) => {
    if (followed !== call) return;
    const device = kind === "audio" ? "microphone" : "camera";
    $("endReason").textContent = state === "lost" ? `The ${device} is gone: ${label}` : `The ${device} in use is now ${label}`;
  });
  followed.on(CALL_EVENT.SOUND_BLOCKED, (_, blocked) => {
    if (followed === call) $("endReason").textContent = blocked ? "Click anywhere to hear the other side" : "";
  });
  followed.on(CALL_EVENT.MEDIA_PATH, () => {
    if (followed === call) showPath();
  });
  for (const status of Object.values(CALL_STATUS)) {
    followed.on(status, () => {
      if (followed !== call) return;
      const over = status === FINISH || status === FAILED || status === BUSY;
      if (over) call = null;
      showCallStatus(status, over ? (followed.getErrorInfo() ?? followed.info ?? "") : "");
      showCall();
    });
  }
}

function hangUp() {
  call?.hangup();
}

function answer() {
  $("displays").classList.toggle("sound-only", !$("video").checked);
  call.answer(media());
  showCallStatus(call.status());
  showCall();
  $("callBtn").focus();
}

function showCallStatus(status, reason = "") {
  $("callStatus").textContent = CALL_WORDS[status] ?? status;
  $("callStatus").dataset.status = status;
  $("endReason").textContent = reason || (call && remoteHold ? "– on hold by the other side" : "");
}

/** Shows the media path of an established call. */
function showPath() {
  const status = call?.status();
  const path = status === CALL_STATUS.ESTABLISHED || status === CALL_STATUS.HOLD ? call.getMediaPath() : "";
  $("mediaPath").dataset.path = path;
  $("mediaPath").textContent = { relay: "through the relay", direct: "directly, browser to browser" }[path] ?? "";
}

/** Updates all controls for the state of session and call. */
function showCall() {
  const focused = document.activeElement;
  const status = call?.status();
  const { NEW, RING, ESTABLISHED, HOLD } = CALL_STATUS;
  const ringsHere = call !== null && !$("incoming").hidden && (status === NEW || status === RING);
  const talking = status === ESTABLISHED || status === HOLD;
  $("incoming").hidden = !ringsHere;
  $("callForm").hidden = ringsHere;
  $("callee").disabled = call !== null;
  $("video").disabled = call !== null;
  $("callBtn").textContent = call ? "Hangup" : "Call";
  $("callBtn").className = call ? "stop" : "go";
  $("callBtn").disabled = !call && document.body.dataset.session !== "ready";
  $("holdBtn").disabled = !talking;
  $("holdBtn").textContent = status === HOLD ? "Unhold" : "Hold";
  $("muteBtn").disabled = !talking;
  $("muteBtn").textContent = muted && talking ? "Unmute" : "Mute";
  $("muteBtn").dataset.muted = String(muted && talking);
  $("transferBtn").disabled = !talking;
  showPath();
  for (const key of $("dtmf").children) key.disabled = !talking;
  if (!call) $("displays").classList.add("sound-only");
  // If the focused control was hidden, the focus moves to the call button.
  if (focused && focused !== document.body && !focused.checkVisibility?.()) $("callBtn").focus();
}

// --- wiring ---

/** Returns an event handler that shows exceptions of the SDK to the user. */
const guarded = (act) => (event) => {
  event?.preventDefault();
  try {
    act(event);
  } catch (error) {
    $("endReason").textContent = error.message;
  }
};

/** Settles when the WebAssembly core is loaded. */
const ready = init();
let waiting = false;
/** Returns an event handler that waits for the core. Further events are ignored meanwhile. */
const whenReady = (act) => (event) => {
  event.preventDefault();
  if (waiting) return;
  waiting = true;
  ready.then(guarded(act), () => {}).finally(() => { waiting = false; });
};

for (const digit of "123456789*0#") {
  const key = Object.assign(document.createElement("button"), { type: "button", textContent: digit, disabled: true });
  key.dataset.digit = digit;
  key.addEventListener("click", guarded(() => call?.sendDTMF(digit)));
  $("dtmf").append(key);
}
$("connectForm").addEventListener("submit", whenReady(() => (session ? session.disconnect() : connect({ sipOptions: sipOptions() }))));
$("tokenForm").addEventListener("submit", whenReady(() => connect({ authToken: value("authToken") })));
$("callForm").addEventListener("submit", guarded(() => (call ? hangUp() : dial())));
$("answerBtn").addEventListener("click", guarded(answer));
$("rejectBtn").addEventListener("click", guarded(hangUp));
$("holdBtn").addEventListener("click", guarded(() => {
  $("holdBtn").disabled = true; // until HOLD or ESTABLISHED
  if (call.status() === CALL_STATUS.HOLD) call.unhold();
  else call.hold();
}));
$("muteBtn").addEventListener("click", guarded(() => {
  muted = !muted;
  if (muted) call.muteAudio();
  else call.unmuteAudio();
  showCall();
}));
$("transferForm").addEventListener("submit", guarded(() => call?.transfer(value("transferTarget"))));

const query = new URLSearchParams(location.search);
$("url").value = query.get("url") ?? `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/`;
for (const id of ["login", "callee"]) $(id).value = query.get(id) ?? "";
watchLevel($("localDisplay"), $("localLevel"), () => muted);
watchLevel($("remoteDisplay"), $("remoteLevel"));
showSession("off", "");
$("sessionStatus").textContent = "Not connected";
ready.catch((error) => {
  document.body.dataset.session = "failed";
  $("sessionStatus").textContent = `This browser cannot call: ${error.message}`;
  $("connect").disabled = true;
});
