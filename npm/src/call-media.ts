// The local and the remote video element of a connected call.

import { LocalMedia, type Kind, type LocalContext } from "./local-media.js";
import { LOCAL, REMOTE, cached, createElement, stop, streamOf, type Display } from "./media.js";

/** Options of the two elements. */
export interface ElementOptions {
  controls: boolean;
  sink: string | undefined;
  /** Called when the browser blocks sound (`true`), and when it plays sound again (`false`). */
  soundBlocked(blocked: boolean): void;
}

/** Events that are user gestures (HTML, "user activation"). */
const GESTURES = ["click", "keydown"] as const;

/** The two elements of a connected call. */
export class CallMedia {
  local: HTMLVideoElement | undefined;
  remote: HTMLVideoElement;
  #tracks: LocalMedia | undefined;
  #options: ElementOptions;
  #blocked = false;
  #closed = false;
  #resume = (): void => void this.resumeSound();

  constructor(
    id: string, captured: HTMLVideoElement | undefined, remote: Display, context: LocalContext, options: ElementOptions,
  ) {
    this.#options = options;
    const stream = streamOf(captured);
    if (captured && stream) {
      captured.id = id + "-local";
      captured.controls ||= options.controls;
      this.local = captured;
      this.#tracks = new LocalMedia(stream, context);
    }
    this.remote = cached(remote) ?? remote.appendChild(createElement());
    this.remote.controls ||= options.controls;
    this.remote.id = id + "-remote";
    this.remote.style.cssText = "border-radius: 1px";
    this.remote.muted = true;
    if (options.sink) void this.setSink(options.sink);
  }

  /** The captured tracks; undefined for a call that only receives. */
  get tracks(): LocalMedia | undefined {
    return this.#tracks;
  }

  play(stream: MediaStream): void {
    const video = this.remote;
    if (video.srcObject === stream) return;
    video.onloadedmetadata = () => {
      video.play().then(() => (video.muted = false), () => undefined).then(() => video.paused && this.#playSilently());
    };
    // Safari pauses an element some time after it is unmuted.
    video.onpause = () => {
      const allowed = navigator.userActivation?.hasBeenActive;
      if (video.srcObject && !video.muted && !video.controls && !allowed) this.#playSilently();
    };
    video.srcObject = stream;
  }

  /** Plays muted: without a user gesture, the browser refuses sound and pauses the element (HTML, "allowed to play"). */
  #playSilently(): void {
    if (this.#closed) return;
    this.remote.muted = true;
    void this.remote.play().catch(() => undefined);
    if (this.#blocked) return;
    this.#block(true);
  }

  #block(blocked: boolean): void {
    this.#blocked = blocked;
    for (const gesture of GESTURES) {
      if (blocked) document.addEventListener(gesture, this.#resume, true);
      else document.removeEventListener(gesture, this.#resume, true);
    }
    this.#options.soundBlocked(blocked);
  }

  /** Plays with sound, which the browser permits in a handler of a user gesture. */
  async resumeSound(): Promise<boolean> {
    const video = this.remote;
    if (this.#closed) return false;
    video.muted = false;
    await video.play().catch(() => undefined);
    if (video.paused || this.#closed) this.#playSilently();
    else if (this.#blocked) this.#block(false);
    return !video.paused && !video.muted;
  }

  close(keep: boolean): void {
    this.#closed = true;
    if (this.#blocked) this.#block(false);
    stop(this.remote);
    // The element stays in the page, and its handlers would prevent garbage collection of the call.
    [this.remote.onloadedmetadata, this.remote.onpause] = [null, null];
    this.remote.id += REMOTE;
    if (!this.local) return;
    const kept = keep && !cached(this.local.parentElement);
    this.local.id += LOCAL;
    this.#tracks?.close(kept);
    if (!kept) stop(this.local);
    this.local = undefined;
    this.#tracks = undefined;
  }

  setSink(id: string): Promise<void> | undefined {
    const video = this.remote as HTMLVideoElement & { setSinkId?: (id: string) => Promise<void> };
    return video.setSinkId?.(id);
  }

  track(kind: Kind): MediaStreamTrack | undefined {
    return this.#tracks?.track(kind);
  }

  get hasRemoteAudio(): boolean {
    return Boolean(streamOf(this.remote)?.getAudioTracks().length);
  }
}
