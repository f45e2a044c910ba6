// baresip as a phone of Kamailio's: a sine for a microphone, what it hears in a file, commands over TCP.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { until } from "./wait.mjs";

const MODULES = ["g711", "sndfile", "aubridge", "ausine"];

/** Neighbours that are free now: SIP, SIP over TLS, control. */
async function freePorts() {
  for (;;) {
    const first = 10_000 + 4 * Math.floor(Math.random() * 5_000);
    const servers = [0, 1, 2].map((offset) => net.createServer().listen(first + offset, "127.0.0.1"));
    const opened = await Promise.all(servers.map((one) => once(one, "listening").then(() => true, () => false)));
    await Promise.all(servers.filter((_, index) => opened[index]).map((one) => (one.close(), once(one, "close"))));
    if (opened.every(Boolean)) return first;
  }
}

function configuration(folder, port, hz) {
  return `poll_method epoll
sip_listen 127.0.0.1:${port}
audio_player aubridge,unheard${port}
audio_alert aubridge,unrung${port}
audio_source ausine,${hz}
ausrc_srate 48000
ausrc_channels 2
ausrc_format s16
auplay_format s16
auenc_format s16
audec_format s16
audio_buffer 20-160
net_interface 127.0.0.1
module_path /usr/lib/baresip/modules
${MODULES.map((name) => `module ${name}.so\n`).join("")}module_tmp account.so
module_app contact.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:${port + 2}
snd_path ${folder}
menu_bell no
ringback_disabled yes
redial_attempts 0
statmode_default off
`;
}

/** The share of the power of the last 200 ms that lies at `hz` (Goertzel), and nothing before there are as many. */
function share(wave, hz) {
  if (wave.length < 48) return 0;
  const [channels, rate] = [wave.readUInt16LE(22), wave.readUInt32LE(24)];
  const frames = Math.floor((wave.length - 44) / (2 * channels));
  const first = frames - rate / 5;
  if (first < 0) return 0;
  let [last, before, total] = [0, 0, 0];
  const coefficient = 2 * Math.cos((2 * Math.PI * hz) / rate);
  for (let frame = first; frame < frames; frame++) {
    const sample = wave.readInt16LE(44 + 2 * channels * frame);
    [last, before] = [sample + coefficient * last - before, last];
    total += sample * sample;
  }
  const power = last * last + before * before - coefficient * last * before;
  return total ? (2 * power) / ((frames - first) * total) : 0;
}

/** A phone of `user` (password "pw" and the user) that is registered at 127.0.0.1:`server` and sends a tone. */
export async function startBaresip(user, server, hz) {
  const folder = await mkdtemp(path.join(tmpdir(), "offhook-baresip-"));
  const port = await freePorts();
  const account = `<sip:${user}@127.0.0.1:${server};transport=udp>;auth_user=${user};auth_pass=pw${user}`;
  await writeFile(path.join(folder, "accounts"), `${account};answermode=manual;regint=600;audio_codecs=PCMU/8000/1\n`);
  await writeFile(path.join(folder, "contacts"), "");
  await writeFile(path.join(folder, "config"), configuration(folder, port, hz));
  const child = spawn("baresip", ["-4", "-f", folder], { stdio: ["pipe", "pipe", "pipe"] });
  const said = [];
  for (const pipe of [child.stdout, child.stderr]) pipe.on("data", (text) => said.push(String(text)));
  const control = await until("baresip's control port", () => connect(port + 2));
  const events = [];
  let unread = Buffer.alloc(0);
  control.on("data", (more) => {
    // JSON in netstrings: LENGTH:TEXT,
    unread = Buffer.concat([unread, more]);
    for (;;) {
      const colon = unread.indexOf(":");
      const end = colon + 1 + Number(unread.subarray(0, Math.max(colon, 0)));
      if (colon < 1 || unread.length <= end) return;
      events.push(JSON.parse(unread.subarray(colon + 1, end)));
      unread = unread.subarray(end + 1);
    }
  });
  let commands = 0;
  const phone = {
    said,
    async command(command, params = "") {
      const token = String(++commands);
      const text = JSON.stringify({ command, params, token });
      control.write(`${Buffer.byteLength(text)}:${text},`);
      const answer = await until(`baresip's answer to ${command}`, () => events.find((one) => one.token === token));
      return answer.data;
    },
    event: (type, count = 1) => until(`baresip's ${type}`, () => events.filter((one) => one.type === type)[count - 1]),
    async hears(tone, when) {
      const heard = async () => {
        const files = (await readdir(folder)).filter((name) => name.endsWith("-dec.wav")).sort();
        return files.length > 0 && share(await readFile(path.join(folder, files.at(-1))), tone) > 0.8;
      };
      await until(`baresip to hear ${tone} Hz ${when}`, heard);
    },
    async stop() {
      control.destroy();
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGTERM");
        await once(child, "exit");
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
  await until("baresip to register", async () => (await phone.command("reginfo")).includes("OK"));
  return phone;
}

async function connect(port) {
  const socket = net.connect(port, "127.0.0.1");
  return once(socket, "connect").then(() => socket, () => null);
}
