// Tests of sessions that cannot be opened, of load balancing, and of sendData without a connection.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import http from "node:http";
import { after, afterEach, before, test } from "node:test";
import { launch, openPage } from "./lib/browsers.mjs";
import { bundlePage, installPackage } from "./lib/package.mjs";
import { startRelay } from "./lib/relay.mjs";
import { serve } from "./lib/site.mjs";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";

const SECRET = "a secret that only the application and the relay have";

const browsers = {};
let relay;
let site;
let strict = [];
let page;

/** Serves the classic script on a page with this Content Security Policy. */
async function classic(policy) {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), "offhook-classic-"));
  await fs.writeFile(path.join(folder, "index.html"), '<!doctype html><title>classic</title><script src="/dist/flashphoner.js"></script>');
  const folders = { "/": folder, "/dist/": path.join(await installPackage(), "dist") };
  const served = await serve(folders, { headers: () => ({ "content-security-policy": policy }) });
  strict.push(served);
  return served;
}

before(async () => {
  relay = await startRelay({ flags: ["--set", `tokens.secret=${SECRET}`, "--set", "tokens.leeway=0"] });
  site = await serve({ "/": await bundlePage("calls") });
  [browsers.chromium, browsers.firefox] = await Promise.all([launch("chromium"), launch("firefox")]);
});

afterEach(async () => {
  await page?.context().close();
  for (const one of strict.splice(0)) one.close();
});

after(async () => {
  await Promise.all(Object.values(browsers).map((browser) => browser.close()));
  site?.close();
  await relay?.stop();
});

/** Opens a session with the classic script. Returns its last event and its state. */
const attempt = (options) =>
  page.evaluate((given) => new Promise((ok) => {
    Flashphoner.init();
    const began = performance.now();
    const session = Flashphoner.createSession(given);
    for (const event of ["REGISTERED", "DISCONNECTED", "FAILED"]) {
      session.on(event, (_, data) => ok({
        event, info: data?.info, status: session.status(), url: session.getServerUrl(),
        listed: Flashphoner.getSessions().length, ms: performance.now() - began,
      }));
    }
  }), options);

for (const name of ["chromium", "firefox"]) {
  test(`${name}: policy that forbids WebAssembly fails the session with the directive's name`, async () => {
    page = await openPage(browsers[name], (await classic("script-src 'self'")).url);
    const failed = await attempt({ urlServer: relay.ws, timeout: 5000 });
    assert.deepEqual([failed.event, failed.status, failed.listed], ["FAILED", "FAILED", 0]);
    assert.match(failed.info, /'wasm-unsafe-eval' in script-src/);
  });

  test(`${name}: policy that forbids the socket fails the session with the directive's name`, async () => {
    const policy = "script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'";
    page = await openPage(browsers[name], (await classic(policy)).url);
    const failed = await attempt({ urlServer: relay.ws });
    assert.deepEqual([failed.event, failed.listed], ["FAILED", 0]);
    assert.match(failed.info, /connect-src/);
  });
}

const OPEN = "script-src 'self' 'wasm-unsafe-eval'";

/** Starts a load balancer that responds with `body`, or never. */
async function balancer(status, body) {
  const server = http.createServer((_, response) => {
    if (status) response.writeHead(status, { "access-control-allow-origin": "*" }).end(JSON.stringify(body));
  });
  await new Promise((ok) => server.listen(0, "127.0.0.1", ok));
  strict.push({ close: () => server.closeAllConnections() || server.close() });
  return `http://127.0.0.1:${server.address().port}/`;
}

test("session uses the relay returned by the load balancer", async () => {
  page = await openPage(browsers.chromium, (await classic(OPEN)).url);
  const { hostname, port } = new URL(relay.ws);
  const lbUrl = await balancer(200, { server: hostname, ws: Number(port), wss: 1 });
  const opened = await attempt({ urlServer: "ws://127.0.0.1:9/", lbUrl, sipOptions: { login: "alice" } });
  assert.deepEqual([opened.event, opened.url], ["REGISTERED", `ws://${hostname}:${port}`]);
});

test("session uses its own URL if the load balancer fails", async () => {
  page = await openPage(browsers.chromium, (await classic(OPEN)).url);
  const lbUrl = await balancer(503, {});
  const opened = await attempt({ urlServer: relay.ws, lbUrl, sipOptions: { login: "alice" } });
  assert.deepEqual([opened.event, opened.url], ["REGISTERED", relay.ws]);
});

test("timeout counts from createSession, including an unresponsive load balancer", async () => {
  page = await openPage(browsers.chromium, (await classic(OPEN)).url);
  const failed = await attempt({ urlServer: relay.ws, lbUrl: await balancer(0), timeout: 500 });
  assert.equal(failed.event, "FAILED");
  assert.ok(failed.ms < 4000, `after ${failed.ms} ms`);
});

test("sendData is rejected before the connection, without an application and after its loss", async () => {
  page = await openPage(browsers.chromium, (await classic(OPEN)).url);
  const refused = await page.evaluate((urlServer) => new Promise((ok) => {
    Flashphoner.init();
    const texts = [];
    const send = (session, data) => session.sendData(data).catch((error) => texts.push(error.message ?? error.status));
    const session = Flashphoner.createSession({ urlServer, sipOptions: { login: "alice" } });
    void send(session, { early: true });
    session.on("REGISTERED", async () => {
      await send(session, undefined);
      await send(session, { refused: true }); // the relay has no application that accepts data
      void send(session, { lost: true });
      session.disconnect();
    });
    session.on("DISCONNECTED", async () => {
      await send(session, { late: true });
      ok(texts);
    });
  }), relay.ws);
  const [early, nothing, relayed, ...late] = refused;
  assert.match(early, /^Invalid session state PENDING/);
  assert.match(nothing, /JSON/);
  assert.equal(relayed, "FAILED");
  assert.ok(late.length >= 1 && late.every((text) => /FAILED|Invalid session state DISCONNECTED/.test(text)), late.join());
});

/** Returns a JSON Web Token of an application. */
function webToken(claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${signed}.${crypto.createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
}

test("page logs in with a token of the application and renews it", async () => {
  page = await openPage(browsers.chromium, (await classic(OPEN)).url);
  const expiresIn = (seconds, sub = "alice") => webToken({ sub, exp: Math.floor(Date.now() / 1000) + seconds });
  const tokens = { first: expiresIn(3), foreign: expiresIn(600, "mallory"), renewed: expiresIn(600) };
  const seen = await page.evaluate(({ urlServer, first, foreign, renewed }) => new Promise((ok, no) => {
    Flashphoner.init();
    const session = Flashphoner.createSession({ urlServer, authToken: first });
    let login;
    session.on("ESTABLISHED", (_, data) => (login = data.sipLogin));
    session.on("FAILED", no).on("DISCONNECTED", () => no(new Error("disconnected")));
    session.on("TOKEN_EXPIRING", async (notice) => {
      const refused = await session.renewToken(foreign).catch((status) => status);
      const accepted = await session.renewToken(renewed);
      // The first token expires meanwhile.
      setTimeout(() => ok({ login, notice, refused, accepted, status: session.status() }), 1000 * (notice.expiresIn + 1));
    });
  }), { urlServer: relay.ws, ...tokens });
  assert.equal(seen.login, "alice");
  assert.ok(seen.notice.expiresIn <= 3, JSON.stringify(seen.notice));
  assert.deepEqual(seen.refused, { status: "FAILED", info: "the token is for another login" });
  assert.equal(seen.accepted.status, "ACCEPTED");
  assert.ok(seen.accepted.expiresIn > 590, JSON.stringify(seen.accepted));
  assert.equal(seen.status, "REGISTERED");
});
