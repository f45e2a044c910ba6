// Tests of the microphone of a call: mute, errors without a microphone, and its release.
import assert from "node:assert/strict";
import { test } from "node:test";
import { TONE } from "./lib/browsers.mjs";
import { suite } from "./lib/suite.mjs";
import { until } from "./lib/wait.mjs";

const here = suite({ a: { hz: TONE.a }, b: { hz: TONE.b } });

async function answer(alice, bob) {
  await bob.event("in:RING");
  await bob.do("answer", "in");
  await Promise.all([alice.event("out:ESTABLISHED"), bob.event("in:ESTABLISHED")]);
}

const muted = (phone, call) => phone.do("ask", call, "isAudioMuted");

test("caller muted before the permission prompt is answered sends silence until unmuted", async () => {
  const [alice, bob] = await here.pair();
  await alice.do("microphone", "prompt");
  await alice.do("dial", "out", bob.login);
  assert.equal(await muted(alice, "out"), false);
  await alice.do("act", "out", "muteAudio");
  assert.equal(await muted(alice, "out"), true);
  await alice.do("microphone", "allow");
  await answer(alice, bob);
  await alice.receivesTone(TONE.b, "while muted");
  await bob.receivesSilence("of a muted caller");
  assert.equal(await muted(alice, "out"), true);

  await alice.do("act", "out", "hold");
  await alice.event("out:HOLD");
  await alice.do("act", "out", "unhold");
  await alice.event("out:ESTABLISHED", 2);
  await alice.receivesTone(TONE.b, "after hold");
  await bob.receivesSilence("of a muted caller after hold");

  await alice.do("act", "out", "unmuteAudio");
  assert.equal(await muted(alice, "out"), false);
  await bob.receivesTone(TONE.a, "once unmuted");
});

test("callee muted before it answers sends silence; unmuting while ringing reverts it", async () => {
  const [alice, bob] = await here.pair();
  await alice.do("dial", "out", bob.login);
  await alice.event("out:RING");
  await alice.do("act", "out", "muteAudio");
  await alice.do("act", "out", "unmuteAudio");
  await bob.event("in:RING");
  await bob.do("act", "in", "muteAudio");
  assert.equal(await muted(bob, "in"), true);
  await answer(alice, bob);
  await bob.receivesTone(TONE.a, "from the caller");
  await alice.receivesSilence("of a muted callee");
  await bob.do("act", "in", "unmuteAudio");
  await alice.receivesTone(TONE.b, "once unmuted");
  await bob.do("act", "in", "hangup");
  await bob.event("in:FINISH");
  assert.equal(await muted(bob, "in"), true, "an ended call sends nothing");
});

/** Waits until the microphone is released and no peer connection is left. */
async function released(phone, call) {
  await until(`the microphone of ${phone.login} to be off`, async () => (await phone.do("microphone", "live")) === 0);
  await phone.onlyConnections(0);
  if (call) assert.equal(await phone.do("ask", call, "getInfo"), "Local error");
}

/** Waits until the page has got this number of tracks since the prompt was answered, none of which is live. */
async function stopped(phone, count = 1) {
  await until(`${count} tracks at ${phone.login}`, async () => (await phone.do("microphone", "captured")) === count);
  await released(phone);
}

const TURN = { iceServers: [{ urls: "turn:turn.example.org" }] };
/** Failures: description, options, failing method and the expected error text. */
const BROKEN_OFFERS = [
  ["a TURN server without credentials", { mediaOptions: TURN }, undefined, /turn|username|credential/i],
  ["createOffer", {}, "createOffer", /no createOffer/],
  ["setLocalDescription", {}, "setLocalDescription", /no setLocalDescription/],
];

for (const [what, options, method, text] of BROKEN_OFFERS) {
  test(`failing ${what} fails the call immediately without calling the peer`, async () => {
    const [alice, bob] = await here.pair(options);
    if (method) await alice.do("breakConnections", method);
    await alice.do("dial", "out", bob.login);
    await alice.event("out:FAILED");
    assert.match(await alice.do("ask", "out", "getErrorInfo"), text);
    await released(alice, "out");
    assert.ok(!(await bob.events()).some((one) => one.event === "INCOMING_CALL"));
  });
}

for (const [what, method, garbled] of [["setRemoteDescription", "setRemoteDescription"], ["an sdpHook", undefined, true]]) {
  test(`remote answer refused because of ${what} ends the call on both sides`, async () => {
    const [alice, bob] = await here.pair();
    if (method) await alice.do("breakConnections", method);
    await alice.do("dial", "out", bob.login, { garbled });
    await bob.event("in:RING");
    await bob.do("answer", "in");
    await alice.event("out:FAILED");
    await bob.event("in:FINISH");
    assert.notEqual(await alice.do("ask", "out", "getErrorInfo"), "");
    await Promise.all([released(alice, "out"), released(bob)]);
  });
}

for (const method of ["setRemoteDescription", "createAnswer", "setLocalDescription"]) {
  test(`incoming call is rejected if ${method} fails`, async () => {
    const [alice, bob] = await here.pair();
    await bob.do("breakConnections", method);
    await alice.do("dial", "out", bob.login);
    await bob.event("in:RING");
    await bob.do("answer", "in");
    await bob.event("in:FAILED");
    assert.match(await bob.do("ask", "in", "getErrorInfo"), new RegExp(`no ${method}`));
    await alice.event("out:FINISH");
    await Promise.all([released(alice), released(bob, "in")]);
  });
}

for (const name of ["NotAllowedError", "NotReadableError", "AbortError"]) {
  test(`microphone refused by ${name} fails an outgoing call and rejects an incoming one`, async () => {
    const [alice, bob] = await here.pair();
    await bob.do("microphone", "refuse", name);
    await bob.do("dial", "out", alice.login);
    await bob.event("out:FAILED");
    assert.equal(await bob.do("ask", "out", "getErrorInfo"), "refused by the test");
    await alice.do("dial", "out", bob.login);
    await bob.event("in:RING");
    await bob.do("answer", "in");
    await bob.event("in:FAILED");
    await alice.event("out:FINISH");
    await Promise.all([released(alice), released(bob, "in")]);
  });
}

test("calls of a page without media devices, as over plain http, fail with the reason", async () => {
  const [alice, bob] = await here.pair();
  await alice.do("microphone", "remove");
  await alice.do("dial", "out", bob.login);
  await alice.event("out:FAILED");
  assert.match(await alice.do("ask", "out", "getErrorInfo"), /https or localhost/);
});

test("both sides can hang up during a permission prompt, and tracks granted later are stopped", async () => {
  const [alice, bob] = await here.pair();
  await alice.do("microphone", "prompt");
  await alice.do("dial", "out", bob.login);
  await alice.do("act", "out", "hangup");
  await alice.event("out:FAILED");
  await alice.do("microphone", "allow");
  await released(alice);

  await bob.do("microphone", "prompt");
  await alice.do("dial", "again", bob.login);
  await bob.event("in:RING");
  await bob.do("answer", "in");
  await alice.event("again:RING");
  await alice.do("act", "again", "hangup");
  await bob.event("in:FINISH");
  await bob.do("microphone", "allow");
  await Promise.all([released(alice), released(bob)]);
});

test("session that ends during the permission prompt stops tracks granted later", async () => {
  const [alice, bob] = await here.pair();
  await alice.do("microphone", "prompt");
  await alice.do("dial", "out", bob.login);
  await alice.do("disconnect");
  await alice.event("DISCONNECTED");
  await alice.do("microphone", "allow");
  await stopped(alice);
});

test("callee that hangs up during its permission prompt rejects the call and captures nothing later", async () => {
  const [alice, bob] = await here.pair();
  await bob.do("microphone", "prompt");
  await alice.do("dial", "out", bob.login);
  await bob.event("in:RING");
  await bob.do("answer", "in");
  await bob.do("act", "in", "hangup");
  await Promise.all([bob.event("in:FAILED"), alice.event("out:FINISH")]);
  await bob.do("microphone", "allow");
  await stopped(bob);
  await alice.do("dial", "again", bob.login);
  await bob.event("in1:RING");
  await bob.do("answer", "in1");
  await Promise.all([alice.event("again:ESTABLISHED"), bob.event("in1:ESTABLISHED")]);
  await alice.receivesTone(TONE.b, "in the call after that");
});

test("captured screen is released when the call ends before the microphone is permitted", async () => {
  const [alice, bob] = await here.pair();
  await alice.do("microphone", "prompt");
  await alice.do("microphone", "screen");
  await alice.do("dial", "out", bob.login, { screen: true });
  await until("the screen to be captured", async () => (await alice.do("microphone", "live")) === 1);
  await alice.do("act", "out", "hangup");
  await released(alice);
  await alice.do("microphone", "allow");
  await stopped(alice, 2);
});

test("microphone selected by switchMic is stopped if it is permitted after the call", async () => {
  const [alice, bob] = await here.pair();
  await alice.do("dial", "out", bob.login);
  await answer(alice, bob);
  await alice.do("microphone", "prompt");
  await alice.do("act", "out", "switchMic");
  await alice.do("act", "out", "hangup");
  await Promise.all([alice.event("out:FINISH"), bob.event("in:FINISH")]);
  await alice.do("microphone", "allow");
  await stopped(alice, 2);
});

test("ended call beside another releases its microphone, as does the call of a lost session", async () => {
  const [alice, bob] = await here.pair();
  const carol = await here.register("b", "carol", { hz: TONE.c });
  await alice.do("dial", "out", bob.login);
  await answer(alice, bob);
  await alice.do("act", "out", "hold");
  await alice.event("out:HOLD");
  await alice.do("dial", "ask", carol.login);
  await carol.event("in:RING");
  await carol.do("answer", "in");
  await alice.event("ask:ESTABLISHED");
  assert.equal(await alice.do("microphone", "live"), 2);

  await carol.do("act", "in", "hangup");
  await alice.event("ask:FINISH");
  assert.equal(await alice.do("microphone", "live"), 1);
  await alice.onlyConnections(1);
  await alice.do("act", "out", "unhold");
  await alice.event("out:ESTABLISHED", 2);
  await bob.receivesTone(TONE.a, "when the other call is over");

  await alice.do("disconnect");
  await alice.event("DISCONNECTED");
  await released(alice);
  await bob.event("in:FINISH");
});
