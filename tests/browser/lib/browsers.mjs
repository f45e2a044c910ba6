// Debian's Chromium and Firefox through one interface; playwright-core does not download browsers.
import fs from "node:fs/promises";
import path from "node:path";
import { chromium, firefox } from "playwright-core";
import { writeSine } from "./wav.mjs";

/** The tone in Hz of the fake microphone for each role; that of Firefox is always 1000 Hz. */
export const TONE = { a: 440, b: 1000, c: 1500 };

/** Starts a browser. Chromium's fake microphone produces a sine tone of `hz`. */
export async function launch(name, { hz = TONE.b, args = [] } = {}) {
  return name === "firefox" ? launchFirefox() : launchChromium(hz, args);
}

export const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** Returns Chromium's arguments for the suites. With `background`, timers of background tabs are throttled as by default. */
export async function chromiumArguments(hz, { background = false } = {}) {
  return [
    "--no-sandbox", // the suites may run as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    `--use-file-for-fake-audio-capture=${await writeSine(hz)}`,
    ...(background ? [] : ["--disable-background-timer-throttling", "--disable-renderer-backgrounding"]),
  ];
}

async function launchChromium(hz, args) {
  return chromium.launch({ executablePath: CHROMIUM, headless: true, args: [...(await chromiumArguments(hz)), ...args] });
}

function launchFirefox() {
  return firefox.launch({
    channel: "moz-firefox", // the stock browser over WebDriver BiDi
    executablePath: process.env.FIREFOX ?? "/usr/bin/firefox-esr",
    headless: true,
    firefoxUserPrefs: {
      "media.navigator.streams.fake": true,
      "media.navigator.permission.disabled": true,
      "media.autoplay.default": 0,
      "media.autoplay.blocking_policy": 0,
      "media.peerconnection.ice.obfuscate_host_addresses": false,
    },
  });
}

export const isFirefox = (browser) => browser.browserType().name() === "firefox";

/**
 * Opens a page in a separate context. `scripts` run before the page's own; errors of the page are stored in `page.errors`.
 * Firefox over BiDi refuses media features that a context emulates unless they are null.
 */
export async function openPage(browser, url, { scripts = [], userAgent } = {}) {
  const plain = { colorScheme: null, reducedMotion: null, forcedColors: null, contrast: null };
  const context = await browser.newContext(isFirefox(browser) ? plain : { userAgent });
  for (const script of scripts) await context.addInitScript(script);
  const page = await context.newPage();
  page.errors = [];
  page.on("pageerror", (error) => page.errors.push(error.message));
  await page.goto(url, { waitUntil: "load" });
  return page;
}

/** Stores screenshots of the pages of a failed test under $OFFHOOK_SCREENSHOTS or ./screenshots. */
export async function screenshots(name, pages) {
  const folder = process.env.OFFHOOK_SCREENSHOTS ?? path.join(import.meta.dirname ?? ".", "../screenshots");
  await fs.mkdir(folder, { recursive: true });
  for (const [index, page] of pages.entries()) {
    const file = path.join(folder, `${name.replace(/[^a-z0-9]+/gi, "-")}-${index}.png`);
    await page.screenshot({ path: file }).then(() => console.error(`screenshot: ${file}`), () => {});
  }
}
