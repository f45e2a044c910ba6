// The exports that `offhook` and `offhook/slim` share: everything but `init`.

export {
  Browser, constants, createSession, getLogger, getMediaAccess, getMediaDevices, getMediaProviders, getMobileDevices,
  getSession, getSessions, playFirstSound, playFirstVideo, releaseLocalMedia,
} from "./sdk.js";
export * from "./types.js";
