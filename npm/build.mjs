// Bundles npm/pkg (made by wasm-bindgen) and npm/src into npm/dist.

import { execFileSync } from "node:child_process";
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const wasm = join(here, "pkg/offhook_sdk_wasm_bg.wasm");
const dist = join(here, "dist");
await rm(dist, { recursive: true, force: true });
await mkdir(dist, { recursive: true });

const base64 = {
  name: "base64",
  setup(builder) {
    builder.onResolve({ filter: /^offhook-core-base64$/ }, () => ({ path: wasm, namespace: "base64" }));
    builder.onLoad({ filter: /.*/, namespace: "base64" }, async ({ path }) => {
      return { contents: `export default "${(await readFile(path)).toString("base64")}"`, loader: "js" };
    });
  },
};
const common = {
  bundle: true, minify: true, target: "es2020", platform: "browser", legalComments: "none", absWorkingDir: here,
  logOverride: { "empty-import-meta": "silent", "commonjs-variable-in-esm": "silent" },
};
await build({ ...common, entryPoints: ["src/index.ts"], format: "esm", outfile: "dist/offhook.js" });
await build({ ...common, entryPoints: ["src/flashphoner.ts"], format: "iife", outfile: "dist/flashphoner.js", plugins: [base64] });
await copyFile(wasm, join(dist, "offhook_bg.wasm"));

const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
execFileSync(process.execPath, [tsc, "-p", here], { stdio: "inherit", cwd: here });
await writeFile(join(dist, "offhook.d.ts"), 'export * from "./types/index.js";\n');
