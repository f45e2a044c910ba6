// The code blocks of a README as pages.
import fs from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { createProject, html } from "./projects.mjs";
import { serve } from "./site.mjs";

const REPOSITORY = fileURLToPath(new URL("../../../", import.meta.url));
const RELAY_URL = "wss://relay.example.com:8443";
const CODE = ["html", "js", "ts"];

/**
 * Returns the examples of a README: one for each block of JavaScript and each block of HTML with a script. A block of HTML
 * without a script is the body of the page of the next module. Only the relay's URL is replaced, and on Bob's page the names.
 */
export async function examples(file, relay) {
  const text = await fs.readFile(path.join(REPOSITORY, file), "utf8");
  const found = [];
  let body = "";
  for (const [, language, code] of text.matchAll(/^```(\w+)\n(.*?)^```$/gms)) {
    if (!CODE.includes(language)) continue;
    const line = text.slice(0, text.indexOf(code)).split("\n").length;
    const example = code.replaceAll(RELAY_URL, relay.ws);
    if (language === "html" && !code.includes("<script")) body = example;
    else found.push({ title: `${file}, line ${line}`, language, code: example, body });
  }
  return found;
}

const asBob = (code) => code.replace('login: "alice"', 'login: "bob"').replace('callee: "bob"', 'callee: "alice"');

/** Serves an example as `alice.html` and as `bob.html`. */
export async function serveExample({ language, code, body }, name) {
  const head = '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Example</title><link rel="icon" href="data:,">';
  const files = {};
  for (const [user, text] of Object.entries({ alice: code, bob: asBob(code) })) {
    if (language === "html") files[`${user}.html`] = `${head}<body>${text}</body></html>`;
    else Object.assign(files, { [`${user}.js`]: text, [`${user}.html`]: page(user, body) });
  }
  const folder = await createProject(name, [], files);
  if (language !== "html") {
    const entryPoints = ["alice", "bob"].map((user) => path.join(folder, `${user}.js`));
    await build({ entryPoints, outdir: path.join(folder, "dist"), bundle: true, format: "esm", logLevel: "error" });
  }
  return serve({ "/": folder, "/assets/": path.join(folder, "node_modules/offhook/dist") });
}

const page = (user, body) => html(`type="module" src="/dist/${user}.js"`).replace(/<body>.*<\/body>/s, `<body>${body}</body>`);
