// The phone page of the stock SDK's npm package, with its own script or with ours.
import fs from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { openPage } from "./browsers.mjs";
import { installPackage } from "./package.mjs";
import { serve } from "./site.mjs";
import { until } from "./wait.mjs";

const PACKAGE = fileURLToPath(new URL("../node_modules/@flashphoner/websdk/", import.meta.url));
/** A script that records a page's messages to and from the relay in `window.recorded`. */
export const RECORDER = fileURLToPath(new URL("../pages/record.js", import.meta.url));
const PAGE = "examples/demo/sip/phone/phone.html";
/** The page with video, devices and screen sharing. */
export const VIDEO_PAGE = "examples/demo/sip/phone-video/phone-video.html";
const STOCK_TAG = 'src="../../../../flashphoner.js"';
const OUR_TAG = 'src="/offhook/flashphoner.js"';

/**
 * Serves the stock package at `/`. With `sdk` "ours", ours is served at `/offhook/`, and the page's script tag refers to it.
 * The page initializes itself twice, from `onload` and from its last fragment. If the fragment is first, the hold button gets
 * two listeners that undo each other, so `loaded` delays the fragments until `onload` has run.
 */
export async function serveStock(sdk, name = PAGE) {
  const page = await fs.readFile(path.join(PACKAGE, name), "utf8");
  if (!page.includes(STOCK_TAG)) throw new Error(`the stock page has no ${STOCK_TAG}`);
  const loaded = [];
  const site = await serve(
    sdk === "ours" ? { "/": PACKAGE, "/offhook/": path.join(await installPackage(), "dist") } : { "/": PACKAGE },
    {
      change: (path, body) => (path === `/${name}` && sdk === "ours" ? page.replace(STOCK_TAG, OUR_TAG) : body),
      gate: (path) => (path.endsWith("call-fieldset.html") ? new Promise((ok) => loaded.push(ok)) : undefined),
    },
  );
  return { ...site, page: site.url + name, loaded: () => loaded.splice(0).forEach((ok) => ok()) };
}

/** Opens a window with the stock page. */
export class StockPhone {
  constructor(page, login, relay) {
    this.page = page;
    this.login = login;
    this.relay = relay;
  }

  static async open(browser, site, relay, login, { scripts = [], ...options } = {}) {
    const page = await openPage(browser, site.page, { scripts: [{ path: RECORDER }, ...scripts], ...options });
    const there = () => page.evaluate(() => document.getElementById("callStatus") !== null);
    await until("the page's fragments", async () => {
      site.loaded();
      return there();
    });
    await page.evaluate(() => window.recordSdk());
    return new StockPhone(page, login, relay);
  }

  /** Fills in the form and connects. `registerRequired` is the check box; `sip` replaces fields of the form by their ids. */
  async connect({ registerRequired = true, ...sip } = {}) {
    const fields = {
      urlServer: this.relay.ws,
      sipLogin: this.login,
      sipAuthenticationName: this.login,
      sipPassword: "secret",
      sipDomain: "localhost",
      sipOutboundProxy: "localhost",
      sipPort: "5060",
      ...sip,
    };
    for (const [id, value] of Object.entries(fields)) await this.page.fill(`#${id}`, value);
    await this.page.setChecked("#sipRegisterRequired", registerRequired);
    await this.page.click("#connectBtn");
    await this.shows("regStatus", registerRequired ? "REGISTERED" : "ESTABLISHED");
  }

  click(id) {
    return this.page.click(`#${id}`);
  }

  async dial(other) {
    await this.page.fill("#callee", other.login);
    await this.click("callBtn");
  }

  shows(id, text, ms) {
    const shown = () => this.page.evaluate((name) => document.getElementById(name).textContent, id);
    const what = `#${id} to show ${text} at ${this.login}`;
    return until(what, async () => (await shown()) === text, ms).catch(async (error) => {
      const recorded = (await this.recorded()).join("\n  ");
      throw new Error(`${error.message}; recorded:\n  ${recorded}\n${this.page.errors.join("\n")}`);
    });
  }

  enabled(selector) {
    return until(`${selector} to be usable at ${this.login}`, () => this.page.isEnabled(selector));
  }

  /** Returns the number of audio packets received by the newest connection. */
  packets() {
    return this.page.evaluate(async () => {
      const stats = [...(await window.connections.at(-1).getStats()).values()];
      return stats.find((one) => one.type === "inbound-rtp" && one.kind === "audio")?.packetsReceived ?? 0;
    });
  }

  /** Waits until the number of received audio packets increases. */
  async receives() {
    const before = await this.packets();
    await until(`packets at ${this.login}`, async () => (await this.packets()) > before + 10);
  }

  recorded() {
    return this.page.evaluate(() => window.recorded);
  }

  close() {
    return this.page.context().close();
  }
}
