// Measures the time from the click to the peer's sound in Chromium through the relay, alternating between our SDK and the stock
// one, with a callee that answers immediately. `bin/with-net node setup-time.mjs [CALLS]`.
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { launch, openPage } from "./lib/browsers.mjs";
import { installPackage } from "./lib/package.mjs";
import { startRelay } from "./lib/relay.mjs";
import { serve } from "./lib/site.mjs";

const CALLS = Number(process.argv[2] ?? 50);
/** Calls of each SDK before the measurement, for one-time loading and compilation. */
const WARM_UP = 3;
const STOCK = fileURLToPath(new URL("node_modules/@flashphoner/websdk/", import.meta.url));
const PAGES = fileURLToPath(new URL("pages/", import.meta.url));
const SCRIPTS = { ours: "/ours/flashphoner.js", stock: "/stock/flashphoner.min.js" };

async function pageFolder() {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), "offhook-timing-"));
  for (const [name, script] of Object.entries(SCRIPTS)) {
    const html = `<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>${name}</title>
<link rel="icon" href="data:,"><div id="local"></div><div id="remote"></div>
<script src="${script}"></script><script src="/pages/timing.js"></script></html>`;
    await fs.writeFile(path.join(folder, `${name}.html`), html);
  }
  return folder;
}

/** Returns the percentile `p` of the sorted list (nearest rank). */
const percentile = (sorted, p) => sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)];

async function pair(name, browsers, site, relay) {
  const [caller, callee] = await Promise.all(browsers.map((browser) => openPage(browser, `${site.url}${name}.html`)));
  await Promise.all([
    caller.evaluate(([url, login]) => window.timing.start(url, login), [relay.ws, `${name}-caller`]),
    callee.evaluate(([url, login]) => window.timing.start(url, login), [relay.ws, `${name}-callee`]),
  ]);
  await callee.evaluate(() => window.timing.answerAll());
  return () => caller.evaluate((login) => window.timing.measure(login), `${name}-callee`);
}

const relay = await startRelay({ flags: ["--set", "guards.call_rate_per_login=0"] });
const ours = path.join(await installPackage(), "dist");
const site = await serve({ "/": await pageFolder(), "/pages/": PAGES, "/stock/": STOCK, "/ours/": ours });
const browsers = await Promise.all([launch("chromium", { hz: 440 }), launch("chromium", { hz: 1000 })]);
try {
  const calls = { ours: await pair("ours", browsers, site, relay), stock: await pair("stock", browsers, site, relay) };
  const times = { ours: [], stock: [] };
  for (let i = -WARM_UP; i < CALLS; i++) {
    for (const name of i % 2 === 0 ? ["ours", "stock"] : ["stock", "ours"]) {
      const took = await calls[name]();
      if (i >= 0) times[name].push(took);
    }
  }
  console.log(`click to remote audio, ms, ${CALLS} calls each, ${browsers[0].version()}\n`);
  console.log("| SDK | p50 | p95 | least | most |\n|---|---|---|---|---|");
  for (const [name, list] of Object.entries(times)) {
    const sorted = [...list].sort((a, b) => a - b);
    const figures = [percentile(sorted, 0.5), percentile(sorted, 0.95), sorted[0], sorted.at(-1)];
    console.log(`| ${name} | ${figures.map((ms) => Math.round(ms)).join(" | ")} |`);
  }
} finally {
  await Promise.all(browsers.map((browser) => browser.close()));
  site.close();
  await relay.stop();
}
