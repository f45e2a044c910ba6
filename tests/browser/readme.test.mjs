// Runs the examples of both READMEs unchanged in Chromium with a relay.
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, test } from "node:test";
import { build } from "esbuild";
import { TONE, launch, openPage, screenshots } from "./lib/browsers.mjs";
import { examples, serveExample } from "./lib/readme.mjs";
import { startRelay } from "./lib/relay.mjs";
import { until } from "./lib/wait.mjs";

const READMES = ["README.md", "npm/README.md"];
const browsers = {};
let relay;
let listen;

before(async () => {
  [relay, browsers.alice, browsers.bob] = await Promise.all([
    startRelay(),
    launch("chromium", { hz: TONE.a }),
    launch("chromium", { hz: TONE.b }),
  ]);
  const entry = path.join(import.meta.dirname, "pages/listen.js");
  const { outputFiles } = await build({ entryPoints: [entry], bundle: true, format: "iife", globalName: "listen", write: false });
  // The examples do not indicate their registration, so the `registered` messages are counted.
  listen = `${outputFiles[0].text}
    window.listen = listen;
    window.registered = 0;
    const NativeSocket = window.WebSocket;
    window.WebSocket = class extends NativeSocket {
      constructor(...given) {
        super(...given);
        this.addEventListener("message", ({ data }) => (window.registered += /"registered"/.test(data) ? 1 : 0));
      }
    };`;
});

after(async () => {
  await Promise.all(Object.values(browsers).map((browser) => browser.close()));
  await relay?.stop();
});

/** Opens the page for both users, clicks the call button of Alice, and checks that each receives the tone of the other. */
async function callByButtons(pages) {
  const [alice, bob] = pages;
  for (const page of pages) await until("the registration", () => page.evaluate(() => window.registered > 0));
  await alice.click("button:text('Call Bob'):enabled");
  if (await bob.locator("#answer").count()) await bob.click("#answer:enabled");
  const tones = [TONE.b, TONE.a];
  const measured = await Promise.all(
    pages.map(async (page, index) => {
      const playing = () => page.evaluate(() => Boolean(document.querySelectorAll("video")[1]?.srcObject));
      await until("the peer's sound", playing);
      return page.evaluate((hz) => listen.awaitTone(document.querySelectorAll("video")[1].srcObject, hz), tones[index]);
    }),
  );
  assert.ok(measured[0].ok && measured[1].ok, `both receive the other's tone: ${JSON.stringify(measured)}`);
  if (await alice.locator("#hangup").count()) {
    await alice.click("#hangup:enabled");
    await Promise.all(pages.map((page) => page.waitForSelector("#hangup:disabled")));
  }
}

for (const file of READMES) {
  test(`${file}: every example runs, and calls have audio`, async () => {
    const found = await examples(file, relay);
    assert.ok(found.length >= 2, `${file} has a module and a classic script`);
    assert.ok(found.some(({ code }) => code.includes("createCall")), `${file} has an example that calls`);
    for (const [index, example] of found.entries()) await run(example, `${file.replace(/\W/g, "-")}-${index}`);
  });
}

async function run(example, name) {
  const site = await serveExample(example, name);
  const pages = [];
  try {
    for (const user of ["alice", "bob"]) {
      pages.push(await openPage(browsers[user], `${site.url}${user}.html`, { scripts: [{ content: listen }] }));
    }
    if (example.code.includes("createCall")) await callByButtons(pages);
    else if (example.code.includes("createSession")) {
      await until("the registration", () => pages[0].evaluate(() => window.registered > 0));
    }
    assert.deepEqual(pages.map((page) => page.errors), [[], []], example.title);
  } catch (error) {
    await screenshots(name, pages);
    const errors = pages.flatMap((page) => page.errors).join("; ");
    throw new Error(`${example.title}: ${error.message}; page errors: ${errors || "none"}`, { cause: error });
  } finally {
    await Promise.all(pages.map((page) => page.context().close()));
    site.close();
  }
}
