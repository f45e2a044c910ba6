// dist/types/browser.d.ts
declare global {
    interface Window {
        chrome?: unknown;
    }
}
/** Answers questions about the browser. */
export declare const Browser: {
    isIE: () => boolean;
    isFirefox: () => boolean;
    isChrome: () => boolean;
    isEdge: () => boolean;
    isOpera: () => boolean;
    isiOS: () => boolean;
    isSafari: () => boolean;
    isAndroid: () => boolean;
    isSamsungBrowser: () => boolean;
    isAndroidFirefox: () => boolean;
    isChromiumEdge: () => boolean;
    isSafariWebRTC: () => boolean;
    version: () => string | number;
};

// dist/types/call-media.d.ts
import { type Display } from "./media.js";
/** A medium. */
export type Kind = "audio" | "video";
/** Which media the user has muted. It belongs to the call, not to a track: it is there before the first track. */
export type Muted = Record<Kind, boolean>;
/** The two elements of a connected call. */
export declare class CallMedia {
    #private;
    local: HTMLVideoElement | undefined;
    remote: HTMLVideoElement;
    constructor(id: string, captured: HTMLVideoElement | undefined, remote: Display, controls: boolean, hint: string, muted: Muted, sink?: string);
    stream(): MediaStream | undefined;
    /** Applies what was muted or unmuted since the tracks were captured. */
    applyMute(kind: Kind): void;
    play(stream: MediaStream): void;
    close(display: Display, keep: boolean): void;
    setSink(id: string): Promise<void> | undefined;
    track(kind: Kind): MediaStreamTrack | undefined;
    get hasRemoteAudio(): boolean;
}

// dist/types/call.d.ts
import { CALL_STATUS } from "./constants.js";
import type { Logger } from "./logger.js";
import { type Constraints } from "./media.js";
import { type CallStats } from "./stats.js";
/** Rewrites the relay's session description; an empty result keeps it. */
export type SdpHook = (sdp: {
    sdpString: string;
}) => string | null | undefined;
/** Options of `answer`. */
export interface AnswerOptions {
    localVideoDisplay: HTMLElement;
    remoteVideoDisplay: HTMLElement;
    constraints?: Constraints;
    stripCodecs?: string;
    sdpHook?: SdpHook;
    sipSDP?: string[];
    sipHeaders?: string[];
    receiveAudio?: boolean;
    receiveVideo?: boolean;
}
/** Options of `createCall`. */
export interface CallOptions extends Partial<AnswerOptions> {
    callee?: string;
    visibleName?: string;
    custom?: unknown;
    mediaProvider?: string;
    cacheLocalResources?: boolean;
    useControls?: boolean;
    videoContentHint?: string;
    disableConstraintsNormalization?: boolean;
    collectDeviceInfo?: boolean;
    callId?: string;
    caller?: string;
    incoming?: boolean;
}
/** A status of a call. */
export type CallStatus = keyof typeof CALL_STATUS;
/** Which way the media go: through the relay, or from browser to browser. */
export type MediaPath = "relay" | "direct";
/** What a call needs of its session. */
export interface CallContext {
    login(): string | undefined;
    configuration: RTCConfiguration;
    logger: Logger;
}
/** A call. */
export declare class Call {
    #private;
    /** Sets the handler of an event; the last one wins. */
    on(event: CallStatus, callback: (call: Call) => void): this;
    on(event: "DTMF", callback: (call: Call, digit: string) => void): this;
    on(event: "REMOTE_HOLD", callback: (call: Call, held: boolean) => void): this;
    on(event: "TRANSFER", callback: (call: Call, status: "PENDING" | "RINGING" | "COMPLETED" | "FAILED") => void): this;
    on(event: "MEDIA_PATH", callback: (call: Call, path: MediaPath) => void): this;
    /** Places the call. */
    call(): void;
    /** Takes the call. */
    answer(options: AnswerOptions): void;
    /** Ends, cancels or rejects the call. */
    hangup(): void;
    hold(): void;
    holdForTransfer(): void;
    unhold(): void;
    /** Hands the far end to `target`: a login, or the far end of another call of this session. */
    transfer(target: string): void;
    sendDTMF(digit: string | number, type?: "RFC2833" | "INFO" | "INFO_RELAY"): void;
    id(): string;
    status(): CallStatus;
    caller(): string | undefined;
    callee(): string | undefined;
    visibleName(): string | undefined;
    /** `"Local error"` when the media failed in the browser. */
    getInfo(): string | undefined;
    /** The text of the browser's exception, when the media failed: no microphone, or no peer connection. */
    getErrorInfo(): string | undefined;
    /** Why the call ended: a name of the relay's list of reasons, such as `noAnswer`. */
    getEndReason(): string | undefined;
    /** Which way the media go now; `MEDIA_PATH` tells when that changes. */
    getMediaPath(): MediaPath;
    /** The relay's words about the status. */
    get info(): string | undefined;
    getStats(callback: (stats: CallStats) => void, native?: false): void;
    getStats(callback: (stats: Record<string, unknown[]>) => void, native: true): void;
    /** Mutes the microphone. Before there is one, the call will start muted. */
    muteAudio(): void;
    unmuteAudio(): void;
    /** Sends black frames in the place of the camera's. Before there is one, the call will start so. */
    muteVideo(): void;
    unmuteVideo(): void;
    /** Whether no sound is sent, or will be: muted, no microphone in use, or the call is over. */
    isAudioMuted(): boolean;
    /** The same for video. */
    isVideoMuted(): boolean;
    /** Sets the far end's volume, 0 to 100. */
    setVolume(volume: number): void;
    getVolume(): number;
    setAudioOutputId(id: string): Promise<void> | undefined;
    getLogger(): Logger;
    switchCam(_id?: string): Promise<string>;
    switchMic(_id?: string): Promise<string>;
    switchToScreen(_source?: string, _withoutExtension?: boolean): Promise<void>;
    switchToCam(): void;
}
/** The error of a call that nobody described. */
export declare const NO_OPTIONS: "options must be provided";

// dist/types/classic.d.ts
import * as sdk from "./sdk.js";
/**
 * Makes the API usable before it returns, and loads the WebAssembly core: sessions created meanwhile open as soon as it is loaded.
 *
 * @returns a promise that is settled once the core is loaded. It is rejected if the browser has no WebRTC, or if
 *   a Content Security Policy without `'wasm-unsafe-eval'` forbids WebAssembly (CSP Level 3, section 4.5).
 */
export declare function init(options?: sdk.InitOptions): Promise<void>;
export * from "./sdk.js";
export * from "./types.js";

// dist/types/constants.d.ts
/** Statuses and events of a session. */
export declare const SESSION_STATUS: Readonly<{
    readonly CONNECTED: "CONNECTED";
    readonly ESTABLISHED: "ESTABLISHED";
    readonly DISCONNECTED: "DISCONNECTED";
    readonly WARN: "WARN";
    readonly FAILED: "FAILED";
    readonly DEBUG: "DEBUG";
    readonly APP_DATA: "APP_DATA";
    readonly SEND_DATA_STATUS: "SEND_DATA_STATUS";
    readonly PENDING: "PENDING";
    readonly REGISTERED: "REGISTERED";
    readonly UNREGISTERED: "UNREGISTERED";
    readonly INCOMING_CALL: "INCOMING_CALL";
}>;
/** Statuses and events of a call. */
export declare const CALL_STATUS: Readonly<{
    readonly NEW: "NEW";
    readonly RING: "RING";
    readonly RING_MEDIA: "RING_MEDIA";
    readonly HOLD: "HOLD";
    readonly ESTABLISHED: "ESTABLISHED";
    readonly FINISH: "FINISH";
    readonly BUSY: "BUSY";
    readonly SESSION_PROGRESS: "SESSION_PROGRESS";
    readonly FAILED: "FAILED";
    readonly PENDING: "PENDING";
    readonly TRYING: "TRYING";
}>;
/** Further events of a call, beyond the stock SDK: a DTMF digit or hold of the far end, progress of a transfer, the media's way. */
export declare const CALL_EVENT: Readonly<{
    readonly DTMF: "DTMF";
    readonly REMOTE_HOLD: "REMOTE_HOLD";
    readonly TRANSFER: "TRANSFER";
    readonly MEDIA_PATH: "MEDIA_PATH";
}>;
/** Texts the relay may give as the reason of a status. */
export declare const CALL_STATUS_INFO: Readonly<{
    readonly NORMAL_CALL_CLEARING: "Normal call clearing";
    readonly FAILED_BY_SESSION_CREATION: "Failed by session creation";
    readonly FAILED_BY_ICE_ERROR: "Failed by ICE error";
    readonly FAILED_BY_RTP_ACTIVITY: "Failed by RTP activity";
    readonly FAILED_BY_RTMP_WRITER_ERROR: "Failed by RTMP writer error";
    readonly FAILED_BY_DTLS_FINGERPRINT_ERROR: "Failed by DTLS fingerprint error";
    readonly NO_COMMON_CODECS: "No common codecs";
    readonly FAILED_BY_DTLS_ERROR: "Failed by DTLS error";
    readonly FAILED_BY_ERROR: "Failed by error";
    readonly FAILED_BY_REQUEST_TIMEOUT: "Failed by request timeout";
    readonly TRANSCODING_REQUIRED_BUT_DISABLED: "Transcoding required, but disabled";
}>;
/** Texts of errors. */
export declare const ERROR_INFO: Readonly<{
    readonly NONE_OF_MEDIAPROVIDERS_AVAILABLE: "None of MediaProviders available";
    readonly NONE_OF_PREFERRED_MEDIAPROVIDERS_AVAILABLE: "None of preferred MediaProviders available";
    readonly FLASHPHONER_API_NOT_INITIALIZED: "Flashphoner API is not initialized";
    readonly OPTIONS_URLSERVER_MUST_BE_PROVIDED: "options.urlServer must be provided";
    readonly INVALID_SESSION_STATE: "Invalid session state";
    readonly OPTIONS_MUST_BE_PROVIDED: "options must be provided";
    readonly INVALID_CALL_STATE: "Invalid call state";
    readonly EVENT_CANT_BE_NULL: "Event can't be null";
    readonly CALLBACK_NEEDS_TO_BE_A_VALID_FUNCTION: "Callback needs to be a valid function";
    readonly OPTIONS_NAME_MUST_BE_PROVIDED: "options.name must be provided";
    readonly CAN_NOT_SWITCH_CAM: "Number of cams is less than 2 or camera is already used by other application";
    readonly CAN_NOT_SWITCH_MIC: "Number of mics is less than 2 or microphone is already used by other application";
    readonly CAN_NOT_SET_RESOLUTION: "Cannot switch a published stream resolution";
    readonly CAN_NOT_GET_STATS: "Cannot get PeerConnection stats";
    readonly LOCAL_ERROR: "Local error";
}>;
/** Kinds of media devices. */
export declare const MEDIA_DEVICE_KIND: Readonly<{
    readonly OUTPUT: "output";
    readonly INPUT: "input";
    readonly ALL: "all";
}>;
/** Of streams; here so that pages load. */
export declare const TRANSPORT_TYPE: Readonly<{
    readonly UDP: "UDP";
    readonly TCP: "TCP";
}>;
/** Of streams; here so that pages load. */
export declare const CONNECTION_QUALITY: Readonly<{
    readonly PERFECT: "PERFECT";
    readonly GOOD: "GOOD";
    readonly BAD: "BAD";
    readonly UNKNOWN: "UNKNOWN";
    readonly UPDATE: "UPDATE";
}>;
/** Of streams; here so that pages load. */
export declare const STREAM_EVENT = "STREAM_EVENT";
/** Of streams; here so that pages load. */
export declare const STREAM_EVENT_TYPE: Readonly<{
    readonly AUDIO_MUTED: "audioMuted";
    readonly AUDIO_UNMUTED: "audioUnmuted";
    readonly VIDEO_MUTED: "videoMuted";
    readonly VIDEO_UNMUTED: "videoUnmuted";
    readonly DATA: "data";
    readonly SNAPSHOT_COMPLETED: "snapshotCompleted";
    readonly SNAPSHOT_FAILED: "snapshotFailed";
    readonly RESIZE: "resize";
    readonly NOT_ENOUGH_BANDWIDTH: "notEnoughBandwidth";
}>;
/** What a video track shows. */
export declare const CONTENT_HINT_TYPE: Readonly<{
    readonly MOTION: "motion";
    readonly DETAIL: "detail";
    readonly TEXT: "text";
}>;
/** Of streams; here so that pages load. */
export declare const STREAM_STATUS: Readonly<{
    readonly NEW: "NEW";
    readonly PENDING: "PENDING";
    readonly PUBLISHING: "PUBLISHING";
    readonly PLAYING: "PLAYING";
    readonly PAUSED: "PAUSED";
    readonly UNPUBLISHED: "UNPUBLISHED";
    readonly STOPPED: "STOPPED";
    readonly FAILED: "FAILED";
    readonly PLAYBACK_PROBLEM: "PLAYBACK_PROBLEM";
    readonly RESIZE: "RESIZE";
    readonly SNAPSHOT_COMPLETE: "SNAPSHOT_COMPLETE";
    readonly NOT_ENOUGH_BANDWIDTH: "NOT_ENOUGH_BANDWIDTH";
}>;
/** Of streams; here so that pages load. */
export declare const STREAM_STATUS_INFO: Readonly<{
    readonly FAILED_BY_ICE_ERROR: "Failed by ICE error";
    readonly FAILED_BY_ICE_TIMEOUT: "Failed by ICE timeout";
    readonly FAILED_BY_KEEP_ALIVE: "Failed by ICE keep alive";
    readonly FAILED_BY_DTLS_FINGERPRINT_ERROR: "Failed by DTLS fingerprint error";
    readonly FAILED_BY_DTLS_ERROR: "Failed by DTLS error";
    readonly FAILED_BY_HLS_WRITER_ERROR: "Failed by HLS writer error";
    readonly FAILED_BY_RTMP_WRITER_ERROR: "Failed by RTMP writer error";
    readonly FAILED_BY_RTP_ACTIVITY: "Failed by RTP activity";
    readonly FAILED_BY_ERROR: "Failed by error";
    readonly STOPPED_BY_SESSION_DISCONNECT: "Stopped by session disconnect";
    readonly STOPPED_BY_REST_TERMINATE: "Stopped by rest /terminate";
    readonly STOPPED_BY_PUBLISHER_STOP: "Stopped by publisher stop";
    readonly STOPPED_BY_USER: "Stopped by user";
    readonly FAILED_TO_ADD_STREAM_TO_PROXY: "Failed to add stream to proxy";
    readonly DISTRIBUTOR_STOPPED: "Distributor stopped";
    readonly PUBLISH_STREAM_IS_NOT_READY: "Publish stream is not ready";
    readonly STREAM_NOT_FOUND: "Stream not found";
    readonly STREAM_NAME_ALREADY_IN_USE: "Stream name is already in use";
    readonly MEDIASESSION_ID_NULL: "MediaSessionId is null";
    readonly MEDIASESSION_ID_ALREADY_IN_USE: "MediaSessionId is already in use";
    readonly SESSION_NOT_READY: "Session not ready";
    readonly SESSION_DOES_NOT_EXIST: "Session does not exist";
    readonly RTSP_HAS_WRONG_FORMAT: "Rtsp has wrong format";
    readonly FILE_HAS_WRONG_FORMAT: "File has wrong format";
    readonly FAILED_TO_CONNECT_TO_RTSP_STREAM: "Failed to connect to rtsp stream";
    readonly RTSP_STREAM_NOT_FOUND: "Rtsp stream not found";
    readonly RTSPAGENT_SHUTDOWN: "RtspAgent shutdown";
    readonly STREAM_FAILED: "Stream failed";
    readonly NO_COMMON_CODECS: "No common codecs";
    readonly BAD_URI: "Bad URI";
    readonly GOT_EXCEPTION_WHILE_STREAMING_FILE: "Got exception while streaming file";
    readonly REQUESTED_STREAM_SHUTDOWN: "Requested stream shutdown";
    readonly FAILED_TO_READ_FILE: "Failed to read file";
    readonly FILE_NOT_FOUND: "File not found";
    readonly FAILED_TO_CONNECT_TO_ORIGIN_STREAM: "Failed to connect to origin stream";
    readonly CDN_STREAM_NOT_FOUND: "CDN stream not found";
    readonly FAILED_TO_GET_AGENT_STORAGE: "Failed to get agent storage";
    readonly AGENT_SERVICING_ORIGIN_STREAM_IS_SHUTTING_DOWN: "Agent servicing origin stream is shutting down";
    readonly TERMINATED_BY_KEEP_ALIVE: "Terminated by keep-alive";
    readonly TRANSCODING_REQUIRED_BUT_DISABLED: "Transcoding required, but disabled";
    readonly RESTRICTED_ACCESS: "Restricted access";
    readonly NO_AVAILABLE_TRANSCODERS: "No available transcoders";
}>;

// dist/types/events.d.ts
/** Any handler. */
export type Handler = (...values: any[]) => void;
/** Throws what a handler threw where it harms nobody: as an uncaught error of its own. */
export declare function report(error: unknown): void;
/** One handler per event; the last one wins. */
export declare class Handlers {
    #private;
    set(event: string, handler: Handler, NoEvent: typeof Error): void;
    has(event: string): boolean;
    fire(event: string, ...values: unknown[]): void;
}
/** An error that says what is missing. */
export declare function missing(method: string): Error;
/** A UUID; on plain http there is no `randomUUID`. */
export declare function uuid(): string;

// dist/types/exports.d.ts
export { Browser, constants, createSession, getLogger, getMediaAccess, getMediaDevices, getMediaProviders, getMobileDevices, getSession, getSessions, playFirstSound, playFirstVideo, releaseLocalMedia, } from "./sdk.js";
export * from "./types.js";

// dist/types/index.d.ts
import * as sdk from "./sdk.js";
/** Options of {@link init}. */
export interface InitOptions extends sdk.InitOptions {
    /** A WebAssembly core to use in place of the embedded one; must be of the same version of this package. */
    wasm?: sdk.CoreSource;
}
/**
 * Makes the API usable before it returns, and loads the WebAssembly core: sessions created meanwhile open as soon as it is loaded.
 *
 * @returns a promise that is settled once the core is loaded. It is rejected if the browser has no WebRTC, or if
 *   a Content Security Policy without `'wasm-unsafe-eval'` forbids WebAssembly (CSP Level 3, section 4.5).
 */
export declare function init(options?: InitOptions): Promise<void>;
export * from "./exports.js";

// dist/types/logger.d.ts
/** How much is logged. */
export type LogLevel = "ERROR" | "WARN" | "INFO" | "DEBUG" | "TRACE";
type Method = "error" | "warn" | "info" | "debug" | "trace";
/** The page's own logger. */
export type CustomLogger = Partial<Record<Method, (text: string) => void>>;
/** Options of a logger. */
export interface LoggerOptions {
    severity?: LogLevel;
    push?: boolean;
    customLogger?: CustomLogger | null;
    enableLogs?: boolean;
}
/** Writes log lines. */
export declare class Logger {
    #private;
    constructor(options?: LoggerOptions | null);
    init(level?: LogLevel, push?: boolean, custom?: CustomLogger | null, enabled?: boolean): void;
    setLevel(level: LogLevel): void;
    setPushLogs(push: boolean): void;
    setEnableLogs(enabled: boolean): void;
    setCustomLogger(custom: CustomLogger): void;
    /** Where pushed lines go; the ones kept so far go first. */
    setConnection(send: ((logs: string) => void) | null): void;
    error(source: string, text: unknown): void;
    warn(source: string, text: unknown): void;
    info(source: string, text: unknown): void;
    debug(source: string, text: unknown): void;
    trace(source: string, text: unknown): void;
}
export {};

// dist/types/media.d.ts
/** Ends the id of a local element that no call uses. */
export declare const LOCAL = "-LOCAL_CACHED_VIDEO";
/** Ends the id of a remote element that no call uses. */
export declare const REMOTE = "-REMOTE_CACHED_VIDEO";
/** Constraints of a capture. */
export interface Constraints {
    audio?: boolean | (MediaTrackConstraints & {
        outputId?: string;
        stereo?: boolean;
    });
    video?: boolean | (MediaTrackConstraints & {
        minBitrate?: number;
        maxBitrate?: number;
        type?: string;
    });
    customStream?: MediaStream;
}
/** An element that shows media. */
export type Display = HTMLElement & {
    mediaTrackConstraints?: Constraints;
};
/** A device. */
export interface Device {
    id: string;
    label: string;
    type: "mic" | "speaker" | "camera";
}
/** Devices by medium. */
export interface DeviceList {
    audio: Device[];
    video: Device[];
}
/** Sets what is captured when nobody says. */
export declare function setDefaultConstraints(constraints: Constraints | undefined): void;
/** What is captured when nobody says. */
export declare function defaultConstraints(): Constraints;
/** What is captured when neither the page nor `init` says. */
export declare function builtInConstraints(): Constraints;
/** The element of `display` that waits to be used again. */
export declare function cached(display: Display | undefined | null): HTMLVideoElement | undefined;
/** A muted element, which may play without a user gesture. */
export declare function createElement(controls?: boolean): HTMLVideoElement;
/** The stream that an element shows. */
export declare function streamOf(video: HTMLVideoElement | undefined): MediaStream | undefined;
/** Stops the capture or playback of an element. */
export declare function stop(video: HTMLVideoElement): void;
/** Captures what `given` asks for and shows it in `display`. */
export declare function getMediaAccess(given: Constraints | undefined | null, display: Display, _provider?: string | null, asTheyAre?: boolean): Promise<HTMLElement>;
/** The same; gives the element that shows the capture, if anything was asked for. */
export declare function captureInto(given: Constraints | undefined | null, display: Display, asTheyAre?: boolean): Promise<HTMLVideoElement | undefined>;
/** Stops the capture shown in `display`. */
export declare function releaseLocalMedia(display: Display, _provider?: string | null): boolean;
/** Lists devices; with `labels` it asks for permission first, for the labels are secret without. */
export declare function getMediaDevices(_provider?: string | null, labels?: boolean, kind?: "input" | "output" | "all", wanted?: {
    audio?: boolean;
    video?: boolean;
}): Promise<DeviceList>;
/** Plays a video from a click, so that Safari lets later ones play. */
export declare function playFirstVideo(display: Display, isLocal: boolean, src?: string, useControls?: boolean): Promise<void>;

// dist/types/sdk.d.ts
import { Browser } from "./browser.js";
import * as constants from "./constants.js";
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
/** Makes the API usable: at once, before it returns. */
export declare function init(options?: InitOptions): Promise<void>;
/** Opens a session. */
export declare function createSession(options: SessionOptions): Session;
/** The live sessions, oldest first. */
export declare function getSessions(): Session[];
/** The live session of that id. */
export declare function getSession(id: string): Session | undefined;
/** How media can be played here: `["WebRTC"]`, and nothing before `init`. */
export declare function getMediaProviders(): string[];
/** Lists devices. */
export declare function getMediaDevices(...given: Parameters<typeof media.getMediaDevices>): Promise<media.DeviceList>;
/** The same; there is no choice between front and back camera. */
export declare function getMobileDevices(provider?: string | null, kind?: "input" | "output" | "all", wanted?: {
    audio?: boolean;
    video?: boolean;
}): Promise<media.DeviceList>;
/** Captures microphone and camera into `display`. */
export declare function getMediaAccess(...given: Parameters<typeof media.getMediaAccess>): Promise<HTMLElement>;
/** Stops the capture shown in `display`. */
export declare function releaseLocalMedia(display: HTMLElement, provider?: string | null): boolean;
/** Plays a video from a click, so that Safari lets later ones play. */
export declare function playFirstVideo(...given: Parameters<typeof media.playFirstVideo>): Promise<void> | undefined;
/** Plays silence from a click, so that the browser lets later sounds play. */
export declare function playFirstSound(_noise?: boolean): void;
/** The logger of the module. */
export declare function getLogger(): Logger | undefined;
/** Never. */
export declare function isUsingTemasys(): boolean;
/** Not needed any more. */
export declare const firefoxScreenSharingExtensionInstalled = true;
/** Rooms: not supported. */
export declare const roomApi: {
    connect: () => never;
};
export { Browser, constants };

// dist/types/session.d.ts
import { Call, type CallOptions } from "./call.js";
import { SESSION_STATUS } from "./constants.js";
import { Logger, type LoggerOptions } from "./logger.js";
/** The account; in local mode the login alone. */
export interface SipOptions {
    login?: string;
    authenticationName?: string;
    password?: string;
    domain?: string;
    outboundProxy?: string;
    proxy?: string;
    port?: string | number;
    registerRequired?: boolean;
}
/** Options of `createSession`. Times are milliseconds. */
export interface SessionOptions {
    urlServer: string;
    authToken?: string;
    keepAlive?: boolean;
    appKey?: string;
    custom?: unknown;
    sipOptions?: SipOptions;
    mediaOptions?: RTCConfiguration;
    timeout?: number;
    pingInterval?: number;
    receiveProbes?: number;
    probesInterval?: number;
    sendClientInfo?: boolean;
    lbUrl?: string;
    logger?: LoggerOptions | null;
}
/** A status of a session. */
export type SessionStatus = keyof typeof SESSION_STATUS;
/** What the relay tells of an accepted session. */
export interface UserData {
    authToken?: string;
    sipLogin?: string;
    demo?: boolean;
    [field: string]: unknown;
}
/** What a session needs of the module. */
export interface SessionContext {
    providers: string[];
    clientInfo: () => unknown;
    logger: Logger;
    add(session: Session): void;
    remove(session: Session): void;
}
/** A session: one socket to the relay. */
export declare class Session {
    #private;
    /** Sets the handler of an event; the last one wins. */
    on(event: "INCOMING_CALL", callback: (call: Call) => void): this;
    on(event: "ESTABLISHED", callback: (session: Session, data: UserData) => void): this;
    on(event: "WARN" | "APP_DATA" | "DEBUG", callback: (data: Record<string, unknown>) => void): this;
    on(event: SessionStatus, callback: (session: Session, data?: unknown) => void): this;
    id(): string;
    status(): SessionStatus;
    getServerUrl(): string;
    getLogger(): Logger;
    /** A call to be made with `call.call()`. */
    createCall(options: CallOptions): Call;
    /** Closes the socket. */
    disconnect(): void;
    /** Sends data to the application behind the relay. */
    sendData(payload: unknown): Promise<unknown>;
    submitBugReport(report: unknown): void;
    startDebug(): void;
    stopDebug(): void;
    createStream(): never;
    getStream(): never;
    getStreams(): never;
}

// dist/types/slim.d.ts
import * as sdk from "./sdk.js";
/** Options of {@link init}. */
export interface InitOptions extends sdk.InitOptions {
    /** The WebAssembly core, or the URL to fetch it from; `offhook_bg.wasm` beside this module by default. */
    wasm?: sdk.CoreSource;
}
/**
 * Makes the API usable before it returns, and fetches the WebAssembly core: sessions created meanwhile open as soon as it is loaded.
 *
 * @returns a promise that is settled once the core is loaded. It is rejected if the browser has no WebRTC, if the core cannot be
 *   fetched, or if a Content Security Policy without `'wasm-unsafe-eval'` forbids WebAssembly (CSP Level 3, section 4.5).
 */
export declare function init(options?: InitOptions): Promise<void>;
export * from "./exports.js";

// dist/types/stats.d.ts
import type { CallMedia } from "./call-media.js";
/** Statistics of one direction. */
export type StreamStats = Partial<Record<"audio" | "video", Record<string, unknown>>>;
/** Statistics of a call. */
export interface CallStats {
    outboundStream: StreamStats;
    inboundStream: StreamStats;
    otherStats: unknown[] & {
        availableIncomingBitrate?: number;
        availableOutgoingBitrate?: number;
    };
}
/** Asks the connection; `native` gives its reports by type. */
export declare function readStats(connection: RTCPeerConnection, media: CallMedia | undefined, native: boolean): Promise<CallStats | Record<string, unknown[]>>;

// dist/types/types.d.ts
export type { AnswerOptions, Call, CallOptions, CallStatus, SdpHook } from "./call.js";
export type { Session, SessionOptions, SessionStatus, SipOptions, UserData } from "./session.js";
export type { CustomLogger, Logger, LoggerOptions, LogLevel } from "./logger.js";
export type { Constraints, Device, DeviceList } from "./media.js";
export type { CoreSource } from "./sdk.js";
export type { CallStats, StreamStats } from "./stats.js";
