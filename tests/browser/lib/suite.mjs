// Common set-up of the suites of the SDK's test page: a relay, the site of the page, browsers, and a new page per phone.
import { after, afterEach, before } from "node:test";
import { launch, screenshots } from "./browsers.mjs";
import { bundlePage } from "./package.mjs";
import { Phone } from "./phone.mjs";
import { startRelay } from "./relay.mjs";
import { serve } from "./site.mjs";

/**
 * Starts everything before the first test of the file and stops it after the last; closes the pages after each test, with
 * screenshots if it failed. `browsers` gives each browser a name: `{ a: { hz: 440 }, b: { engine: "firefox" } }`, with the options
 * of `launch`. `relay` has the options of `startRelay`.
 */
export function suite(browsers, relay = {}) {
  let logins = 0;
  const here = {
    relay: undefined,
    site: undefined,
    browsers: {},
    /** The phones of the current test, which may add others. */
    phones: [],
    /** Returns a unique login. */
    login: (name) => `${name}${++logins}`,
    /** Registers a phone with a unique login in the browser of this name. */
    async register(browser, name, options) {
      const phone = await Phone.register(here.browsers[browser], here.site, here.relay, here.login(name), options);
      here.phones.push(phone);
      return phone;
    },
    /** Registers two phones, in the browsers `a` and `b`. */
    pair: (options) => Promise.all([here.register("a", "alice", options), here.register("b", "bob", options)]),
  };

  before(async () => {
    here.relay = await startRelay(relay);
    here.site = await serve({ "/": await bundlePage("calls") });
    await Promise.all(Object.entries(browsers).map(async ([name, { engine = "chromium", ...options }]) => {
      here.browsers[name] = await launch(engine, options);
    }));
  });

  afterEach(async (context) => {
    const phones = here.phones.splice(0);
    if (context.passed === false) await screenshots(context.name, phones.map((phone) => phone.page));
    await Promise.all(phones.map((phone) => phone.close()));
  });

  after(async () => {
    await Promise.all(Object.values(here.browsers).map((browser) => browser.close()));
    here.site?.close();
    await here.relay?.stop();
  });

  return here;
}
