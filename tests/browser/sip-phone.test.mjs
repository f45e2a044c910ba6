// Tests of calls between a page in Chromium and baresip, both registered at Kamailio or at the relay.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { startBaresip } from "./lib/baresip.mjs";
import { TONE, launch, screenshots } from "./lib/browsers.mjs";
import { startKamailio } from "./lib/kamailio.mjs";
import { bundlePage } from "./lib/package.mjs";
import { Phone } from "./lib/phone.mjs";
import { startRelay } from "./lib/relay.mjs";
import { serve } from "./lib/site.mjs";

let relay;
let kamailio;
let site;
let browser;
let page;
let phones = [];
/** The hash of the password `secret` of phone 101 of pbx.test, as printed by `hash-password --sip`. */
const HASH = "md5:43ba4b6a024bbbd4056fd3e58d52ed38";

before(async () => {
  kamailio = await startKamailio();
  const settings = ["sip.servers=127.0.0.1", "sip.domain=pbx.test", `sip.phones.101=${HASH}`];
  relay = await startRelay({ flags: settings.flatMap((setting) => ["--set", setting]) });
  site = await serve({ "/": await bundlePage("calls") });
  browser = await launch("chromium", { hz: TONE.a });
});

afterEach(async (context) => {
  if (context.passed === false) {
    await screenshots(context.name, page ? [page.page] : []);
    context.diagnostic([kamailio, relay, ...phones].flatMap((one) => one.printed).join("\n"));
  }
  await page?.close();
  await Promise.all(phones.map((phone) => phone.stop()));
  [page, phones] = [undefined, []];
});

after(async () => {
  await browser?.close();
  site?.close();
  await relay?.stop();
  await kamailio?.stop();
});

/** Registers the page and the phone at Kamailio. */
async function behindKamailio() {
  const sip = { password: "pw1001", domain: "127.0.0.1", outboundProxy: "127.0.0.1", port: kamailio.port };
  page = await Phone.register(browser, site, relay, "1001", { sip });
  phones = [await startBaresip("1002", "pw1002", kamailio.port, TONE.b)];
  return { phone: phones[0], number: "1002", uri: `sip:1001@127.0.0.1:${kamailio.port}` };
}

/** Registers the page and the phone at the relay. The SIP server requested by the page is not allowed, so it gets a warning. */
async function atTheRelay() {
  page = await Phone.register(browser, site, relay, "alice", { sip: { domain: "elsewhere.test" } });
  assert.match((await page.event("WARN")).info, /elsewhere\.test.*\[sip\] servers/);
  phones = [await startBaresip("101", "secret", relay.sipPort, TONE.b)];
  return { phone: phones[0], number: "101", uri: `sip:alice@127.0.0.1:${relay.sipPort}` };
}

async function bothReceiveTones(phone, when) {
  await Promise.all([page.receivesTone(TONE.b, when), phone.receivesTone(TONE.a, when)]);
}

async function bothReceiveSilence(phone, when) {
  await Promise.all([page.receivesSilence(when), phone.receivesSilence(when)]);
}

async function pageHolds(phone, call) {
  await page.do("act", call, "hold");
  await page.event(`${call}:HOLD`);
  await bothReceiveSilence(phone, "during the page's hold");
  await page.do("act", call, "unhold");
  await page.event(`${call}:ESTABLISHED`, 2);
  await bothReceiveTones(phone, "after the page's hold");
}

const TOPOLOGIES = [["behind Kamailio", behindKamailio], ["at the relay itself", atTheRelay]];

for (const [where, meet] of TOPOLOGIES) {
  test(`page calls phone ${where}: tones, hold by either side, resume, DTMF, hangup by the page`, async () => {
    const { phone, number } = await meet();
    await page.do("dial", "out", number);
    await phone.event("CALL_INCOMING");
    await page.event("out:RING");
    await phone.command("accept");
    await page.event("out:ESTABLISHED");
    await bothReceiveTones(phone, "at first");

    await pageHolds(phone, "out");

    await phone.command("hold");
    assert.equal((await page.event("out:REMOTE_HOLD")).held, true);
    await page.receivesSilence("during the phone's hold");
    await phone.command("resume");
    assert.equal((await page.event("out:REMOTE_HOLD", 2)).held, false);
    await bothReceiveTones(phone, "after the phone's hold");

    await phone.command("sndcode", "7");
    assert.equal((await page.event("out:DTMF")).digit, "7");
    await page.do("act", "out", "sendDTMF", "5");
    assert.equal((await phone.event("CALL_DTMF_START")).param, "5");
    await page.do("act", "out", "hangup");
    await Promise.all([page.event("out:FINISH"), phone.event("CALL_CLOSED")]);
    assert.deepEqual(page.page.errors, []);
  });

  test(`phone ${where} calls page: tones, hold by the page, resume, hangup by the phone`, async () => {
    const { phone, number, uri } = await meet();
    await phone.command("dial", uri);
    assert.equal((await page.event("INCOMING_CALL")).caller, number);
    await page.do("answer", "in");
    await page.event("in:ESTABLISHED");
    await bothReceiveTones(phone, "in a call that came in");

    await pageHolds(phone, "in");

    await phone.command("hangup");
    await page.event("in:FINISH");
    assert.deepEqual(page.page.errors, []);
  });
}
