// The WebAssembly core: loaded once, by `init`.

import * as core from "../pkg/offhook_sdk_wasm.js";
import type { CoreSource } from "./sdk.js";

let ready = false;
let loading: Promise<void> | undefined;
const waiting: (() => void)[] = [];

/** Instantiates the core from `source`, once. A failed attempt rejects, and the next call tries again. */
export function load(source: () => CoreSource): Promise<void> {
  loading ??= instantiate(source).catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

async function instantiate(source: () => CoreSource): Promise<void> {
  const given = source();
  try {
    await core.default({ module_or_path: given as core.InitInput });
  } catch (error) {
    throw new Error(`The WebAssembly core of Offhook cannot be loaded${origin(given)}: ${String(error)}`, { cause: error });
  }
  ready = true;
  waiting.splice(0).forEach((next) => next());
}

function origin(source: CoreSource): string {
  if (typeof source === "string" || source instanceof URL) return ` from ${String(source)}; set init({ wasm }) to its URL`;
  if (source instanceof Request || source instanceof Response) return ` from ${source.url}`;
  return "";
}

/** Calls `next` now if the core is instantiated, otherwise when it is. */
export function whenReady(next: () => void): void {
  if (ready) next();
  else waiting.push(next);
}

export { core };
