//! What the relay sends.

use super::{CallId, Connection, Direct, Json};
use crate::reason::EndReason;

/// A message from relay to browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerMessage {
    /// Asks for a pong.
    Ping,
    /// Answers the browser's ping.
    Pong,
    /// `getUserData`: the session is accepted.
    UserData(Box<UserData>),
    /// The login is registered: calls can come in.
    Registered,
    /// `setRemoteSDP`: the one session description the browser gets for a call.
    RemoteSdp {
        /// The call.
        call_id: CallId,
        /// An answer to the browser's offer, or the offer of an incoming call.
        sdp: String,
    },
    /// `notifyIncomingCall`: somebody calls.
    IncomingCall(Box<CallObject>),
    /// `notifyTryingResponse`, `ring`, `hold`, `talk` or `finish`, as the status in it says.
    CallStatus(Box<CallObject>),
    /// `busy`: goes before the `finish` of a busy callee; the stock SDK passes over it.
    Busy(Box<CallObject>),
    /// `notifyTransferEvent`: how a transfer goes on.
    Transfer {
        /// The call that is handed over.
        call_id: CallId,
        /// How far it got.
        status: TransferStatus,
    },
    /// `fail`: an error for the session's WARN event; changes no call.
    Fail {
        /// What failed, e.g. `CallStatusEvent`.
        api_method: String,
        /// The call or operation it is about.
        id: Option<String>,
        /// `FAILED` in practice.
        status: String,
        /// What was wrong and what to do.
        info: String,
    },
    /// `DataStatusEvent`: settles `sendData`.
    DataStatus {
        /// Echoed from the request.
        operation_id: String,
        /// Whether the data was taken.
        status: DataStatus,
        /// Why not.
        info: Option<String>,
    },
    /// `OnDataEvent`: data from the application.
    Data(Json),
    /// `notifySessionDebugEvent`.
    SessionDebug {
        /// `STARTED` or `STOPPED`.
        status: String,
    },
    /// `offhookDtmf` (extension, feature `dtmfEvents`): the far end sent a DTMF digit.
    Dtmf {
        /// The call.
        call_id: CallId,
        /// `0`–`9`, `A`–`D`, `*` or `#`.
        digit: char,
    },
    /// `offhookHold` (extension, feature `holdEvents`): the far end holds the call, or has taken it back.
    Hold {
        /// The call.
        call_id: CallId,
        /// It holds.
        held: bool,
    },
    /// `offhookDirect` (extension, feature `directMedia`): a step on the way past the relay.
    Direct(Box<Direct>),
}

/// `getUserData`: what the relay made of `connection`, and the token to come back with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct UserData {
    /// The connection's fields, echoed without the password. Its `auth_token` is the session's token, its `offhook`
    /// the relay's answer to the announcement.
    #[cfg_attr(feature = "json", serde(flatten))]
    pub connection: Connection,
    /// `ESTABLISHED`.
    pub status: String,
    /// The relay takes any login (`--demo`); the page says so to its user.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "core::ops::Not::not"))]
    pub demo: bool,
}

/// The call object of status messages (contract §3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct CallObject {
    /// The call's id.
    pub call_id: CallId,
    /// Where the call stands.
    pub status: CallStatus,
    /// Seen from the browser that gets the message.
    pub incoming: bool,
    /// Who calls.
    pub caller: String,
    /// Who is called.
    pub callee: String,
    /// The caller's display name; never empty.
    pub visible_name: String,
    /// `WebRTC`.
    pub media_provider: String,
    /// The call has an audio stream.
    pub has_audio: bool,
    /// The call has a video stream.
    pub has_video: bool,
    /// The page's own value, from the caller's `call`.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub custom: Option<Json>,
    /// The SIP status behind a terminal status (RFC 3261 §21).
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub sip_status: Option<u16>,
    /// Why, in words.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub info: Option<String>,
    /// Why, as a value of the one list (extension, feature `endReasons`).
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub end_reason: Option<EndReason>,
}

/// Where a call stands (contract §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "SCREAMING_SNAKE_CASE"))]
pub enum CallStatus {
    /// The relay has the call.
    Trying,
    /// The callee is being alerted.
    Ring,
    /// The same with early media.
    RingMedia,
    /// Progress without alerting.
    SessionProgress,
    /// Answered, or taken back from hold.
    Established,
    /// On hold by this browser.
    Hold,
    /// Over, normally.
    Finish,
    /// The callee is busy.
    Busy,
    /// Over by an error.
    Failed,
}

impl CallStatus {
    /// The status on the wire: the name of the SDK's event.
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

    /// The message that carries it.
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

    /// Nothing follows it.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Finish | Self::Busy | Self::Failed)
    }
}

/// How far a transfer got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "SCREAMING_SNAKE_CASE"))]
pub enum TransferStatus {
    /// Under way.
    Pending,
    /// The target is being alerted (extension, feature `transferProgress`).
    Ringing,
    /// Done.
    Completed,
    /// Refused; the call goes on as it was.
    Failed,
}

impl TransferStatus {
    /// The status on the wire.
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

/// Whether `sendData` was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "SCREAMING_SNAKE_CASE"))]
pub enum DataStatus {
    /// Taken.
    Accepted,
    /// Not taken.
    Failed,
}

impl ServerMessage {
    /// The message's name on the wire.
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
        }
    }
}
