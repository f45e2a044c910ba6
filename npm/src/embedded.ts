// The WebAssembly core as part of the script, in hexadecimal digits (docs/decisions/0009).

import hex from "offhook-core-hex";

/** Returns the bytes of the core. */
export function embedded(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(hex.length / 2);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = parseInt(hex.slice(2 * at, 2 * at + 2), 16);
  return bytes;
}
