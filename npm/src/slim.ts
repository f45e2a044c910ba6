// `import { init, createSession } from "offhook/slim"`: the ES module that fetches its WebAssembly core.

import { load } from "./core.js";
import * as sdk from "./sdk.js";

/** Options of {@link init}. */
export interface InitOptions extends sdk.InitOptions {
  /** The WebAssembly core, or the URL to fetch it from; `offhook_bg.wasm` beside this module by default. */
  wasm?: sdk.CoreSource;
}

/**
 * Makes the API usable before it returns, and fetches the WebAssembly core: sessions created meanwhile open as soon as it is loaded.
 *
 * @returns a promise that is settled once the core is loaded. It is rejected if the browser has no WebRTC, if the core cannot be
 *   fetched, or if a Content Security Policy without `'wasm-unsafe-eval'` forbids WebAssembly (CSP Level 3, section 4.5).
 */
export async function init(options: InitOptions = {}): Promise<void> {
  await Promise.all([sdk.init(options), load(() => options.wasm ?? new URL("offhook_bg.wasm", import.meta.url))]);
}

export * from "./exports.js";
