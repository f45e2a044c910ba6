// The functions of the module; the classic script defines them as the members of `Flashphoner`.

import { Browser } from "./browser.js";
import * as constants from "./constants.js";
import { missing } from "./events.js";
import { Logger, type LoggerOptions } from "./logger.js";
import * as media from "./media.js";
import { Session, type SessionOptions } from "./session.js";

/** The WebAssembly core, compiled or not, or the URL to fetch it from. */
export type CoreSource = string | URL | Request | Response | BufferSource | WebAssembly.Module;

/** Options of `init`. */
export interface InitOptions {
  /** Called by `init` with the names of the media providers, before `init` returns. */
  mediaProvidersReadyCallback?: (providers: string[]) => void;
  /** Names of media providers; `["WebRTC"]` is the only useful value. */
  preferredMediaProviders?: string[];
  /**
   * The media to capture if `createCall` or `getMediaAccess` has no constraints; by default the microphone, and the camera with 320x240
   * pixels.
   */
  constraints?: media.Constraints;
  /** Options of the logger of the module; `null` for no log lines. */
  logger?: LoggerOptions | null;
  /** Collects the user agent client hints for the relay; `true` by default. */
  collectClientInfo?: boolean;
  /** Accepted without effect: the track of the microphone is always sent as it is. */
  createMicGainNode?: boolean;
}

const PROVIDER = "WebRTC";

let initialized = false;
let logger: Logger | undefined;
let providers: string[] = [];
let clientInfo: unknown = {};
let context: AudioContext | undefined;
const sessions = new Set<Session>();

function demandInit(): void {
  if (!initialized) throw new Error(constants.ERROR_INFO.FLASHPHONER_API_NOT_INITIALIZED);
}

/**
 * Makes the API usable before it returns. Further calls have no effect.
 *
 * @returns a promise that is rejected with "None of MediaProviders available" if the browser has no WebRTC, and with "None of
 *   preferred MediaProviders available" if `preferredMediaProviders` names none that it has.
 */
export async function init(options: InitOptions = {}): Promise<void> {
  if (initialized) return;
  logger = new Logger(options.logger);
  const available = typeof RTCPeerConnection === "undefined" ? [] : [PROVIDER];
  if (!available.length) throw new Error(constants.ERROR_INFO.NONE_OF_MEDIAPROVIDERS_AVAILABLE);
  const preferred = options.preferredMediaProviders;
  const kept = preferred?.length ? preferred.filter((name) => available.includes(name)) : available;
  if (!kept.length) throw new Error(constants.ERROR_INFO.NONE_OF_PREFERRED_MEDIAPROVIDERS_AVAILABLE);
  providers = kept;
  media.setDefaultConstraints(options.constraints);
  initialized = true;
  try {
    context = new AudioContext();
  } catch (error) {
    logger.warn("core", error);
  }
  options.mediaProvidersReadyCallback?.([...providers]);
  if (options.collectClientInfo !== false) clientInfo = await collectClientInfo();
}

interface AgentData {
  brands: unknown;
  mobile: boolean;
  platform: string;
  getHighEntropyValues(hints: string[]): Promise<object>;
}

async function collectClientInfo(): Promise<unknown> {
  const data = (navigator as Navigator & { userAgentData?: AgentData }).userAgentData;
  const hints = ["platformVersion", "architecture", "bitness", "model", "fullVersionList"];
  return (await data?.getHighEntropyValues(hints).catch(() => ({}))) ?? {};
}

/**
 * Opens a session: a WebSocket to the relay. It is not reconnected; create another with `authToken` for that.
 *
 * @throws Error "Flashphoner API is not initialized" before `init`.
 * @throws TypeError "options.urlServer must be provided".
 */
export function createSession(options: SessionOptions): Session {
  demandInit();
  if (!options?.urlServer) throw new TypeError(constants.ERROR_INFO.OPTIONS_URLSERVER_MUST_BE_PROVIDED);
  return new Session(options, {
    providers,
    clientInfo: () => clientInfo,
    logger: logger ?? new Logger(),
    add: (session) => sessions.add(session),
    remove: (session) => sessions.delete(session),
  });
}

/** The sessions that are neither DISCONNECTED nor FAILED, oldest first. */
export function getSessions(): Session[] {
  return [...sessions];
}

/** The session of this id, unless it is DISCONNECTED or FAILED. */
export function getSession(id: string): Session | undefined {
  return getSessions().find((session) => session.id() === id);
}

/** The names of the media providers: `["WebRTC"]`, and none before `init`. */
export function getMediaProviders(): string[] {
  return [...providers];
}

/**
 * Lists the microphones and cameras; `kind` selects speakers, or all. With `labels` the user is asked for permission first, because
 * browsers withhold the names without it.
 *
 * @returns a promise that is rejected with "input media devices not found" if there are none, or with the error of the browser
 *   (W3C Media Capture and Streams, `getUserMedia`).
 * @throws Error "Flashphoner API is not initialized" before `init`.
 */
export function getMediaDevices(...given: Parameters<typeof media.getMediaDevices>): Promise<media.DeviceList> {
  demandInit();
  return media.getMediaDevices(...given);
}

/**
 * Lists devices like {@link getMediaDevices} with `labels`. Front and back cameras are not distinguished.
 *
 * @throws Error "Flashphoner API is not initialized" before `init`.
 */
export function getMobileDevices(
  provider?: string | null, kind?: "input" | "output" | "all", wanted?: { audio?: boolean; video?: boolean },
): Promise<media.DeviceList> {
  demandInit();
  return media.getMediaDevices(provider, true, kind, wanted);
}

/**
 * Captures microphone and camera and shows them in `display`. Media already captured with the same constraints are kept.
 *
 * @returns a promise of `display`, rejected with the error of the browser: NotAllowedError, NotFoundError, NotReadableError and others
 *   (W3C Media Capture and Streams, `getUserMedia`).
 * @throws Error "Flashphoner API is not initialized" before `init`.
 */
export function getMediaAccess(...given: Parameters<typeof media.getMediaAccess>): Promise<HTMLElement> {
  demandInit();
  return media.getMediaAccess(...given);
}

/**
 * Stops the captured media shown in `display`.
 *
 * @returns whether there were any.
 * @throws Error "Flashphoner API is not initialized" before `init`.
 */
export function releaseLocalMedia(display: HTMLElement, provider?: string | null): boolean {
  demandInit();
  return media.releaseLocalMedia(display, provider);
}

/**
 * Plays the video `src` in `display`; called in a click handler, it makes Safari permit later videos. Without `src` it does nothing.
 *
 * @returns a promise that is rejected if the browser refuses to play, and `undefined` before `init`.
 */
export function playFirstVideo(...given: Parameters<typeof media.playFirstVideo>): Promise<void> | undefined {
  return initialized ? media.playFirstVideo(...given) : undefined;
}

/**
 * Plays silence; called in a click handler, it makes the browser permit later sounds.
 *
 * @throws TypeError "Flashphoner API is not initialized" before `init`.
 */
export function playFirstSound(_noise?: boolean): void {
  if (!context) throw new TypeError(constants.ERROR_INFO.FLASHPHONER_API_NOT_INITIALIZED);
  void context.resume().catch(() => undefined);
  const source = context.createBufferSource();
  source.buffer = context.createBuffer(1, 1, 22050);
  source.connect(context.destination);
  source.start(0);
}

/** The logger of the module; `undefined` before `init`. */
export function getLogger(): Logger | undefined {
  if (!logger) console.warn("Initialize the API before asking for its logger");
  return logger;
}

/** Always `false`: the Temasys plug-in is not supported. */
export function isUsingTemasys(): boolean {
  return false;
}

/** Always `true`: browsers do not need an extension for screen sharing. */
export const firefoxScreenSharingExtensionInstalled = true;

const absent = (name: string) => (): never => {
  throw missing(`Flashphoner.${name}`);
};

/** Rooms, which are not supported. */
export const roomApi = {
  /** Throws an error: rooms are not supported. */
  connect: absent("roomApi.connect"),
};

export { Browser, constants };
