// A sine as a 16-bit mono WAV file, for Chromium's fake microphone.
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";

const RATE = 48_000;
const SECONDS = 2; // a whole number of periods of any integer frequency, so that the loop has no click
const AMPLITUDE = 0.3;

export async function writeSine(hz) {
  const samples = SECONDS * RATE;
  const wav = Buffer.alloc(44 + samples * 2);
  wav.write("RIFF", 0);
  wav.writeUInt32LE(36 + samples * 2, 4);
  wav.write("WAVEfmt ", 8);
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20); // PCM
  wav.writeUInt16LE(1, 22); // mono
  wav.writeUInt32LE(RATE, 24);
  wav.writeUInt32LE(RATE * 2, 28);
  wav.writeUInt16LE(2, 32);
  wav.writeUInt16LE(16, 34);
  wav.write("data", 36);
  wav.writeUInt32LE(samples * 2, 40);
  for (let i = 0; i < samples; i++) {
    wav.writeInt16LE(Math.round(AMPLITUDE * 32_767 * Math.sin((2 * Math.PI * hz * i) / RATE)), 44 + i * 2);
  }
  const file = path.join(await fs.mkdtemp(path.join(os.tmpdir(), "offhook-tone-")), `${hz}.wav`);
  await fs.writeFile(file, wav);
  return file;
}
