// The classic script and the CommonJS module: global `Flashphoner`, the value of an AMD module, or what `require` returns.

import * as classic from "./classic.js";

declare const module: { exports: unknown } | undefined;
declare const define: (((factory: () => unknown) => void) & { amd?: unknown }) | undefined;

// A copy, because pages replace members and a module namespace is read-only.
const Flashphoner = { ...classic };

if (typeof module === "object" && module) module.exports = Flashphoner;
else if (typeof define === "function" && define.amd) define(() => Flashphoner);
else (globalThis as Record<string, unknown>)["Flashphoner"] = Flashphoner;
