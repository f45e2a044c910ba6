// `import { init, createSession } from "offhook"`: the module that loads its core asynchronously.

import { core, started } from "./core.js";
import * as sdk from "./sdk.js";

/** Options of `init`. */
export interface InitOptions extends sdk.InitOptions {
  /** Where the core is, or the core: `offhook_bg.wasm` beside this module unless given. */
  wasm?: string | URL | Request | Response | BufferSource | WebAssembly.Module;
}

let loading: Promise<unknown> | undefined;

/** Loads the core and makes the API usable. */
export async function init(options: InitOptions = {}): Promise<void> {
  const source = options.wasm ?? new URL("offhook_bg.wasm", import.meta.url);
  loading ??= core.default({ module_or_path: source as core.InitInput }).catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  await loading;
  started();
  await sdk.init(options);
}

export {
  Browser, constants, createSession, getLogger, getMediaAccess, getMediaDevices, getMediaProviders, getMobileDevices,
  getSession, getSessions, playFirstSound, playFirstVideo, releaseLocalMedia,
} from "./sdk.js";
export type { AnswerOptions, Call, CallOptions, CallStatus, SdpHook } from "./call.js";
export type { Session, SessionOptions, SessionStatus, SipOptions, UserData } from "./session.js";
export type { CustomLogger, Logger, LoggerOptions, LogLevel } from "./logger.js";
export type { Constraints, Device, DeviceList } from "./media.js";
export type { CallStats, StreamStats } from "./stats.js";
