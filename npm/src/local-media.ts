// The captured tracks of a connected call: mute, switching of devices, screen sharing, loss of a device.

import { ERROR_INFO } from "./constants.js";
import { getMediaDevices, type Constraints } from "./media.js";

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

const REFUSALS = { audio: ERROR_INFO.CAN_NOT_SWITCH_MIC, video: ERROR_INFO.CAN_NOT_SWITCH_CAM } as const;

/** The captured tracks of a connected call. */
export class LocalMedia {
  readonly stream: MediaStream;
  #context: LocalContext;
  #closed = false;
  /** The camera's track while the screen is shared. */
  #camera: MediaStreamTrack | undefined;
  #lost = new Set<Kind>();
  /** Tries to replace lost devices when a device is plugged in. */
  #plugged = (): void => this.#lost.forEach((kind) => void this.#recover(kind));

  constructor(stream: MediaStream, context: LocalContext) {
    this.stream = stream;
    this.#context = context;
    for (const track of stream.getTracks()) this.#take(track);
    navigator.mediaDevices?.addEventListener?.("devicechange", this.#plugged);
  }

  track(kind: Kind): MediaStreamTrack | undefined {
    return this.stream.getTracks().find((track) => track.kind === kind);
  }

  /** Applies the mute state to the track. */
  applyMute(kind: Kind): void {
    const track = this.track(kind);
    if (track) track.enabled = !this.#context.muted[kind];
  }

  /** Sends the device with this id, or the next one. Returns its id. */
  async switchDevice(kind: Kind, wanted?: string): Promise<string> {
    const devices = (await getMediaDevices(null, false, "input"))[kind];
    const track = this.track(kind);
    // The stock SDK rejects with the text itself.
    if (!track || devices.length < 2 || !this.#captures(kind) || this.#camera) throw REFUSALS[kind];
    const now = devices.findIndex((device) => device.id === track.getSettings().deviceId || device.label === track.label);
    const id = wanted ?? devices[(now + 1) % devices.length]!.id;
    await this.#capture(kind, { deviceId: { exact: id } });
    return id;
  }

  /** Sends the screen in place of the camera. */
  async switchToScreen(): Promise<void> {
    if (this.#camera) return;
    const camera = this.track("video");
    if (!camera) throw new Error("The call sends no video, so the screen cannot take its place");
    const { frameRate } = this.#settings("video");
    const [screen] = (await navigator.mediaDevices.getDisplayMedia({ video: frameRate ? { frameRate } : true })).getVideoTracks();
    if (this.#camera || !screen) return screen?.stop();
    this.#camera = camera;
    await this.#put(screen);
  }

  /** Sends the camera again. */
  async switchToCam(): Promise<void> {
    const camera = this.#camera;
    if (!camera) return;
    this.#camera = undefined;
    if (camera.readyState === "live") await this.#put(camera);
    else await this.#recover("video");
  }

  /** Stops the tracks; with `keep`, only unmutes them. */
  close(keep: boolean): void {
    this.#closed = true;
    navigator.mediaDevices?.removeEventListener?.("devicechange", this.#plugged);
    if (this.#camera) stopTrack(this.#camera);
    for (const track of this.stream.getTracks()) {
      track.onended = null;
      if (keep) track.enabled = true;
      else track.stop();
    }
  }

  /** Whether the SDK captures this medium from a device, as opposed to a custom stream or the screen. */
  #captures(kind: Kind): boolean {
    const { customStream, video } = this.#context.constraints;
    return !customStream && !(kind === "video" && typeof video === "object" && video.type === "screen");
  }

  #settings(kind: Kind): MediaTrackConstraints {
    const given = this.#context.constraints[kind];
    return typeof given === "object" ? { ...given } : {};
  }

  /** Captures another device. On some systems, the one in use must be released first. */
  async #capture(kind: Kind, device: MediaTrackConstraints): Promise<MediaStreamTrack> {
    const { deviceId: _, groupId: __, ...settings } = this.#settings(kind);
    const constraints = { [kind]: { ...settings, ...device } };
    const stream = await navigator.mediaDevices.getUserMedia(constraints).catch((error: unknown) => {
      const busy = (error as Error)?.name === "NotReadableError";
      const old = this.track(kind);
      if (!busy || old?.readyState !== "live") throw error;
      old.stop();
      return navigator.mediaDevices.getUserMedia(constraints).catch((second: unknown) => {
        this.#ended(old);
        throw second;
      });
    });
    const [track] = stream.getTracks();
    await this.#put(track!);
    return track!;
  }

  /** Replaces the track of this kind, in the connections and in the stream of the local element. */
  async #put(track: MediaStreamTrack): Promise<void> {
    const old = this.track(track.kind as Kind);
    this.#take(track);
    if (!this.#closed) await this.#context.replace(track);
    if (this.#closed) return stopTrack(track);
    if (old) this.stream.removeTrack(old);
    this.stream.addTrack(track);
    if (old && old !== this.#camera) stopTrack(old);
  }

  /** Prepares a track for sending. */
  #take(track: MediaStreamTrack): void {
    const kind = track.kind as Kind;
    if (this.#context.muted[kind]) track.enabled = false;
    if (kind === "video") track.contentHint = this.#context.contentHint;
    track.onended = () => this.#ended(track);
  }

  #ended(track: MediaStreamTrack): void {
    const kind = track.kind as Kind;
    if (this.#closed || this.track(kind) !== track) return;
    if (kind === "video" && this.#camera) return void this.switchToCam().catch(() => undefined);
    this.#context.changed({ kind, state: "lost", label: track.label });
    if (this.#captures(kind)) void this.#recover(kind);
  }

  /** Sends the default device, immediately or when one is plugged in. */
  async #recover(kind: Kind): Promise<void> {
    this.#lost.add(kind);
    try {
      const { label } = await this.#capture(kind, {});
      this.#lost.delete(kind);
      if (!this.#closed) this.#context.changed({ kind, state: "replaced", label });
    } catch {
      // There is no device; the next `devicechange` event tries again.
    }
  }
}

/** Stops a track and removes its handler, which would prevent garbage collection of the call. */
function stopTrack(track: MediaStreamTrack): void {
  track.onended = null;
  track.stop();
}
