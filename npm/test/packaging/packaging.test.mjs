// The packed tarball, as a stranger gets it: files, exports, types.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const here = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const work = mkdtempSync(join(tmpdir(), "offhook-pack-"));
after(() => rmSync(work, { recursive: true, force: true }));
const npm = (...words) => execFileSync("npm", words, { cwd: here, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
const [{ filename, files }] = JSON.parse(npm("pack", "--json", "--ignore-scripts", "--pack-destination", work));
const names = files.map((file) => file.path);
const root = join(work, "node_modules/offhook");
execFileSync("mkdir", ["-p", root]);
execFileSync("tar", ["xzf", join(work, filename), "-C", root, "--strip-components=1"]);
const read = (name) => readFileSync(join(root, name), "utf8");

test("the tarball has what the README and package.json promise, and no sources", () => {
  const promised = ["README.md", "LICENSE-MIT", "LICENSE-APACHE", "package.json", "dist/offhook.js", "dist/offhook.d.ts",
    "dist/offhook_bg.wasm", "dist/flashphoner.js"];
  for (const name of promised) assert.ok(names.includes(name), `${name} is missing`);
  assert.deepEqual(names.filter((name) => /^(src|pkg|test|node_modules)\//.test(name)), []);
});

test("every export leads to a file", () => {
  const { exports, version } = JSON.parse(read("package.json"));
  assert.equal(version, "0.1.0");
  const targets = Object.values(exports).flatMap((target) => (typeof target === "string" ? [target] : Object.values(target)));
  for (const target of targets) assert.ok(names.includes(target.slice(2)), `${target} is missing`);
});

test("no eval, in either build", () => {
  for (const name of ["dist/offhook.js", "dist/flashphoner.js"]) {
    assert.doesNotMatch(read(name), /\beval\(|new Function\b/, name);
  }
});

test("the module is valid WebAssembly", () => {
  assert.ok(WebAssembly.validate(readFileSync(join(root, "dist/offhook_bg.wasm"))));
});

test("a strict TypeScript consumer compiles, and a wrong one does not", () => {
  writeFileSync(join(work, "package.json"), '{ "type": "module" }');
  const good = `import { init, createSession, constants, type Call, type Session } from "offhook";
    await init({ constraints: { audio: true, video: false } });
    const session: Session = createSession({ urlServer: "ws://x" });
    session.on("ESTABLISHED", (_session, data) => { const token: string | undefined = data.authToken; void token; })
      .on("INCOMING_CALL", (call: Call) => call.hangup());
    const call = session.createCall({ callee: "bob" });
    call.on("DTMF", (_call, digit: string) => void digit).on(constants.CALL_STATUS.RING, (same) => void same.id());
    call.on(constants.CALL_EVENT.REMOTE_HOLD, (_call, held: boolean) => void held);
    const reason: string | undefined = call.getEndReason(); void reason;`;
  assert.equal(compile("good.ts", good), "");
  assert.match(compile("bad.ts", 'import { createSession } from "offhook"; createSession({}); export {};'), /urlServer/);
});

test("the declarations are the reviewed ones", () => {
  const types = names.filter((name) => name.startsWith("dist/types/")).sort();
  const found = types.map((name) => `// ${name}\n${read(name)}`).join("\n");
  assert.equal(found, readFileSync(join(here, "api.d.ts"), "utf8"), "review the change, then: node test/packaging/snapshot.mjs");
});

function compile(name, text) {
  writeFileSync(join(work, name), text);
  const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
  const flags = ["--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom"];
  try {
    return execFileSync(process.execPath, [tsc, ...flags, name], { cwd: work, encoding: "utf8" });
  } catch (error) {
    return error.stdout;
  }
}
