// The walk-through of the original SDK without a SIP server: test1 and test2 use the relay's address as their SIP server,
// port 0, and do not register. It runs on the stock phone page with its own script and with ours, and on our phone page.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { TONE, launch, screenshots } from "./lib/browsers.mjs";
import { PhonePage } from "./lib/phone-page.mjs";
import { startRelay } from "./lib/relay.mjs";
import { StockPhone, serveStock } from "./lib/stock.mjs";
import { remoteTone, toneScript } from "./lib/tone.mjs";
import { until } from "./lib/wait.mjs";

let relay;
let address;
let tones;
let phones = [];
const sites = {};
const browsers = {};

before(async () => {
  // The relay allows a SIP server and warns clients that request another one. These pages must not get a warning.
  relay = await startRelay({ flags: ["--set", "sip.servers=pbx.test"] });
  address = new URL(relay.ws).hostname;
  tones = await Promise.all([TONE.a, TONE.c].map(toneScript));
  // Two Firefox processes, because Firefox only plays sound in the front page.
  [sites.stock, sites.ours, browsers.chromium, browsers.firefox, browsers.otherFirefox] = await Promise.all([
    serveStock("stock"),
    serveStock("ours"),
    launch("chromium"),
    launch("firefox"),
    launch("firefox"),
  ]);
});

afterEach(async (context) => {
  if (context.passed === false) await screenshots(context.name, phones.map((phone) => phone.page));
  await Promise.all(phones.map((phone) => phone.close()));
  phones = [];
});

after(async () => {
  await Promise.all(Object.values(browsers).map((browser) => browser.close()));
  for (const site of Object.values(sites)) site.close();
  await relay?.stop();
});

/** Opens the stock phone page with the script selected by `sdk`. */
const stockPage = (sdk) => ({
  open: (browser, login, options) => StockPhone.open(browser, sites[sdk], relay, login, options),
  async connect(phone) {
    const server = { sipDomain: address, sipOutboundProxy: address, sipPort: "0" };
    await phone.connect({ registerRequired: false, sipPassword: "123", ...server });
    assert.equal(await phone.page.evaluate(() => window.isOurs), sdk === "ours");
  },
  incoming: "#incomingCallAlert",
  callShows: (phone, status) => phone.shows("callStatus", status),
  showsSession: (phone, status) => phone.shows("regStatus", status),
});

const ourPage = {
  open: (browser, login, options) => PhonePage.open(browser, relay, login, options),
  connect: (phone) =>
    phone.connect({ registerRequired: false, password: "123", domain: address, outboundProxy: address, port: "0" }),
  incoming: "#incomingText",
  scrollsToCall: true,
  callShows: (phone, status) => phone.status("callStatus", status),
  showsSession: (phone, status) => phone.status("sessionStatus", status),
};

/** Runs in the page: returns whether an element is within the window, which was scrolled down to Connect. */
const isInView = (selector) => {
  const { top, bottom } = document.querySelector(selector).getBoundingClientRect();
  return top >= 0 && bottom <= innerHeight;
};

async function receivesTone(phone, hz) {
  const measured = await remoteTone(phone.page, hz);
  assert.ok(measured.ok, `${phone.login} should receive ${hz} Hz, received ${JSON.stringify(measured)}`);
}

async function walkThrough(pages, pair) {
  const open = (login, index) => pages.open(browsers[pair[index]], login, { scripts: [{ content: tones[index] }] });
  phones = await Promise.all(["test1", "test2"].map(open));
  const [test1, test2] = phones;
  const bothShow = (status) => Promise.all(phones.map((phone) => pages.callShows(phone, status)));

  await Promise.all(phones.map(pages.connect));
  await test1.dial(test2);
  await test2.page.waitForSelector(`${pages.incoming}:visible`);
  assert.equal(await test2.page.textContent(pages.incoming), "You have a new call from test1");
  if (pages.scrollsToCall) await until("the call in view", () => test2.page.evaluate(isInView, pages.incoming));
  await test2.click("answerBtn");
  await bothShow("ESTABLISHED");
  await Promise.all([receivesTone(test1, TONE.c), receivesTone(test2, TONE.a)]);
  for (const phone of phones) {
    await pages.showsSession(phone, "ESTABLISHED");
    const unwanted = (await phone.recorded()).filter((line) => /^<- (registered|fail)/.test(line));
    assert.deepEqual(unwanted, [], "the relay sends neither a registration nor a warning");
  }
  await test1.click("callBtn");
  await bothShow("FINISH");
  assert.deepEqual(phones.map((phone) => phone.page.errors), [[], []]);
}

const PAGES = [
  ["the stock page with its own script", stockPage("stock")],
  ["the stock page with our script", stockPage("ours")],
  ["our phone page", ourPage],
];

for (const pair of [["chromium", "chromium"], ["firefox", "otherFirefox"]]) {
  for (const [name, pages] of PAGES) {
    test(`${pair[0]}, ${name}: test1 calls test2 without SIP server and registration`, () => walkThrough(pages, pair));
  }
}
