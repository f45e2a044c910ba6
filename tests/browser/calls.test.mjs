// Tests of calls with the packed SDK between real browsers: tones, hold, mute, DTMF and transfers.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { TONE } from "./lib/browsers.mjs";
import { connectCall } from "./lib/phone.mjs";
import { suite } from "./lib/suite.mjs";

// Two processes of each browser: the pages of one Chromium share a fake microphone, and Firefox only permits the microphone in the
// front page.
const here = suite({
  chromiumA: { hz: TONE.a },
  chromiumB: { hz: TONE.b },
  firefoxA: { engine: "firefox" },
  firefoxB: { engine: "firefox" },
});

/** Registers a phone. With `hz`, it sends that tone instead of the fake microphone's. */
const register = (browser, name, hz) => here.register(browser, name, { hz });

async function bothReceiveTones(alice, bob, when) {
  const [atAlice, atBob] = await Promise.all([alice.receivesTone(TONE.b, when), bob.receivesTone(TONE.a, when)]);
  return [atAlice.db, atBob.db];
}

const bothReceiveSilence = (alice, bob, when) => Promise.all([alice.receivesSilence(when), bob.receivesSilence(when)]);

const PAIRS = [
  ["Chromium calls Chromium", ["chromiumA"], ["chromiumB"]],
  ["Chromium calls Firefox", ["chromiumA"], ["firefoxB"]],
  ["Firefox calls Chromium", ["firefoxA", TONE.a], ["chromiumB"]],
  ["Firefox calls Firefox", ["firefoxA", TONE.a], ["firefoxB"]],
];

for (const [title, [a, aliceHz], [b]] of PAIRS) {
  describe(title, () => {
    test(`${title}: tones before hold, none during hold and mute, tones after`, async () => {
      const [alice, bob] = await Promise.all([register(a, "alice", aliceHz), register(b, "bob")]);
      await connectCall(alice, bob);
      const levels = await bothReceiveTones(alice, bob, "before hold");

      await alice.do("act", "out", "hold");
      await alice.event("out:HOLD");
      await bothReceiveSilence(alice, bob, "during hold");
      await alice.do("act", "out", "unhold");
      await alice.event("out:ESTABLISHED", 2);
      const after = await bothReceiveTones(alice, bob, "after hold");
      for (const side of [0, 1]) {
        assert.ok(Math.abs(levels[side] - after[side]) <= 6, `as loud after hold as before: ${levels} dB, ${after} dB`);
      }

      await bob.do("act", "in", "muteAudio");
      await alice.receivesSilence("while the callee is muted");
      await bob.receivesTone(TONE.a, "while the callee is muted");
      await bob.do("act", "in", "unmuteAudio");
      await alice.receivesTone(TONE.b, "after mute");

      await alice.do("act", "out", "hangup");
      await Promise.all([alice.event("out:FINISH"), bob.event("in:FINISH")]);
      assert.deepEqual([alice.page.errors, bob.page.errors], [[], []]);
    });

    test(`${title}: the callee holds, then hangs up`, async () => {
      const [alice, bob] = await Promise.all([register(a, "alice", aliceHz), register(b, "bob")]);
      await connectCall(alice, bob);
      await bothReceiveTones(alice, bob, "before hold");
      await bob.do("act", "in", "hold");
      await bob.event("in:HOLD");
      await bothReceiveSilence(alice, bob, "during hold");
      await bob.do("act", "in", "unhold");
      await bob.event("in:ESTABLISHED", 2);
      await bothReceiveTones(alice, bob, "after hold");
      await bob.do("act", "in", "hangup");
      await Promise.all([alice.event("out:FINISH"), bob.event("in:FINISH")]);
    });
  });
}

test("DTMF digits of either side are emitted as events at the peer", async () => {
  const [alice, bob] = await Promise.all([register("chromiumA", "alice"), register("firefoxB", "bob")]);
  await connectCall(alice, bob);
  for (const digit of "5#") await alice.do("act", "out", "sendDTMF", digit);
  assert.equal((await bob.event("in:DTMF", 1)).digit, "5");
  assert.equal((await bob.event("in:DTMF", 2)).digit, "#");
  await bob.do("act", "in", "sendDTMF", "0");
  assert.equal((await alice.event("out:DTMF")).digit, "0");
});

test("blind transfer: the callee transfers the caller to a third page", async () => {
  const [alice, bob, carol] = await Promise.all([
    register("chromiumA", "alice"),
    register("chromiumB", "bob"),
    register("chromiumB", "carol", TONE.c),
  ]);
  await connectCall(alice, bob);
  await bothReceiveTones(alice, bob, "before the transfer");
  await bob.do("act", "in", "transfer", carol.login);
  await carol.event("in:RING");
  await carol.do("answer", "in");
  await carol.event("in:ESTABLISHED");
  await bob.event("in:FINISH");
  await Promise.all([alice.receivesTone(TONE.c, "after the transfer"), carol.receivesTone(TONE.a, "after the transfer")]);
  await carol.do("act", "in", "hangup");
  await Promise.all([alice.event("out:FINISH"), carol.event("in:FINISH")]);
});

test("attended transfer: the callee calls a third page first, then connects both", async () => {
  const [alice, bob, carol] = await Promise.all([
    register("chromiumA", "alice"),
    register("chromiumB", "bob"),
    register("chromiumB", "carol", TONE.c),
  ]);
  await connectCall(alice, bob);
  await bothReceiveTones(alice, bob, "before the transfer");
  await bob.do("act", "in", "holdForTransfer");
  await bob.event("in:HOLD");
  await bob.do("dial", "ask", carol.login);
  await carol.event("in:RING");
  await carol.do("answer", "in");
  await bob.event("ask:ESTABLISHED");
  await carol.receivesTone(TONE.b, "while asked");
  await bob.do("act", "in", "transfer", carol.login);
  await Promise.all([bob.event("in:FINISH"), bob.event("ask:FINISH")]);
  await Promise.all([alice.receivesTone(TONE.c, "after the transfer"), carol.receivesTone(TONE.a, "after the transfer")]);
  await alice.do("act", "out", "hangup");
  await Promise.all([alice.event("out:FINISH"), carol.event("in:FINISH")]);
});

test("hangup in the RING handler ends the call on both sides, and a second hangup is ignored", async () => {
  const [alice, bob] = await Promise.all([register("chromiumA", "alice"), register("chromiumB", "bob")]);
  await alice.do("dial", "out", bob.login, { hangUpOn: "RING" });
  await Promise.all([alice.event("out:FINISH"), bob.event("in:FINISH")]);
  await alice.do("act", "out", "hangup");
  assert.equal(await alice.do("ask", "out", "status"), "FINISH");
  assert.equal(await alice.do("microphone", "live"), 0);
  assert.deepEqual([alice.page.errors, bob.page.errors], [[], []]);
});

test("second answer throws, and the call ends after the page has removed its elements", async () => {
  const [alice, bob] = await Promise.all([register("chromiumA", "alice"), register("chromiumB", "bob")]);
  await connectCall(alice, bob);
  assert.equal(await bob.do("refusal", "in", "answer", {}), "Invalid call state");
  await alice.page.evaluate(() => document.querySelectorAll("#local, #remote").forEach((display) => display.remove()));
  await bob.receivesTone(TONE.a, "from a page without elements");
  await alice.do("act", "out", "hangup");
  await Promise.all([alice.event("out:FINISH"), bob.event("in:FINISH")]);
  assert.equal(await alice.do("microphone", "live"), 0);
  assert.deepEqual([alice.page.errors, bob.page.errors], [[], []]);
});

for (const browser of ["chromiumB", "firefoxB"]) {
  test(`${browser}: RSA certificate ends the call immediately with its cause on both pages`, async () => {
    const [alice, bob] = await Promise.all([register("chromiumA", "alice"), here.register(browser, "bob", { rsa: true })]);
    await alice.do("dial", "out", bob.login);
    await bob.event("in:RING");
    await bob.do("answer", "in");
    const established = await alice.event("out:ESTABLISHED");
    const [failed] = await Promise.all([alice.event("out:FAILED"), bob.event("in:FAILED")]);
    assert.ok(failed.at - established.at < 5000, `${failed.at - established.at} ms after the answer`);
    for (const [phone, call] of [[alice, "out"], [bob, "in"]]) {
      assert.equal(await phone.do("ask", call, "getEndReason"), "mediaSetupFailed");
      assert.match(await phone.do("text", call), /^Failed by DTLS error: .*callee.*RSA/);
    }
  });
}
