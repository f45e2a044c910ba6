// Tests of pages in a frame of another page, in several tabs with one login, and in a background tab.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { TONE, openPage } from "./lib/browsers.mjs";
import { Phone } from "./lib/phone.mjs";
import { suite } from "./lib/suite.mjs";
import { launchTabs } from "./lib/tabs.mjs";
import { until } from "./lib/wait.mjs";

// The relay closes the socket of a page that does not answer pings for 1.5 s.
const flags = ["--set", "signaling.ping_interval=300ms", "--set", "signaling.ping_probes=5"];
const here = suite({ a: { hz: TONE.a }, b: { hz: TONE.b }, firefox: { engine: "firefox" } }, { flags });
let tabs;

before(async () => {
  tabs = await launchTabs(TONE.a);
});

after(() => tabs?.close());

/** The SDK's page in a frame of a page of another origin, with a different host name. */
async function frame(browser, allow) {
  const outer = new URL(here.site.url);
  outer.hostname = "127.0.0.1";
  const page = await openPage(here.browsers[browser], outer.href);
  await page.evaluate(([src, policy]) => {
    const element = document.createElement("iframe");
    Object.assign(element, policy ? { src, allow: policy } : { src });
    document.body.append(element);
  }, [here.site.url, allow]);
  const inner = await until("the frame", () => page.frames().find((one) => one.url() === here.site.url));
  const phone = await Phone.start(Object.assign(inner, { errors: page.errors }), here.relay, here.login("framed"));
  here.phones.push({ page, close: () => page.context().close() });
  return phone;
}

for (const browser of ["a", "firefox"]) {
  test(`${browser}: calls in a frame without allow="microphone" fail immediately with the missing policy`, async () => {
    const [bob, framed] = await Promise.all([here.register("b", "bob"), frame(browser)]);
    await framed.do("dial", "out", bob.login);
    await framed.event("out:FAILED", 1, 3000);
    assert.match(await framed.do("ask", "out", "getErrorInfo"), /<iframe> of the page needs allow="microphone"/);
    await bob.do("dial", "out", framed.login);
    await framed.event("in:RING");
    await framed.do("answer", "in");
    await Promise.all([framed.event("in:FAILED", 1, 3000), bob.event("out:FINISH")]);
    assert.match(await framed.do("ask", "in", "getErrorInfo"), /allow="microphone"/);
  });
}

test('frame with allow="microphone" places calls', async () => {
  const [bob, framed] = await Promise.all([here.register("b", "bob"), frame("a", "microphone")]);
  await framed.do("dial", "out", bob.login);
  await bob.event("in:RING");
  await bob.do("answer", "in");
  await framed.event("out:ESTABLISHED");
  await bob.receivesTone(TONE.a, "from the frame");
});

test("either of two tabs with one login answers, the other stops ringing, and each places calls", async () => {
  const bob = await here.register("b", "bob");
  const first = await here.register("a", "alice");
  const second = await Phone.register(here.browsers.a, here.site, here.relay, first.login);
  here.phones.push(second);
  await bob.do("dial", "out", first.login);
  await Promise.all([first.event("in:RING"), second.event("in:RING")]);
  await second.do("answer", "in");
  await Promise.all([second.event("in:ESTABLISHED"), bob.event("out:ESTABLISHED"), first.event("in:FINISH")]);
  assert.equal(await first.do("ask", "in", "getEndReason"), "answeredElsewhere");
  await Promise.all([second.receivesTone(TONE.b, "in the tab that answered"), bob.receivesTone(TONE.a, "from that tab")]);

  await first.do("dial", "out", bob.login);
  await bob.event("in:RING");
  await bob.do("act", "in", "hangup");
  await first.event("out:FINISH");
  await second.receivesTone(TONE.b, "while the other tab calls");

  await second.close();
  here.phones.splice(here.phones.indexOf(second), 1);
  await bob.event("out:FINISH");
  await bob.do("dial", "again", first.login);
  await first.event("in1:RING");
  assert.deepEqual([first.page.errors, bob.page.errors], [[], []]);
});

/** Registers a phone in a background tab. */
async function hidden(options) {
  const tab = await tabs.open(here.site.url);
  const phone = await Phone.start(tab, here.relay, here.login("hidden"), options);
  const front = await tabs.open("about:blank");
  here.phones.push(phone, new Phone(front));
  await front.activate();
  await until("the tab to be hidden", () => tab.evaluate(() => document.visibilityState === "hidden"));
  return phone;
}

const ended = async (phone) => (await phone.events()).some(({ event }) => event === "DISCONNECTED" || event === "FAILED");

test("background tab with throttled timers keeps its session and answers a call", async () => {
  const timers = { pingInterval: 300, probesInterval: 300, receiveProbes: 5 };
  const [bob, phone] = await Promise.all([here.register("b", "bob"), hidden({ timers })]);
  const idle = await phone.do("ticks", 5);
  assert.ok(idle > 3000, `5 ticks took ${idle} ms: the timers are not throttled`);
  assert.equal(await ended(phone), false, "the session outlives the relay's limit");
  await bob.do("dial", "out", phone.login);
  await phone.event("in:RING");
  await phone.do("answer", "in");
  await Promise.all([phone.event("in:ESTABLISHED"), bob.event("out:ESTABLISHED")]);
  await Promise.all([bob.receivesTone(TONE.a, "from the background"), phone.receivesTone(TONE.b, "in the background")]);
  await phone.do("act", "in", "hold");
  await phone.event("in:HOLD");
  await phone.do("act", "in", "unhold");
  await phone.event("in:ESTABLISHED", 2);
  await phone.do("ticks", 5);
  await bob.receivesTone(TONE.a, "from the background, later");
  await bob.do("act", "out", "hangup");
  await phone.event("in:FINISH");
  assert.equal(await ended(phone), false);
});

test("page frozen for too long is disconnected when it is resumed, and opens a new session", async () => {
  const [bob, phone] = await Promise.all([here.register("b", "bob"), hidden()]);
  await phone.page.setState("frozen");
  await until("the relay to close the session", async () => {
    const name = here.login("try");
    await bob.do("dial", name, phone.login);
    return Promise.race([
      bob.event(`${name}:FAILED`).then(() => true),
      bob.event(`${name}:RING`).then(() => bob.do("act", name, "hangup")).then(() => false),
    ]);
  });
  await phone.page.setState("active");
  await until("the end of the session", () => ended(phone));
  await phone.signIn(here.relay, { firstIncoming: 100 });
  await bob.do("dial", "out", phone.login);
  await phone.event("in100:RING");
  await phone.do("answer", "in100");
  await bob.event("out:ESTABLISHED");
  await bob.receivesTone(TONE.a, "after the page signed in again");
});
