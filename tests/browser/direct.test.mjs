// Tests of direct media: two browsers of a call exchange media without the relay, and fall back to the relay.
import assert from "node:assert/strict";
import { test } from "node:test";
import { TONE } from "./lib/browsers.mjs";
import { connectCall } from "./lib/phone.mjs";
import { suite } from "./lib/suite.mjs";

const BROWSERS = { chromiumA: { hz: TONE.a }, chromiumB: { hz: TONE.b }, firefoxB: { engine: "firefox" } };
const here = suite(BROWSERS, { flags: ["--set", "media.direct=true"] });

const bothReceiveTones = (alice, bob, when) => Promise.all([alice.receivesTone(TONE.b, when), bob.receivesTone(TONE.a, when)]);
const both = (alice, bob, event, count) => Promise.all([alice.event(`out:${event}`, count), bob.event(`in:${event}`, count)]);

for (const callee of ["chromiumB", "firefoxB"]) {
  test(`Chromium and ${callee}: direct media, relay without media during hold, direct media after resume`, async () => {
    const [alice, bob] = await Promise.all([here.register("chromiumA", "alice"), here.register(callee, "bob")]);
    await connectCall(alice, bob);
    const paths = await both(alice, bob, "MEDIA_PATH", 1);
    assert.deepEqual(paths.map((one) => one.path), ["direct", "direct"]);
    await bothReceiveTones(alice, bob, "directly");
    for (const [phone, name] of [[alice, "out"], [bob, "in"]]) {
      assert.equal(await phone.do("ask", name, "getMediaPath"), "direct");
      const remote = await phone.do("remoteAddress");
      assert.notEqual(remote.port, here.relay.mediaPort, "the packets are from the other browser");
    }

    await alice.do("microphone", "tones", TONE.a, TONE.c);
    await alice.do("ask", "out", "switchMic");
    await bob.receivesTone(TONE.c, "directly from another microphone");

    await alice.do("act", "out", "hold");
    await alice.event("out:HOLD");
    await Promise.all([alice.receivesSilence("during hold"), bob.receivesSilence("during hold")]);
    await alice.do("act", "out", "unhold");
    await alice.event("out:ESTABLISHED", 2);
    const again = await both(alice, bob, "MEDIA_PATH", 3);
    assert.deepEqual(again.map((one) => one.path), ["direct", "direct"]);
    await Promise.all([alice.receivesTone(TONE.b, "after hold"), bob.receivesTone(TONE.c, "after hold")]);

    await bob.do("act", "in", "muteAudio");
    await alice.receivesSilence("while the callee is muted");
    await bob.do("act", "in", "unmuteAudio");
    await alice.receivesTone(TONE.b, "after mute");
    await bob.do("act", "in", "hangup");
    await both(alice, bob, "FINISH", 1);
    assert.deepEqual([alice.page.errors, bob.page.errors], [[], []]);
  });
}

test("lost direct connection moves media back to the relay", async () => {
  const [alice, bob] = await Promise.all([here.register("chromiumA", "alice"), here.register("chromiumB", "bob")]);
  await connectCall(alice, bob);
  await both(alice, bob, "MEDIA_PATH", 1);
  await bothReceiveTones(alice, bob, "directly");
  await bob.do("loseDirect");
  const paths = await both(alice, bob, "MEDIA_PATH", 2);
  assert.deepEqual(paths.map((one) => one.path), ["relay", "relay"]);
  await bothReceiveTones(alice, bob, "through the relay again");
});

test("browsers that cannot reach each other keep using the relay without delay", async () => {
  const [alice, bob] = await Promise.all([
    here.register("chromiumA", "alice", { deaf: true }),
    here.register("chromiumB", "bob", { deaf: true }),
  ]);
  await connectCall(alice, bob);
  await bothReceiveTones(alice, bob, "while they try");
  // The relay ends the attempt after 3 s: the second connections are closed, the first ones stay open.
  await Promise.all([alice.onlyConnections(1), bob.onlyConnections(1)]);
  await bothReceiveTones(alice, bob, "after they gave up");
  for (const phone of [alice, bob]) {
    assert.deepEqual((await phone.events()).filter((one) => one.event.endsWith("MEDIA_PATH")), []);
  }
});
