// Tests of other pages of the stock package with our script: its page with video and device lists, its own SIP test, and its
// phone page with the user agent of Safari.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { TONE, launch, openPage, screenshots } from "./lib/browsers.mjs";
import { startRelay } from "./lib/relay.mjs";
import { StockPhone, VIDEO_PAGE, serveStock } from "./lib/stock.mjs";
import { until } from "./lib/wait.mjs";

const SAFARI = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15";
/** Three cameras, of which Chromium's second is a depth camera that no encoder supports; and a screen to share. */
const DEVICES = ["--use-fake-device-for-media-stream=device-count=3,display-media-type=monitor"];

let relay;
let video;
let plain;
let browser;
let pages = [];

before(async () => {
  relay = await startRelay();
  [video, plain, browser] = await Promise.all([
    serveStock("ours", VIDEO_PAGE),
    serveStock("ours"),
    launch("chromium", { hz: TONE.a, args: DEVICES }),
  ]);
});

afterEach(async (context) => {
  if (context.passed === false) await screenshots(context.name, pages);
  await Promise.all(pages.map((page) => page.context().close()));
  pages = [];
});

after(async () => {
  await browser?.close();
  video?.close();
  plain?.close();
  await relay?.stop();
});

async function open(site, login, options) {
  const phone = await StockPhone.open(browser, site, relay, login, options);
  pages.push(phone.page);
  await phone.connect();
  return phone;
}

/** Clicks a checkbox that the page shows as a switch. */
const toggle = (phone, id) => phone.page.evaluate((name) => document.getElementById(name).click(), id);
const chosen = (phone, id) => phone.page.evaluate((name) => document.getElementById(name).value, id);

/** Waits until video frames of the peer are received. */
async function receivesVideo(phone) {
  const frames = () => phone.page.evaluate(async () => {
    const all = [...(await window.connections.at(-1).getStats()).values()];
    return all.find((one) => one.type === "inbound-rtp" && one.kind === "video")?.framesDecoded ?? 0;
  });
  const seen = await frames();
  await until(`video at ${phone.login}`, async () => (await frames()) > seen + 5);
}

/** Returns the settings of the video track that the page sends. */
const sent = (phone) => phone.page.evaluate(() => {
  const { track } = window.connections.at(-1).getSenders().find((sender) => sender.track?.kind === "video");
  return { state: track.readyState, enabled: track.enabled, ...track.getSettings() };
});

async function switched(phone, button, list) {
  const before = await chosen(phone, list);
  await phone.enabled(`#${button}`);
  await phone.click(button);
  await until(`another device in #${list}`, async () => (await chosen(phone, list)) !== before);
}

test("phone-video: devices, mute, screen sharing and hold by its buttons", async () => {
  const [alice, bob] = await Promise.all([open(video, "alice"), open(video, "bob")]);
  await until("the device lists", async () => (await chosen(alice, "cameraList")) && (await chosen(bob, "micList")));
  await alice.dial(bob);
  await bob.page.waitForSelector("#incomingCallAlert:visible");
  await bob.click("answerBtn");
  await Promise.all([alice.shows("callStatus", "ESTABLISHED"), bob.shows("callStatus", "ESTABLISHED")]);
  await Promise.all([receivesVideo(alice), receivesVideo(bob), alice.receives(), bob.receives()]);

  await alice.page.selectOption("#cameraList", { index: 2 });
  await until("the third camera", async () => (await sent(alice)).deviceId === (await chosen(alice, "cameraList")));
  await receivesVideo(bob);
  await switched(alice, "switchCamBtn", "cameraList");
  await switched(alice, "switchMicBtn", "micList");
  assert.equal((await sent(alice)).deviceId, await chosen(alice, "cameraList"));
  await Promise.all([receivesVideo(bob), bob.receives()]);

  await toggle(alice, "muteVideoToggle");
  assert.equal((await sent(alice)).enabled, false);
  await toggle(alice, "screenSharingToggle");
  const screen = await until("the screen", async () => {
    const now = await sent(alice);
    return now.displaySurface && now;
  });
  assert.equal(screen.enabled, false, "muted like the camera");
  await toggle(alice, "muteVideoToggle");
  await receivesVideo(bob);
  await toggle(alice, "screenSharingToggle");
  await until("the camera", async () => (await sent(alice)).deviceId === (await chosen(alice, "cameraList")));
  await receivesVideo(bob);

  for (const text of ["Unhold", "Hold"]) {
    await alice.enabled("#holdBtn");
    await alice.click("holdBtn");
    await alice.shows("holdBtn", text);
  }
  await Promise.all([receivesVideo(alice), receivesVideo(bob)]);
  await bob.click("hangupBtn");
  await Promise.all([alice.shows("callStatus", "FINISH"), bob.shows("callStatus", "FINISH")]);
  assert.deepEqual(pages.map((page) => page.errors), [[], []]);
});

test("phone in Safari: playFirstVideo does not prevent connecting", async () => {
  const alice = await open(plain, "alice", { userAgent: SAFARI });
  assert.equal(await alice.page.evaluate(() => Boolean(Flashphoner.Browser.isSafariWebRTC())), true);
  assert.equal(await alice.page.evaluate(() => document.querySelectorAll("video").length), 2);
});

/** A minimal test framework for the package's test, which calls `done` with or without an error. */
function harness(urlServer) {
  window.sOptions = { urlServer };
  window.initOptions = { constraints: { audio: true, video: true } };
  window.addDisplay = () => document.body.appendChild(document.createElement("div"));
  window.removeDisplay = (display) => display.remove();
  window.before = (prepare) => prepare();
  window.cases = [];
  window.describe = (_, suite) => suite();
  window.it = (name, run) => window.cases.push([name, run]);
  window.runCases = async () => {
    const failed = [];
    for (const [name, run] of window.cases) {
      const ended = (done) => run.call({ timeout() {} }, (error) => done(error && `${name}: ${error.message}`));
      failed.push(await new Promise(ended));
    }
    return failed.filter(Boolean);
  };
}

test("sip-test.js of the package passes, which answers with two elements", async () => {
  const page = await openPage(browser, `${plain.url}package.json`);
  pages.push(page);
  await page.addScriptTag({ url: `${plain.url}offhook/flashphoner.js` });
  await page.evaluate(harness, relay.ws);
  await page.addScriptTag({ url: `${plain.url}test/sip-test.js` });
  assert.deepEqual(await page.evaluate(() => window.runCases()), []);
  assert.deepEqual(page.errors, []);
});
