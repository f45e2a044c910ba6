// Loads the WebAssembly core, once, on behalf of `init`.

import * as core from "../pkg/offhook_sdk_wasm.js";
import type { CoreSource } from "./sdk.js";

interface Waiting {
  ready: () => void;
  failed: (error: Error) => void;
}

let state: "waiting" | "ready" | Error = "waiting";
let loading: Promise<void> | undefined;
const waiting: Waiting[] = [];

/** Instantiates the core from `source`, once. If that fails, the promise is rejected and the next call tries again. */
export function load(source: () => CoreSource): Promise<void> {
  loading ??= instantiate(source());
  return loading;
}

/** Instantiates the core synchronously, unless the browser compiles a module of this size only asynchronously. */
export function loadNow(bytes: () => BufferSource): Promise<void> {
  if (state === "ready" || loading) return load(bytes);
  const module = bytes();
  try {
    core.initSync({ module });
  } catch {
    return load(() => module);
  }
  started();
  return (loading = Promise.resolve());
}

async function instantiate(source: CoreSource): Promise<void> {
  try {
    await core.default({ module_or_path: source as core.InitInput });
  } catch (cause) {
    state = explained(cause, source);
    loading = undefined;
    for (const { failed } of waiting.splice(0)) failed(state);
    throw state;
  }
  started();
}

function started(): void {
  state = "ready";
  for (const { ready } of waiting.splice(0)) ready();
}

/** Calls `ready` when the core is instantiated, synchronously if it is already, or `failed`, asynchronously, if that fails. */
export function whenReady(ready: () => void, failed: (error: Error) => void): void {
  if (state === "ready") ready();
  else if (state === "waiting" || loading) waiting.push({ ready, failed });
  else setTimeout(failed, 0, state);
}

/**
 * Returns an error that explains the failure. Browsers have different texts for a Content Security Policy that forbids WebAssembly
 * (CSP Level 3, section 4.5).
 */
function explained(cause: unknown, source: CoreSource): Error {
  const text = cause instanceof Error ? cause.message : String(cause);
  const policy = /content security policy|\bcsp\b|unsafe-eval/i.test(text);
  const advice = policy ? ": the page's Content-Security-Policy must allow 'wasm-unsafe-eval' in script-src" : origin(source);
  return new Error(`The WebAssembly core of Offhook cannot be loaded${advice}: ${text}`, { cause });
}

function origin(source: CoreSource): string {
  if (typeof source === "string" || source instanceof URL) return ` from ${String(source)}; set init({ wasm }) to its URL`;
  if (source instanceof Request || source instanceof Response) return ` from ${source.url}`;
  return "";
}

export { core };
