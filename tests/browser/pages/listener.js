// A page without user gestures: it registers, answers automatically and only receives. It reports events on the console, because
// evaluating a script in the page would count as a user gesture.
import { constants, createSession, init } from "offhook";
import { awaitTone } from "./listen.js";

const { CALL_EVENT, CALL_STATUS, SESSION_STATUS } = constants;
const query = new URLSearchParams(location.search);
const [localVideoDisplay, remoteVideoDisplay] = ["local", "remote"].map((id) => document.getElementById(id));
let answered;

init().then(() => {
  const session = createSession({ urlServer: query.get("relay"), sipOptions: { login: query.get("login"), registerRequired: true } });
  session.on(SESSION_STATUS.REGISTERED, () => console.log("registered"));
  session.on(SESSION_STATUS.INCOMING_CALL, (call) => {
    answered = call;
    call.on(CALL_EVENT.SOUND_BLOCKED, (_, blocked) => console.log(`blocked ${blocked}`));
    call.on(CALL_STATUS.RING, () => {
      call.answer({ localVideoDisplay, remoteVideoDisplay, constraints: { audio: false, video: false } });
    });
  });
});

const video = () => remoteVideoDisplay.querySelector("video");
window.listener = {
  element: () => ({ paused: video().paused, muted: video().muted }),
  resume: () => answered.resumeSound(),
  receivesTone: (hz) => awaitTone(video().srcObject, hz),
};
