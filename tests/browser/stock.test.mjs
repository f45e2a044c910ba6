// Runs the unmodified phone page of the stock package with our relay, and again with our script. Both runs of every scene must
// produce the same record: messages to and from the relay, SDK events, displayed texts.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { TONE, launch, screenshots } from "./lib/browsers.mjs";
import { startRelay } from "./lib/relay.mjs";
import { StockPhone, serveStock } from "./lib/stock.mjs";

let relay;
const sites = {};
const browsers = {};

before(async () => {
  relay = await startRelay();
  // Two Firefox processes, because Firefox only permits the microphone in the front page.
  [sites.stock, sites.ours, browsers.chromium, browsers.firefox, browsers.otherFirefox] = await Promise.all([
    serveStock("stock"),
    serveStock("ours"),
    launch("chromium", { hz: TONE.a }),
    launch("firefox"),
    launch("firefox"),
  ]);
});

after(async () => {
  await Promise.all(Object.values(browsers).map((browser) => browser.close()));
  for (const site of Object.values(sites)) site.close();
  await relay?.stop();
});

/** Establishes a call from Alice to Bob and waits until both receive audio. */
async function establishCall(alice, bob) {
  await alice.dial(bob);
  await bob.page.waitForSelector("#incomingCallAlert:visible");
  assert.equal(await bob.page.textContent("#incomingCallAlert"), `You have a new call from ${alice.login}`);
  await Promise.all([alice.shows("callStatus", "RING"), bob.shows("callStatus", "RING")]);
  await bob.click("answerBtn");
  await Promise.all([alice.shows("callStatus", "ESTABLISHED"), bob.shows("callStatus", "ESTABLISHED")]);
  await Promise.all([alice.receives(), bob.receives()]);
}

const bothFinish = (...phones) => Promise.all(phones.map((phone) => phone.shows("callStatus", "FINISH")));

const SCENES = {
  "the caller holds, unholds and hangs up": async (alice, bob) => {
    await establishCall(alice, bob);
    for (const text of ["Unhold", "Hold"]) {
      await alice.enabled("#holdBtn");
      await alice.click("holdBtn");
      await alice.shows("holdBtn", text);
    }
    await alice.enabled("#holdBtn");
    await alice.receives();
    await alice.click("callBtn");
    await bothFinish(alice, bob);
  },
  "the callee holds, unholds and hangs up": async (alice, bob) => {
    await establishCall(alice, bob);
    for (const text of ["Unhold", "Hold"]) {
      await bob.enabled("#holdBtn");
      await bob.click("holdBtn");
      await bob.shows("holdBtn", text);
    }
    await bob.enabled("#holdBtn");
    await bob.receives();
    await bob.click("hangupBtn");
    await bothFinish(alice, bob);
  },
  "the callee rejects": async (alice, bob) => {
    await alice.dial(bob);
    await Promise.all([alice.shows("callStatus", "RING"), bob.shows("callStatus", "RING")]);
    await bob.click("hangupBtn");
    await bothFinish(alice, bob);
  },
  "the caller cancels": async (alice, bob) => {
    await alice.dial(bob);
    await Promise.all([alice.shows("callStatus", "RING"), bob.shows("callStatus", "RING")]);
    await alice.click("callBtn");
    await bothFinish(alice, bob);
  },
  "the caller's connection is lost and comes back with the token": async (alice, bob) => {
    assert.notEqual(await alice.page.inputValue("#authToken"), "");
    await alice.page.evaluate(() => window.sockets.at(-1).close());
    await alice.shows("regStatus", "DISCONNECTED");
    await alice.click("connectTokenBtn");
    await alice.shows("regStatus", "REGISTERED");
    await establishCall(bob, alice);
    await alice.click("hangupBtn");
    await bothFinish(alice, bob);
  },
};

/** Runs a scene in two new windows and returns their records. */
async function play(name, sdk, [callerBrowser, calleeBrowser]) {
  const open = (browser, login) => StockPhone.open(browsers[browser], sites[sdk], relay, login);
  const phones = await Promise.all([open(callerBrowser, "alice"), open(calleeBrowser, "bob")]);
  try {
    await Promise.all(phones.map((phone) => phone.connect()));
    for (const { page } of phones) assert.equal(await page.evaluate(() => window.isOurs), sdk === "ours");
    await SCENES[name](...phones);
    for (const phone of phones) {
      await phone.enabled("#connectBtn");
      await phone.click("connectBtn");
      await phone.shows("regStatus", "DISCONNECTED");
      assert.deepEqual(phone.page.errors, []);
    }
    return await Promise.all(phones.map((phone) => phone.recorded()));
  } catch (error) {
    await screenshots(`${sdk} ${name}`, phones.map((phone) => phone.page));
    throw error;
  } finally {
    await Promise.all(phones.map((phone) => phone.close()));
  }
}

const ALL = Object.keys(SCENES);
const RUNS = [
  [["chromium", "chromium"], ALL],
  [["firefox", "otherFirefox"], ALL],
  [["chromium", "firefox"], ALL.slice(0, 1)], // the callee's browser is irrelevant for the other scenes
];

for (const [pair, scenes] of RUNS) {
  for (const name of scenes) {
    const who = pair.map((browser) => (browser === "chromium" ? "Chromium" : "Firefox")).join(" and ");
    test(`${who}: ${name}; the stock SDK and ours produce the same record`, async () => {
      const stock = await play(name, "stock", pair);
      const ours = await play(name, "ours", pair);
      assert.ok(stock.every((record) => record.length > 8), "the record is not empty");
      assert.deepEqual(ours, stock);
    });
  }
}
