// baresip as a SIP phone: controlled over TCP, with a sine tone as microphone and a recording of the received audio.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { until } from "./wait.mjs";

const MODULES = ["g711", "sndfile", "aubridge", "ausine"];
/** Octets of a WAV file before its samples. */
const HEADER = 44;
/** Maximum duration of a recording in seconds; longer than any suite. */
const LIFETIME = 600;

/** Returns the first of three free consecutive ports: SIP, SIP over TLS, control. */
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
audio_player aubridge,unused${port}
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

/**
 * Prevents recordings of sent audio. baresip 1.0 records both directions. With the first hold it stops recording received audio,
 * and starts again only if there is no recording of sent audio, so folders block the file names of the latter.
 */
async function preventRecordsOfItself(folder) {
  const start = Math.floor(Date.now() / 1000) - 1;
  const seconds = Array.from({ length: LIFETIME }, (_, index) => new Date(1000 * (start + index)).toISOString());
  const names = seconds.map((time) => `dump-${time.slice(0, 19).replace(/[T:]/g, "-")}-enc.wav`);
  await Promise.all(names.map((name) => mkdir(path.join(folder, name))));
}

/** Returns the newest recording of received audio. */
async function newest(folder) {
  const name = (await readdir(folder)).filter((file) => file.endsWith("-dec.wav")).sort().at(-1);
  return { name, wave: name ? await readFile(path.join(folder, name)) : Buffer.alloc(0) };
}

/** Returns the samples of the left channel recorded since `before`, and the sampling rate. */
function fresh({ name, wave }, before) {
  if (wave.length < HEADER) return { samples: [], rate: 0 };
  const [channels, rate] = [wave.readUInt16LE(22), wave.readUInt32LE(24)];
  // A new recording in the same second replaces the previous one.
  const goesOn = name === before.name && before.wave.length >= HEADER && wave.length >= before.wave.length;
  const from = goesOn ? before.wave.length : HEADER;
  const samples = [];
  for (let at = from; at + 2 * channels <= wave.length; at += 2 * channels) samples.push(wave.readInt16LE(at));
  return { samples, rate };
}

/** Returns the share of the power at `hz` in the last 200 ms (Goertzel algorithm); undefined if there are not enough samples. */
function share({ samples, rate }, hz) {
  const last200 = samples.slice(-rate / 5);
  if (rate === 0 || last200.length < rate / 5) return 0;
  const coefficient = 2 * Math.cos((2 * Math.PI * hz) / rate);
  let [last, before, total] = [0, 0, 0];
  for (const sample of last200) {
    [last, before] = [sample + coefficient * last - before, last];
    total += sample * sample;
  }
  const power = last * last + before * before - coefficient * last * before;
  return total ? (2 * power) / (last200.length * total) : 0;
}

/** Maximum level of comfort noise and rounding errors. */
const isLoud = (sample) => Math.abs(sample) > 500;

/** Starts a phone of `user` that is registered at 127.0.0.1:`server` and sends a tone. */
export async function startBaresip(user, password, server, hz) {
  const folder = await mkdtemp(path.join(tmpdir(), "offhook-baresip-"));
  const port = await freePorts();
  const account = `<sip:${user}@127.0.0.1:${server};transport=udp>;auth_user=${user};auth_pass=${password}`;
  await writeFile(path.join(folder, "accounts"), `${account};answermode=manual;regint=600;audio_codecs=PCMU/8000/1\n`);
  await writeFile(path.join(folder, "contacts"), "");
  await writeFile(path.join(folder, "config"), configuration(folder, port, hz));
  await preventRecordsOfItself(folder);
  const env = { ...process.env, TZ: "UTC" };
  const child = spawn("baresip", ["-4", "-f", folder], { stdio: ["pipe", "pipe", "pipe"], env });
  const printed = [];
  for (const pipe of [child.stdout, child.stderr]) pipe.on("data", (text) => printed.push(String(text)));
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
    printed,
    async command(command, params = "") {
      const token = String(++commands);
      const text = JSON.stringify({ command, params, token });
      control.write(`${Buffer.byteLength(text)}:${text},`);
      const answer = await until(`baresip's answer to ${command}`, () => events.find((one) => one.token === token));
      return answer.data;
    },
    event: (type, count = 1) => until(`baresip's ${type}`, () => events.filter((one) => one.type === type)[count - 1]),
    /** Waits until this tone is received. */
    async receivesTone(tone, when) {
      const before = await newest(folder);
      const measured = async () => share(fresh(await newest(folder), before), tone) > 0.8;
      await until(`baresip to receive ${tone} Hz ${when}`, measured);
    },
    /** Waits until no sound is received for half a second. */
    async receivesSilence(when) {
      const isQuiet = async () => {
        const before = await newest(folder);
        await new Promise((ok) => setTimeout(ok, 500));
        return !fresh(await newest(folder), before).samples.some(isLoud);
      };
      await until(`baresip to receive silence ${when}`, isQuiet);
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
