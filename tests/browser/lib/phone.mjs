// One page with our SDK, controlled by the test.
import { openPage } from "./browsers.mjs";
import { until } from "./wait.mjs";
import assert from "node:assert/strict";

export class Phone {
  constructor(page, login) {
    this.page = page;
    this.login = login;
  }

  /** Opens the page and registers `login`. */
  static async register(browser, site, relay, login, options = {}) {
    return Phone.start(await openPage(browser, site.url), relay, login, options);
  }

  /** Registers `login` in a page or frame that is open. */
  static async start(page, relay, login, options = {}) {
    const phone = new Phone(page, login);
    await until("the page's script", () => page.evaluate(() => Boolean(window.phone)));
    await phone.signIn(relay, options);
    return phone;
  }

  /** Opens a session, the first or another one, and waits until it is registered. */
  async signIn(relay, options = {}) {
    const before = (await this.events()).filter((one) => one.event === "REGISTERED").length;
    await this.page.evaluate(([url, name, more]) => window.phone.start(url, name, more), [relay.ws, this.login, options]);
    await this.event("REGISTERED", before + 1);
  }

  /** Calls a function of the page's `phone`. */
  do(method, ...given) {
    return this.page.evaluate(([name, args]) => window.phone[name](...args), [method, given]);
  }

  events() {
    return this.page.evaluate(() => window.phone.events);
  }

  /** Waits for the `count`th event of this name. */
  async event(name, count = 1, ms = 15_000) {
    let events = [];
    const find = async () => {
      events = await this.events();
      return events.filter((one) => one.event === name)[count - 1];
    };
    return until(`${name} at ${this.login}`, find, ms).catch((error) => {
      const names = events.map((one) => one.event).join(" ");
      const errors = this.page.errors.join("; ");
      throw new Error(`${error.message}; seen: ${names || "nothing"}; page errors: ${errors || "none"}`);
    });
  }

  async receivesTone(hz, when) {
    const measured = await this.do("awaitTone", hz);
    const connections = JSON.stringify(await this.do("connections"));
    assert.ok(measured.ok, `${this.login} should receive ${hz} Hz ${when}, received ${JSON.stringify(measured)}, ${connections}`);
    return measured;
  }

  async receivesSilence(when) {
    const measured = await this.do("awaitSilence");
    assert.ok(measured.ok, `${this.login} should receive silence ${when}, received ${JSON.stringify(measured)}`);
  }

  /** Waits until exactly this number of peer connections is open. */
  onlyConnections(count, ms = 15_000) {
    const open = async () => (await this.do("connections")).filter(([state]) => state !== "closed").length === count;
    return until(`${count} open connections at ${this.login}`, open, ms);
  }

  close() {
    return this.page.context().close();
  }
}

/** Places and answers a call, and waits until it is established on both sides. */
export async function connectCall(caller, callee, options = {}) {
  await caller.do("dial", "out", callee.login, options);
  await callee.event("in:RING");
  await callee.do("answer", "in", options);
  await Promise.all([caller.event("out:ESTABLISHED"), callee.event("in:ESTABLISHED")]);
}
