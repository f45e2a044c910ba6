// The packed SDK as used by a third party: installed into an empty project from the tarball, and bundled by esbuild.
import { execFile } from "node:child_process";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";

const HERE = fileURLToPath(new URL("../", import.meta.url));
const TARBALL = process.env.OFFHOOK_TARBALL ?? path.join(HERE, "../../npm/offhook-0.1.0.tgz");

let installed;

/** Returns the folder of the installed package, which is installed once per process. */
export function installPackage() {
  installed ??= install();
  return installed;
}

async function install() {
  const project = await fs.mkdtemp(path.join(os.tmpdir(), "offhook-consumer-"));
  await fs.writeFile(path.join(project, "package.json"), '{ "name": "consumer", "private": true }\n');
  const options = ["install", "--offline", "--no-audit", "--no-fund", "--ignore-scripts", TARBALL];
  await promisify(execFile)("npm", options, { cwd: project });
  return path.join(project, "node_modules/offhook");
}

/** Bundles `pages/NAME.js` with the package and returns the folder to serve: index.html and page.js. */
export async function bundlePage(name) {
  const library = await installPackage();
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), `offhook-${name}-`));
  await build({
    entryPoints: [path.join(HERE, `pages/${name}.js`)],
    outfile: path.join(folder, "page.js"),
    bundle: true,
    format: "esm",
    target: "es2020",
    nodePaths: [path.dirname(library)],
    logLevel: "error",
  });
  await fs.copyFile(path.join(HERE, "pages/page.html"), path.join(folder, "index.html"));
  return folder;
}
