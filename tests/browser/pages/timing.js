// One window of the measurement, with the classic API of either script: `timing.answerAll` and `timing.measure`.
(() => {
  const { SESSION_STATUS, CALL_STATUS } = Flashphoner.constants;
  const media = () => ({
    localVideoDisplay: document.getElementById("local"),
    remoteVideoDisplay: document.getElementById("remote"),
    constraints: { audio: true, video: false },
  });
  let onUnmute = () => {};
  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    constructor(...given) {
      super(...given);
      // A remote track is muted until its first packet arrives.
      this.addEventListener("track", ({ track }) => track.addEventListener("unmute", () => onUnmute(), { once: true }));
    }
  };
  let session;

  window.timing = {
    start: (urlServer, login) =>
      new Promise((ok, no) => {
        Flashphoner.init();
        session = Flashphoner.createSession({ urlServer, sipOptions: { login, registerRequired: true } });
        session.on(SESSION_STATUS.REGISTERED, () => ok());
        session.on(SESSION_STATUS.FAILED, () => no(new Error("session failed")));
      }),
    answerAll: () =>
      void session.on(SESSION_STATUS.INCOMING_CALL, (call) => call.on(CALL_STATUS.RING, () => call.answer(media()))),
    /** Runs one call. Returns the milliseconds from the click to the first sound after the call has ended. */
    measure: (callee) =>
      new Promise((ok, no) => {
        const clicked = performance.now();
        let took;
        const call = session.createCall({ callee, receiveAudio: true, receiveVideo: false, ...media() });
        const timer = setTimeout(() => no(new Error(`no sound after 10 s, the call is ${call.status()}`)), 10_000);
        onUnmute = () => {
          took = performance.now() - clicked;
          call.hangup();
        };
        call.on(CALL_STATUS.FINISH, () => {
          clearTimeout(timer);
          if (took === undefined) no(new Error("the call ended before there was sound"));
          else ok(took);
        });
        call.on(CALL_STATUS.FAILED, () => no(new Error("the call failed")));
        call.call();
      }),
  };
})();
