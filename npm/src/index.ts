// `import { init, createSession } from "offhook"`: the ES module that contains its WebAssembly core.

import { load } from "./core.js";
import { embedded } from "./embedded.js";
import * as sdk from "./sdk.js";

/** Options of {@link init}. */
export interface InitOptions extends sdk.InitOptions {
  /** A WebAssembly core to use in place of the embedded one; must be of the same version of this package. */
  wasm?: sdk.CoreSource;
}

/**
 * Makes the API usable before it returns, and loads the WebAssembly core: sessions created meanwhile open as soon as it is loaded.
 *
 * @returns a promise that is settled once the core is loaded. It is rejected if the browser has no WebRTC, or if
 *   a Content Security Policy without `'wasm-unsafe-eval'` forbids WebAssembly (CSP Level 3, section 4.5).
 */
export async function init(options: InitOptions = {}): Promise<void> {
  await Promise.all([sdk.init(options), load(() => options.wasm ?? embedded())]);
}

export * from "./exports.js";
