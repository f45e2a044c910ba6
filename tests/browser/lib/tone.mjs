// Sends and detects tones in pages that are not part of the suites.
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/**
 * Returns an init script with the functions of pages/listen.js as `window.listen`, which replaces the microphone by a sine tone
 * of `hz`. With a real microphone, the browser's noise suppression would remove a steady tone.
 */
export async function toneScript(hz) {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("../pages/listen.js", import.meta.url))],
    bundle: true,
    write: false,
    format: "iife",
    globalName: "listen",
    // Pages that are not a secure context, such as about:blank, have no microphone.
    footer: { js: `window.listen = listen; if (navigator.mediaDevices) listen.useTone(${hz});` },
    logLevel: "error",
  });
  return outputFiles[0].text;
}

/** Waits until the element in `#remoteDisplay`, which all phone pages have, plays a tone of `hz`. Returns the last analysis. */
export const remoteTone = (page, hz) =>
  page.evaluate((wanted) => window.listen.awaitTone(document.querySelector("#remoteDisplay video").srcObject, wanted), hz);
