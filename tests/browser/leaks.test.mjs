// Tests that ended calls leave no objects in memory. Only Chromium lets a test trigger garbage collection.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { TONE, launch, openPage } from "./lib/browsers.mjs";
import { bundlePage } from "./lib/package.mjs";
import { startRelay } from "./lib/relay.mjs";
import { serve } from "./lib/site.mjs";
import { until } from "./lib/wait.mjs";

/** Number of measured calls. The figure in docs/figures.md is from 1000. */
const CALLS = Number(process.env.OFFHOOK_CALLS ?? 120);
/** Number of calls between garbage collections, since hash tables keep the size of their largest content. */
const BATCH = 20;
const AT_ONCE = 4;
/** Number of calls that are hung up early. */
const ABANDONED = 20;
/** Maximum growth of the heap per call in octets; one call has about 1,000. */
const OCTETS_PER_CALL = 300;
/** V8 options that avoid recompilation of functions during hundreds of calls, because code counts as part of the heap. */
const STEADY = "--js-flags=--no-opt --no-sparkplug --no-maglev --no-lazy-feedback-allocation --no-flush-bytecode";

let relay;
let site;
let browser;
let caller;
let debug;

before(async () => {
  relay = await startRelay({ flags: ["--set", "guards.call_rate_per_login=0", "--set", "guards.call_rate_per_address=0"] });
  site = await serve({ "/": await bundlePage("many") });
  browser = await launch("chromium", { hz: TONE.a, args: [STEADY] });
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

/** Returns the octets in use after garbage collection. */
async function heap() {
  await debug.send("HeapProfiler.collectGarbage");
  return (await debug.send("Runtime.getHeapUsage")).usedSize;
}

/**
 * Asserts that all objects are collected. Chromium keeps a few peer connections: one that is closed while a state change event
 * is pending is referenced by that event, which is never fired.
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
  const batches = async (count) => {
    for (let done = 0; done < count; done += BATCH) {
      await run("calls", "bob", BATCH / 2, AT_ONCE);
      await run("calls", "nobody", BATCH / 2, AT_ONCE);
      await debug.send("HeapProfiler.collectGarbage");
    }
    await nothingStays();
  };
  await run("fillCache");
  await batches(2 * BATCH); // what is compiled and loaded by the first calls stays
  const [before, core, began] = [await heap(), await run("core"), Date.now()];
  await batches(CALLS);
  const [later, coreLater] = [await heap(), await run("core")];
  context.diagnostic(`heap: ${before} octets before, ${later} after ${CALLS} calls in ${Date.now() - began} ms`);
  context.diagnostic(`WebAssembly: octets of memory and objects referred to: ${core} before, ${coreLater} after`);
  assert.ok(later < before * 1.05, `${before} octets before, ${later} after`);
  assert.ok(later < before + CALLS * OCTETS_PER_CALL, `${before} octets before, ${later} after ${CALLS} calls`);
  assert.deepEqual(coreLater, core);
});

for (const method of ["createOffer", "setLocalDescription", "setRemoteDescription"]) {
  test(`calls hung up while ${method} is pending keep no connection`, async () => {
    await run("abandoned", "bob", method, ABANDONED);
    await nothingStays();
  });
}

test("calls hung up while the permission prompt stays open are collected", async () => {
  await run("unanswered", "bob", ABANDONED);
  await nothingStays();
});
