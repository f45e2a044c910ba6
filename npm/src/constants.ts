// The constants of the SDK: names a page compares with, texts a page shows.

/** Statuses and events of a session. */
export const SESSION_STATUS = Object.freeze({
  CONNECTED: "CONNECTED",
  ESTABLISHED: "ESTABLISHED",
  DISCONNECTED: "DISCONNECTED",
  WARN: "WARN",
  FAILED: "FAILED",
  DEBUG: "DEBUG",
  APP_DATA: "APP_DATA",
  SEND_DATA_STATUS: "SEND_DATA_STATUS",
  PENDING: "PENDING",
  REGISTERED: "REGISTERED",
  UNREGISTERED: "UNREGISTERED",
  INCOMING_CALL: "INCOMING_CALL",
} as const);

/** Statuses and events of a call. */
export const CALL_STATUS = Object.freeze({
  NEW: "NEW",
  RING: "RING",
  RING_MEDIA: "RING_MEDIA",
  HOLD: "HOLD",
  ESTABLISHED: "ESTABLISHED",
  FINISH: "FINISH",
  BUSY: "BUSY",
  SESSION_PROGRESS: "SESSION_PROGRESS",
  FAILED: "FAILED",
  PENDING: "PENDING",
  TRYING: "TRYING",
} as const);

/** Further events of a call, beyond the stock SDK: a DTMF digit or hold of the far end, progress of a transfer, the media's way. */
export const CALL_EVENT = Object.freeze({
  DTMF: "DTMF",
  REMOTE_HOLD: "REMOTE_HOLD",
  TRANSFER: "TRANSFER",
  MEDIA_PATH: "MEDIA_PATH",
} as const);

/** Texts the relay may give as the reason of a status. */
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

/** Texts of errors. */
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
  OUTPUT: "output",
  INPUT: "input",
  ALL: "all",
} as const);

/** Of streams; here so that pages load. */
export const TRANSPORT_TYPE = Object.freeze({
  UDP: "UDP",
  TCP: "TCP",
} as const);

/** Of streams; here so that pages load. */
export const CONNECTION_QUALITY = Object.freeze({
  PERFECT: "PERFECT",
  GOOD: "GOOD",
  BAD: "BAD",
  UNKNOWN: "UNKNOWN",
  UPDATE: "UPDATE",
} as const);

/** Of streams; here so that pages load. */
export const STREAM_EVENT = "STREAM_EVENT";

/** Of streams; here so that pages load. */
export const STREAM_EVENT_TYPE = Object.freeze({
  AUDIO_MUTED: "audioMuted",
  AUDIO_UNMUTED: "audioUnmuted",
  VIDEO_MUTED: "videoMuted",
  VIDEO_UNMUTED: "videoUnmuted",
  DATA: "data",
  SNAPSHOT_COMPLETED: "snapshotCompleted",
  SNAPSHOT_FAILED: "snapshotFailed",
  RESIZE: "resize",
  NOT_ENOUGH_BANDWIDTH: "notEnoughBandwidth",
} as const);

/** What a video track shows. */
export const CONTENT_HINT_TYPE = Object.freeze({
  MOTION: "motion",
  DETAIL: "detail",
  TEXT: "text",
} as const);

/** Of streams; here so that pages load. */
export const STREAM_STATUS = Object.freeze({
  NEW: "NEW",
  PENDING: "PENDING",
  PUBLISHING: "PUBLISHING",
  PLAYING: "PLAYING",
  PAUSED: "PAUSED",
  UNPUBLISHED: "UNPUBLISHED",
  STOPPED: "STOPPED",
  FAILED: "FAILED",
  PLAYBACK_PROBLEM: "PLAYBACK_PROBLEM",
  RESIZE: "RESIZE",
  SNAPSHOT_COMPLETE: "SNAPSHOT_COMPLETE",
  NOT_ENOUGH_BANDWIDTH: "NOT_ENOUGH_BANDWIDTH",
} as const);

/** Of streams; here so that pages load. */
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
