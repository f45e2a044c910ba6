// Tones in pages that know nothing of the suites: in place of the microphone, and of what the far end's element plays.
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/**
 * An init script with the functions of pages/listen.js as `window.listen`, which has a sine of `hz` in the place of the
 * microphone: browsers remove a steady tone of a real one as noise where a page leaves the processing on.
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

/** Listens until the element in `#remoteDisplay`, which all phone pages have, plays a tone of `hz`; gives what was heard last. */
export const remoteTone = (page, hz) =>
  page.evaluate((wanted) => window.listen.hearTone(document.querySelector("#remoteDisplay video").srcObject, wanted), hz);
