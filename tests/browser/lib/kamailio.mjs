// Kamailio as a SIP registrar and proxy on loopback: users 1001 to 1010 of the domain test.invalid with password "pw" + user.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createSocket } from "node:dgram";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "./wait.mjs";

const CONFIG = fileURLToPath(new URL("../../src/kamailio.cfg", import.meta.url));
/** The path of Kamailio, which Debian installs outside an ordinary user's PATH. */
const PROGRAM = existsSync("/usr/sbin/kamailio") ? "/usr/sbin/kamailio" : "kamailio";

async function freePort() {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  return port;
}

/** Starts Kamailio and waits until it responds. */
export async function startKamailio() {
  const folder = await mkdtemp(path.join(tmpdir(), "offhook-kamailio-"));
  const port = await freePort();
  const definitions = [`CTL_SOCKET="unix:${folder}/ctl"`, 'TRUNK="sip:127.0.0.1:9"', "RECORD_ROUTE"];
  const memory = ["-m", "64", "-M", "8"];
  const listen = ["-f", CONFIG, "-Y", folder, "-l", `udp:127.0.0.1:${port}`, "-l", `tcp:127.0.0.1:${port}`];
  const child = spawn(PROGRAM, ["-DD", "-E", ...memory, ...listen, ...definitions.flatMap((one) => ["-A", one])], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const printed = [];
  child.stderr.on("data", (text) => printed.push(String(text)) > 500 && printed.shift());
  await until("Kamailio to answer", () => answers(port)).catch((error) => {
    throw new Error(`${error.message}\n${printed.join("")}`);
  });
  return {
    port,
    printed,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGTERM");
        await once(child, "exit");
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Returns whether OPTIONS is answered. */
async function answers(port) {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const own = `127.0.0.1:${socket.address().port}`;
  const lines = [
    `OPTIONS sip:127.0.0.1:${port} SIP/2.0`,
    `Via: SIP/2.0/UDP ${own};branch=z9hG4bK${socket.address().port}x${Date.now()};rport`,
    "Max-Forwards: 70",
    `From: <sip:test@${own}>;tag=ready`,
    `To: <sip:127.0.0.1:${port}>`,
    `Call-ID: ready-${Date.now()}@${own}`,
    "CSeq: 1 OPTIONS",
    "Content-Length: 0",
  ];
  const answered = new Promise((ok) => {
    socket.once("message", (text) => ok(String(text).startsWith("SIP/2.0 ")));
    // An ICMP error is ignored while the port is closed.
    socket.once("error", () => ok(false));
    setTimeout(() => ok(false), 200);
  });
  socket.send(`${lines.join("\r\n")}\r\n\r\n`, port, "127.0.0.1");
  const yes = await answered;
  socket.close();
  return yes;
}
