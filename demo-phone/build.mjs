// Bundles the page into dist/: index.html, style.css, phone.js and the module of the offhook package beside it, where
// the package's `new URL("….wasm", import.meta.url)` looks for it.
import { build } from "esbuild";
import { copyFile, mkdir, readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "dist");
const library = dirname(fileURLToPath(import.meta.resolve("offhook")));

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
for (const name of await readdir(library)) {
  if (name.endsWith(".wasm")) await copyFile(join(library, name), join(dist, name));
}
