//! Client half of the signaling protocol: the state machines of the SDK in a web page for a [`session`], a [`call`] and
//! its media without the relay ([`direct`]).
//!
//! The shell parses frames into [`ReceivedMessage`], passes them to the session, and passes [`session::Output::ToCall`] to the
//! call. Messages of a call are sent through the session, which drops them if the socket is closed.

pub mod call;
pub mod direct;
pub mod session;

#[cfg(feature = "json")]
use crate::message::ServerMessage;
use crate::message::{CallId, DirectMessage, TransferStatus};
use core::fmt;

/// The status of a call. It is the text on the wire, the SDK's event name and the result of `status()`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub enum Status {
    /// Created, but neither placed nor answered.
    New,
    /// The application has placed or answered the call; the relay has not reported a status yet.
    Pending,
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
    /// Put on hold by this client.
    Hold,
    /// Ended normally.
    Finish,
    /// The callee is busy.
    Busy,
    /// Ended by an error.
    Failed,
    /// An unknown status, passed to the application unchanged.
    Other(String),
}

impl Status {
    /// Parses the text on the wire.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "NEW" => Self::New,
            "PENDING" => Self::Pending,
            "TRYING" => Self::Trying,
            "RING" => Self::Ring,
            "RING_MEDIA" => Self::RingMedia,
            "SESSION_PROGRESS" => Self::SessionProgress,
            "ESTABLISHED" => Self::Established,
            "HOLD" => Self::Hold,
            "FINISH" => Self::Finish,
            "BUSY" => Self::Busy,
            "FAILED" => Self::Failed,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Returns the text on the wire, which is also the SDK's event name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::New => "NEW",
            Self::Pending => "PENDING",
            Self::Trying => "TRYING",
            Self::Ring => "RING",
            Self::RingMedia => "RING_MEDIA",
            Self::SessionProgress => "SESSION_PROGRESS",
            Self::Established => "ESTABLISHED",
            Self::Hold => "HOLD",
            Self::Finish => "FINISH",
            Self::Busy => "BUSY",
            Self::Failed => "FAILED",
            Self::Other(text) => text,
        }
    }

    /// Returns whether the call has ended with this status.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        matches!(self, Self::Finish | Self::Busy | Self::Failed)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A status of a call reported by the relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusReport {
    /// The call.
    pub call_id: CallId,
    /// The status.
    pub status: Status,
    /// The reason as text.
    pub info: Option<String>,
    /// The name of the [`EndReason`](crate::reason::EndReason) (extension, feature `endReasons`).
    pub end_reason: Option<String>,
}

/// A message from the relay, reduced to the fields that the state machines use. Fields that are only passed to the
/// application stay in the shell, which keeps the whole message while it drains the outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceivedMessage {
    /// Requests a pong as keep-alive.
    Ping,
    /// `getUserData`: the session is accepted.
    UserData {
        /// The login of the session according to the relay.
        login: Option<String>,
    },
    /// The login is registered.
    Registered,
    /// `setRemoteSDP`.
    RemoteSdp {
        /// The call.
        call_id: CallId,
        /// The session description.
        sdp: String,
    },
    /// `notifyIncomingCall`.
    IncomingCall {
        /// The call.
        call_id: CallId,
    },
    /// `notifyTryingResponse`, `ring`, `hold`, `talk` or `finish`.
    CallStatus(StatusReport),
    /// `notifyTransferEvent`.
    Transfer {
        /// The call that is transferred.
        call_id: CallId,
        /// The status of the transfer.
        status: TransferStatus,
    },
    /// `fail`: passed to the application.
    Fail,
    /// `OnDataEvent`: passed to the application.
    Data,
    /// `notifySessionDebugEvent`: passed to the application.
    SessionDebug,
    /// `DataStatusEvent` or `offhookTokenStatus`: the result of `sendData` or `offhookRenewToken`.
    DataStatus {
        /// Echoed from the request.
        operation_id: String,
        /// Whether the data was accepted.
        accepted: bool,
    },
    /// `offhookDtmf`: the peer sent a DTMF digit.
    Dtmf {
        /// The call.
        call_id: CallId,
        /// `0`–`9`, `A`–`D`, `*` or `#`.
        digit: char,
    },
    /// `offhookHold`: the peer has put the call on hold or resumed it.
    Hold {
        /// The call.
        call_id: CallId,
        /// The call is on hold.
        held: bool,
    },
    /// `offhookDirect`: a step of the direct media negotiation.
    Direct(Box<DirectMessage>),
    /// `offhookTokenExpiring`: passed to the application.
    TokenExpiring,
    /// A message without effect, except that it shows that the relay is alive: `pong`, `busy`, unknown names.
    Ignored,
}

#[cfg(feature = "json")]
impl From<ServerMessage> for ReceivedMessage {
    fn from(message: ServerMessage) -> Self {
        match message {
            ServerMessage::Ping => Self::Ping,
            ServerMessage::Pong | ServerMessage::Busy(_) => Self::Ignored,
            ServerMessage::UserData(data) => Self::UserData { login: data.connection.sip.login },
            ServerMessage::Registered => Self::Registered,
            ServerMessage::RemoteSdp { call_id, sdp } => Self::RemoteSdp { call_id, sdp },
            ServerMessage::IncomingCall(call) => Self::IncomingCall { call_id: call.call_id },
            ServerMessage::CallStatus(call) => Self::CallStatus(StatusReport {
                call_id: call.call_id,
                status: Status::parse(call.status.name()),
                info: call.info,
                end_reason: call.end_reason.map(|reason| reason.name().to_owned()),
            }),
            ServerMessage::Transfer { call_id, status } => Self::Transfer { call_id, status },
            ServerMessage::Fail { .. } => Self::Fail,
            ServerMessage::DataStatus { operation_id, status, .. }
            | ServerMessage::TokenStatus { operation_id, status, .. } => {
                Self::DataStatus { operation_id, accepted: status == crate::message::DataStatus::Accepted }
            }
            ServerMessage::Data(_) => Self::Data,
            ServerMessage::SessionDebug { .. } => Self::SessionDebug,
            ServerMessage::Dtmf { call_id, digit } => Self::Dtmf { call_id, digit },
            ServerMessage::Hold { call_id, held } => Self::Hold { call_id, held },
            ServerMessage::Direct(direct) => Self::Direct(direct),
            ServerMessage::TokenExpiring { .. } => Self::TokenExpiring,
        }
    }
}

#[cfg(test)]
mod tests;
