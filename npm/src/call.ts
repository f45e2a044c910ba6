// The call object of the API: handlers, elements and options. The core makes the decisions.

import { limitInSdp, limitSenders, type Bitrates } from "./bitrate.js";
import { Browser } from "./browser.js";
import { CallMedia } from "./call-media.js";
import { CALL_STATUS, ERROR_INFO } from "./constants.js";
import { core } from "./core.js";
import { Handlers, report, type Handler } from "./events.js";
import type { DeviceChange, Kind, LocalMedia } from "./local-media.js";
import { Logger, type LoggerOptions } from "./logger.js";
import {
  builtInConstraints, captureInto, defaultConstraints, getMediaDevices, stop, type Constraints, type Display,
} from "./media.js";
import { readStats, type CallStats } from "./stats.js";

/** Returns the session description (RFC 8866) to use in place of that of the relay, or nothing to keep it. */
export type SdpHook = (sdp: { sdpString: string }) => string | null | undefined;

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
export class Call {
  #core: core.CallHandle;
  #page: object;
  #context: CallContext;
  #logger: Logger;
  #options: CallOptions;
  #answer: AnswerOptions | undefined;
  #handlers = new Handlers();
  /** Abandons the pending capture. */
  #request = new AbortController();
  /** The element with the captured media, until the call is connected. */
  #captured: HTMLVideoElement | undefined;
  #normalized: Constraints = {};
  #media: CallMedia | undefined;
  #muted = { audio: false, video: false };
  #connection: RTCPeerConnection | undefined;
  /** The media are closed. The status may still be that of an active call, if the session was lost. */
  #over = false;
  #sink: string | undefined;
  #path: MediaPath = "relay";

  /** @internal */
  constructor(handle: core.CallHandle, options: CallOptions, context: CallContext) {
    this.#core = handle;
    this.#options = options;
    this.#context = context;
    this.#logger = options.logger === undefined || options.incoming ? context.logger : new Logger(options.logger);
    this.#page = {
      emit: (name: string, data: unknown) => this.#emit(name, data),
      capture: (possible: boolean) => this.#capture(possible),
      release: () => this.#release(),
      configuration: () => this.#context.configuration,
      connected: (connection: RTCPeerConnection) => this.#connected(connection),
      play: (stream: MediaStream) => this.#media?.play(stream),
      moved: (direct: boolean, connection: RTCPeerConnection, stream: MediaStream | undefined) =>
        this.#moved(direct ? "direct" : "relay", connection, stream),
      closed: () => this.#closed(),
      remoteSdp: (sdp: string) => this.#hook(sdp),
      details: () => this.#details(),
      fault: (error: unknown) => this.#logger.error("call", error),
    };
    this.#attach();
  }

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
  on(event: string, callback: Handler): this {
    this.#handlers.set(event, callback, TypeError as unknown as typeof Error);
    return this;
  }

  /**
   * Captures media and places the call. If that fails, FAILED is fired and `getErrorInfo` has the reason.
   *
   * @throws Error "Invalid call state" unless the call is NEW.
   */
  call(): void {
    this.#core.dial();
  }

  /**
   * Captures media and answers an incoming call. If that fails, FAILED is fired and `getErrorInfo` has the reason.
   *
   * @throws Error "Invalid call state" unless the call is NEW or RING.
   */
  answer(options: AnswerOptions): void;
  /** Captures media and answers an incoming call; the signature of earlier versions of the API. */
  answer(localVideoDisplay: HTMLElement, remoteVideoDisplay: HTMLElement): void;
  answer(given: AnswerOptions | HTMLElement, remoteVideoDisplay?: HTMLElement): void {
    const options = given instanceof Element ? ({ localVideoDisplay: given, remoteVideoDisplay } as AnswerOptions) : given;
    const { localVideoDisplay: local, remoteVideoDisplay: remote } = options;
    const before = this.#answer;
    this.#answer = { ...options, localVideoDisplay: local, remoteVideoDisplay: remote };
    try {
      this.#core.answer();
    } catch (error) {
      // The options of a refused answer have no effect.
      this.#answer = before;
      throw error;
    }
  }

  /** Ends an established call, cancels an outgoing one (RFC 3261, section 9) or rejects an incoming one. */
  hangup(): void {
    this.#attach();
    this.#core.hangUp();
  }

  /** Puts the call on hold (RFC 3264, section 8.4). HOLD is fired when it is. */
  hold(): void {
    this.#core.hold(false);
  }

  /** Puts the call on hold before an attended `transfer`. */
  holdForTransfer(): void {
    this.#core.hold(true);
  }

  /** Resumes the call. ESTABLISHED is fired when it is. */
  unhold(): void {
    this.#core.unhold();
  }

  /**
   * Transfers the peer to `target` (RFC 5589). If that is the peer of another call of this session, the two are connected; otherwise
   * the target is called. This call then ends.
   */
  transfer(target: string): void {
    this.#core.transfer(String(target));
  }

  /**
   * Sends digits: 0 to 9, `*`, `#`, A to D. `RFC2833` is a telephone-event of RFC 4733, or INFO if the peer negotiated none;
   * `INFO` and `INFO_RELAY` are SIP INFO requests with the bodies `application/dtmf` and `application/dtmf-relay`. At most 20
   * digits a second and 64 at once.
   */
  sendDTMF(digit: string | number, type: "RFC2833" | "INFO" | "INFO_RELAY" = "RFC2833"): void {
    this.#core.sendDtmf(String(digit), type);
  }

  /** The id of the call; the same at the relay. */
  id(): string {
    return this.#core.id();
  }

  /** The current status. */
  status(): CallStatus {
    return this.#core.status() as CallStatus;
  }

  /** The caller; for outgoing calls the login of the session. */
  caller(): string | undefined {
    return this.#options.incoming ? this.#options.caller : this.#context.login();
  }

  /** The callee. */
  callee(): string | undefined {
    return this.#options.callee;
  }

  /** The display name of the caller, or the login of the session if there is none. */
  visibleName(): string | undefined {
    return this.#options.visibleName || this.#context.login();
  }

  /** `"Local error"` if the media failed in the browser. */
  getInfo(): string | undefined {
    return this.#core.info();
  }

  /** The text of the browser's exception if the media failed: no microphone, or no peer connection. */
  getErrorInfo(): string | undefined {
    return this.#core.errorInfo();
  }

  /** The reason why the call ended, for example `noAnswer`: a name of the list in the documentation of the signaling protocol. */
  getEndReason(): string | undefined {
    return this.#core.endReason();
  }

  /** The current path of the media. MEDIA_PATH is fired when it changes. */
  getMediaPath(): MediaPath {
    return this.#path;
  }

  /** The text of the relay about the status, for example the reason phrase of a SIP response. */
  get info(): string | undefined {
    return this.#core.serverInfo();
  }

  /**
   * Passes statistics of the peer connection to `callback`, which is not called before there is one. With `native` they are those
   * of the browser by type (W3C WebRTC Statistics).
   */
  getStats(callback: (stats: CallStats) => void, native?: false): void;
  getStats(callback: (stats: Record<string, unknown[]>) => void, native: true): void;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  getStats(callback: (stats: any) => void, native = false): void {
    if (!this.#connection) return;
    readStats(this.#connection, this.#media, native).then(callback).catch(report);
  }

  /** Mutes the microphone. Before there is one, the call will start muted. */
  muteAudio(): void {
    this.#mute("audio", true);
  }

  /** Unmutes the microphone after `muteAudio`. */
  unmuteAudio(): void {
    this.#mute("audio", false);
  }

  /** Sends black frames in place of those of the camera. Before there is a camera, the call will start muted. */
  muteVideo(): void {
    this.#mute("video", true);
  }

  /** Unmutes the camera after `muteVideo`. */
  unmuteVideo(): void {
    this.#mute("video", false);
  }

  /** Whether no sound is sent or will be sent: the microphone is muted or not in use, or the call has ended. */
  isAudioMuted(): boolean {
    return this.#isMuted("audio");
  }

  /** The same as {@link Call.isAudioMuted} for video. */
  isVideoMuted(): boolean {
    return this.#isMuted("video");
  }

  /** Sets the volume of the peer's sound, 0 to 100. */
  setVolume(volume: number): void {
    if (this.#media?.hasRemoteAudio) this.#media.remote.volume = volume / 100;
  }

  /** The volume of the peer's sound, 0 to 100, or -1 without sound from the peer. */
  getVolume(): number {
    return this.#media?.hasRemoteAudio ? this.#media.remote.volume * 100 : -1;
  }

  /** Plays the peer on the output device of this id (W3C Audio Output Devices API); before there is media, once there is. */
  setAudioOutputId(id: string): Promise<void> | undefined {
    this.#sink = id;
    return this.#media?.setSink(id);
  }

  /** The logger of the session. */
  getLogger(): Logger {
    return this.#logger;
  }

  /**
   * Sends the camera of this id, or the next one.
   *
   * @returns a promise of its id; rejected with a text of ERROR_INFO if there is no other camera, and with the exception of the
   *   browser if it cannot be used.
   * @throws Error "Invalid call state" before the call has media.
   */
  switchCam(id?: string): Promise<string> {
    const { constraints } = this.#answer ?? this.#options;
    this.#demandMedia((constraints ?? defaultConstraints()).video !== false);
    return this.#switch("video", ERROR_INFO.CAN_NOT_SWITCH_CAM, id);
  }

  /**
   * Sends the microphone of this id, or the next one.
   *
   * @returns a promise as that of {@link switchCam}.
   * @throws Error "Invalid call state" unless the call is ESTABLISHED or on HOLD.
   */
  switchMic(id?: string): Promise<string> {
    this.#demandMedia();
    return this.#switch("audio", ERROR_INFO.CAN_NOT_SWITCH_MIC, id);
  }

  /**
   * Sends the screen in place of the camera. The user chooses what is shown; the arguments are those of earlier browsers.
   *
   * @throws Error "Invalid call state" unless the call is ESTABLISHED or on HOLD.
   */
  switchToScreen(_source?: string, _withoutExtension?: boolean): Promise<void> {
    this.#demandMedia();
    const none = new Error("The call sends no video, so the screen cannot take its place");
    return this.#tracks?.switchToScreen() ?? Promise.reject(none);
  }

  /**
   * Sends the camera again after `switchToScreen`; of no effect otherwise.
   *
   * @throws Error "Invalid call state" unless the call is ESTABLISHED or on HOLD.
   */
  switchToCam(): void {
    this.#demandMedia();
    this.#tracks?.switchToCam().catch((error: unknown) => this.#logger.error("call", error));
  }

  /**
   * Plays the peer's sound after SOUND_BLOCKED; to be called in a handler of a user gesture, such as a click. The first click or key
   * press on the page has the same effect.
   *
   * @returns a promise of whether the browser plays sound.
   */
  resumeSound(): Promise<boolean> {
    return this.#media?.resumeSound() ?? Promise.resolve(false);
  }

  get #tracks(): LocalMedia | undefined {
    return this.#media?.tracks;
  }

  #demandMedia(also = false): void {
    const status = this.status();
    if (status !== "ESTABLISHED" && status !== "HOLD" && !also) throw new Error(ERROR_INFO.INVALID_CALL_STATE);
  }

  #switch(kind: Kind, refusal: string, id?: string): Promise<string> {
    return this.#tracks?.switchDevice(kind, id) ?? Promise.reject(refusal);
  }

  #emit(name: string, data?: unknown): void {
    if (name === "ESTABLISHED") this.#limitSenders();
    this.#handlers.fire(name, ...(data === undefined ? [this] : [this, data]));
  }

  /** The core lets the page's side go when the call is over. */
  #attach(): void {
    this.#core.attach(this.#page as never);
  }

  #displays(): { local: Display; remote: Display } {
    const { localVideoDisplay: local, remoteVideoDisplay: remote } = this.#answer ?? this.#options;
    if (!local || !remote) throw new TypeError("localVideoDisplay and remoteVideoDisplay must be provided");
    return { local, remote };
  }

  async #capture(videoPossible: boolean): Promise<void> {
    const { local } = this.#displays();
    const given = this.#answer ? this.#answer.constraints ?? builtInConstraints() : this.#options.constraints;
    const base = given ?? defaultConstraints();
    const constraints = videoPossible ? base : { ...base, video: false };
    const { disableConstraintsNormalization: asTheyAre } = this.#options;
    this.#captured = await captureInto(constraints, local, asTheyAre, this.#request.signal);
    this.#normalized = local.mediaTrackConstraints ?? {};
  }

  #release(): void {
    this.#request.abort();
    if (this.#captured) stop(this.#captured);
    this.#captured = undefined;
  }

  #connected(connection: RTCPeerConnection): MediaStream | undefined {
    const { remote } = this.#displays();
    const { constraints } = this.#answer ?? this.#options;
    const { useControls = false, videoContentHint = "motion" } = this.#options;
    this.#connection = connection;
    const local = {
      muted: this.#muted,
      constraints: this.#normalized,
      contentHint: videoContentHint,
      replace: (track: MediaStreamTrack) => this.#core.replaceTrack(track),
      changed: (change: DeviceChange) => this.#emit("LOCAL_DEVICE", change),
    };
    this.#media = new CallMedia(this.id(), this.#captured, remote, local, {
      controls: useControls,
      sink: this.#sink ?? (typeof constraints?.audio === "object" ? constraints.audio.outputId : undefined),
      soundBlocked: (blocked) => this.#emit("SOUND_BLOCKED", blocked),
    });
    this.#captured = undefined;
    return this.#media.tracks?.stream;
  }

  #moved(path: MediaPath, connection: RTCPeerConnection, stream: MediaStream | undefined): void {
    this.#path = path;
    this.#connection = connection;
    if (stream) this.#media?.play(stream);
    this.#emit("MEDIA_PATH", path);
  }

  #closed(): void {
    const keep = Boolean(this.#options.cacheLocalResources);
    this.#media?.close(keep);
    if (!keep) this.#release();
    this.#media = undefined;
    this.#connection = undefined;
    this.#over = true;
  }

  #hook(sdp: string): string {
    const { sdpHook } = this.#answer ?? this.#options;
    let hooked = sdp;
    try {
      hooked = sdpHook?.({ sdpString: sdp }) || sdp;
    } catch (error) {
      report(error);
    }
    return readsLimitsInSdp() ? limitInSdp(hooked, this.#bitrates) : hooked;
  }

  get #bitrates(): Bitrates {
    const { constraints } = this.#answer ?? this.#options;
    return typeof constraints?.video === "object" ? constraints.video : {};
  }

  #limitSenders(): void {
    if (!this.#connection || readsLimitsInSdp()) return;
    limitSenders(this.#connection, this.#bitrates).catch((error: unknown) => this.#logger.warn("call", error));
  }

  async #details(): Promise<Record<string, unknown>> {
    const { receiveAudio = true, receiveVideo = true, callee, custom, collectDeviceInfo = true } = this.#options;
    const { stripCodecs, sipSDP, sipHeaders } = this.#answer ?? this.#options;
    const login = this.#context.login();
    const values = { receiveAudio, receiveVideo, stripCodecs, sipSDP, sipHeaders, callee, custom };
    const names = this.#answer ? {} : { caller: login, visibleName: this.#options.visibleName || login };
    const localMediaInfo = collectDeviceInfo ? await this.#mediaInfo() : undefined;
    return { ...values, ...names, localMediaInfo };
  }

  async #mediaInfo(): Promise<unknown> {
    const encode = (device: { id: string; label: string; type: string }): object => ({
      ...device,
      label: encodeURIComponent(device.label),
    });
    const devices = await getMediaDevices(null, false, "input").catch(() => ({ audio: [], video: [] }));
    const tracks = (kind: "audio" | "video"): object[] => {
      const track = this.#media?.track(kind);
      return track ? [{ trackId: track.id, device: encodeURIComponent(track.label) }] : [];
    };
    return {
      devices: { video: devices.video.map(encode), audio: devices.audio.map(encode) },
      tracks: { video: tracks("video"), audio: tracks("audio") },
    };
  }

  #mute(kind: Kind, muted: boolean): void {
    this.#muted[kind] = muted;
    this.#tracks?.applyMute(kind);
  }

  #isMuted(kind: Kind): boolean {
    if (this.#media) return !this.#media.track(kind)?.enabled;
    return this.#over || ["FINISH", "BUSY", "FAILED"].includes(this.status()) || this.#muted[kind];
  }
}
const readsLimitsInSdp = (): boolean => Browser.isChrome() || Browser.isSafariWebRTC();

/** The error text of `createCall` without options. */
export const NO_OPTIONS = ERROR_INFO.OPTIONS_MUST_BE_PROVIDED;
