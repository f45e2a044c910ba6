// Builds npm/dist, the contents of the package, from npm/pkg (made by wasm-bindgen) and npm/src.

import { execFileSync } from "node:child_process";
import { appendFile, copyFile, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const wasm = join(here, "pkg/offhook_sdk_wasm_bg.wasm");
const dist = join(here, "dist");
await rm(dist, { recursive: true, force: true });
await mkdir(dist, { recursive: true });

const hex = {
  name: "hex",
  setup(builder) {
    builder.onResolve({ filter: /^offhook-core-hex$/ }, () => ({ path: wasm, namespace: "hex" }));
    builder.onLoad({ filter: /.*/, namespace: "hex" }, async ({ path }) => {
      return { contents: `export default "${(await readFile(path)).toString("hex")}"`, loader: "js" };
    });
  },
};
const common = {
  bundle: true, minify: true, target: "es2020", platform: "browser", legalComments: "none", absWorkingDir: here, plugins: [hex],
  logOverride: { "commonjs-variable-in-esm": "silent" },
};
await build({ ...common, entryPoints: ["src/index.ts"], format: "esm", outfile: "dist/index.js" });
await build({ ...common, entryPoints: ["src/slim.ts"], format: "esm", outfile: "dist/offhook.js" });
await build({ ...common, entryPoints: ["src/flashphoner.ts"], format: "iife", outfile: "dist/flashphoner.js" });
await copyFile(wasm, join(dist, "offhook_bg.wasm"));
await writeCommonJs(join(dist, "flashphoner.js"), join(dist, "flashphoner.cjs"));

const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
execFileSync(process.execPath, [tsc, "-p", here], { stdio: "inherit", cwd: here });
const types = join(dist, "types");
for (const internal of ["core", "embedded", "flashphoner"]) await rm(join(types, `${internal}.d.ts`));
for (const name of await readdir(types)) {
  const text = await readFile(join(types, name), "utf8");
  await writeFile(join(types, name.replace(/\.d\.ts$/, ".d.cts")), text.replaceAll(/(from "\.\/\w+)\.js"/g, '$1.cjs"'));
}
await writeFile(join(dist, "index.d.ts"), 'export * from "./types/index.js";\n');
await writeFile(join(dist, "offhook.d.ts"), 'export * from "./types/slim.js";\n');
await writeFile(join(dist, "flashphoner.d.cts"), 'export * from "./types/classic.cjs";\n');

/**
 * Writes the classic script as the CommonJS module that Node.js and bundlers expect. The line added at the end is never executed;
 * Node.js reads the names of the exports from it, so that ES modules can import them by name.
 */
async function writeCommonJs(script, module) {
  await copyFile(script, module);
  const names = Object.keys(createRequire(import.meta.url)(module));
  await appendFile(module, `0&&(module.exports={${names.join(",")}});\n`);
}
