// The constants of the SDK: names of statuses and events, and texts.

/** Statuses and events of a session. */
export const SESSION_STATUS = Object.freeze({
  /** The WebSocket is open; the relay has not accepted the session yet. */
  CONNECTED: "CONNECTED",
  /** The relay accepted the session: calls can be placed. The second argument of the handler is {@link UserData}. */
  ESTABLISHED: "ESTABLISHED",
  /** The WebSocket was closed. Final. */
  DISCONNECTED: "DISCONNECTED",
  /**
   * The relay reports a failure that does not end the session, for example of a later registration. The handler's argument is the
   * relay's object.
   */
  WARN: "WARN",
  /** The WebSocket cannot be opened or failed, `timeout` expired, or pings were missed. Final. */
  FAILED: "FAILED",
  /** Event: the relay's answer to `startDebug` or `stopDebug`. The handler's argument is the relay's object. */
  DEBUG: "DEBUG",
  /** Event: data from the application behind the relay. The handler's argument is the relay's object. */
  APP_DATA: "APP_DATA",
  /** Never fired. See `sendData`. */
  SEND_DATA_STATUS: "SEND_DATA_STATUS",
  /** The WebSocket is being opened. The first status; never fired. */
  PENDING: "PENDING",
  /** The login is registered (RFC 3261, section 10) and can be called. */
  REGISTERED: "REGISTERED",
  /** Never fired. */
  UNREGISTERED: "UNREGISTERED",
  /** Event: an incoming call. The handler's argument is the {@link Call}, with the status NEW. */
  INCOMING_CALL: "INCOMING_CALL",
} as const);

/** Statuses and events of a call. */
export const CALL_STATUS = Object.freeze({
  /** Created by `createCall`, or incoming. The first status; never fired. */
  NEW: "NEW",
  /** Outgoing: the callee is alerted (180 Ringing, RFC 3261, section 21.1.2). Incoming: the call can be shown to the user. */
  RING: "RING",
  /** Outgoing: early media before the answer (RFC 3960). */
  RING_MEDIA: "RING_MEDIA",
  /** The call is on hold by `hold`. */
  HOLD: "HOLD",
  /** The call was answered, or resumed after HOLD. */
  ESTABLISHED: "ESTABLISHED",
  /** The call ended: one side hung up, canceled or rejected. Final; see `getEndReason`. */
  FINISH: "FINISH",
  /** The callee is busy (486 Busy Here, 600 Busy Everywhere). Final. */
  BUSY: "BUSY",
  /** Outgoing: progress other than ringing (183 Session Progress). */
  SESSION_PROGRESS: "SESSION_PROGRESS",
  /** The call could not be set up, or failed. Final; see `getErrorInfo` and `getEndReason`. */
  FAILED: "FAILED",
  /** `call` or `answer` is capturing media and negotiating. Never fired. */
  PENDING: "PENDING",
  /** Outgoing: the relay received the call (100 Trying). */
  TRYING: "TRYING",
} as const);

/** Events of a call that Flashphoner's WebSDK does not have. */
export const CALL_EVENT = Object.freeze({
  /** The peer sent a digit. The handler's second argument is the digit: 0 to 9, `*`, `#`, A to D (RFC 4733). */
  DTMF: "DTMF",
  /** The peer put the call on hold or resumed it. The handler's second argument is `true` while on hold. */
  REMOTE_HOLD: "REMOTE_HOLD",
  /** Progress of `transfer`. The handler's second argument is PENDING, RINGING, COMPLETED or FAILED. */
  TRANSFER: "TRANSFER",
  /** The media path changed. The handler's second argument is a {@link MediaPath}. */
  MEDIA_PATH: "MEDIA_PATH",
  /** The microphone or camera was lost, or another one took its place. The handler's second argument is a {@link DeviceChange}. */
  LOCAL_DEVICE: "LOCAL_DEVICE",
  /**
   * The browser plays the peer without sound until there is a user gesture (HTML, "allowed to play"). The handler's second argument
   * is `true`, and `false` once there is sound: after the first click or key, or `resumeSound`.
   */
  SOUND_BLOCKED: "SOUND_BLOCKED",
} as const);

/** Texts of the relay for the reason of a status. */
export const CALL_STATUS_INFO = Object.freeze({
  NORMAL_CALL_CLEARING: "Normal call clearing",
  FAILED_BY_SESSION_CREATION: "Failed by session creation",
  FAILED_BY_ICE_ERROR: "Failed by ICE error",
  FAILED_BY_RTP_ACTIVITY: "Failed by RTP activity",
  FAILED_BY_RTMP_WRITER_ERROR: "Failed by RTMP writer error",
  FAILED_BY_DTLS_FINGERPRINT_ERROR: "Failed by DTLS fingerprint error",
  NO_COMMON_CODECS: "No common codecs",
  FAILED_BY_DTLS_ERROR: "Failed by DTLS error",
  FAILED_BY_ERROR: "Failed by error",
  FAILED_BY_REQUEST_TIMEOUT: "Failed by request timeout",
  TRANSCODING_REQUIRED_BUT_DISABLED: "Transcoding required, but disabled",
} as const);

/** Messages of errors. */
export const ERROR_INFO = Object.freeze({
  NONE_OF_MEDIAPROVIDERS_AVAILABLE: "None of MediaProviders available",
  NONE_OF_PREFERRED_MEDIAPROVIDERS_AVAILABLE: "None of preferred MediaProviders available",
  FLASHPHONER_API_NOT_INITIALIZED: "Flashphoner API is not initialized",
  OPTIONS_URLSERVER_MUST_BE_PROVIDED: "options.urlServer must be provided",
  INVALID_SESSION_STATE: "Invalid session state",
  OPTIONS_MUST_BE_PROVIDED: "options must be provided",
  INVALID_CALL_STATE: "Invalid call state",
  EVENT_CANT_BE_NULL: "Event can't be null",
  CALLBACK_NEEDS_TO_BE_A_VALID_FUNCTION: "Callback needs to be a valid function",
  OPTIONS_NAME_MUST_BE_PROVIDED: "options.name must be provided",
  CAN_NOT_SWITCH_CAM: "Number of cams is less than 2 or camera is already used by other application",
  CAN_NOT_SWITCH_MIC: "Number of mics is less than 2 or microphone is already used by other application",
  CAN_NOT_SET_RESOLUTION: "Cannot switch a published stream resolution",
  CAN_NOT_GET_STATS: "Cannot get PeerConnection stats",
  LOCAL_ERROR: "Local error",
} as const);

/** Kinds of media devices. */
export const MEDIA_DEVICE_KIND = Object.freeze({
  /** Speakers. */
  OUTPUT: "output",
  /** Microphones and cameras. */
  INPUT: "input",
  /** Both. */
  ALL: "all",
} as const);

/** A constant of streams, which are not supported; present because pages read it when they load. */
export const TRANSPORT_TYPE = Object.freeze({
  /** RTP over UDP. */
  UDP: "UDP",
  /** RTP over TCP. */
  TCP: "TCP",
} as const);

/** A constant of streams, which are not supported; present because pages read it when they load. */
export const CONNECTION_QUALITY = Object.freeze({
  /** Negligible loss. */
  PERFECT: "PERFECT",
  /** Some loss. */
  GOOD: "GOOD",
  /** Much loss. */
  BAD: "BAD",
  /** Not measured yet. */
  UNKNOWN: "UNKNOWN",
  /** The event of a new measurement. */
  UPDATE: "UPDATE",
} as const);

/** A constant of streams, which are not supported; present because pages read it when they load. */
export const STREAM_EVENT = "STREAM_EVENT";

/** A constant of streams, which are not supported; present because pages read it when they load. */
export const STREAM_EVENT_TYPE = Object.freeze({
  /** The publisher muted its sound. */
  AUDIO_MUTED: "audioMuted",
  /** The publisher unmuted its sound. */
  AUDIO_UNMUTED: "audioUnmuted",
  /** The publisher muted its video. */
  VIDEO_MUTED: "videoMuted",
  /** The publisher unmuted its video. */
  VIDEO_UNMUTED: "videoUnmuted",
  /** Data from the publisher. */
  DATA: "data",
  /** A snapshot is ready. */
  SNAPSHOT_COMPLETED: "snapshotCompleted",
  /** A snapshot failed. */
  SNAPSHOT_FAILED: "snapshotFailed",
  /** The size of the video changed. */
  RESIZE: "resize",
  /** The bandwidth is lower than the bitrate. */
  NOT_ENOUGH_BANDWIDTH: "notEnoughBandwidth",
} as const);

/** What a video track shows (W3C MediaStreamTrack Content Hints). */
export const CONTENT_HINT_TYPE = Object.freeze({
  /** Moving pictures: the frame rate matters more than the sharpness. */
  MOTION: "motion",
  /** Still pictures: the sharpness matters more than the frame rate. */
  DETAIL: "detail",
  /** Text: edges have to stay sharp. */
  TEXT: "text",
} as const);

/** A constant of streams, which are not supported; present because pages read it when they load. */
export const STREAM_STATUS = Object.freeze({
  /** Created. */
  NEW: "NEW",
  /** Being set up. */
  PENDING: "PENDING",
  /** Sent to the server. */
  PUBLISHING: "PUBLISHING",
  /** Received from the server. */
  PLAYING: "PLAYING",
  /** Paused. */
  PAUSED: "PAUSED",
  /** No longer sent. */
  UNPUBLISHED: "UNPUBLISHED",
  /** Stopped. */
  STOPPED: "STOPPED",
  /** Failed. */
  FAILED: "FAILED",
  /** Received with gaps. */
  PLAYBACK_PROBLEM: "PLAYBACK_PROBLEM",
  /** The size of the video changed. */
  RESIZE: "RESIZE",
  /** A snapshot is ready. */
  SNAPSHOT_COMPLETE: "SNAPSHOT_COMPLETE",
  /** The bandwidth is lower than the bitrate. */
  NOT_ENOUGH_BANDWIDTH: "NOT_ENOUGH_BANDWIDTH",
} as const);

/** A constant of streams, which are not supported; present because pages read it when they load. */
export const STREAM_STATUS_INFO = Object.freeze({
  FAILED_BY_ICE_ERROR: "Failed by ICE error",
  FAILED_BY_ICE_TIMEOUT: "Failed by ICE timeout",
  FAILED_BY_KEEP_ALIVE: "Failed by ICE keep alive",
  FAILED_BY_DTLS_FINGERPRINT_ERROR: "Failed by DTLS fingerprint error",
  FAILED_BY_DTLS_ERROR: "Failed by DTLS error",
  FAILED_BY_HLS_WRITER_ERROR: "Failed by HLS writer error",
  FAILED_BY_RTMP_WRITER_ERROR: "Failed by RTMP writer error",
  FAILED_BY_RTP_ACTIVITY: "Failed by RTP activity",
  FAILED_BY_ERROR: "Failed by error",
  STOPPED_BY_SESSION_DISCONNECT: "Stopped by session disconnect",
  STOPPED_BY_REST_TERMINATE: "Stopped by rest /terminate",
  STOPPED_BY_PUBLISHER_STOP: "Stopped by publisher stop",
  STOPPED_BY_USER: "Stopped by user",
  FAILED_TO_ADD_STREAM_TO_PROXY: "Failed to add stream to proxy",
  DISTRIBUTOR_STOPPED: "Distributor stopped",
  PUBLISH_STREAM_IS_NOT_READY: "Publish stream is not ready",
  STREAM_NOT_FOUND: "Stream not found",
  STREAM_NAME_ALREADY_IN_USE: "Stream name is already in use",
  MEDIASESSION_ID_NULL: "MediaSessionId is null",
  MEDIASESSION_ID_ALREADY_IN_USE: "MediaSessionId is already in use",
  SESSION_NOT_READY: "Session not ready",
  SESSION_DOES_NOT_EXIST: "Session does not exist",
  RTSP_HAS_WRONG_FORMAT: "Rtsp has wrong format",
  FILE_HAS_WRONG_FORMAT: "File has wrong format",
  FAILED_TO_CONNECT_TO_RTSP_STREAM: "Failed to connect to rtsp stream",
  RTSP_STREAM_NOT_FOUND: "Rtsp stream not found",
  RTSPAGENT_SHUTDOWN: "RtspAgent shutdown",
  STREAM_FAILED: "Stream failed",
  NO_COMMON_CODECS: "No common codecs",
  BAD_URI: "Bad URI",
  GOT_EXCEPTION_WHILE_STREAMING_FILE: "Got exception while streaming file",
  REQUESTED_STREAM_SHUTDOWN: "Requested stream shutdown",
  FAILED_TO_READ_FILE: "Failed to read file",
  FILE_NOT_FOUND: "File not found",
  FAILED_TO_CONNECT_TO_ORIGIN_STREAM: "Failed to connect to origin stream",
  CDN_STREAM_NOT_FOUND: "CDN stream not found",
  FAILED_TO_GET_AGENT_STORAGE: "Failed to get agent storage",
  AGENT_SERVICING_ORIGIN_STREAM_IS_SHUTTING_DOWN: "Agent servicing origin stream is shutting down",
  TERMINATED_BY_KEEP_ALIVE: "Terminated by keep-alive",
  TRANSCODING_REQUIRED_BUT_DISABLED: "Transcoding required, but disabled",
  RESTRICTED_ACCESS: "Restricted access",
  NO_AVAILABLE_TRANSCODERS: "No available transcoders",
} as const);
