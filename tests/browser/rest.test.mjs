// The unmodified REST client of the stock package, and its page `sip-as-rtmp-3`, find and control the calls of two stock phones
// through the compatible API.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { TONE, launch, openPage } from "./lib/browsers.mjs";
import { startRelay } from "./lib/relay.mjs";
import { StockPhone, serveStock } from "./lib/stock.mjs";
import { until } from "./lib/wait.mjs";

const REST_PAGE = "examples/demo/sip/sip-as-rtmp-3/sip-as-rtmp-3.html";
let relay;
let site;
let chromium;
let alice;
let bob;

before(async () => {
  site = await serveStock("stock");
  const { origin } = new URL(site.url);
  const flags = ["--set", "api.listen=127.0.0.1:0", "--set", `api.allow_origin=${origin}`];
  [relay, chromium] = await Promise.all([startRelay({ flags }), launch("chromium", { hz: TONE.a })]);
  [alice, bob] = await Promise.all(
    ["alice", "bob"].map(async (login) => {
      const phone = await StockPhone.open(chromium, site, relay, login);
      await phone.connect();
      return phone;
    }),
  );
});

after(async () => {
  await chromium?.close();
  site?.close();
  await relay?.stop();
});

/** Returns the rest of the line that the relay has printed with this start. */
const printed = (start) => relay.printed.find((line) => line.startsWith(start))?.slice(start.length);

/** Opens the stock page with the stock REST client. The browser adds the token, because neither of them can send one. */
async function openRestPage() {
  const page = await openPage(chromium, site.url + REST_PAGE);
  await page.context().setExtraHTTPHeaders({ authorization: `Bearer ${printed("api-token ")}` });
  await page.addScriptTag({ url: "/flashphoner-rest-api.js" });
  const url = printed("api ").replace("/api/v1", "");
  await page.fill("#restUrl", `${url}/rest-api`);
  await page.evaluate((address) => {
    window.rest = window.FlashphonerRestApi.instance(address);
  }, url);
  return page;
}

/** Calls a method of the stock client. Returns its result, or "failed" if the promise is rejected, as the client does not tell why. */
const request = (page, group, method, ...parameters) =>
  page.evaluate(
    ([one, name, values]) => window.rest[one][name](...values).then((result) => result ?? null, () => "failed"),
    [group, method, parameters],
  );

async function establishCall() {
  await alice.dial(bob);
  await bob.page.waitForSelector("#incomingCallAlert:visible");
  await bob.click("answerBtn");
  await Promise.all([alice.shows("callStatus", "ESTABLISHED"), bob.shows("callStatus", "ESTABLISHED")]);
}

const bothFinish = () => Promise.all([alice, bob].map((phone) => phone.shows("callStatus", "FINISH")));

test("the stock REST client finds connections and calls, sends DTMF and terminates a call", async () => {
  const page = await openRestPage();
  assert.equal(await request(page, "call", "findAll"), "failed", "there is no call");
  const connections = await request(page, "connection", "findAll");
  assert.deepEqual(connections.map((one) => one.sipLogin).sort(), ["alice", "bob"]);
  await establishCall();
  const calls = await request(page, "call", "findAll");
  assert.deepEqual(calls.map((call) => [call.caller, call.callee, call.status]), Array(2).fill(["alice", "bob", "ESTABLISHED"]));
  const { callId } = calls.find((call) => call.incoming === false);
  const [found] = await request(page, "call", "find", { callId });
  assert.deepEqual([found.callId, found.incoming], [callId, false]);
  assert.equal(await request(page, "call", "sendDtmf", { callId, dtmf: "5", type: "RFC2833" }), null);
  assert.equal(await request(page, "call", "terminate", { callId: "unknown" }), "failed");
  assert.equal(await request(page, "call", "terminate", { callId }), null);
  await bothFinish();
  assert.equal(await request(page, "call", "find", { callId }), "failed", "the call has ended");
  await page.context().close();
});

test("the page sip-as-rtmp-3 shows the state of a call, sends DTMF and hangs up", async () => {
  const page = await openRestPage();
  await establishCall();
  const [{ callId }] = await request(page, "call", "find", { callee: "bob", status: "ESTABLISHED" });
  // What the page does every 3 s for a call that it has started.
  const shows = async (status) => {
    await page.evaluate((id) => {
      window.callId = id;
      window.getStatus();
    }, callId);
    await until(`the page to show ${status}`, async () => (await page.textContent("#callStatus")) === status);
  };
  await shows("ESTABLISHED");
  assert.equal(await page.textContent("#callBtn"), "Hangup");
  await page.evaluate(() => window.sendDTMF("5"));
  await page.click("#callBtn");
  await bothFinish();
  await shows("FINISHED");
  assert.equal(await page.textContent("#callBtn"), "Call");
  await page.context().close();
});
