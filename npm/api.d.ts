// dist/types/bitrate.d.ts
/** Limits of the video bitrate in kilobits per second; zero or undefined for no limit. */
export interface Bitrates {
    minBitrate?: number;
    maxBitrate?: number;
}
/** Adds the limits to the relay's description; Chromium and Safari apply them to H264 and VP8. */
export declare function limitInSdp(sdp: string, { minBitrate, maxBitrate }: Bitrates): string;
/** Limits the bitrate of the senders, for browsers that ignore the limits in the description. */
export declare function limitSenders(connection: RTCPeerConnection, { maxBitrate }: Bitrates): Promise<void>;

// dist/types/browser.d.ts
declare global {
    interface Window {
        chrome?: unknown;
    }
}
/** Detection of the browser. Each member is evaluated anew at every call. */
export declare const Browser: {
    /** Internet Explorer. */
    isIE: () => boolean;
    /** Firefox for desktop, by its global `InstallTrigger`. */
    isFirefox: () => boolean;
    /** Chrome, and Chromium with the vendor "Google Inc"; not Opera. */
    isChrome: () => boolean;
    /** Edge before version 79 (EdgeHTML). */
    isEdge: () => boolean;
    /** Opera, based on Chromium. */
    isOpera: () => boolean;
    /** iPhone, iPad or iPod, in any browser. */
    isiOS: () => boolean;
    /** Safari, and other browsers based on WebKit. */
    isSafari: () => boolean;
    /** Android, in any browser. */
    isAndroid: () => boolean;
    /** Samsung Internet. */
    isSamsungBrowser: () => boolean;
    /** Firefox for Android. */
    isAndroidFirefox: () => boolean;
    /** Edge from version 79 on (Chromium). */
    isChromiumEdge: () => boolean;
    /** Safari on a page that has media devices: from https or `localhost`. */
    isSafariWebRTC: () => boolean;
    /** The major version, or 0 if it is unknown. */
    version: () => string | number;
};

// dist/types/call-media.d.ts
import { LocalMedia, type Kind, type LocalContext } from "./local-media.js";
import { type Display } from "./media.js";
/** Options of the two elements. */
export interface ElementOptions {
    controls: boolean;
    sink: string | undefined;
    /** Called when the browser blocks sound (`true`), and when it plays sound again (`false`). */
    soundBlocked(blocked: boolean): void;
}
/** The two elements of a connected call. */
export declare class CallMedia {
    #private;
    local: HTMLVideoElement | undefined;
    remote: HTMLVideoElement;
    constructor(id: string, captured: HTMLVideoElement | undefined, remote: Display, context: LocalContext, options: ElementOptions);
    /** The captured tracks; undefined for a call that only receives. */
    get tracks(): LocalMedia | undefined;
    play(stream: MediaStream): void;
    /** Plays with sound, which the browser permits in a handler of a user gesture. */
    resumeSound(): Promise<boolean>;
    close(keep: boolean): void;
    setSink(id: string): Promise<void> | undefined;
    track(kind: Kind): MediaStreamTrack | undefined;
    get hasRemoteAudio(): boolean;
}

// dist/types/call.d.ts
import { CALL_STATUS } from "./constants.js";
import type { DeviceChange } from "./local-media.js";
import { Logger, type LoggerOptions } from "./logger.js";
import { type Constraints } from "./media.js";
import { type CallStats } from "./stats.js";
/** Returns the session description (RFC 8866) to use in place of that of the relay, or nothing to keep it. */
export type SdpHook = (sdp: {
    sdpString: string;
}) => string | null | undefined;
/** Options of {@link Call.answer}. */
export interface AnswerOptions {
    /** The element in which the `<video>` element of the capture is created. */
    localVideoDisplay: HTMLElement;
    /** The element in which the `<video>` element of the peer's media is created. */
    remoteVideoDisplay: HTMLElement;
    /**
     * The media to capture. The default is that of `init` for outgoing calls, and microphone and camera for `answer`. Video is captured
     * only if the peer's description has video.
     */
    constraints?: Constraints;
    /**
     * Names of codecs that are removed from the description sent to the relay, separated by commas. Each is a case-insensitive regular
     * expression.
     */
    stripCodecs?: string;
    /** Rewrites the relay's description before the browser receives it. */
    sdpHook?: SdpHook;
    /** Lines `a=` and `b=` that the relay adds to the session description for a SIP peer (RFC 8866). */
    sipSDP?: string[];
    /** Header fields, `Name: value` each, that the relay adds to its INVITE. `Privacy: id` withholds the name (RFC 3325). */
    sipHeaders?: string[];
    /** Offers to receive sound; `true` by default. Of no effect in `answer`. */
    receiveAudio?: boolean;
    /** Offers to receive video; `true` by default. Of no effect in `answer`. */
    receiveVideo?: boolean;
}
/** Options of `createCall`. Both displays are required before `call`. */
export interface CallOptions extends Partial<AnswerOptions> {
    /** The callee: a login, a telephone number or a SIP URI. */
    callee?: string;
    /** The display name that the callee receives; the login by default. */
    visibleName?: string;
    /** Any JSON value, passed to the callee; through a SIP server in the header field `Offhook-Custom`, up to 1,024 octets. */
    custom?: unknown;
    /** Of no effect: the media provider is always WebRTC. */
    mediaProvider?: string;
    /** Keeps the captured media after the call, for the next one. */
    cacheLocalResources?: boolean;
    /** Shows the controls of the `<video>` elements; `false` by default. */
    useControls?: boolean;
    /** The `contentHint` of the video track: a value of CONTENT_HINT_TYPE; `motion` by default. */
    videoContentHint?: string;
    /** Passes the constraints to the browser as they are, without default sizes. */
    disableConstraintsNormalization?: boolean;
    /** Sends the names of the devices in use to the relay; `true` by default. */
    collectDeviceInfo?: boolean;
    /** The logger of the call; `null` writes nothing. The logger of the session by default. */
    logger?: LoggerOptions | null;
    /** The id of the call; a UUID by default. */
    callId?: string;
    /** Set by the relay for incoming calls: the caller. */
    caller?: string;
    /** Set by the relay for incoming calls. */
    incoming?: boolean;
}
/** A status of a call. */
export type CallStatus = keyof typeof CALL_STATUS;
/** The path of the media: through the relay, or directly between the browsers. */
export type MediaPath = "relay" | "direct";
/** The interface of the session that a call uses. */
export interface CallContext {
    login(): string | undefined;
    configuration: RTCConfiguration;
    logger: Logger;
}
/** A call, outgoing or incoming. */
export declare class Call {
    #private;
    /**
     * Sets the handler of an event, in place of an earlier one. Exceptions of handlers are reported as uncaught errors.
     *
     * @throws TypeError "Event can't be null"; Error "Callback needs to be a valid function".
     */
    on(event: CallStatus, callback: (call: Call) => void): this;
    on(event: "DTMF", callback: (call: Call, digit: string) => void): this;
    on(event: "REMOTE_HOLD", callback: (call: Call, held: boolean) => void): this;
    on(event: "TRANSFER", callback: (call: Call, status: "PENDING" | "RINGING" | "COMPLETED" | "FAILED") => void): this;
    on(event: "MEDIA_PATH", callback: (call: Call, path: MediaPath) => void): this;
    on(event: "LOCAL_DEVICE", callback: (call: Call, change: DeviceChange) => void): this;
    on(event: "SOUND_BLOCKED", callback: (call: Call, blocked: boolean) => void): this;
    /**
     * Captures media and places the call. If that fails, FAILED is fired and `getErrorInfo` has the reason.
     *
     * @throws Error "Invalid call state" unless the call is NEW.
     */
    call(): void;
    /**
     * Captures media and answers an incoming call. If that fails, FAILED is fired and `getErrorInfo` has the reason.
     *
     * @throws Error "Invalid call state" unless the call is NEW or RING.
     */
    answer(options: AnswerOptions): void;
    /** Captures media and answers an incoming call; the signature of earlier versions of the API. */
    answer(localVideoDisplay: HTMLElement, remoteVideoDisplay: HTMLElement): void;
    /** Ends an established call, cancels an outgoing one (RFC 3261, section 9) or rejects an incoming one. */
    hangup(): void;
    /** Puts the call on hold (RFC 3264, section 8.4). HOLD is fired when it is. */
    hold(): void;
    /** Puts the call on hold before an attended `transfer`. */
    holdForTransfer(): void;
    /** Resumes the call. ESTABLISHED is fired when it is. */
    unhold(): void;
    /**
     * Transfers the peer to `target` (RFC 5589). If that is the peer of another call of this session, the two are connected; otherwise
     * the target is called. This call then ends.
     */
    transfer(target: string): void;
    /**
     * Sends digits: 0 to 9, `*`, `#`, A to D. `RFC2833` is a telephone-event of RFC 4733, or INFO if the peer negotiated none;
     * `INFO` and `INFO_RELAY` are SIP INFO requests with the bodies `application/dtmf` and `application/dtmf-relay`. At most 20
     * digits a second and 64 at once.
     */
    sendDTMF(digit: string | number, type?: "RFC2833" | "INFO" | "INFO_RELAY"): void;
    /** The id of the call; the same at the relay. */
    id(): string;
    /** The current status. */
    status(): CallStatus;
    /** The caller; for outgoing calls the login of the session. */
    caller(): string | undefined;
    /** The callee. */
    callee(): string | undefined;
    /** The display name of the caller, or the login of the session if there is none. */
    visibleName(): string | undefined;
    /** `"Local error"` if the media failed in the browser. */
    getInfo(): string | undefined;
    /** The text of the browser's exception if the media failed: no microphone, or no peer connection. */
    getErrorInfo(): string | undefined;
    /** The reason why the call ended, for example `noAnswer`: a name of the list in the documentation of the signaling protocol. */
    getEndReason(): string | undefined;
    /** The current path of the media. MEDIA_PATH is fired when it changes. */
    getMediaPath(): MediaPath;
    /** The text of the relay about the status, for example the reason phrase of a SIP response. */
    get info(): string | undefined;
    /**
     * Passes statistics of the peer connection to `callback`, which is not called before there is one. With `native` they are those
     * of the browser by type (W3C WebRTC Statistics).
     */
    getStats(callback: (stats: CallStats) => void, native?: false): void;
    getStats(callback: (stats: Record<string, unknown[]>) => void, native: true): void;
    /** Mutes the microphone. Before there is one, the call will start muted. */
    muteAudio(): void;
    /** Unmutes the microphone after `muteAudio`. */
    unmuteAudio(): void;
    /** Sends black frames in place of those of the camera. Before there is a camera, the call will start muted. */
    muteVideo(): void;
    /** Unmutes the camera after `muteVideo`. */
    unmuteVideo(): void;
    /** Whether no sound is sent or will be sent: the microphone is muted or not in use, or the call has ended. */
    isAudioMuted(): boolean;
    /** The same as {@link Call.isAudioMuted} for video. */
    isVideoMuted(): boolean;
    /** Sets the volume of the peer's sound, 0 to 100. */
    setVolume(volume: number): void;
    /** The volume of the peer's sound, 0 to 100, or -1 without sound from the peer. */
    getVolume(): number;
    /** Plays the peer on the output device of this id (W3C Audio Output Devices API); before there is media, once there is. */
    setAudioOutputId(id: string): Promise<void> | undefined;
    /** The logger of the session. */
    getLogger(): Logger;
    /**
     * Sends the camera of this id, or the next one.
     *
     * @returns a promise of its id; rejected with a text of ERROR_INFO if there is no other camera, and with the exception of the
     *   browser if it cannot be used.
     * @throws Error "Invalid call state" before the call has media.
     */
    switchCam(id?: string): Promise<string>;
    /**
     * Sends the microphone of this id, or the next one.
     *
     * @returns a promise as that of {@link switchCam}.
     * @throws Error "Invalid call state" unless the call is ESTABLISHED or on HOLD.
     */
    switchMic(id?: string): Promise<string>;
    /**
     * Sends the screen in place of the camera. The user chooses what is shown; the arguments are those of earlier browsers.
     *
     * @throws Error "Invalid call state" unless the call is ESTABLISHED or on HOLD.
     */
    switchToScreen(_source?: string, _withoutExtension?: boolean): Promise<void>;
    /**
     * Sends the camera again after `switchToScreen`; of no effect otherwise.
     *
     * @throws Error "Invalid call state" unless the call is ESTABLISHED or on HOLD.
     */
    switchToCam(): void;
    /**
     * Plays the peer's sound after SOUND_BLOCKED; to be called in a handler of a user gesture, such as a click. The first click or key
     * press on the page has the same effect.
     *
     * @returns a promise of whether the browser plays sound.
     */
    resumeSound(): Promise<boolean>;
}
/** The error text of `createCall` without options. */
export declare const NO_OPTIONS: "options must be provided";

// dist/types/classic.d.ts
import * as sdk from "./sdk.js";
/**
 * Makes the API usable and loads the WebAssembly core before it returns.
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
    /** The WebSocket is open; the relay has not accepted the session yet. */
    readonly CONNECTED: "CONNECTED";
    /** The relay accepted the session: calls can be placed. The second argument of the handler is {@link UserData}. */
    readonly ESTABLISHED: "ESTABLISHED";
    /** The WebSocket was closed. Final. */
    readonly DISCONNECTED: "DISCONNECTED";
    /**
     * The relay reports a failure that does not end the session, for example of a later registration. The handler's argument is the
     * relay's object.
     */
    readonly WARN: "WARN";
    /** The WebSocket cannot be opened or failed, `timeout` expired, or pings were missed. Final. */
    readonly FAILED: "FAILED";
    /** Event: the relay's answer to `startDebug` or `stopDebug`. The handler's argument is the relay's object. */
    readonly DEBUG: "DEBUG";
    /** Event: data from the application behind the relay. The handler's argument is the relay's object. */
    readonly APP_DATA: "APP_DATA";
    /** Never fired. See `sendData`. */
    readonly SEND_DATA_STATUS: "SEND_DATA_STATUS";
    /** The WebSocket is being opened. The first status; never fired. */
    readonly PENDING: "PENDING";
    /** The login is registered (RFC 3261, section 10) and can be called. */
    readonly REGISTERED: "REGISTERED";
    /** Never fired. */
    readonly UNREGISTERED: "UNREGISTERED";
    /** Event: an incoming call. The handler's argument is the {@link Call}, with the status NEW. */
    readonly INCOMING_CALL: "INCOMING_CALL";
}>;
/** Statuses and events of a call. */
export declare const CALL_STATUS: Readonly<{
    /** Created by `createCall`, or incoming. The first status; never fired. */
    readonly NEW: "NEW";
    /** Outgoing: the callee is alerted (180 Ringing, RFC 3261, section 21.1.2). Incoming: the call can be shown to the user. */
    readonly RING: "RING";
    /** Outgoing: early media before the answer (RFC 3960). */
    readonly RING_MEDIA: "RING_MEDIA";
    /** The call is on hold by `hold`. */
    readonly HOLD: "HOLD";
    /** The call was answered, or resumed after HOLD. */
    readonly ESTABLISHED: "ESTABLISHED";
    /** The call ended: one side hung up, canceled or rejected. Final; see `getEndReason`. */
    readonly FINISH: "FINISH";
    /** The callee is busy (486 Busy Here, 600 Busy Everywhere). Final. */
    readonly BUSY: "BUSY";
    /** Outgoing: progress other than ringing (183 Session Progress). */
    readonly SESSION_PROGRESS: "SESSION_PROGRESS";
    /** The call could not be set up, or failed. Final; see `getErrorInfo` and `getEndReason`. */
    readonly FAILED: "FAILED";
    /** `call` or `answer` is capturing media and negotiating. Never fired. */
    readonly PENDING: "PENDING";
    /** Outgoing: the relay received the call (100 Trying). */
    readonly TRYING: "TRYING";
}>;
/** Events of a call that Flashphoner's WebSDK does not have. */
export declare const CALL_EVENT: Readonly<{
    /** The peer sent a digit. The handler's second argument is the digit: 0 to 9, `*`, `#`, A to D (RFC 4733). */
    readonly DTMF: "DTMF";
    /** The peer put the call on hold or resumed it. The handler's second argument is `true` while on hold. */
    readonly REMOTE_HOLD: "REMOTE_HOLD";
    /** Progress of `transfer`. The handler's second argument is PENDING, RINGING, COMPLETED or FAILED. */
    readonly TRANSFER: "TRANSFER";
    /** The media path changed. The handler's second argument is a {@link MediaPath}. */
    readonly MEDIA_PATH: "MEDIA_PATH";
    /** The microphone or camera was lost, or another one took its place. The handler's second argument is a {@link DeviceChange}. */
    readonly LOCAL_DEVICE: "LOCAL_DEVICE";
    /**
     * The browser plays the peer without sound until there is a user gesture (HTML, "allowed to play"). The handler's second argument
     * is `true`, and `false` once there is sound: after the first click or key, or `resumeSound`.
     */
    readonly SOUND_BLOCKED: "SOUND_BLOCKED";
}>;
/** Texts of the relay for the reason of a status. */
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
/** Messages of errors. */
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
    /** Speakers. */
    readonly OUTPUT: "output";
    /** Microphones and cameras. */
    readonly INPUT: "input";
    /** Both. */
    readonly ALL: "all";
}>;
/** A constant of streams, which are not supported; present because pages read it when they load. */
export declare const TRANSPORT_TYPE: Readonly<{
    /** RTP over UDP. */
    readonly UDP: "UDP";
    /** RTP over TCP. */
    readonly TCP: "TCP";
}>;
/** A constant of streams, which are not supported; present because pages read it when they load. */
export declare const CONNECTION_QUALITY: Readonly<{
    /** Negligible loss. */
    readonly PERFECT: "PERFECT";
    /** Some loss. */
    readonly GOOD: "GOOD";
    /** Much loss. */
    readonly BAD: "BAD";
    /** Not measured yet. */
    readonly UNKNOWN: "UNKNOWN";
    /** The event of a new measurement. */
    readonly UPDATE: "UPDATE";
}>;
/** A constant of streams, which are not supported; present because pages read it when they load. */
export declare const STREAM_EVENT = "STREAM_EVENT";
/** A constant of streams, which are not supported; present because pages read it when they load. */
export declare const STREAM_EVENT_TYPE: Readonly<{
    /** The publisher muted its sound. */
    readonly AUDIO_MUTED: "audioMuted";
    /** The publisher unmuted its sound. */
    readonly AUDIO_UNMUTED: "audioUnmuted";
    /** The publisher muted its video. */
    readonly VIDEO_MUTED: "videoMuted";
    /** The publisher unmuted its video. */
    readonly VIDEO_UNMUTED: "videoUnmuted";
    /** Data from the publisher. */
    readonly DATA: "data";
    /** A snapshot is ready. */
    readonly SNAPSHOT_COMPLETED: "snapshotCompleted";
    /** A snapshot failed. */
    readonly SNAPSHOT_FAILED: "snapshotFailed";
    /** The size of the video changed. */
    readonly RESIZE: "resize";
    /** The bandwidth is lower than the bitrate. */
    readonly NOT_ENOUGH_BANDWIDTH: "notEnoughBandwidth";
}>;
/** What a video track shows (W3C MediaStreamTrack Content Hints). */
export declare const CONTENT_HINT_TYPE: Readonly<{
    /** Moving pictures: the frame rate matters more than the sharpness. */
    readonly MOTION: "motion";
    /** Still pictures: the sharpness matters more than the frame rate. */
    readonly DETAIL: "detail";
    /** Text: edges have to stay sharp. */
    readonly TEXT: "text";
}>;
/** A constant of streams, which are not supported; present because pages read it when they load. */
export declare const STREAM_STATUS: Readonly<{
    /** Created. */
    readonly NEW: "NEW";
    /** Being set up. */
    readonly PENDING: "PENDING";
    /** Sent to the server. */
    readonly PUBLISHING: "PUBLISHING";
    /** Received from the server. */
    readonly PLAYING: "PLAYING";
    /** Paused. */
    readonly PAUSED: "PAUSED";
    /** No longer sent. */
    readonly UNPUBLISHED: "UNPUBLISHED";
    /** Stopped. */
    readonly STOPPED: "STOPPED";
    /** Failed. */
    readonly FAILED: "FAILED";
    /** Received with gaps. */
    readonly PLAYBACK_PROBLEM: "PLAYBACK_PROBLEM";
    /** The size of the video changed. */
    readonly RESIZE: "RESIZE";
    /** A snapshot is ready. */
    readonly SNAPSHOT_COMPLETE: "SNAPSHOT_COMPLETE";
    /** The bandwidth is lower than the bitrate. */
    readonly NOT_ENOUGH_BANDWIDTH: "NOT_ENOUGH_BANDWIDTH";
}>;
/** A constant of streams, which are not supported; present because pages read it when they load. */
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
/** Reports an exception of a handler as an uncaught error, so that it does not interrupt the SDK. */
export declare function report(error: unknown): void;
/** Event handlers, one per event; a later one replaces an earlier one. */
export declare class Handlers {
    #private;
    set(event: string, handler: Handler, NoEvent: typeof Error): void;
    has(event: string): boolean;
    fire(event: string, ...values: unknown[]): void;
}
/** Returns the error for a method that is not supported. */
export declare function missing(method: string): Error;
/** Returns a random UUID. `randomUUID` does not exist on a page from plain http. */
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

// dist/types/local-media.d.ts
import { type Constraints } from "./media.js";
/** A medium. */
export type Kind = "audio" | "video";
/** The mute state per medium. It belongs to the call, not to a track, and exists before the first track. */
export type Muted = Record<Kind, boolean>;
/** A change of the microphone or camera of a call. */
export interface DeviceChange {
    /** Microphone (`audio`) or camera (`video`). */
    kind: Kind;
    /** `lost`: unplugged, switched off or revoked. `replaced`: the call sends the device with this label. */
    state: "lost" | "replaced";
    /** The name of the device that was lost, or of its replacement. */
    label: string;
}
/** The interface of the call that the tracks use. */
export interface LocalContext {
    muted: Muted;
    constraints: Constraints;
    contentHint: string;
    /** Replaces the sent track of the same kind. */
    replace(track: MediaStreamTrack): Promise<unknown>;
    changed(change: DeviceChange): void;
}
/** The captured tracks of a connected call. */
export declare class LocalMedia {
    #private;
    readonly stream: MediaStream;
    constructor(stream: MediaStream, context: LocalContext);
    track(kind: Kind): MediaStreamTrack | undefined;
    /** Applies the mute state to the track. */
    applyMute(kind: Kind): void;
    /** Sends the device with this id, or the next one. Returns its id. */
    switchDevice(kind: Kind, wanted?: string): Promise<string>;
    /** Sends the screen in place of the camera. */
    switchToScreen(): Promise<void>;
    /** Sends the camera again. */
    switchToCam(): Promise<void>;
    /** Stops the tracks; with `keep`, only unmutes them. */
    close(keep: boolean): void;
}

// dist/types/logger.d.ts
/** A level of log lines, from the most to the least severe. */
export type LogLevel = "ERROR" | "WARN" | "INFO" | "DEBUG" | "TRACE";
/** A level in lower case: the name of the method that writes a line of it. */
type Method = "error" | "warn" | "info" | "debug" | "trace";
/** An object of the page that receives log lines; levels without a method go to the console. */
export type CustomLogger = Partial<Record<Method, (text: string) => void>>;
/** Options of a logger. */
export interface LoggerOptions {
    /** The least severe level that is written; INFO by default. */
    severity?: LogLevel;
    /**
     * Also sends the lines to the relay, once a session is connected; `false` by default. Up to 1,000 earlier lines are kept for
     * it. The Offhook relay accepts and drops them.
     */
    push?: boolean;
    /** Receives the lines in place of the console. */
    customLogger?: CustomLogger | null;
    /** Writes lines at all; `true` by default. */
    enableLogs?: boolean;
}
/** Writes log lines to the console or a {@link CustomLogger}, and to the relay on request. */
export declare class Logger {
    #private;
    /** Creates a logger; `null` creates one that writes nothing. */
    constructor(options?: LoggerOptions | null);
    /** Sets the options that are given and keeps the others. */
    init(level?: LogLevel, push?: boolean, custom?: CustomLogger | null, enabled?: boolean): void;
    /** Sets the least severe level that is written. */
    setLevel(level: LogLevel): void;
    /** Sets whether lines are also sent to the relay. */
    setPushLogs(push: boolean): void;
    /** Sets whether lines are written at all. */
    setEnableLogs(enabled: boolean): void;
    /** Sets the object that receives the lines in place of the console. */
    setCustomLogger(custom: CustomLogger): void;
    /** Sets the function that sends lines to the relay. Lines kept so far are sent first. */
    setConnection(send: ((logs: string) => void) | null): void;
    /** Writes a line of level ERROR. */
    error(source: string, text: unknown): void;
    /** Writes a line of level WARN. */
    warn(source: string, text: unknown): void;
    /** Writes a line of level INFO. */
    info(source: string, text: unknown): void;
    /** Writes a line of level DEBUG. */
    debug(source: string, text: unknown): void;
    /** Writes a line of level TRACE. */
    trace(source: string, text: unknown): void;
}
export {};

// dist/types/media.d.ts
/** The suffix of the id of a local element that is not in use. */
export declare const LOCAL = "-LOCAL_CACHED_VIDEO";
/** The suffix of the id of a remote element that is not in use. */
export declare const REMOTE = "-REMOTE_CACHED_VIDEO";
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
    audio?: boolean | (MediaTrackConstraints & {
        outputId?: string;
        stereo?: boolean;
    });
    /**
     * The camera: `true`, or constraints and options. Unless both width and height are given, 320x240 pixels are requested. `type:
     * "screen"` selects the screen, which the user chooses.
     */
    video?: boolean | (MediaTrackConstraints & VideoOptions);
    /** A stream to send. Tracks captured for `audio` and `video` are added to it. */
    customStream?: MediaStream;
}
/** An element that shows media. */
export type Display = HTMLElement & {
    mediaTrackConstraints?: Constraints;
};
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
/** Sets the default constraints. */
export declare function setDefaultConstraints(constraints: Constraints | undefined): void;
/** Returns the default constraints: those of `init`, or the built-in ones. */
export declare function defaultConstraints(): Constraints;
/** Returns the built-in constraints. */
export declare function builtInConstraints(): Constraints;
/** Returns the element of `display` that is not in use and can be reused. */
export declare function cached(display: Display | undefined | null): HTMLVideoElement | undefined;
/** Creates a muted element, which may play without a user gesture. */
export declare function createElement(controls?: boolean): HTMLVideoElement;
/** Returns the stream that an element shows. */
export declare function streamOf(video: HTMLVideoElement | undefined): MediaStream | undefined;
/** Stops the capture or playback of an element. */
export declare function stop(video: HTMLVideoElement): void;
/** Captures media according to `given` and shows them in `display`. */
export declare function getMediaAccess(given: Constraints | undefined | null, display: Display, _provider?: string | null, asTheyAre?: boolean): Promise<HTMLElement>;
/**
 * Captures media like {@link getMediaAccess}. Returns the element that shows them, or undefined if no media were requested. `signal`
 * aborts the capture.
 */
export declare function captureInto(given: Constraints | undefined | null, display: Display, asTheyAre?: boolean, signal?: AbortSignal): Promise<HTMLVideoElement | undefined>;
/** Stops the captured media shown in `display`. */
export declare function releaseLocalMedia(display: Display, _provider?: string | null): boolean;
/** Lists devices. With `labels`, requests permission first, because browsers withhold the labels without it. */
export declare function getMediaDevices(_provider?: string | null, labels?: boolean, kind?: "input" | "output" | "all", wanted?: {
    audio?: boolean;
    video?: boolean;
}): Promise<DeviceList>;
/** Plays a video in a click handler, so that Safari permits later ones. */
export declare function playFirstVideo(display: Display, isLocal: boolean, src?: string, useControls?: boolean): Promise<void>;

// dist/types/policy.d.ts
/** The features that a policy names. */
export type Feature = "microphone" | "camera" | "display-capture";
/**
 * Returns the exception of a refused capture with a text that names the missing permissions policy, if there is one. The browser's
 * own text does not distinguish it from a refusal by the user.
 */
export declare function explained(error: unknown, features: Feature[]): unknown;

// dist/types/sdk.d.ts
import { Browser } from "./browser.js";
import * as constants from "./constants.js";
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
/**
 * Makes the API usable before it returns. Further calls have no effect.
 *
 * @returns a promise that is rejected with "None of MediaProviders available" if the browser has no WebRTC, and with "None of
 *   preferred MediaProviders available" if `preferredMediaProviders` names none that it has.
 */
export declare function init(options?: InitOptions): Promise<void>;
/**
 * Opens a session: a WebSocket to the relay. It is not reconnected; create another with `authToken` for that.
 *
 * @throws Error "Flashphoner API is not initialized" before `init`.
 * @throws TypeError "options.urlServer must be provided".
 */
export declare function createSession(options: SessionOptions): Session;
/** The sessions that are neither DISCONNECTED nor FAILED, oldest first. */
export declare function getSessions(): Session[];
/** The session of this id, unless it is DISCONNECTED or FAILED. */
export declare function getSession(id: string): Session | undefined;
/** The names of the media providers: `["WebRTC"]`, and none before `init`. */
export declare function getMediaProviders(): string[];
/**
 * Lists the microphones and cameras; `kind` selects speakers, or all. With `labels` the user is asked for permission first, because
 * browsers withhold the names without it.
 *
 * @returns a promise that is rejected with "input media devices not found" if there are none, or with the error of the browser
 *   (W3C Media Capture and Streams, `getUserMedia`).
 * @throws Error "Flashphoner API is not initialized" before `init`.
 */
export declare function getMediaDevices(...given: Parameters<typeof media.getMediaDevices>): Promise<media.DeviceList>;
/**
 * Lists devices like {@link getMediaDevices} with `labels`. Front and back cameras are not distinguished.
 *
 * @throws Error "Flashphoner API is not initialized" before `init`.
 */
export declare function getMobileDevices(provider?: string | null, kind?: "input" | "output" | "all", wanted?: {
    audio?: boolean;
    video?: boolean;
}): Promise<media.DeviceList>;
/**
 * Captures microphone and camera and shows them in `display`. Media already captured with the same constraints are kept.
 *
 * @returns a promise of `display`, rejected with the error of the browser: NotAllowedError, NotFoundError, NotReadableError and others
 *   (W3C Media Capture and Streams, `getUserMedia`).
 * @throws Error "Flashphoner API is not initialized" before `init`.
 */
export declare function getMediaAccess(...given: Parameters<typeof media.getMediaAccess>): Promise<HTMLElement>;
/**
 * Stops the captured media shown in `display`.
 *
 * @returns whether there were any.
 * @throws Error "Flashphoner API is not initialized" before `init`.
 */
export declare function releaseLocalMedia(display: HTMLElement, provider?: string | null): boolean;
/**
 * Plays the video `src` in `display`; called in a click handler, it makes Safari permit later videos. Without `src` it does nothing.
 *
 * @returns a promise that is rejected if the browser refuses to play, and `undefined` before `init`.
 */
export declare function playFirstVideo(...given: Parameters<typeof media.playFirstVideo>): Promise<void> | undefined;
/**
 * Plays silence; called in a click handler, it makes the browser permit later sounds.
 *
 * @throws TypeError "Flashphoner API is not initialized" before `init`.
 */
export declare function playFirstSound(_noise?: boolean): void;
/** The logger of the module; `undefined` before `init`. */
export declare function getLogger(): Logger | undefined;
/** Always `false`: the Temasys plug-in is not supported. */
export declare function isUsingTemasys(): boolean;
/** Always `true`: browsers do not need an extension for screen sharing. */
export declare const firefoxScreenSharingExtensionInstalled = true;
/** Rooms, which are not supported. */
export declare const roomApi: {
    /** Throws an error: rooms are not supported. */
    connect: () => never;
};
export { Browser, constants };

// dist/types/session.d.ts
import { Call, type CallOptions } from "./call.js";
import { SESSION_STATUS } from "./constants.js";
import { Logger, type LoggerOptions } from "./logger.js";
/** The account of a session at a SIP server, or at the relay itself. Servers are `host` or `host:port`. */
export interface SipOptions {
    /** The user part of the address of record, and the name by which this session is called. */
    login?: string;
    /** The user name for authentication (RFC 3261, section 22); the login by default. */
    authenticationName?: string;
    /** The password of the account. */
    password?: string;
    /** The domain of the address of record, and the registrar unless there is a proxy. */
    domain?: string;
    /** The host to which requests are sent in place of the domain. */
    outboundProxy?: string;
    /** An additional proxy that requests are routed through (RFC 3261, section 16.12). */
    proxy?: string;
    /** The port of the SIP server. Without it, the server is located by DNS (RFC 3263). */
    port?: string | number;
    /** Registers the login, so that REGISTERED is fired. */
    registerRequired?: boolean;
}
/** Options of `createSession`. Times are in milliseconds. */
export interface SessionOptions {
    /** The URL of the relay: `wss://host:port`, or `ws://host:port` on a page that is not https. */
    urlServer: string;
    /**
     * A token in place of `sipOptions`: that of an earlier session ({@link UserData}), which is taken over, or a JSON Web Token that the
     * application has issued for a new session.
     */
    authToken?: string;
    /** The relay keeps the session and its registration for some time after the WebSocket closed, for `authToken`. */
    keepAlive?: boolean;
    /** The application at the relay; `defaultApp` by default. With `clickToCallApp` calls are made without a login. */
    appKey?: string;
    /** Any JSON value, sent to the relay. */
    custom?: unknown;
    /** The account. Without it and without `authToken`, the session can make calls only where the relay permits it. */
    sipOptions?: SipOptions;
    /**
     * Configuration of the peer connections (W3C WebRTC, `RTCConfiguration`), for example `iceServers`. Its `bundlePolicy` is set
     * to `max-compat`.
     */
    mediaOptions?: RTCConfiguration;
    /** Milliseconds after which a WebSocket that is still not open fails the session; 0, the default, for none. */
    timeout?: number;
    /** Milliseconds between two pings sent to the relay; 0, the default, for none. */
    pingInterval?: number;
    /** The number of probe intervals without any message of the relay after which the session fails; 0, the default, for none. */
    receiveProbes?: number;
    /** Milliseconds of a probe interval; 0, the default, for none. */
    probesInterval?: number;
    /** Sends the user agent client hints to the relay; `true` by default. */
    sendClientInfo?: boolean;
    /** The URL of a load balancer, which names the relay to use in place of `urlServer`; `urlServer` is used if it does not answer. */
    lbUrl?: string;
    /** Options of a logger of its own; that of the module by default. */
    logger?: LoggerOptions | null;
}
/** A status of a session. */
export type SessionStatus = keyof typeof SESSION_STATUS;
/** Data of an accepted session from the relay. */
export interface UserData {
    /** The token for taking this session over later, as `authToken` of `createSession`. */
    authToken?: string;
    /** The login of the session. */
    sipLogin?: string;
    /** The relay runs in demo mode and accepts any login without a password. */
    demo?: boolean;
    [field: string]: unknown;
}
/** The notice that the JSON Web Token of a session expires soon; see `renewToken` of the session. */
export interface TokenNotice {
    /** The remaining time in seconds. */
    expiresIn: number;
}
/** The interface of the module that a session uses. */
export interface SessionContext {
    providers: string[];
    clientInfo: () => unknown;
    logger: Logger;
    add(session: Session): void;
    remove(session: Session): void;
}
/** A session: one WebSocket to the relay, and the calls on it. */
export declare class Session {
    #private;
    /**
     * Sets the handler of an event, in place of an earlier one. Exceptions of handlers are reported as uncaught errors.
     *
     * @throws Error "Event can't be null", "Callback needs to be a valid function".
     */
    on(event: "INCOMING_CALL", callback: (call: Call) => void): this;
    on(event: "ESTABLISHED", callback: (session: Session, data: UserData) => void): this;
    on(event: "TOKEN_EXPIRING", callback: (notice: TokenNotice) => void): this;
    on(event: "WARN" | "APP_DATA" | "DEBUG", callback: (data: Record<string, unknown>) => void): this;
    on(event: SessionStatus, callback: (session: Session, data?: unknown) => void): this;
    /** The UUID of the session. It is local and never sent. */
    id(): string;
    /** The current status. */
    status(): SessionStatus;
    /** The URL of the relay; with `lbUrl` the one that the load balancer named, once it has answered. */
    getServerUrl(): string;
    /** The logger of the session. */
    getLogger(): Logger;
    /**
     * Creates a call; `call.call()` places it.
     *
     * @throws Error "Invalid session state" unless the session is ESTABLISHED or REGISTERED.
     * @throws TypeError "options must be provided".
     */
    createCall(options: CallOptions): Call;
    /** Closes the WebSocket; DISCONNECTED is fired. The relay ends the calls. */
    disconnect(): void;
    /**
     * Sends data to the application behind the relay.
     *
     * @returns a promise of the status object of the relay; rejected with that object if no application accepts the data, and
     *   with an Error if there is no connection or the payload is not a JSON value.
     */
    sendData(payload: unknown): Promise<unknown>;
    /**
     * Replaces the JSON Web Token of the session, which expires soon (TOKEN_EXPIRING) or has expired during a call, with a new one for the
     * same login.
     *
     * @returns a promise of the status object of the relay, whose `expiresIn` is the lifetime in seconds; rejected with that object if the
     *   token is not accepted, whose `info` is the reason, and with an Error if there is no connection.
     */
    renewToken(token: string): Promise<unknown>;
    /** Sends an object to the relay. The Offhook relay accepts and drops it. */
    submitBugReport(report: unknown): void;
    /** Sets the level DEBUG, sends the log lines to the relay and requests debugging there; DEBUG is fired. */
    startDebug(): void;
    /** Sets the level INFO and ends debugging at the relay; DEBUG is fired. */
    stopDebug(): void;
    /**
     * Not supported.
     * @throws Error always: streams are not supported.
     */
    createStream(): never;
    /**
     * Not supported.
     * @throws Error always: streams are not supported.
     */
    getStream(): never;
    /**
     * Not supported.
     * @throws Error always: streams are not supported.
     */
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
/** Reads the statistics of the connection; with `native`, the browser's reports by type. */
export declare function readStats(connection: RTCPeerConnection, media: CallMedia | undefined, native: boolean): Promise<CallStats | Record<string, unknown[]>>;

// dist/types/types.d.ts
export type { AnswerOptions, Call, CallOptions, CallStatus, SdpHook } from "./call.js";
export type { Session, SessionOptions, SessionStatus, SipOptions, TokenNotice, UserData } from "./session.js";
export type { DeviceChange } from "./local-media.js";
export type { CustomLogger, Logger, LoggerOptions, LogLevel } from "./logger.js";
export type { Constraints, Device, DeviceList, VideoOptions } from "./media.js";
export type { CoreSource } from "./sdk.js";
export type { CallStats, StreamStats } from "./stats.js";
