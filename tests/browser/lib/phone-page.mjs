// One window with our phone page, served by the relay.
import { openPage } from "./browsers.mjs";
import { RECORDER } from "./stock.mjs";
import { until } from "./wait.mjs";

export class PhonePage {
  constructor(page, login) {
    this.page = page;
    this.login = login;
  }

  static async open(browser, relay, login, { scripts = [], ...options } = {}) {
    const given = { scripts: [{ path: RECORDER }, ...scripts], ...options };
    return new PhonePage(await openPage(browser, `${relay.http}?login=${login}`, given), login);
  }

  /** Fills in the SIP part of the form, fields by their ids, and connects. */
  async connect({ registerRequired = true, ...sip } = {}) {
    await this.page.click("#sip summary");
    for (const [id, value] of Object.entries(sip)) await this.page.fill(`#${id}`, value);
    await this.page.setChecked("#registerRequired", registerRequired);
    await this.page.click("#connect");
    await this.status("sessionStatus", registerRequired ? "REGISTERED" : "ESTABLISHED");
  }

  async dial(other) {
    await this.page.fill("#callee", other.login);
    await this.click("callBtn");
  }

  click(id) {
    return this.page.click(`#${id}`);
  }

  /** Waits for the status in the `data-status` of `#id`. */
  async status(id, wanted) {
    let seen;
    const reached = async () => (seen = await this.page.getAttribute(`#${id}`, "data-status")) === wanted;
    await until(`#${id} to be ${wanted}`, reached).catch(async (error) => {
      const reason = await this.page.textContent("#endReason");
      throw new Error(`${error.message} at ${this.login}; it is "${seen}" ${reason}; ${this.page.errors.join("; ")}`);
    });
  }

  recorded() {
    return this.page.evaluate(() => window.recorded);
  }

  close() {
    return this.page.context().close();
  }
}
