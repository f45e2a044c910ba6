// Projects that use the package, one for each bundler, and the sites built from them.
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build as esbuild } from "esbuild";
import webpack from "webpack";
import { installPackage } from "./package.mjs";
import { serve } from "./site.mjs";

const HERE = fileURLToPath(new URL("../", import.meta.url));
/** Inside `tests/browser`, so that the projects find the bundlers in its `node_modules`. */
const BUILD = path.join(HERE, "build");
const IMPORT = 'import { constants, createSession, getMediaAccess, init } from "offhook";';
/** The modules imported by pages/calls.js. */
const PARTS = ["listen.js", "microphone.js"];
const START_MS = 60_000;

const withUrl = (wasm) => `import wasm from "${wasm}"; import * as slim from "offhook/slim";
const { constants, createSession, getMediaAccess } = slim; const init = () => slim.init({ wasm });`;

/** The ways to import the package, as the first line of the suites' page. */
export const IMPORTS = {
  module: IMPORT,
  slim: IMPORT.replace("offhook", "offhook/slim"),
  viteUrl: withUrl("offhook/offhook_bg.wasm?url"),
  fileUrl: withUrl("offhook/offhook_bg.wasm"),
  default: 'import Flashphoner from "offhook/flashphoner.js"; const { constants, createSession, getMediaAccess, init } = Flashphoner;',
  require: 'const { constants, createSession, getMediaAccess, init } = require("offhook");',
  global: "const { constants, createSession, getMediaAccess, init } = Flashphoner;",
};

/** Returns an HTML page that loads these scripts. */
export const html = (...scripts) => `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Suite page</title><link rel="icon" href="data:,">
${scripts.map((attributes) => `<script ${attributes}></script>`).join("\n")}
</head><body><div id="local"></div><div id="remote"></div></body></html>
`;

/** Returns the suites' page with the package imported in the given way; it is the whole of `phone.js` in a project. */
async function phonePage(how) {
  const page = await fs.readFile(path.join(HERE, "pages/calls.js"), "utf8");
  if (!page.includes(IMPORT)) throw new Error(`pages/calls.js does not contain: ${IMPORT}`);
  return page.replace(IMPORT, IMPORTS[how]);
}

/**
 * Creates a project with the installed package, a file `WAY.js` with the suites' page for each way to import that is named, and the
 * given files. Returns its folder.
 */
export async function createProject(name, imports, files = {}) {
  const folder = path.join(BUILD, name);
  await fs.rm(folder, { recursive: true, force: true });
  await fs.cp(await installPackage(), path.join(folder, "node_modules/offhook"), { recursive: true });
  await fs.writeFile(path.join(folder, "package.json"), `{ "name": "${name}", "private": true }\n`);
  for (const file of PARTS) await fs.copyFile(path.join(HERE, "pages", file), path.join(folder, file));
  for (const how of imports) await fs.writeFile(path.join(folder, `${how}.js`), await phonePage(how));
  for (const [file, text] of Object.entries(files)) {
    await fs.mkdir(path.dirname(path.join(folder, file)), { recursive: true });
    await fs.writeFile(path.join(folder, file), text);
  }
  return folder;
}

/** Runs Vite of this major version without configuration: the development server and the built site. */
export async function vite(version) {
  const { build, createServer } = await import(`vite${version}`);
  const imports = ["module", "slim", "viteUrl"];
  const pages = Object.fromEntries(imports.map((how) => [`${how}.html`, html(`type="module" src="/${how}.js"`)]));
  const root = await createProject(`vite${version}`, imports, pages);
  const quiet = { root, configFile: false, logLevel: "error" };
  const input = Object.keys(pages).map((page) => path.join(root, page));
  await build({ ...quiet, build: { rollupOptions: { input } } });
  const built = await serve({ "/": path.join(root, "dist") });
  const server = await createServer({ ...quiet, server: { host: "127.0.0.1", port: 0 } });
  await server.listen();
  const url = `http://localhost:${server.httpServer.address().port}/`;
  return { built, dev: { url, close: () => server.close() } };
}

/** Runs webpack 5 with the entry points as the only configuration. Serves NAME.html for each way to import. */
export async function webpackSite() {
  const imports = ["module", "slim", "default", "require"];
  const pages = Object.fromEntries(imports.map((how) => [`dist/${how}.html`, html(`defer src="${how}.js"`)]));
  const folder = await createProject("webpack", imports, pages);
  const entry = Object.fromEntries(imports.map((how) => [how, `./${how}.js`]));
  // The folders are those of a project in which webpack is started; the limits of `performance` are for the sum of the user's code.
  const config = { context: folder, output: { path: path.join(folder, "dist") }, mode: "production", entry, performance: false };
  const stats = await promisify(webpack)(config);
  if (stats.hasErrors() || stats.hasWarnings()) throw new Error(stats.toString("errors-warnings"));
  return serve({ "/": path.join(folder, "dist") });
}

/** Runs esbuild with the loader for `fileUrl` as the only configuration. The pages' Content Security Policy is `policy(path)`. */
export async function esbuildSite(policy) {
  const imports = ["module", "fileUrl", "default", "require"];
  const pages = Object.fromEntries(imports.map((how) => [`dist/${how}.html`, html(`type="module" src="${how}.js"`)]));
  const folder = await createProject("esbuild", imports, pages);
  await esbuild({
    entryPoints: imports.map((how) => path.join(folder, `${how}.js`)),
    outdir: path.join(folder, "dist"),
    bundle: true,
    minify: true,
    format: "esm",
    loader: { ".wasm": "file" },
    logLevel: "warning",
  });
  return serve({ "/": path.join(folder, "dist") }, { headers: (name) => ({ "content-security-policy": policy(name) }) });
}

/** Serves pages without a bundler: the classic script, and ES modules with an import map. `policy(path)` is the Content Security Policy. */
export async function plainSite(policy) {
  const map = '<script type="importmap">{ "imports": { "offhook/slim": "/node_modules/offhook/dist/offhook.js" } }</script>';
  const outcome = '.then(() => "loaded", (error) => error.message);';
  const folder = await createProject("plain", ["global", "slim"], {
    "classic.html": html('src="/node_modules/offhook/dist/flashphoner.js"', 'type="module" src="/global.js"'),
    "slim.html": html('type="module" src="/slim.js"').replace("<script", `${map}\n<script`),
    "missing.html": html('type="module" src="/missing.js"').replace("<script", `${map}\n<script`),
    "missing.js": `import { init } from "offhook/slim"; window.outcome = init({ wasm: "/missing.wasm" })${outcome}`,
    "forbidden-classic.html": html('src="/node_modules/offhook/dist/flashphoner.js"', 'src="/forbidden-classic.js"'),
    "forbidden-classic.js": `window.outcome = Flashphoner.init()${outcome}`,
    "forbidden-module.html": html('type="module" src="/forbidden-module.js"'),
    "forbidden-module.js": `import { init } from "/node_modules/offhook/dist/index.js"; window.outcome = init()${outcome}`,
  });
  const headers = (name) => (policy(name) ? { "content-security-policy": policy(name) } : {});
  return serve({ "/": folder }, { headers });
}

/** Builds and starts Next.js. A client component imports the package, also during server-side rendering. */
export async function nextSite() {
  const app = path.join(HERE, "apps/next");
  const folder = await createProject("next", ["module"]);
  await fs.cp(app, folder, { recursive: true });
  const next = (...words) => {
    const env = { ...process.env, NEXT_TELEMETRY_DISABLED: "1" };
    const program = path.join(HERE, "node_modules/next/dist/bin/next");
    return spawn(process.execPath, [program, ...words], { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
  };
  const built = next("build");
  const output = collect(built);
  const [code] = await once(built, "exit");
  if (code !== 0) throw new Error(`next build ended with ${code}:\n${output.join("")}`);
  const server = next("start", "--hostname", "127.0.0.1", "--port", "0");
  const printed = collect(server);
  const url = await new Promise((ok, no) => {
    const timer = setTimeout(() => no(new Error(`next start is not ready:\n${printed.join("")}`)), START_MS);
    server.stdout.on("data", () => {
      const port = /http:\/\/[\w.]+:(\d+)/.exec(printed.join(""))?.[1];
      if (!port || !/ready/i.test(printed.join(""))) return;
      clearTimeout(timer);
      ok(`http://localhost:${port}/`);
    });
    server.once("exit", (status) => no(new Error(`next start ended with ${status}:\n${printed.join("")}`)));
  });
  return { url, close: () => server.kill() };
}

/** Collects the output of a process. */
function collect(child) {
  const output = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => output.push(String(chunk)));
  return output;
}
