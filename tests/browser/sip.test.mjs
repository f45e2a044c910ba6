// Tests of the phone page with an account at a third-party SIP server, with the form filled in as by a user.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { TONE, launch, openPage, screenshots } from "./lib/browsers.mjs";
import { startKamailio } from "./lib/kamailio.mjs";
import { startRelay } from "./lib/relay.mjs";
import { until } from "./lib/wait.mjs";

let relay;
let kamailio;
const browsers = {};
let pages = [];

before(async () => {
  kamailio = await startKamailio();
  relay = await startRelay({ flags: ["--set", "sip.servers=*"] });
  [browsers.chromium, browsers.firefox] = await Promise.all([launch("chromium", { hz: TONE.a }), launch("firefox")]);
});

afterEach(async (context) => {
  if (context.passed === false) {
    await screenshots(context.name, pages);
    context.diagnostic(kamailio.printed.concat(relay.printed).join("\n"));
  }
  await Promise.all(pages.map((page) => page.context().close()));
  pages = [];
});

after(async () => {
  await Promise.all(Object.values(browsers).map((browser) => browser.close()));
  await relay?.stop();
  await kamailio?.stop();
});

const status = (page, id, wanted) =>
  until(`#${id} to be ${wanted}`, async () => (await page.getAttribute(`#${id}`, "data-status")) === wanted);
const level = async (page, id) => Number(await page.getAttribute(`#${id}`, "aria-valuenow"));
const moves = (page, id) => until(`#${id} to move`, async () => (await level(page, id)) > 20);
const returnsToZero = (page, id) => until(`#${id} to return to zero`, async () => (await level(page, id)) < 5);

async function open(browser, user, password) {
  const page = await openPage(browsers[browser], relay.http);
  pages.push(page);
  await page.fill("#login", user);
  await page.click("#sip summary");
  await page.fill("#password", password);
  await page.fill("#domain", "test.invalid");
  await page.fill("#outboundProxy", "127.0.0.1");
  await page.fill("#port", String(kamailio.port));
  await page.click("#connect");
  return page;
}

for (const [a, b] of [["chromium", "chromium"], ["chromium", "firefox"]]) {
  test(`${a} and ${b}, registered at Kamailio: call, talk, hold, hang up`, async () => {
    const [alice, bob] = await Promise.all([open(a, "1001", "pw1001"), open(b, "1002", "pw1002")]);
    await Promise.all([status(alice, "sessionStatus", "REGISTERED"), status(bob, "sessionStatus", "REGISTERED")]);
    await alice.fill("#callee", "1002");
    await alice.click("#callBtn");
    await bob.waitForSelector("#incoming:visible");
    assert.equal(await bob.textContent("#incomingText"), "You have a new call from 1001");
    await status(alice, "callStatus", "RING");
    await bob.click("#answerBtn");
    await Promise.all([status(alice, "callStatus", "ESTABLISHED"), status(bob, "callStatus", "ESTABLISHED")]);
    await Promise.all([alice, bob].map((page) => moves(page, "remoteLevel")));

    await alice.click("#holdBtn");
    await status(alice, "callStatus", "HOLD");
    await Promise.all([alice, bob].map((page) => returnsToZero(page, "remoteLevel")));
    await alice.click("#holdBtn");
    await status(alice, "callStatus", "ESTABLISHED");
    await Promise.all([alice, bob].map((page) => moves(page, "remoteLevel")));

    await bob.click("#callBtn");
    await Promise.all([status(alice, "callStatus", "FINISH"), status(bob, "callStatus", "FINISH")]);
    assert.deepEqual(pages.map((page) => page.errors), [[], []]);
  });
}

test("wrong password and unknown number are shown with the server's reason", async () => {
  const wrong = await open("chromium", "1003", "guess");
  await status(wrong, "sessionStatus", "DISCONNECTED");
  const right = await open("chromium", "1003", "pw1003");
  await status(right, "sessionStatus", "REGISTERED");
  await right.fill("#callee", "1009");
  await right.click("#callBtn");
  await status(right, "callStatus", "FAILED");
  assert.match(await right.textContent("#endReason"), /\S/);
});
