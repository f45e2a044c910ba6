// A page with our SDK in Chromium, registered at Kamailio, and baresip behind the same server.
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
let baresip;
let site;
let browser;
let page;

before(async () => {
  kamailio = await startKamailio();
  [relay, baresip] = await Promise.all([
    startRelay({ flags: ["--set", "sip.servers=127.0.0.1"] }),
    startBaresip("1002", kamailio.port, TONE.b),
  ]);
  site = await serve({ "/": await bundlePage("calls") });
  browser = await launch("chromium", { hz: TONE.a });
});

afterEach(async (context) => {
  if (context.passed === false) {
    await screenshots(context.name, [page.page]);
    context.diagnostic([kamailio, relay, baresip].flatMap((one) => one.said).join("\n"));
  }
  await page?.close();
});

after(async () => {
  await browser?.close();
  site?.close();
  await Promise.all([relay, baresip].map((one) => one?.stop()));
  await kamailio?.stop();
});

async function register() {
  const sip = { password: "pw1001", domain: "127.0.0.1", outboundProxy: "127.0.0.1", port: kamailio.port };
  page = await Phone.register(browser, site, relay, "1001", { sip });
}

async function talk(when) {
  await Promise.all([page.hears(TONE.b, when), baresip.hears(TONE.a, when)]);
}

test("a page calls a phone: tones before and after hold by either side, digits, the page hangs up", async () => {
  await register();
  await page.do("dial", "out", "1002");
  await baresip.event("CALL_INCOMING");
  await page.event("out:RING");
  await baresip.command("accept");
  await page.event("out:ESTABLISHED");
  await talk("at first");

  await page.do("act", "out", "hold");
  await page.event("out:HOLD");
  await page.hearsNothing("during hold");
  await page.do("act", "out", "unhold");
  await page.event("out:ESTABLISHED", 2);
  await talk("after the page's hold");

  await baresip.command("hold");
  await page.hearsNothing("during the phone's hold");
  await baresip.command("resume");
  await talk("after the phone's hold");

  await baresip.command("sndcode", "7");
  assert.equal((await page.event("out:DTMF")).digit, "7");
  await page.do("act", "out", "hangup");
  await Promise.all([page.event("out:FINISH"), baresip.event("CALL_CLOSED")]);
  assert.deepEqual(page.page.errors, []);
});

test("a phone calls a page, which answers; the phone hangs up", async () => {
  await register();
  await baresip.command("dial", `sip:1001@127.0.0.1:${kamailio.port}`);
  assert.equal((await page.event("INCOMING_CALL")).caller, "1002");
  await page.do("answer", "in");
  await page.event("in:ESTABLISHED");
  await talk("in a call that came in");
  await baresip.command("hangup");
  await page.event("in:FINISH");
  assert.deepEqual(page.page.errors, []);
});
