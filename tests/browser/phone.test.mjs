// Tests of the phone page served by the relay, in two windows.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { TONE, launch, openPage, screenshots } from "./lib/browsers.mjs";
import { startRelay } from "./lib/relay.mjs";
import { until } from "./lib/wait.mjs";

let relay;
const browsers = {};
let pages = [];

before(async () => {
  relay = await startRelay();
  [browsers.chromium, browsers.firefox] = await Promise.all([launch("chromium", { hz: TONE.a }), launch("firefox")]);
});

afterEach(async (context) => {
  if (context.passed === false) await screenshots(context.name, pages);
  await Promise.all(pages.map((page) => page.context().close()));
  pages = [];
});

after(async () => {
  await Promise.all(Object.values(browsers).map((browser) => browser.close()));
  await relay?.stop();
});

async function open(browser, query = "") {
  const page = await openPage(browsers[browser], relay.http + query);
  pages.push(page);
  return page;
}

const status = (page, id, wanted) =>
  until(`#${id} to be ${wanted}`, async () => (await page.getAttribute(`#${id}`, "data-status")) === wanted);

async function logIn(browser, login, callee) {
  const page = await open(browser, `?login=${login}&callee=${callee}`);
  await page.click("#connect");
  await status(page, "sessionStatus", "REGISTERED");
  return page;
}

const level = async (page, id) => Number(await page.getAttribute(`#${id}`, "aria-valuenow"));
const moves = (page, id) => until(`#${id} to move`, async () => (await level(page, id)) > 20);
const returnsToZero = (page, id) => until(`#${id} to return to zero`, async () => (await level(page, id)) < 5);

async function establishCall(alice, bob) {
  await alice.click("#callBtn");
  await bob.waitForSelector("#incoming:visible");
  assert.equal(await bob.textContent("#incomingText"), "You have a new call from alice");
  await bob.click("#answerBtn");
  await Promise.all([status(alice, "callStatus", "ESTABLISHED"), status(bob, "callStatus", "ESTABLISHED")]);
  await Promise.all([alice, bob].flatMap((page) => [moves(page, "localLevel"), moves(page, "remoteLevel")]));
}

for (const [a, b] of [["chromium", "chromium"], ["chromium", "firefox"]]) {
  test(`${a} and ${b}: log in, call, answer, talk, hold, mute, hang up`, async () => {
    const [alice, bob] = await Promise.all([logIn(a, "alice", "bob"), logIn(b, "bob", "alice")]);
    await establishCall(alice, bob);

    await alice.click("#holdBtn");
    await status(alice, "callStatus", "HOLD");
    await Promise.all([returnsToZero(alice, "remoteLevel"), returnsToZero(bob, "remoteLevel")]);
    await alice.click("#holdBtn");
    await status(alice, "callStatus", "ESTABLISHED");
    await Promise.all([moves(alice, "remoteLevel"), moves(bob, "remoteLevel")]);

    await bob.click("#muteBtn");
    await returnsToZero(alice, "remoteLevel");
    await bob.click("#muteBtn");
    await moves(alice, "remoteLevel");

    await bob.click("#callBtn");
    await Promise.all([status(alice, "callStatus", "FINISH"), status(bob, "callStatus", "FINISH")]);
    assert.equal(await alice.textContent("#callBtn"), "Call");
    assert.deepEqual(pages.map((page) => page.errors), [[], []]);
  });
}

test("rejecting an incoming call ends it on both pages", async () => {
  const [alice, bob] = await Promise.all([logIn("chromium", "alice", "bob"), logIn("chromium", "bob", "alice")]);
  await alice.click("#callBtn");
  await bob.waitForSelector("#incoming:visible");
  await bob.click("#rejectBtn");
  await Promise.all([status(alice, "callStatus", "FINISH"), status(bob, "callStatus", "FINISH")]);
  await bob.waitForSelector("#callBtn:visible");
});

test("page shows a notice for a relay in demo mode", async () => {
  const page = await logIn("chromium", "alice", "bob");
  assert.ok(await page.isVisible("#demoBanner"));
  assert.match(await page.textContent("#demoBanner"), /anyone can log in/);
});

test("another window takes over the session with the token and can place calls", async () => {
  const [first, bob] = await Promise.all([logIn("chromium", "alice", "bob"), logIn("chromium", "bob", "alice")]);
  const token = await first.inputValue("#authToken");
  assert.notEqual(token, "");
  await first.context().close();
  pages = [bob];
  const alice = await open("chromium", "?callee=bob");
  await alice.click("text=Auth token");
  await alice.fill("#authToken", token);
  await alice.click("#connectToken");
  await until("to be connected", async () => !(await alice.isDisabled("#callBtn")));
  await establishCall(alice, bob);
  await alice.click("#callBtn");
  await Promise.all([status(alice, "callStatus", "FINISH"), status(bob, "callStatus", "FINISH")]);
});

/** Runs in the page: returns the accessible name of an element, from the usual sources in order. */
const namelessControls = () => {
  const byIds = (ids) => ids.split(/\s+/).map((id) => document.getElementById(id)?.textContent ?? "").join(" ");
  const name = (element) =>
    (element.hasAttribute("aria-labelledby") && byIds(element.getAttribute("aria-labelledby"))) ||
    element.getAttribute("aria-label") ||
    [...(element.labels ?? [])].map((label) => label.textContent).join(" ") ||
    (element.matches("button, a, summary") && element.textContent) ||
    element.title ||
    "";
  const named = "button, input, select, textarea, summary, a[href], [role=meter], [role=group]";
  return [...document.querySelectorAll(named)]
    .filter((element) => name(element).trim() === "")
    .map((element) => element.outerHTML);
};

test("controls have names, ids are unique, and the document has language, title and landmarks", async () => {
  const page = await logIn("chromium", "alice", "bob");
  for (const details of await page.locator("details").all()) await details.evaluate((element) => (element.open = true));
  assert.deepEqual(await page.evaluate(namelessControls), []);
  const found = await page.evaluate(() => {
    const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
    return {
      doubled: ids.filter((id, index) => ids.indexOf(id) !== index),
      dangling: [...document.querySelectorAll("[aria-labelledby], label[for]")]
        .flatMap((element) => (element.getAttribute("aria-labelledby") ?? element.htmlFor).split(/\s+/))
        .filter((id) => !document.getElementById(id)),
      positive: document.querySelectorAll("[tabindex]:not([tabindex='0']):not([tabindex='-1'])").length,
      language: document.documentElement.lang,
      title: document.title,
      main: document.querySelectorAll("main").length,
      headings: document.querySelectorAll("h1").length,
    };
  });
  assert.deepEqual(found, {
    doubled: [], dangling: [], positive: 0, language: "en", title: "Offhook phone", main: 1, headings: 1,
  });
});

test("connecting before the WASM core is loaded succeeds when it is loaded", async () => {
  const page = await openPage(browsers.chromium, "about:blank");
  pages.push(page);
  let deliver;
  const clicked = new Promise((ok) => { deliver = ok; });
  await page.route(/\.wasm$/, (route) => clicked.then(() => route.continue()));
  await page.goto(`${relay.http}?login=alice`, { waitUntil: "load" });
  await page.click("#connect");
  await page.click("#connect");
  assert.equal(await page.getAttribute("#sessionStatus", "data-status"), "");
  deliver();
  await status(page, "sessionStatus", "REGISTERED");
});

test("keyboard only: connect, reach Call with Tab, and call with Enter", async () => {
  const bob = await logIn("chromium", "bob", "alice");
  const alice = await open("chromium", "?callee=bob");
  await alice.focus("#login");
  await alice.keyboard.type("alice");
  await alice.keyboard.press("Enter");
  await status(alice, "sessionStatus", "REGISTERED");
  await alice.evaluate(() => document.activeElement?.blur());
  const focused = () => alice.evaluate(() => document.activeElement?.id ?? "");
  const order = [];
  while (order.at(-1) !== "callBtn" && order.length < 60) {
    await alice.keyboard.press("Tab");
    order.push(await focused());
  }
  assert.equal(order.at(-1), "callBtn", `Tab passed ${order.join(" ")}`);
  await alice.keyboard.press("Enter");
  await bob.waitForSelector("#incoming:visible");
  await bob.focus("#answerBtn");
  await bob.keyboard.press("Enter");
  await Promise.all([status(alice, "callStatus", "ESTABLISHED"), status(bob, "callStatus", "ESTABLISHED")]);
  await alice.focus("#callBtn");
  await alice.keyboard.press("Enter");
  await Promise.all([status(alice, "callStatus", "FINISH"), status(bob, "callStatus", "FINISH")]);
});

for (const [name, width, height] of [["a phone", 360, 740], ["a desktop", 1280, 800]]) {
  test(`page has no horizontal overflow on ${name}'s screen`, async () => {
    const page = await logIn("chromium", "alice", "bob");
    await page.setViewportSize({ width, height });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= width, `${wide} px wide on ${width}`);
  });
}
