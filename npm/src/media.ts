// Microphone, camera and the video elements that show them (contract sections 2.3 to 2.5 and 4.8).

import { Browser } from "./browser.js";
import { uuid } from "./events.js";
import { explained, type Feature } from "./policy.js";

/** Ends the id of a local element that no call uses. */
export const LOCAL = "-LOCAL_CACHED_VIDEO";
/** Ends the id of a remote element that no call uses. */
export const REMOTE = "-REMOTE_CACHED_VIDEO";

/** Options of the video beside the constraints of the browser. */
export interface VideoOptions {
  /** The least bitrate sent, in kilobits per second; Chromium and Safari alone. */
  minBitrate?: number;
  /** The greatest bitrate sent, in kilobits per second. */
  maxBitrate?: number;
  /** `"screen"` stands for the screen. */
  type?: string;
  /** Of no effect: no browser needs an extension to capture the screen. */
  withoutExtension?: boolean;
}

/** What is captured. */
export interface Constraints {
  /**
   * The microphone: `true`, or constraints (W3C Media Capture and Streams, `MediaTrackConstraints`). `outputId` is the device
   * that plays the peer; `stereo` turns echo cancellation off.
   */
  audio?: boolean | (MediaTrackConstraints & { outputId?: string; stereo?: boolean });
  /**
   * The camera in the same way; bitrates are in kilobits per second. Without both sizes, 320x240 pixels are requested. `type:
   * "screen"` stands for the screen, which the user chooses.
   */
  video?: boolean | (MediaTrackConstraints & VideoOptions);
  /** A stream to send. What is captured by `audio` and `video` is added to it. */
  customStream?: MediaStream;
}

/** An element that shows media. */
export type Display = HTMLElement & { mediaTrackConstraints?: Constraints };

/** A media device. */
export interface Device {
  /** The `deviceId` (W3C Media Capture and Streams, `MediaDeviceInfo`). */
  id: string;
  /** The name, or `microphone1` and so on until the page may use the microphone. */
  label: string;
  /** What it is. */
  type: "mic" | "speaker" | "camera";
}

/** Media devices by medium. */
export interface DeviceList {
  /** Microphones and speakers. */
  audio: Device[];
  /** Cameras. */
  video: Device[];
}

const settings: { constraints: Constraints | undefined } = { constraints: undefined };

/** Sets what is captured when nobody says. */
export function setDefaultConstraints(constraints: Constraints | undefined): void {
  settings.constraints = constraints;
}

/** What is captured when nobody says. */
export function defaultConstraints(): Constraints {
  return settings.constraints ?? builtInConstraints();
}

/** What is captured when neither the page nor `init` says. */
export function builtInConstraints(): Constraints {
  return { audio: true, video: { ...defaultSize() } };
}

function defaultSize(): MediaTrackConstraints {
  return Browser.isSafariWebRTC()
    ? { width: { min: 320, max: 640 }, height: { min: 180, max: 360 } }
    : { width: 320, height: 240 };
}

/** Safari takes a size only as bounds. */
function bounds(size: ConstrainULong | undefined): ConstrainULong | undefined {
  return typeof size === "object" ? size : { min: Number(size), max: Number(size) };
}

function isScreen(video: Constraints["video"]): boolean {
  return typeof video === "object" && video.type === "screen";
}

function chromiumVersion(): number {
  return Number(/Chrome\/(\d+)/.exec(navigator.userAgent)?.[1] ?? 0);
}

function normalize(given: Constraints): Constraints {
  const constraints = JSON.parse(JSON.stringify(given)) as Constraints;
  if (given.customStream) constraints.customStream = given.customStream;
  if (constraints.video && !isScreen(constraints.video)) {
    const video: MediaTrackConstraints = constraints.video === true ? {} : constraints.video;
    const sized = (size: unknown): boolean => Boolean(size) && !Number.isNaN(Number(size));
    const ranged = (size: unknown): boolean => typeof size === "object" && size !== null;
    if (!(sized(video.width) || ranged(video.width)) || !(sized(video.height) || ranged(video.height))) {
      Object.assign(video, defaultSize());
    } else if (Browser.isSafariWebRTC()) {
      video.width = bounds(video.width);
      video.height = bounds(video.height);
    }
    if (chromiumVersion() < 134) {
      const rate = video.frameRate;
      video.frameRate = typeof rate === "object" ? rate : { ideal: Number(rate) || 30 };
    }
    constraints.video = video;
  }
  if (typeof constraints.audio === "object" && constraints.audio.stereo) {
    Object.assign(constraints.audio, { echoCancellation: false, googEchoCancellation: false });
  }
  return constraints;
}

/** The element of `display` that waits to be used again. */
export function cached(display: Display | undefined | null): HTMLVideoElement | undefined {
  const found = Array.from(display?.children ?? []).find((child) => child.id.includes(LOCAL) || child.id.includes(REMOTE));
  return found as HTMLVideoElement | undefined;
}

/** A muted element, which may play without a user gesture. */
export function createElement(controls = false): HTMLVideoElement {
  const video = document.createElement("video");
  video.muted = true;
  if (Browser.isSafariWebRTC()) {
    video.setAttribute("playsinline", "");
    video.setAttribute("webkit-playsinline", "");
  }
  video.controls = controls;
  return video;
}

/** The stream that an element shows. */
export function streamOf(video: HTMLVideoElement | undefined): MediaStream | undefined {
  return video?.srcObject instanceof MediaStream ? video.srcObject : undefined;
}

/** Stops the capture or playback of an element. */
export function stop(video: HTMLVideoElement): void {
  const stream = streamOf(video);
  if (!stream) return;
  video.pause();
  stopTracks(stream);
  video.srcObject = null;
}

/** Captures what `given` asks for and shows it in `display`. */
export async function getMediaAccess(
  given: Constraints | undefined | null, display: Display, _provider?: string | null, asTheyAre = false,
): Promise<HTMLElement> {
  await captureInto(given, display, asTheyAre);
  return display;
}

/** The same; gives the element that shows the capture, if anything was asked for. `signal` abandons it. */
export async function captureInto(
  given: Constraints | undefined | null, display: Display, asTheyAre = false, signal?: AbortSignal,
): Promise<HTMLVideoElement | undefined> {
  const base = given ?? defaultConstraints();
  const constraints = asTheyAre ? base : normalize(base);
  const same = JSON.stringify(display.mediaTrackConstraints) === JSON.stringify(constraints);
  const before = cached(display);
  if (same && !constraints.customStream && hasLive(streamOf(before), constraints)) return before;
  display.mediaTrackConstraints = constraints;
  releaseLocalMedia(display);
  if (!constraints.audio && !constraints.video && !constraints.customStream) return undefined;
  const stream = await capture(constraints, signal);
  const free = cached(display);
  // An element that has a stream by now shows the capture of another call.
  const video = free && !streamOf(free) ? free : display.appendChild(createElement());
  video.id = uuid() + LOCAL;
  video.muted = true;
  video.onloadedmetadata = () => void video.play().catch(() => undefined);
  video.srcObject = stream;
  return video;
}

/** Whether every medium asked for still runs: a track that has ended never comes back (Media Capture §4.3). */
function hasLive(stream: MediaStream | undefined, wanted: Constraints): boolean {
  const live = (kind: string): boolean | undefined =>
    stream?.getTracks().some((track) => track.kind === kind && track.readyState === "live");
  return Boolean(stream) && (!wanted.audio || Boolean(live("audio"))) && (!wanted.video || Boolean(live("video")));
}

/**
 * Waits for a capture without a time limit, since a permission prompt may stay open for minutes. When `signal` aborts, the
 * promise is rejected at once, and a stream that arrives later is stopped.
 */
function pending(capture: Promise<MediaStream>, signal?: AbortSignal): Promise<MediaStream> {
  if (!signal) return capture;
  return new Promise((resolve, reject) => {
    const abandon = (): void => reject(new DOMException("The call ended before its media were captured", "AbortError"));
    signal.addEventListener("abort", abandon);
    capture.then((stream) => (signal.aborted ? stopTracks(stream) : resolve(stream)), reject)
      .finally(() => signal.removeEventListener("abort", abandon));
  });
}

function stopTracks(stream: MediaStream): void {
  stream.getTracks().forEach((track) => track.stop());
}

async function capture(constraints: Constraints, signal?: AbortSignal): Promise<MediaStream> {
  const { audio = false, video = false, customStream } = constraints;
  if (customStream && !audio && !video) return customStream;
  if (!navigator.mediaDevices) throw new Error("The page has no media devices: it must come from https or localhost");
  const request = isScreen(video)
    ? captureScreen(video, audio, signal)
    : pending(navigator.mediaDevices.getUserMedia({ audio, video }), signal);
  const stream = await request.catch((error: unknown) => {
    throw explained(error, featuresOf(constraints));
  });
  if (!customStream) return stream;
  stream.getTracks().forEach((track) => customStream.addTrack(track));
  return customStream;
}

function featuresOf({ audio, video }: Constraints): Feature[] {
  const features: Feature[] = audio ? ["microphone"] : [];
  if (video) features.push(isScreen(video) ? "display-capture" : "camera");
  return features;
}

/** The screen, with the microphone if that is asked for, too. */
async function captureScreen(
  video: Constraints["video"], audio: Constraints["audio"], signal?: AbortSignal,
): Promise<MediaStream> {
  const { type: _, withoutExtension: __, ...size } = video as MediaTrackConstraints & Record<string, unknown>;
  const request = navigator.mediaDevices.getDisplayMedia({ video: Object.keys(size).length ? size : true });
  const stream = await pending(request, signal);
  if (!audio) return stream;
  try {
    const microphone = await pending(navigator.mediaDevices.getUserMedia({ audio }), signal);
    microphone.getTracks().forEach((track) => stream.addTrack(track));
  } catch (error) {
    stopTracks(stream);
    throw error;
  }
  return stream;
}

/** Stops the capture shown in `display`. */
export function releaseLocalMedia(display: Display, _provider?: string | null): boolean {
  const video = cached(display);
  if (video) stop(video);
  return Boolean(video);
}

const TYPES = { audioinput: "mic", audiooutput: "speaker", videoinput: "camera" } as const;
const NAMES = { mic: "microphone", speaker: "speaker", camera: "camera" } as const;

async function list(kind: "input" | "output" | "all"): Promise<DeviceList> {
  const devices: DeviceList = { audio: [], video: [] };
  const counts = { mic: 0, speaker: 0, camera: 0 };
  for (const found of (await navigator.mediaDevices?.enumerateDevices()) ?? []) {
    const type = TYPES[found.kind];
    if (found.deviceId === "communications" || (kind !== "all" && (kind === "output") !== (type === "speaker"))) continue;
    counts[type] += 1;
    const device: Device = { id: found.deviceId, label: found.label || NAMES[type] + counts[type], type };
    (type === "camera" ? devices.video : devices.audio).push(device);
  }
  return devices;
}

/** Lists devices; with `labels` it asks for permission first, for the labels are secret without. */
export async function getMediaDevices(
  _provider?: string | null, labels = false, kind: "input" | "output" | "all" = "input",
  wanted: { audio?: boolean; video?: boolean } = { audio: true, video: true },
): Promise<DeviceList> {
  if (!labels) return list(kind);
  const there = await list("all");
  const audio = Boolean(wanted.audio) && there.audio.some((device) => device.type === "mic");
  const video = Boolean(wanted.video) && there.video.length > 0;
  if (!audio && !video) throw new Error(kind + " media devices not found");
  const stream = await navigator.mediaDevices.getUserMedia({ audio, video });
  const devices = await list(kind);
  stopTracks(stream);
  return devices;
}

/** Plays a video from a click, so that Safari lets later ones play. */
export async function playFirstVideo(display: Display, isLocal: boolean, src?: string, useControls = false): Promise<void> {
  if (cached(display)) return;
  const video = createElement(useControls);
  video.id = uuid() + (isLocal ? LOCAL : REMOTE);
  if (!src) return;
  video.src = src;
  await video.play().catch(() => {
    video.muted = true;
    return Promise.race([video.play(), refusedByPowerSaving(video)]);
  });
  display.appendChild(video);
  video.removeAttribute("src");
}

/** Rejects when a video that was refused once is suspended, too. A `suspend` alone says only that enough is loaded. */
function refusedByPowerSaving(video: HTMLVideoElement): Promise<never> {
  return new Promise((_, reject) => {
    video.onsuspend = () => {
      if (video.paused || video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) {
        reject(new Error("The browser suspended the video: it saves power"));
      }
    };
  });
}
