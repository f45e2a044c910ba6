// Limits of the video bitrate.

/** Limits of the video bitrate in kilobits per second; zero or undefined for no limit. */
export interface Bitrates {
  minBitrate?: number;
  maxBitrate?: number;
}

/** Adds the limits to the relay's description; Chromium and Safari apply them to H264 and VP8. */
export function limitInSdp(sdp: string, { minBitrate, maxBitrate }: Bitrates): string {
  const limits: string[] = [];
  if (minBitrate) limits.push(`x-google-min-bitrate=${minBitrate}`);
  if (maxBitrate) limits.push(`x-google-max-bitrate=${maxBitrate}`);
  if (!limits.length) return sdp;
  const parameters = limits.join(";");
  for (const [line, payload] of sdp.matchAll(/^a=rtpmap:(\d+) (?:H264|VP8)\/.*$/gm)) {
    const format = new RegExp(`^a=fmtp:${payload} .*[^\\r\\n]`, "m");
    sdp = format.test(sdp)
      ? sdp.replace(format, (given) => `${given};${parameters}`)
      : sdp.replace(line, (given) => `${given.trimEnd()}\r\na=fmtp:${payload} ${parameters}${given.endsWith("\r") ? "\r" : ""}`);
  }
  return sdp;
}

/** Limits the bitrate of the senders, for browsers that ignore the limits in the description. */
export async function limitSenders(connection: RTCPeerConnection, { maxBitrate }: Bitrates): Promise<void> {
  for (const sender of maxBitrate ? connection.getSenders() : []) {
    if (sender.track?.kind !== "video") continue;
    const parameters = sender.getParameters();
    for (const encoding of parameters.encodings) encoding.maxBitrate = maxBitrate! * 1000;
    await sender.setParameters(parameters);
  }
}
