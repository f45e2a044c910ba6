// Runs before the stock page's own scripts and records messages to and from the relay and displayed texts.
// It is a classic script without imports, because it runs as an init script.
(() => {
  const log = [];
  window.recorded = log;
  // The number of these messages depends on timers.
  const skipped = new Set(["ping", "pong", "pushLogs"]);

  const record = (direction, text) => {
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      return;
    }
    // Extensions are only sent to our SDK, which announces them. Their effects are recorded as events.
    if (skipped.has(frame.message) || frame.message.startsWith("offhook")) return;
    const data = Array.isArray(frame.data) ? frame.data[0] : undefined;
    if (frame.message === "connection") window.isOurs = data?.offhook !== undefined;
    log.push([direction, frame.message, data?.status].filter(Boolean).join(" "));
  };
  const Native = window.WebSocket;
  window.sockets = [];
  window.WebSocket = class extends Native {
    constructor(...given) {
      super(...given);
      window.sockets.push(this);
      this.addEventListener("message", (event) => record("<-", event.data));
    }
    send(data) {
      record("->", data);
      super.send(data);
    }
  };

  const follow = (kind, object) => {
    const on = object.on;
    object.on = function (event, callback) {
      return on.call(this, event, (...given) => {
        log.push(`${kind} ${event}`);
        if (kind === "session" && event === "INCOMING_CALL") follow("call", given[0]);
        return callback(...given);
      });
    };
  };

  const Connection = window.RTCPeerConnection;
  window.connections = [];
  window.RTCPeerConnection = class extends Connection {
    constructor(...given) {
      super(...given);
      window.connections.push(this);
    }
  };

  /** Called when the SDK is loaded: records the events of every session and call. */
  window.recordSdk = () => {
    const createSession = Flashphoner.createSession;
    Flashphoner.createSession = (options) => {
      const session = createSession.call(Flashphoner, options);
      follow("session", session);
      const createCall = session.createCall;
      session.createCall = function (given) {
        const call = createCall.call(this, given);
        follow("call", call);
        return call;
      };
      return session;
    };
    for (const id of ["regStatus", "callStatus"]) {
      const element = document.getElementById(id);
      let shown = element.textContent;
      new MutationObserver(() => {
        if (element.textContent !== shown) log.push(`${id} shows ${(shown = element.textContent) || "nothing"}`);
      }).observe(element, { childList: true, characterData: true, subtree: true });
    }
  };
})();
