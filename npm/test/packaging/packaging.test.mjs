// The packed tarball as npm installs it: files, exports, types.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { documentation } from "./documentation.mjs";

const here = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const work = mkdtempSync(join(tmpdir(), "offhook-pack-"));
after(() => rmSync(work, { recursive: true, force: true }));
const npm = (...words) => execFileSync("npm", words, { cwd: here, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
const [{ filename, files }] = JSON.parse(npm("pack", "--json", "--ignore-scripts", "--pack-destination", work));
const names = files.map((file) => file.path);
const root = join(work, "node_modules/offhook");
execFileSync("mkdir", ["-p", root]);
execFileSync("tar", ["xzf", join(work, filename), "-C", root, "--strip-components=1"]);
writeFileSync(join(work, "package.json"), '{ "type": "module" }');
const read = (name) => readFileSync(join(root, name), "utf8");

test("tarball has the files named in README and package.json, and no sources", () => {
  const promised = ["README.md", "LICENSE-MIT", "LICENSE-APACHE", "package.json", "dist/index.js", "dist/index.d.ts",
    "dist/offhook.js", "dist/offhook.d.ts", "dist/offhook_bg.wasm", "dist/flashphoner.js", "dist/flashphoner.cjs",
    "dist/flashphoner.d.cts", "global.d.ts"];
  for (const name of promised) assert.ok(names.includes(name), `${name} is missing`);
  assert.deepEqual(names.filter((name) => /^(src|pkg|test|node_modules)\//.test(name)), []);
});

test("every export refers to a file", () => {
  const { exports, jsdelivr, main, module, types, unpkg, version } = JSON.parse(read("package.json"));
  assert.equal(version, "0.1.0");
  const files = (target) => (typeof target === "string" ? [target] : Object.values(target).flatMap(files));
  for (const target of files([exports, jsdelivr, main, module, types, unpkg])) assert.ok(names.includes(target.slice(2)), `${target} is missing`);
});

test("package.json has the addresses of the project and a description", () => {
  const { bugs, description, homepage, keywords, repository } = JSON.parse(read("package.json"));
  for (const address of [homepage, repository.url, bugs]) assert.equal(new URL(address).protocol.replace("git+", ""), "https:");
  assert.ok(description && keywords.includes("webrtc") && keywords.includes("sip"));
});

test("no build contains eval", () => {
  for (const name of ["dist/index.js", "dist/offhook.js", "dist/flashphoner.js"]) {
    assert.doesNotMatch(read(name), /\beval\(|new Function\b/, name);
  }
});

test("Node.js imports and requires every entry point, as server-side rendering does", () => {
  const run = (script, ...flags) => execFileSync(process.execPath, [...flags, "-e", script], { cwd: work, encoding: "utf8" });
  const api = "typeof api.init + typeof api.createSession + api.constants.CALL_STATUS.RING";
  for (const name of ["offhook", "offhook/slim", "offhook/flashphoner.js"]) {
    const imported = run(`import * as api from "${name}"; console.log(${api})`, "--input-type=module");
    assert.equal(imported, "functionfunctionRING\n", `import * from ${name}`);
  }
  const byDefault = run(`import api from "offhook/flashphoner.js"; console.log(${api})`, "--input-type=module");
  assert.equal(byDefault, "functionfunctionRING\n");
  for (const name of ["offhook", "offhook/flashphoner.js"]) {
    const required = run(`const api = require("${name}"); console.log(${api})`, "--input-type=commonjs");
    assert.equal(required, "functionfunctionRING\n", `require ${name}`);
  }
});

test("module is valid WebAssembly", () => {
  assert.ok(WebAssembly.validate(readFileSync(join(root, "dist/offhook_bg.wasm"))));
});

const USE = `
  const session: Session = createSession({ urlServer: "ws://x" });
  session.on("ESTABLISHED", (_session, data) => { const token: string | undefined = data.authToken; void token; })
    .on("INCOMING_CALL", (call: Call) => call.hangup());
  const call = session.createCall({ callee: "bob" });
  call.on("DTMF", (_call, digit: string) => void digit).on(constants.CALL_STATUS.RING, (same) => void same.id());
  call.on(constants.CALL_EVENT.REMOTE_HOLD, (_call, held: boolean) => void held);
  const reason: string | undefined = call.getEndReason(); void reason;`;

const IMPORTED = 'import type { Call, Session } from "offhook";';
const CONSUMERS = {
  "module.ts": `import { init, createSession, constants, type Call, type Session } from "offhook";
    await init({ constraints: { audio: true, video: false } });${USE}`,
  "slim.ts": `import { init, createSession, constants, type Call, type Session } from "offhook/slim";
    await init({ wasm: new URL("https://x/core.wasm") });${USE}`,
  "required.cts": `import Flashphoner = require("offhook");
    ${IMPORTED}
    const { createSession, constants } = Flashphoner;${USE}`,
  "default.ts": `import Flashphoner, { type Call, type Session } from "offhook/flashphoner.js";
    const { createSession, constants } = Flashphoner;${USE}`,
  "global.ts": `/// <reference types="offhook/global" />
    ${IMPORTED}
    const { createSession, constants } = Flashphoner;${USE}`,
};

test("strict TypeScript consumers of every entry point compile", () => {
  assert.equal(compile(CONSUMERS), "");
});

test("TypeScript consumers that lack an option or the reference to the global do not compile", () => {
  const errors = compile({
    "bad.ts": 'import { createSession } from "offhook"; createSession({});',
    "no-global.ts": "Flashphoner.init(); export {};",
  });
  assert.match(errors, /^bad\.ts.*\n.*'urlServer' is missing/m);
  assert.match(errors, /^no-global\.ts.*Cannot find name 'Flashphoner'/m);
});

test("every exported member, and every type that a signature names, has a doc comment", () => {
  const entries = ["dist/index.d.ts", "dist/offhook.d.ts", "dist/flashphoner.d.cts", "global.d.ts"];
  const { members, undocumented } = documentation(root, entries);
  assert.ok(members.length > 250, `only ${members.length} members were found`);
  for (const name of ["Call.answer", "MediaPath", "DeviceChange.kind", "Kind"]) assert.ok(members.includes(name), `${name} was not found`);
  assert.deepEqual(undocumented, []);
});

test("declarations are identical to the reviewed ones", () => {
  const types = names.filter((name) => /^dist\/types\/.*\.d\.ts$/.test(name)).sort();
  const found = types.map((name) => `// ${name}\n${read(name)}`).join("\n");
  assert.equal(found, readFileSync(join(here, "api.d.ts"), "utf8"), "review the change, then: node test/packaging/snapshot.mjs");
});

/** Compiles these files as one program, and returns the errors. */
function compile(files) {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(work, name), text);
  const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
  const flags = ["--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom"];
  try {
    return execFileSync(process.execPath, [tsc, ...flags, ...Object.keys(files)], { cwd: work, encoding: "utf8" });
  } catch (error) {
    return error.stdout;
  }
}
