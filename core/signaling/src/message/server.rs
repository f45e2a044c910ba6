//! Messages from relay to browser.

use super::{CallId, ConnectionMessage, DirectMessage, Json};
use crate::reason::EndReason;

/// A message from relay to browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerMessage {
    /// Requests a pong as keep-alive.
    Ping,
    /// Answers the browser's ping.
    Pong,
    /// `getUserData`: the session is accepted.
    UserData(Box<UserData>),
    /// The login is registered and can be called.
    Registered,
    /// `setRemoteSDP`: the only session description that the relay sends to the browser for a call.
    RemoteSdp {
        /// The call.
        call_id: CallId,
        /// An answer to the browser's offer, or the offer of an incoming call.
        sdp: String,
    },
    /// `notifyIncomingCall`: an incoming call.
    IncomingCall(Box<CallObject>),
    /// `notifyTryingResponse`, `ring`, `hold`, `talk` or `finish`, depending on the status.
    CallStatus(Box<CallObject>),
    /// `busy`: sent before `finish` if the callee is busy; the stock SDK ignores it.
    Busy(Box<CallObject>),
    /// `notifyTransferEvent`: progress of a transfer.
    Transfer {
        /// The call that is transferred.
        call_id: CallId,
        /// The status of the transfer.
        status: TransferStatus,
    },
    /// `fail`: an error, which the SDK emits as the session's WARN event. It does not change the status of a call.
    Fail {
        /// The API method that failed, e.g. `CallStatusEvent`.
        api_method: String,
        /// The call or operation concerned.
        id: Option<String>,
        /// `FAILED` or `WARN`.
        status: String,
        /// The error and its remedy.
        info: String,
    },
    /// `DataStatusEvent`: the result of `sendData`.
    DataStatus {
        /// Echoed from the request.
        operation_id: String,
        /// Whether the data was accepted.
        status: DataStatus,
        /// The reason for a failure.
        info: Option<String>,
    },
    /// `OnDataEvent`: data from the application.
    Data(Json),
    /// `notifySessionDebugEvent`.
    SessionDebug {
        /// `STARTED` or `STOPPED`.
        status: String,
    },
    /// `offhookDtmf` (extension, feature `dtmfEvents`): the peer sent a DTMF digit.
    Dtmf {
        /// The call.
        call_id: CallId,
        /// `0`–`9`, `A`–`D`, `*` or `#`.
        digit: char,
    },
    /// `offhookHold` (extension, feature `holdEvents`): the peer has put the call on hold or resumed it.
    Hold {
        /// The call.
        call_id: CallId,
        /// The call is on hold.
        held: bool,
    },
    /// `offhookDirect` (extension, feature `directMedia`): a step of the direct media negotiation.
    Direct(Box<DirectMessage>),
    /// `offhookTokenExpiring` (extension, feature `tokenRenewal`): the token of the session expires soon.
    TokenExpiring {
        /// The remaining time in seconds.
        expires_in: u64,
    },
    /// `offhookTokenStatus` (extension, feature `tokenRenewal`): the result of `offhookRenewToken`.
    TokenStatus {
        /// Echoed from the request.
        operation_id: String,
        /// Whether the token was accepted.
        status: DataStatus,
        /// The lifetime of the accepted token in seconds.
        expires_in: Option<u64>,
        /// The reason for a failure.
        info: Option<String>,
    },
}

/// `getUserData`: the relay's response to `connection`, with the token for reconnecting.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct UserData {
    /// The fields of `connection`, echoed without the password. `auth_token` is the session's token, `offhook` the relay's
    /// response to the announcement.
    #[cfg_attr(feature = "json", serde(flatten))]
    pub connection: ConnectionMessage,
    /// `ESTABLISHED`.
    pub status: String,
    /// The relay accepts any login (`--demo`); the phone page shows a notice.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "core::ops::Not::not"))]
    pub demo: bool,
}

/// The call object of status messages (docs/signaling.md).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct CallObject {
    /// The call's identifier.
    pub call_id: CallId,
    /// The status of the call.
    pub status: CallStatus,
    /// The browser that receives the message is the callee.
    pub incoming: bool,
    /// The caller.
    pub caller: String,
    /// The callee.
    pub callee: String,
    /// The caller's display name; never empty.
    pub visible_name: String,
    /// `WebRTC`.
    pub media_provider: String,
    /// The call has an audio stream.
    pub has_audio: bool,
    /// The call has a video stream.
    pub has_video: bool,
    /// The `custom` value of the caller's `call`.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub custom: Option<Json>,
    /// The SIP status code of a terminal status (RFC 3261 §21).
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub sip_status: Option<u16>,
    /// The reason of a terminal status as text.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub info: Option<String>,
    /// The reason of a terminal status (extension, feature `endReasons`).
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub end_reason: Option<EndReason>,
}

/// The status of a call (docs/signaling.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "SCREAMING_SNAKE_CASE"))]
pub enum CallStatus {
    /// The relay has received the call.
    Trying,
    /// The callee is being alerted.
    Ring,
    /// The callee is being alerted, with early media.
    RingMedia,
    /// Progress without alerting.
    SessionProgress,
    /// Answered or resumed.
    Established,
    /// Put on hold by this browser.
    Hold,
    /// Ended normally.
    Finish,
    /// The callee is busy.
    Busy,
    /// Ended by an error.
    Failed,
}

impl CallStatus {
    /// Returns the status on the wire, which is the name of the SDK's event.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trying => "TRYING",
            Self::Ring => "RING",
            Self::RingMedia => "RING_MEDIA",
            Self::SessionProgress => "SESSION_PROGRESS",
            Self::Established => "ESTABLISHED",
            Self::Hold => "HOLD",
            Self::Finish => "FINISH",
            Self::Busy => "BUSY",
            Self::Failed => "FAILED",
        }
    }

    /// Returns the name of the message with this status.
    #[must_use]
    pub const fn message_name(self) -> &'static str {
        match self {
            Self::Trying => "notifyTryingResponse",
            Self::Ring | Self::RingMedia | Self::SessionProgress => "ring",
            Self::Established => "talk",
            Self::Hold => "hold",
            Self::Finish | Self::Busy | Self::Failed => "finish",
        }
    }

    /// Returns whether the call has ended with this status.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Finish | Self::Busy | Self::Failed)
    }
}

/// The status of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "SCREAMING_SNAKE_CASE"))]
pub enum TransferStatus {
    /// In progress.
    Pending,
    /// The target is being alerted (extension, feature `transferProgress`).
    Ringing,
    /// Completed.
    Completed,
    /// Refused; the call is unchanged.
    Failed,
}

impl TransferStatus {
    /// Returns the status on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Ringing => "RINGING",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
        }
    }
}

/// The result of `sendData` or `offhookRenewToken`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "SCREAMING_SNAKE_CASE"))]
pub enum DataStatus {
    /// Accepted.
    Accepted,
    /// Refused.
    Failed,
}

impl ServerMessage {
    /// Returns the message's name on the wire.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Pong => "pong",
            Self::UserData(_) => "getUserData",
            Self::Registered => "registered",
            Self::RemoteSdp { .. } => "setRemoteSDP",
            Self::IncomingCall(_) => "notifyIncomingCall",
            Self::CallStatus(call) => call.status.message_name(),
            Self::Busy(_) => "busy",
            Self::Transfer { .. } => "notifyTransferEvent",
            Self::Fail { .. } => "fail",
            Self::DataStatus { .. } => "DataStatusEvent",
            Self::Data(_) => "OnDataEvent",
            Self::SessionDebug { .. } => "notifySessionDebugEvent",
            Self::Dtmf { .. } => "offhookDtmf",
            Self::Hold { .. } => "offhookHold",
            Self::Direct(_) => "offhookDirect",
            Self::TokenExpiring { .. } => "offhookTokenExpiring",
            Self::TokenStatus { .. } => "offhookTokenStatus",
        }
    }
}
