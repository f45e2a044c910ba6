// Runs before the stock page's own scripts: records what the page says to the relay, hears from it and shows.
// Deliberately a classic script without imports.
(() => {
  const log = [];
  window.recorded = log;
  // Timers decide how many of these there are, not the call.
  const skipped = new Set(["ping", "pong", "pushLogs"]);

  const record = (direction, text) => {
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      return;
    }
    // Extensions go to our SDK alone, which asks for them. What the page sees of them is recorded with its events.
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

  /** Once the SDK is there: every session and call tells its events to the record. */
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
