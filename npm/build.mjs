// Bundles npm/pkg (made by wasm-bindgen) and npm/src into npm/dist.

import { execFileSync } from "node:child_process";
import { copyFile, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
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
  logOverride: { "empty-import-meta": "silent" },
};
await build({ ...common, entryPoints: ["src/index.ts"], format: "esm", outfile: "dist/offhook.js" });
await build({ ...common, entryPoints: ["src/flashphoner.ts"], format: "iife", outfile: "dist/flashphoner.js", plugins: [base64] });
await copyFile(wasm, join(dist, "offhook_bg.wasm"));
// In a package of type "module" the classic script would be taken for a module by Node.
await writeFile(join(dist, "package.json"), '{ "type": "module" }\n');

const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
execFileSync(process.execPath, [tsc, "-p", here], { stdio: "inherit", cwd: here });
await copyDeclarations();

/** The declarations of the modules, beside the bundle; `offhook.d.ts` is the entry. */
async function copyDeclarations() {
  for (const name of await readdir(join(dist, "types/src")).catch(() => readdir(join(dist, "types")))) {
    console.log(`types: ${name}`);
  }
  await writeFile(join(dist, "offhook.d.ts"), 'export * from "./types/index.js";\n');
}
