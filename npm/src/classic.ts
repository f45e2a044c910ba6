// The members of the classic script's `Flashphoner`, with the WebAssembly core embedded.

import { loadNow } from "./core.js";
import { embedded } from "./embedded.js";
import * as sdk from "./sdk.js";

/**
 * Makes the API usable and loads the WebAssembly core before it returns.
 *
 * @returns a promise that is settled once the core is loaded. It is rejected if the browser has no WebRTC, or if
 *   a Content Security Policy without `'wasm-unsafe-eval'` forbids WebAssembly (CSP Level 3, section 4.5).
 */
export async function init(options: sdk.InitOptions = {}): Promise<void> {
  await Promise.all([sdk.init(options), loadNow(embedded)]);
}

export * from "./sdk.js";
export * from "./types.js";
