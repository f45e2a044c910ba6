// Tests of video between two Chromium processes: frames on both sides, an early key frame, a stable bitrate.
import assert from "node:assert/strict";
import { test } from "node:test";
import { TONE } from "./lib/browsers.mjs";
import { connectCall } from "./lib/phone.mjs";
import { suite } from "./lib/suite.mjs";
import { until } from "./lib/wait.mjs";

const here = suite({ a: { hz: TONE.a }, b: { hz: TONE.b } });

/** Returns the codecs to strip so that only `codec` is left. */
const OTHERS = { VP8: "H264,VP9,AV1,H265", H264: "VP8,VP9,AV1,H265" };

const received = async (phone) => (await phone.do("stats", "inbound-rtp", "video"))[0];

/** Returns the milliseconds from the establishment of the call to the first decoded key frame. */
async function keyFrameAfter(phone, event) {
  const established = (await phone.event(event)).at;
  const first = await until(`a key frame at ${phone.login}`, async () => {
    const inbound = await received(phone);
    return inbound?.keyFramesDecoded > 0 && inbound;
  });
  return { ms: first.at - established, codec: first.codec };
}

/** Returns the received kbit/s and frames per second for each of `seconds`. */
async function measure(phone, seconds) {
  const measured = [];
  let before = await received(phone);
  while (measured.length < seconds) {
    const next = await until("a second of statistics", async () => {
      const inbound = await received(phone);
      return inbound.timestamp - before.timestamp >= 1000 && inbound;
    });
    const span = next.timestamp - before.timestamp;
    measured.push({
      kbps: Math.round(((next.bytesReceived - before.bytesReceived) * 8) / span),
      fps: Math.round(((next.framesDecoded - before.framesDecoded) * 1000) / span),
    });
    before = next;
  }
  return measured;
}

const average = (list, of) => list.reduce((sum, one) => sum + one[of], 0) / list.length;

for (const codec of ["VP8", "H264"]) {
  test(`${codec}: key frame within a second, frames on both sides, steady for ten seconds`, async (context) => {
    const [alice, bob] = await here.pair();
    const capabilities = () => RTCRtpSender.getCapabilities("video").codecs.map((one) => one.mimeType);
    const offered = await alice.page.evaluate(capabilities);
    if (!offered.includes(`video/${codec}`)) return context.skip(`this Chromium does not send ${codec}`);
    await connectCall(alice, bob, { video: true, stripCodecs: OTHERS[codec] });
    const first = await Promise.all([keyFrameAfter(alice, "out:ESTABLISHED"), keyFrameAfter(bob, "in:ESTABLISHED")]);
    for (const { ms, codec: used } of first) {
      assert.equal(used, `video/${codec}`);
      assert.ok(ms < 1000, `a key frame within 1 s of the answer, not ${Math.round(ms)} ms`);
    }
    for (const measured of await Promise.all([measure(alice, 10), measure(bob, 10)])) {
      const early = measured.slice(1, 4);
      const late = measured.slice(-3);
      context.diagnostic(measured.map((one) => `${one.kbps} kbit/s ${one.fps} fps`).join(", "));
      assert.ok(measured.every((one) => one.fps > 0), "frames in every second");
      // Without the receiver's feedback, the bitrate drops to 0.3 of it and to 80 kbit/s by then. A machine under load delays
      // packets, to which congestion control reacts: a drop to half was observed.
      assert.ok(average(late, "kbps") > 0.4 * average(early, "kbps"), "the bitrate is stable");
      assert.ok(average(late, "kbps") > 100, "the bitrate is plausible for video");
    }
  });
}

test("maxBitrate of the constraints limits the sent bitrate", async (context) => {
  const [alice, bob] = await here.pair();
  await connectCall(alice, bob, { video: true, stripCodecs: OTHERS.VP8, maxBitrate: 120 });
  await keyFrameAfter(bob, "in:ESTABLISHED");
  const measured = await measure(bob, 8);
  context.diagnostic(measured.map((one) => `${one.kbps} kbit/s`).join(", "));
  assert.ok(average(measured.slice(-4), "kbps") < 180, "the sender keeps to 120 kbit/s plus packet headers");
});
