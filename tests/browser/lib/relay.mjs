// A relay for one suite, on ephemeral ports.
import { spawn } from "node:child_process";
import { once } from "node:events";
import readline from "node:readline";
import { fileURLToPath } from "node:url";

const REPOSITORY = fileURLToPath(new URL("../../../", import.meta.url));
export const RELAY = process.env.OFFHOOK_RELAY ?? `${REPOSITORY}target/debug/offhook-relay`;
export const PAGE = process.env.OFFHOOK_PAGE ?? `${REPOSITORY}demo-phone/dist`;

/** Timeout until the relay prints "ready". */
const START_MS = 15_000;

/**
 * Starts the relay in demo mode. Signaling listens on 127.0.0.1, because a page of `http://localhost` may use the microphone.
 * The media addresses are discovered and include 10.99.0.1.
 */
export async function startRelay({ page = PAGE, flags = [] } = {}) {
  const listen = ["--demo", "--listen", "127.0.0.1:0", "--no-tls", "--media-port", "0", "--page", page];
  const child = spawn(RELAY, [...listen, ...flags], { stdio: ["ignore", "pipe", "pipe"] });
  const printed = [];
  const keep = (line) => printed.push(line) > 2000 && printed.shift();
  readline.createInterface({ input: child.stderr }).on("line", keep);
  let [mediaPort, sipPort] = [];
  const ready = new Promise((ok, no) => {
    const timer = setTimeout(() => no(new Error(`the relay is not ready:\n${printed.join("\n")}`)), START_MS);
    const lines = readline.createInterface({ input: child.stdout });
    let http;
    lines.on("line", (line) => {
      keep(line);
      http = /listening (http:\/\/\S+)/.exec(line)?.[1] ?? http;
      mediaPort = Number(/^media udp \S+:(\d+)/.exec(line)?.[1] ?? mediaPort);
      sipPort = Number(/^sip udp 127\.0\.0\.1:(\d+)/.exec(line)?.[1] ?? sipPort);
      if (line.trim() !== "ready") return;
      clearTimeout(timer);
      ok(http);
    });
    child.once("error", no);
    child.once("exit", (code) => no(new Error(`the relay ended with ${code}:\n${printed.join("\n")}`)));
  });
  const http = new URL(await ready);
  return {
    /** The URL for pages, with `localhost`, because the microphone requires it (or TLS). */
    http: `http://localhost:${http.port}/`,
    ws: `ws://127.0.0.1:${http.port}/`,
    mediaPort,
    sipPort,
    printed,
    isRunning: () => child.exitCode === null && child.signalCode === null,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      await once(child, "exit");
    },
  };
}
