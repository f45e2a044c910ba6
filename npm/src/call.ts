// A call, as a page sees it. What happens when is decided by the core; here are handlers, elements and options.

import { CallMedia, type Kind } from "./call-media.js";
import { CALL_STATUS, ERROR_INFO } from "./constants.js";
import { core } from "./core.js";
import { Handlers, missing, report, type Handler } from "./events.js";
import type { Logger } from "./logger.js";
import {
  builtInConstraints, captureInto, defaultConstraints, getMediaDevices, stop, type Constraints, type Display,
} from "./media.js";
import { readStats, type CallStats } from "./stats.js";

/** Rewrites the relay's session description; an empty result keeps it. */
export type SdpHook = (sdp: { sdpString: string }) => string | null | undefined;

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
export class Call {
  #core: core.Call;
  #page: object;
  #context: CallContext;
  #options: CallOptions;
  #answer: AnswerOptions | undefined;
  #handlers = new Handlers();
  /** What was captured for this call, until it is connected. */
  #captured: HTMLVideoElement | undefined;
  #media: CallMedia | undefined;
  #muted = { audio: false, video: false };
  #connection: RTCPeerConnection | undefined;
  /** The media are closed, whatever the status says: the session may be lost. */
  #over = false;
  #sink: string | undefined;
  #path: MediaPath = "relay";

  /** @internal */
  constructor(handle: core.Call, options: CallOptions, context: CallContext) {
    this.#core = handle;
    this.#options = options;
    this.#context = context;
    this.#page = {
      emit: (name: string, data: unknown) => this.#handlers.fire(name, ...(data === undefined ? [this] : [this, data])),
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
      fault: (error: unknown) => this.#context.logger.error("call", error),
    };
    this.#attach();
  }

  /** Sets the handler of an event; the last one wins. */
  on(event: CallStatus, callback: (call: Call) => void): this;
  on(event: "DTMF", callback: (call: Call, digit: string) => void): this;
  on(event: "REMOTE_HOLD", callback: (call: Call, held: boolean) => void): this;
  on(event: "TRANSFER", callback: (call: Call, status: "PENDING" | "RINGING" | "COMPLETED" | "FAILED") => void): this;
  on(event: "MEDIA_PATH", callback: (call: Call, path: MediaPath) => void): this;
  on(event: string, callback: Handler): this {
    this.#handlers.set(event, callback, TypeError as unknown as typeof Error);
    return this;
  }

  /** Places the call. */
  call(): void {
    this.#core.dial();
  }

  /** Takes the call. */
  answer(options: AnswerOptions): void {
    const { localVideoDisplay: local, remoteVideoDisplay: remote } = options;
    this.#answer = { ...options, localVideoDisplay: local, remoteVideoDisplay: remote };
    this.#core.answer();
  }

  /** Ends, cancels or rejects the call. */
  hangup(): void {
    this.#attach();
    this.#core.hangUp(Boolean(this.#options.cacheLocalResources));
  }

  hold(): void {
    this.#core.hold(false);
  }

  holdForTransfer(): void {
    this.#core.hold(true);
  }

  unhold(): void {
    this.#core.unhold();
  }

  /** Hands the far end to `target`: a login, or the far end of another call of this session. */
  transfer(target: string): void {
    this.#core.transfer(String(target));
  }

  sendDTMF(digit: string | number, type: "RFC2833" | "INFO" | "INFO_RELAY" = "RFC2833"): void {
    this.#core.sendDtmf(String(digit), type);
  }

  id(): string {
    return this.#core.id();
  }

  status(): CallStatus {
    return this.#core.status() as CallStatus;
  }

  caller(): string | undefined {
    return this.#options.incoming ? this.#options.caller : this.#context.login();
  }

  callee(): string | undefined {
    return this.#options.callee;
  }

  visibleName(): string | undefined {
    return this.#options.visibleName || this.#context.login();
  }

  /** `"Local error"` when the media failed in the browser. */
  getInfo(): string | undefined {
    return this.#core.info();
  }

  /** The text of the browser's exception, when the media failed: no microphone, or no peer connection. */
  getErrorInfo(): string | undefined {
    return this.#core.errorInfo();
  }

  /** Why the call ended: a name of the relay's list of reasons, such as `noAnswer`. */
  getEndReason(): string | undefined {
    return this.#core.endReason();
  }

  /** Which way the media go now; `MEDIA_PATH` tells when that changes. */
  getMediaPath(): MediaPath {
    return this.#path;
  }

  /** The relay's words about the status. */
  get info(): string | undefined {
    return this.#core.serverInfo();
  }

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

  unmuteAudio(): void {
    this.#mute("audio", false);
  }

  /** Sends black frames in the place of the camera's. Before there is one, the call will start so. */
  muteVideo(): void {
    this.#mute("video", true);
  }

  unmuteVideo(): void {
    this.#mute("video", false);
  }

  /** Whether no sound is sent, or will be: muted, no microphone in use, or the call is over. */
  isAudioMuted(): boolean {
    return this.#isMuted("audio");
  }

  /** The same for video. */
  isVideoMuted(): boolean {
    return this.#isMuted("video");
  }

  /** Sets the far end's volume, 0 to 100. */
  setVolume(volume: number): void {
    if (this.#media?.hasRemoteAudio) this.#media.remote.volume = volume / 100;
  }

  getVolume(): number {
    return this.#media?.hasRemoteAudio ? this.#media.remote.volume * 100 : -1;
  }

  setAudioOutputId(id: string): Promise<void> | undefined {
    this.#sink = id;
    return this.#media?.setSink(id);
  }

  getLogger(): Logger {
    return this.#context.logger;
  }

  switchCam(_id?: string): Promise<string> {
    throw missing("call.switchCam");
  }

  switchMic(_id?: string): Promise<string> {
    throw missing("call.switchMic");
  }

  switchToScreen(_source?: string, _withoutExtension?: boolean): Promise<void> {
    throw missing("call.switchToScreen");
  }

  switchToCam(): void {
    throw missing("call.switchToCam");
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
    this.#captured = await captureInto(constraints, local, this.#options.disableConstraintsNormalization);
  }

  #release(): void {
    if (this.#captured) stop(this.#captured);
    this.#captured = undefined;
  }

  #connected(connection: RTCPeerConnection): MediaStream | undefined {
    const { remote } = this.#displays();
    const { constraints } = this.#answer ?? this.#options;
    const sink = this.#sink ?? (typeof constraints?.audio === "object" ? constraints.audio.outputId : undefined);
    const { useControls = false, videoContentHint = "motion" } = this.#options;
    this.#connection = connection;
    this.#media = new CallMedia(this.id(), this.#captured, remote, useControls, videoContentHint, this.#muted, sink);
    this.#captured = undefined;
    return this.#media.stream();
  }

  #moved(path: MediaPath, connection: RTCPeerConnection, stream: MediaStream | undefined): void {
    this.#path = path;
    this.#connection = connection;
    if (stream) this.#media?.play(stream);
    this.#handlers.fire("MEDIA_PATH", this, path);
  }

  #closed(): void {
    const keep = Boolean(this.#options.cacheLocalResources);
    if (this.#media) this.#media.close(this.#displays().local, keep);
    else if (!keep) this.#release();
    this.#media = undefined;
    this.#connection = undefined;
    this.#over = true;
  }

  #hook(sdp: string): string {
    const { sdpHook } = this.#answer ?? this.#options;
    try {
      return sdpHook?.({ sdpString: sdp }) || sdp;
    } catch (error) {
      report(error);
      return sdp;
    }
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
    this.#media?.applyMute(kind);
  }

  #isMuted(kind: Kind): boolean {
    if (this.#media) return !this.#media.track(kind)?.enabled;
    return this.#over || ["FINISH", "BUSY", "FAILED"].includes(this.status()) || this.#muted[kind];
  }
}

/** The error of a call that nobody described. */
export const NO_OPTIONS = ERROR_INFO.OPTIONS_MUST_BE_PROVIDED;
