// Bundles the page into dist/: index.html, style.css, phone.js and the WebAssembly core, which `offhook/slim` fetches from
// `new URL("offhook_bg.wasm", import.meta.url)`.
import { build } from "esbuild";
import { copyFile, mkdir, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "dist");
const core = fileURLToPath(import.meta.resolve("offhook/offhook_bg.wasm"));

await rm(dist, { recursive: true, force: true });
await mkdir(dist);
await build({
  entryPoints: [join(here, "src/phone.js")],
  outdir: dist,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2020",
  sourcemap: true,
});
for (const name of ["index.html", "style.css"]) await copyFile(join(here, "src", name), join(dist, name));
await copyFile(core, join(dist, basename(core)));
