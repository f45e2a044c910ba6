// Declares the global of the classic script: `/// <reference types="offhook/global" />`, or `"types": ["offhook/global"]` in
// tsconfig.json.

import type * as classic from "./dist/types/classic.js";

declare global {
  /** The SDK, defined by the classic script `offhook/dist/flashphoner.js`. */
  const Flashphoner: typeof classic;
}
