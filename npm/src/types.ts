// The types that every entry point exports.

export type { AnswerOptions, Call, CallOptions, CallStatus, SdpHook } from "./call.js";
export type { Session, SessionOptions, SessionStatus, SipOptions, TokenNotice, UserData } from "./session.js";
export type { DeviceChange } from "./local-media.js";
export type { CustomLogger, Logger, LoggerOptions, LogLevel } from "./logger.js";
export type { Constraints, Device, DeviceList, VideoOptions } from "./media.js";
export type { CoreSource } from "./sdk.js";
export type { CallStats, StreamStats } from "./stats.js";
