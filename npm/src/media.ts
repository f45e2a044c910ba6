// Capture of microphone, camera and screen, and the video elements that show them.

import { Browser } from "./browser.js";
import { uuid } from "./events.js";
import { explained, type Feature } from "./policy.js";

/** The suffix of the id of a local element that is not in use. */
export const LOCAL = "-LOCAL_CACHED_VIDEO";
/** The suffix of the id of a remote element that is not in use. */
export const REMOTE = "-REMOTE_CACHED_VIDEO";

/** Video options in addition to the constraints of the browser. */
export interface VideoOptions {
  /** The minimum bitrate sent, in kilobits per second; Chromium and Safari only. */
  minBitrate?: number;
  /** The maximum bitrate sent, in kilobits per second. */
  maxBitrate?: number;
  /** `"screen"` selects the screen in place of the camera. */
  type?: string;
  /** Of no effect: no browser needs an extension to capture the screen. */
  withoutExtension?: boolean;
}

/** The media to capture. */
export interface Constraints {
  /**
   * The microphone: `true`, or constraints (W3C Media Capture and Streams, `MediaTrackConstraints`). `outputId` is the device
   * that plays the peer's sound; `stereo` disables echo cancellation.
   */
  audio?: boolean | (MediaTrackConstraints & { outputId?: string; stereo?: boolean });
  /**
   * The camera: `true`, or constraints and options. Unless both width and height are given, 320x240 pixels are requested. `type:
   * "screen"` selects the screen, which the user chooses.
   */
  video?: boolean | (MediaTrackConstraints & VideoOptions);
  /** A stream to send. Tracks captured for `audio` and `video` are added to it. */
  customStream?: MediaStream;
}

/** An element that shows media. */
export type Display = HTMLElement & { mediaTrackConstraints?: Constraints };

/** A media device. */
export interface Device {
  /** The `deviceId` (W3C Media Capture and Streams, `MediaDeviceInfo`). */
  id: string;
  /** The name, or `microphone1` etc. while the page has no permission to use the microphone. */
  label: string;
  /** The type of the device. */
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

/** Sets the default constraints. */
export function setDefaultConstraints(constraints: Constraints | undefined): void {
  settings.constraints = constraints;
}

/** Returns the default constraints: those of `init`, or the built-in ones. */
export function defaultConstraints(): Constraints {
  return settings.constraints ?? builtInConstraints();
}

/** Returns the built-in constraints. */
export function builtInConstraints(): Constraints {
  return { audio: true, video: { ...defaultSize() } };
}

function defaultSize(): MediaTrackConstraints {
  return Browser.isSafariWebRTC()
    ? { width: { min: 320, max: 640 }, height: { min: 180, max: 360 } }
    : { width: 320, height: 240 };
}

/** Converts a size to bounds, because Safari accepts no other form. */
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

/** Returns the element of `display` that is not in use and can be reused. */
export function cached(display: Display | undefined | null): HTMLVideoElement | undefined {
  const found = Array.from(display?.children ?? []).find((child) => child.id.includes(LOCAL) || child.id.includes(REMOTE));
  return found as HTMLVideoElement | undefined;
}

/** Creates a muted element, which may play without a user gesture. */
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

/** Returns the stream that an element shows. */
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

/** Captures media according to `given` and shows them in `display`. */
export async function getMediaAccess(
  given: Constraints | undefined | null, display: Display, _provider?: string | null, asTheyAre = false,
): Promise<HTMLElement> {
  await captureInto(given, display, asTheyAre);
  return display;
}

/**
 * Captures media like {@link getMediaAccess}. Returns the element that shows them, or undefined if no media were requested. `signal`
 * aborts the capture.
 */
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
  // An element that has a stream by now is in use by another call.
  const video = free && !streamOf(free) ? free : display.appendChild(createElement());
  video.id = uuid() + LOCAL;
  video.muted = true;
  video.onloadedmetadata = () => void video.play().catch(() => undefined);
  video.srcObject = stream;
  return video;
}

/** Whether every requested medium has a live track: a track that has ended cannot be restarted (Media Capture §4.3). */
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
    if (signal.aborted) abandon();
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

/** Captures the screen, and the microphone if requested. */
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

/** Stops the captured media shown in `display`. */
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

/** Lists devices. With `labels`, requests permission first, because browsers withhold the labels without it. */
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

/** Plays a video in a click handler, so that Safari permits later ones. */
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

/**
 * Returns a promise that is rejected if the video is suspended while it is paused or has no data. A `suspend` event alone only means
 * that enough is loaded.
 */
function refusedByPowerSaving(video: HTMLVideoElement): Promise<never> {
  return new Promise((_, reject) => {
    video.onsuspend = () => {
      if (video.paused || video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) {
        reject(new Error("The browser suspended the video: it saves power"));
      }
    };
  });
}
