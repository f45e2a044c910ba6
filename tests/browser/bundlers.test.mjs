// Tests of the packed package in projects with different bundlers, without configuration: the built page places calls.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { TONE, launch, openPage, screenshots } from "./lib/browsers.mjs";
import { bundlePage } from "./lib/package.mjs";
import { Phone, connectCall } from "./lib/phone.mjs";
import { esbuildSite, nextSite, plainSite, vite, webpackSite } from "./lib/projects.mjs";
import { startRelay } from "./lib/relay.mjs";
import { serve } from "./lib/site.mjs";

/** A Content Security Policy that allows only what the package needs; only `offhook/slim` fetches a file from the page's site. */
const strict = (name) =>
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; img-src data:; " +
  `connect-src ws://127.0.0.1:*${name === "/fileUrl.html" ? " 'self'" : ""}`;

/** Two calls run at a time, because they are mostly idle. */
const TOGETHER = { concurrency: 2 };

const sites = {};
const browsers = {};
let relay;
let callees;
let logins = 0;

before(async () => {
  [relay, browsers.chromium, browsers.firefox, browsers.callee] = await Promise.all([
    startRelay(),
    launch("chromium", { hz: TONE.a }),
    launch("firefox"),
    launch("chromium", { hz: TONE.b }),
  ]);
  callees = await serve({ "/": await bundlePage("calls") });
});

after(async () => {
  await Promise.all(Object.values(browsers).map((browser) => browser.close()));
  await Promise.all(Object.values(sites).map((site) => site.close()));
  callees?.close();
  await relay?.stop();
});

/** Places a call between two pages of `url` and checks that each receives the tone of the other. */
async function calls(url, browser = "chromium") {
  const number = ++logins;
  const phones = [];
  const register = async (...given) => phones[phones.push(await Phone.register(...given)) - 1];
  try {
    // The fake microphone of Firefox has the frequency of the callee's tone.
    const tone = browser === "firefox" ? { hz: TONE.a } : {};
    const alice = await register(browsers[browser], { url }, relay, `alice${number}`, tone);
    const bob = await register(browsers.callee, callees, relay, `bob${number}`);
    await connectCall(alice, bob);
    await Promise.all([alice.receivesTone(TONE.b, "in the call"), bob.receivesTone(TONE.a, "in the call")]);
    await alice.do("act", "out", "hangup");
    await Promise.all([alice.event("out:FINISH"), bob.event("in:FINISH")]);
    assert.deepEqual([alice.page.errors, bob.page.errors], [[], []]);
  } catch (error) {
    await screenshots(`bundlers ${number}`, phones.map((phone) => phone.page));
    throw error;
  } finally {
    await Promise.all(phones.map((phone) => phone.close()));
  }
}

for (const version of [6, 7, 8]) {
  describe(`Vite ${version}`, TOGETHER, () => {
    before(async () => {
      const { built, dev } = await vite(version);
      Object.assign(sites, { [`built${version}`]: built, [`dev${version}`]: dev });
    });
    const page = (which, how) => `${sites[which + version].url}${how}.html`;
    test(`Vite ${version}: a page of the development server calls`, () => calls(page("dev", "module")));
    test(`Vite ${version}: a built page calls`, () => calls(page("built", "module")));
    if (version < 8) return;
    test(`Vite ${version}: a built page with offhook/slim calls`, () => calls(page("built", "slim")));
    test(`Vite ${version}: a page of the development server with the core's URL calls`, () => calls(page("dev", "viteUrl")));
  });
}

describe("webpack 5", TOGETHER, () => {
  before(async () => {
    sites.webpack = await webpackSite();
  });
  for (const how of ["module", "slim", "default", "require"]) {
    test(`webpack 5: a page calls (${how})`, () => calls(`${sites.webpack.url}${how}.html`));
  }
});

describe("esbuild under a strict Content Security Policy", TOGETHER, () => {
  before(async () => {
    sites.esbuild = await esbuildSite(strict);
  });
  for (const how of ["module", "fileUrl", "default", "require"]) {
    test(`esbuild: a page calls (${how})`, () => calls(`${sites.esbuild.url}${how}.html`));
  }
});

describe("no bundler", TOGETHER, () => {
  before(async () => {
    const policies = { "/classic.html": strict() };
    for (const how of ["classic", "module"]) policies[`/forbidden-${how}.html`] = "script-src 'self'";
    sites.plain = await plainSite((name) => policies[name]);
  });
  for (const browser of ["chromium", "firefox"]) {
    test(`classic script under a strict Content Security Policy in ${browser}: a page calls`, () =>
      calls(`${sites.plain.url}classic.html`, browser));
    test(`offhook/slim by an import map in ${browser}: a page calls`, () => calls(`${sites.plain.url}slim.html`, browser));
  }
  const outcome = async (browser, name) => {
    const page = await openPage(browsers[browser], sites.plain.url + name);
    return page.evaluate(() => window.outcome).finally(() => page.context().close());
  };
  test("offhook/slim: init rejects with the URL if the core cannot be fetched", async () => {
    const message = await outcome("chromium", "missing.html");
    assert.match(message, /cannot be loaded from \/missing\.wasm; set init\({ wasm }\) to its URL: .*404/);
  });
  for (const browser of ["chromium", "firefox"]) {
    test(`a policy without 'wasm-unsafe-eval' in ${browser}: init rejects with the directive`, async () => {
      for (const how of ["classic", "module"]) {
        assert.match(await outcome(browser, `forbidden-${how}.html`), /must allow 'wasm-unsafe-eval' in script-src/, how);
      }
    });
  }
});

describe("Next.js", TOGETHER, () => {
  before(async () => {
    sites.next = await nextSite();
  });
  test("Next.js: the server renders a component that imports the package", async () => {
    const page = await (await fetch(sites.next.url)).text();
    assert.match(page, /<main[^>]* data-status="NEW"/);
  });
  test("Next.js: a client component calls", () => calls(sites.next.url));
});
