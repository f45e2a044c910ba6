// Tabs of a Chromium controlled without Playwright, which makes every page visible and prevents timer throttling.
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import readline from "node:readline";
import WebSocket from "ws";
import { CHROMIUM, chromiumArguments } from "./browsers.mjs";

/** Starts a Chromium whose tabs are throttled in the background; its fake microphone plays a sine of `hz`. */
export async function launchTabs(hz) {
  const profile = await fs.mkdtemp(path.join(os.tmpdir(), "offhook-tabs-"));
  const args = ["--headless=new", "--remote-debugging-port=0", `--user-data-dir=${profile}`, "--no-first-run"];
  const given = [...(await chromiumArguments(hz, { background: true })), ...args, "about:blank"];
  const child = spawn(CHROMIUM, given, { stdio: ["ignore", "ignore", "pipe"] });
  const exited = once(child, "exit");
  const devtools = await Promise.race([
    address(child),
    exited.then(([code]) => Promise.reject(new Error(`Chromium ended with ${code}`))),
  ]);
  const protocol = await Protocol.connect(devtools);
  return {
    open: (url) => Tab.open(protocol, url),
    async close() {
      await protocol.send("Browser.close");
      await exited;
      await fs.rm(profile, { recursive: true, force: true });
    },
  };
}

/** Returns the address of the DevTools protocol. */
function address(child) {
  return new Promise((ok) => {
    readline.createInterface({ input: child.stderr }).on("line", (line) => {
      const found = /^DevTools listening on (\S+)/.exec(line);
      if (found) ok(found[1]);
    });
  });
}

/** A DevTools protocol connection over one WebSocket. */
class Protocol {
  #socket;
  #pending = new Map();
  #awaited = new Map();
  #id = 0;

  constructor(socket) {
    this.#socket = socket;
    socket.on("message", (text) => {
      const { id, result, error, method, sessionId } = JSON.parse(text);
      if (method) return this.#awaited.get(`${method} ${sessionId}`)?.();
      const settle = this.#pending.get(id);
      this.#pending.delete(id);
      if (error) settle?.no(new Error(error.message));
      else settle?.ok(result);
    });
  }

  static async connect(url) {
    const socket = new WebSocket(url);
    await once(socket, "open");
    return new Protocol(socket);
  }

  /** Waits for the next event of this name. */
  event(method, sessionId) {
    return new Promise((ok) => this.#awaited.set(`${method} ${sessionId}`, ok));
  }

  send(method, params = {}, sessionId = undefined) {
    const id = ++this.#id;
    const answered = new Promise((ok, no) => this.#pending.set(id, { ok, no }));
    this.#socket.send(JSON.stringify({ id, method, params, sessionId }));
    return answered;
  }
}

/** A tab with the page interface that `Phone` uses. */
class Tab {
  errors = [];
  #protocol;
  #target;
  #session;

  constructor(protocol, target, session) {
    [this.#protocol, this.#target, this.#session] = [protocol, target, session];
  }

  static async open(protocol, url) {
    const { targetId } = await protocol.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await protocol.send("Target.attachToTarget", { targetId, flatten: true });
    const tab = new Tab(protocol, targetId, sessionId);
    await tab.send("Page.enable");
    const loaded = protocol.event("Page.loadEventFired", sessionId);
    await tab.send("Page.navigate", { url });
    await loaded;
    return tab;
  }

  send(method, params) {
    return this.#protocol.send(method, params, this.#session);
  }

  async evaluate(script, given) {
    const expression = `(${script})(${JSON.stringify(given)})`;
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Brings the tab to the front, which hides the others. */
  activate() {
    return this.#protocol.send("Target.activateTarget", { targetId: this.#target });
  }

  /** Freezes the page, as Chromium does to save energy, or resumes it (WICG Page Lifecycle). */
  setState(state) {
    return this.send("Page.setWebLifecycleState", { state });
  }

  screenshot() {
    return Promise.reject(new Error("a hidden tab is not drawn"));
  }

  context() {
    return { close: () => this.#protocol.send("Target.closeTarget", { targetId: this.#target }) };
  }
}
