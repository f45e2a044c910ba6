// Tests of device changes in a call: switched by the user, unplugged, captured before; and of sound blocked by the browser.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { TONE, openPage } from "./lib/browsers.mjs";
import { bundlePage } from "./lib/package.mjs";
import { connectCall } from "./lib/phone.mjs";
import { serve } from "./lib/site.mjs";
import { suite } from "./lib/suite.mjs";
import { until } from "./lib/wait.mjs";

const here = suite({
  a: { hz: TONE.a },
  b: { hz: TONE.b, args: ["--autoplay-policy=document-user-activation-required"] },
});
let listeners;

before(async () => {
  listeners = await serve({ "/": await bundlePage("listener") });
});

after(() => listeners?.close());

test("switchMic sends the other microphone, keeps the mute state and releases the first", async () => {
  const [alice, bob] = await here.pair();
  await alice.do("microphone", "tones", TONE.a, TONE.c);
  await connectCall(alice, bob);
  await bob.receivesTone(TONE.a, "from the default microphone");
  const id = await alice.do("ask", "out", "switchMic");
  assert.match(id, /\S/);
  await bob.receivesTone(TONE.c, "from the other microphone");
  assert.equal(await alice.do("microphone", "live"), 1);

  await alice.do("act", "out", "muteAudio");
  assert.equal(await alice.do("ask", "out", "switchMic", id), id);
  await bob.receivesSilence("from a microphone switched while muted");
  await alice.do("act", "out", "unmuteAudio");
  await bob.receivesTone(TONE.c, "after mute");
});

test("switching devices is refused before the call is established and without another device", async () => {
  const [alice, bob] = await here.pair();
  await alice.do("dial", "out", bob.login);
  await alice.event("out:RING");
  for (const method of ["switchMic", "switchCam", "switchToScreen", "switchToCam"]) {
    assert.equal(await alice.do("refusal", "out", method), "Invalid call state", method);
  }
  await bob.event("in:RING");
  await bob.do("answer", "in");
  await alice.event("out:ESTABLISHED");
  assert.match(await alice.do("refusal", "out", "switchCam"), /Number of cams is less than 2/);
  assert.match(await alice.do("refusal", "out", "switchToScreen"), /sends no video/);
  assert.equal(await alice.do("refusal", "out", "switchToCam"), undefined);
  await bob.receivesTone(TONE.a, "after all that");
});

test("lost microphone is replaced by the default one and reported", async () => {
  const [alice, bob] = await here.pair();
  await connectCall(alice, bob);
  await bob.receivesTone(TONE.a, "at first");
  await alice.do("microphone", "tones", TONE.c);
  await alice.do("microphone", "unplug");
  const [lost, replaced] = [await alice.event("out:LOCAL_DEVICE"), await alice.event("out:LOCAL_DEVICE", 2)];
  assert.deepEqual([lost.kind, lost.state, replaced.kind, replaced.state], ["audio", "lost", "audio", "replaced"]);
  await bob.receivesTone(TONE.c, "from the microphone that took its place");
  assert.equal(await alice.do("microphone", "live"), 1);
});

test("lost microphone is replaced when another one is plugged in", async () => {
  const [alice, bob] = await here.pair();
  await connectCall(alice, bob);
  await alice.do("microphone", "refuse", "NotFoundError");
  await alice.do("act", "out", "muteAudio");
  await alice.do("microphone", "unplug");
  assert.equal((await alice.event("out:LOCAL_DEVICE")).state, "lost");
  await alice.do("microphone", "tones", TONE.c);
  await alice.do("microphone", "plugIn");
  assert.equal((await alice.event("out:LOCAL_DEVICE", 2)).state, "replaced");
  await bob.receivesSilence("as the call is muted");
  await alice.do("act", "out", "unmuteAudio");
  await bob.receivesTone(TONE.c, "from the microphone that was plugged in");
});

test("cached capture with an ended track is not used by the next call", async () => {
  const [alice, bob] = await here.pair();
  await alice.do("capture");
  await alice.do("microphone", "stop");
  await connectCall(alice, bob, { cacheLocalResources: true });
  await bob.receivesTone(TONE.a, "though the first capture has ended");
  await alice.do("act", "out", "hangup");
  await bob.event("in:FINISH");
  assert.equal(await alice.do("microphone", "live"), 1, "the capture is kept");

  await alice.do("microphone", "stop");
  await alice.do("dial", "again", bob.login, { cacheLocalResources: true });
  await bob.event("in1:RING");
  await bob.do("answer", "in1");
  await alice.event("again:ESTABLISHED");
  await bob.receivesTone(TONE.a, "though the kept capture has ended");
});

/** Opens the page without user gesture. Returns it and a function that waits for its console output. */
async function untouched() {
  const login = here.login("bob");
  const page = await openPage(here.browsers.b, `${listeners.url}?login=${login}&relay=${encodeURIComponent(here.relay.ws)}`);
  const written = [];
  page.on("console", (message) => written.push(message.text()));
  const wrote = (text) => until(`${login} to write ${text}`, () => written.includes(text));
  await page.reload();
  await wrote("registered");
  here.phones.push({ page, close: () => page.context().close() });
  return { login, page, wrote };
}

const RESUME_ACTIONS = [
  ["a click", (page) => page.mouse.click(5, 5)],
  ["resumeSound", async (page) => assert.equal(await page.evaluate(() => window.listener.resume()), true)],
];
for (const [action, resume] of RESUME_ACTIONS) {
  test(`sound blocked without a user gesture is reported and plays after ${action}`, async () => {
    const alice = await here.register("a", "alice");
    const { login, page, wrote } = await untouched();
    await alice.do("dial", "out", login);
    await wrote("blocked true");
    assert.deepEqual(await page.evaluate(() => window.listener.element()), { paused: false, muted: true });
    await resume(page);
    await wrote("blocked false");
    assert.deepEqual(await page.evaluate(() => window.listener.element()), { paused: false, muted: false });
    const measured = await page.evaluate((hz) => window.listener.receivesTone(hz), TONE.a);
    assert.ok(measured.ok, JSON.stringify(measured));
  });
}
