// Statistics of a call in the format of the API.

import type { CallMedia } from "./call-media.js";

/** Statistics of one direction: codec, packets, octets and more of `RTCRtpStreamStats` (W3C WebRTC Statistics). */
export type StreamStats = Partial<Record<"audio" | "video", Record<string, unknown>>>;

/** Statistics of a call. */
export interface CallStats {
  /** Statistics of the media sent. */
  outboundStream: StreamStats;
  /** Statistics of the media received. */
  inboundStream: StreamStats;
  /** Estimates of the bandwidth, in bits per second (W3C WebRTC Statistics, RTCIceCandidatePairStats). */
  otherStats: unknown[] & {
    /** Available bandwidth for receiving, in bits per second. */
    availableIncomingBitrate?: number;
    /** Available bandwidth for sending, in bits per second. */
    availableOutgoingBitrate?: number;
  };
}

type Report = Record<string, unknown> & { type: string; kind?: "audio" | "video" };

function codecOf(sdp: string, kind: string): { codec?: string; codecRate?: string } {
  const section = sdp.split(/\r?\n(?=m=)/).find((part) => part.startsWith("m=" + kind));
  const payload = section?.split(/\r?\n/, 1)[0]?.split(" ")[3];
  const [codec, codecRate] = new RegExp(`a=rtpmap:${payload} (.*)`).exec(section ?? "")?.[1]?.split("/") ?? [];
  return { codec, codecRate: codecRate?.trim() };
}

function summary(report: Report, sdp: string, element: HTMLVideoElement | undefined): Record<string, unknown> {
  const out: Record<string, unknown> = codecOf(sdp, report.kind ?? "audio");
  for (const [key, value] of Object.entries(report)) {
    const counted = /^(bytes|packets)|Count|audioLevel/.test(key);
    if (counted || key === "framesPerSecond" || key === "qualityLimitationReason") out[key] = value;
  }
  const durations = report["qualityLimitationDurations"] as Record<string, number> | undefined;
  if (durations) out["qualityLimitationDurations"] = durations[String(report["qualityLimitationReason"])];
  if (report.kind === "video") {
    out["width"] = report["frameWidth"] ?? element?.videoWidth;
    out["height"] = report["frameHeight"] ?? element?.videoHeight;
  }
  return out;
}

/** Reads the statistics of the connection; with `native`, the browser's reports by type. */
export async function readStats(
  connection: RTCPeerConnection, media: CallMedia | undefined, native: boolean,
): Promise<CallStats | Record<string, unknown[]>> {
  const byType: Record<string, Report[]> = {};
  (await connection.getStats()).forEach((report: Report) => (byType[report.type] ??= []).push(report));
  if (native) return byType;
  const stats: CallStats = { outboundStream: {}, inboundStream: {}, otherStats: [] };
  const sdp = (connection.currentRemoteDescription ?? connection.remoteDescription)?.sdp ?? "";
  for (const pair of byType["candidate-pair"] ?? []) {
    if (pair["state"] !== "succeeded" || !pair["nominated"]) continue;
    const incoming = pair["availableIncomingBitrate"] as number | undefined;
    const outgoing = pair["availableOutgoingBitrate"] as number | undefined;
    if (incoming) stats.otherStats.availableIncomingBitrate = incoming;
    else if (outgoing && media?.local) stats.otherStats.availableOutgoingBitrate = outgoing;
  }
  for (const report of byType["outbound-rtp"] ?? []) {
    if (report.kind) stats.outboundStream[report.kind] = summary(report, sdp, media?.local);
  }
  for (const report of byType["inbound-rtp"] ?? []) {
    if (report.kind) stats.inboundStream[report.kind] = summary(report, sdp, media?.remote);
  }
  return stats;
}
