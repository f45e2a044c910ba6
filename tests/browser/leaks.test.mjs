// What stays of calls that are over: nothing. Chromium alone lets a test collect garbage.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { TONE, launch, openPage } from "./lib/browsers.mjs";
import { bundlePage } from "./lib/package.mjs";
import { startRelay } from "./lib/relay.mjs";
import { serve } from "./lib/site.mjs";
import { until } from "./lib/wait.mjs";

/** So many calls of each kind. The figure of docs/figures.md comes from 1000. */
const CALLS = Number(process.env.OFFHOOK_CALLS ?? 20);

let relay;
let site;
let browser;
let caller;
let debug;

before(async () => {
  relay = await startRelay();
  site = await serve({ "/": await bundlePage("many") });
  browser = await launch("chromium", { hz: TONE.a });
  const start = async (login) => {
    const page = await openPage(browser, site.url);
    await page.evaluate(([url, name]) => window.many.start(url, name), [relay.ws, login]);
    return page;
  };
  caller = await start("alice");
  const callee = await start("bob");
  await callee.evaluate(() => window.many.answerAll());
  debug = await caller.context().newCDPSession(caller);
});

after(async () => {
  await browser?.close();
  site?.close();
  await relay?.stop();
});

const run = (method, ...given) =>
  caller.evaluate(([name, args]) => window.many[name](...args), [method, given]);

/** Octets in use after garbage collection. */
async function heap() {
  await debug.send("HeapProfiler.collectGarbage");
  return (await debug.send("Runtime.getHeapUsage")).usedSize;
}

/**
 * Everything made so far is collected. Of connections Chromium itself keeps a few: one that is closed just as it has to
 * report a change of its state is held by the event that it never fires.
 */
async function nothingStays() {
  const made = await run("made");
  assert.ok(made > 0);
  let alive;
  const collected = async () => {
    await debug.send("HeapProfiler.collectGarbage");
    alive = await run("alive");
    return alive[0] === 0 && alive[1] <= made / 10;
  };
  await until("calls and connections to be collected", collected).catch((error) => {
    throw new Error(`${error.message}; of ${made} there are ${alive[0]} calls and ${alive[1]} connections`);
  });
}

test("calls and connections are collected, and the heap is as before", async (context) => {
  const both = async () => {
    await run("calls", "bob", CALLS);
    await run("calls", "nobody", CALLS);
  };
  await both(); // what is compiled and loaded by the first calls stays
  const before = await heap();
  await both();
  await nothingStays();
  const later = await heap();
  context.diagnostic(`${before} octets before, ${later} after ${2 * CALLS} calls`);
  assert.ok(later < before * 1.05, `${before} octets before, ${later} after`);
});

for (const method of ["createOffer", "setLocalDescription", "setRemoteDescription"]) {
  test(`calls hung up while ${method} is pending keep no connection`, async () => {
    await run("abandoned", "bob", method, CALLS);
    await nothingStays();
  });
}
