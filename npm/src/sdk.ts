// The functions of the module, one object: what the classic script puts on the page as `Flashphoner`.

import { Browser } from "./browser.js";
import * as constants from "./constants.js";
import { missing } from "./events.js";
import { Logger, type LoggerOptions } from "./logger.js";
import * as media from "./media.js";
import { Session, type SessionOptions } from "./session.js";

/** The WebAssembly core, compiled or not, or where to fetch it. */
export type CoreSource = string | URL | Request | Response | BufferSource | WebAssembly.Module;

/** Options of `init`. */
export interface InitOptions {
  mediaProvidersReadyCallback?: (providers: string[]) => void;
  preferredMediaProviders?: string[];
  constraints?: media.Constraints;
  logger?: LoggerOptions | null;
  collectClientInfo?: boolean;
  /** Accepted; the microphone's track is always sent as it is. */
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

/** Makes the API usable: at once, before it returns. */
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

/** Opens a session. */
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

/** The live sessions, oldest first. */
export function getSessions(): Session[] {
  return [...sessions];
}

/** The live session of that id. */
export function getSession(id: string): Session | undefined {
  return getSessions().find((session) => session.id() === id);
}

/** How media can be played here: `["WebRTC"]`, and nothing before `init`. */
export function getMediaProviders(): string[] {
  return [...providers];
}

/** Lists devices. */
export function getMediaDevices(...given: Parameters<typeof media.getMediaDevices>): Promise<media.DeviceList> {
  demandInit();
  return media.getMediaDevices(...given);
}

/** The same; there is no choice between front and back camera. */
export function getMobileDevices(
  provider?: string | null, kind?: "input" | "output" | "all", wanted?: { audio?: boolean; video?: boolean },
): Promise<media.DeviceList> {
  demandInit();
  return media.getMediaDevices(provider, true, kind, wanted);
}

/** Captures microphone and camera into `display`. */
export function getMediaAccess(...given: Parameters<typeof media.getMediaAccess>): Promise<HTMLElement> {
  demandInit();
  return media.getMediaAccess(...given);
}

/** Stops the capture shown in `display`. */
export function releaseLocalMedia(display: HTMLElement, provider?: string | null): boolean {
  demandInit();
  return media.releaseLocalMedia(display, provider);
}

/** Plays a video from a click, so that Safari lets later ones play. */
export function playFirstVideo(...given: Parameters<typeof media.playFirstVideo>): Promise<void> | undefined {
  return initialized ? media.playFirstVideo(...given) : undefined;
}

/** Plays silence from a click, so that the browser lets later sounds play. */
export function playFirstSound(_noise?: boolean): void {
  if (!context) throw new TypeError(constants.ERROR_INFO.FLASHPHONER_API_NOT_INITIALIZED);
  void context.resume().catch(() => undefined);
  const source = context.createBufferSource();
  source.buffer = context.createBuffer(1, 1, 22050);
  source.connect(context.destination);
  source.start(0);
}

/** The logger of the module. */
export function getLogger(): Logger | undefined {
  if (!logger) console.warn("Initialize the API before asking for its logger");
  return logger;
}

/** Never. */
export function isUsingTemasys(): boolean {
  return false;
}

/** Not needed any more. */
export const firefoxScreenSharingExtensionInstalled = true;

const absent = (name: string) => (): never => {
  throw missing(`Flashphoner.${name}`);
};

/** Rooms: not supported. */
export const roomApi = { connect: absent("roomApi.connect") };

export { Browser, constants };
