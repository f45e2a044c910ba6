// The classic script: global `Flashphoner`, usable on the next line. The core is inside, as base64.

import wasm from "offhook-core-base64";
import { core, started } from "./core.js";
import * as sdk from "./sdk.js";

const bytes = Uint8Array.from(atob(wasm), (char) => char.charCodeAt(0));

try {
  core.initSync({ module: bytes });
  started();
} catch {
  // A browser that compiles no module of this size synchronously: sessions open as soon as it has done so.
  core.default({ module_or_path: bytes }).then(started, (error: unknown) => console.error(error));
}

const Flashphoner = { ...sdk };

declare const module: { exports: unknown } | undefined;
declare const define: (((factory: () => unknown) => void) & { amd?: unknown }) | undefined;

if (typeof module === "object" && module) module.exports = Flashphoner;
else if (typeof define === "function" && define.amd) define(() => Flashphoner);
else (globalThis as Record<string, unknown>)["Flashphoner"] = Flashphoner;
