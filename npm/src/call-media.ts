// The local and the remote element of a connected call (contract section 4.8), and what is muted.

import { LOCAL, REMOTE, cached, createElement, stop, streamOf, type Display } from "./media.js";

/** A medium. */
export type Kind = "audio" | "video";

/** Which media the user has muted. It belongs to the call, not to a track: it is there before the first track. */
export type Muted = Record<Kind, boolean>;

/** The two elements of a connected call. */
export class CallMedia {
  local: HTMLVideoElement | undefined;
  remote: HTMLVideoElement;
  #muted: Muted;

  constructor(
    id: string, captured: HTMLVideoElement | undefined, remote: Display, controls: boolean, hint: string, muted: Muted,
    sink?: string,
  ) {
    this.#muted = muted;
    const stream = streamOf(captured);
    if (captured && stream) {
      captured.id = id + "-local";
      captured.controls ||= controls;
      stream.getVideoTracks().forEach((track) => (track.contentHint = hint));
      // Before the tracks are added to the connection: nothing is sent of a muted one.
      stream.getTracks().forEach((track) => (track.enabled &&= !muted[track.kind as Kind]));
      this.local = captured;
    }
    this.remote = cached(remote) ?? remote.appendChild(createElement());
    this.remote.controls ||= controls;
    this.remote.id = id + "-remote";
    this.remote.style.cssText = "border-radius: 1px";
    this.remote.muted = true;
    if (sink) void this.setSink(sink);
  }

  stream(): MediaStream | undefined {
    return streamOf(this.local);
  }

  /** Applies what was muted or unmuted since the tracks were captured. */
  applyMute(kind: Kind): void {
    const track = this.track(kind);
    if (track) track.enabled = !this.#muted[kind];
  }

  play(stream: MediaStream): void {
    const video = this.remote;
    if (video.srcObject === stream) return;
    video.onloadedmetadata = () => {
      video.play().then(() => (video.muted = false), () => {
        // Autoplay with sound was refused: without sound it is allowed.
        video.muted = true;
        return video.play();
      }).catch(() => undefined);
    };
    video.srcObject = stream;
  }

  close(display: Display, keep: boolean): void {
    stop(this.remote);
    this.remote.id += REMOTE;
    if (!this.local) return;
    const kept = keep && !cached(display);
    this.local.id += LOCAL;
    if (kept) this.stream()?.getTracks().forEach((track) => (track.enabled = true));
    else stop(this.local);
    this.local = undefined;
  }

  setSink(id: string): Promise<void> | undefined {
    const video = this.remote as HTMLVideoElement & { setSinkId?: (id: string) => Promise<void> };
    return video.setSinkId?.(id);
  }

  track(kind: Kind): MediaStreamTrack | undefined {
    return this.stream()?.getTracks().find((track) => track.kind === kind);
  }

  get hasRemoteAudio(): boolean {
    return Boolean(streamOf(this.remote)?.getAudioTracks().length);
  }
}
