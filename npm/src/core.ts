// The WebAssembly core: there at once, or soon.

import * as core from "../pkg/offhook_sdk_wasm.js";

let ready = false;
const waiting: (() => void)[] = [];

/** The core is instantiated. */
export function started(): void {
  ready = true;
  waiting.splice(0).forEach((next) => next());
}

/** Calls `next` now, or when the core is there. */
export function whenReady(next: () => void): void {
  if (ready) next();
  else waiting.push(next);
}

export { core };
