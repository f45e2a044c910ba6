//! The half of the protocol that runs in the page: [`session`] and [`call`], pure machines.
//!
//! The shell reads frames into [`Received`], feeds the session, and carries [`session::Output::ToCall`] to the call it
//! names. What a call wants to send goes back through the session, which knows whether the socket still stands.

pub mod call;
pub mod direct;
pub mod session;

#[cfg(feature = "json")]
use crate::message::ServerMessage;
use crate::message::{CallId, Direct, TransferStatus};
use core::fmt;

/// A status of a call: the server's text, the SDK's event name and what `status()` returns.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub enum Status {
    /// Created; nothing has happened.
    New,
    /// The page has called or answered; the relay has not said anything about it.
    Pending,
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
    /// On hold by this page.
    Hold,
    /// Over, normally.
    Finish,
    /// The callee is busy.
    Busy,
    /// Over by an error.
    Failed,
    /// A status this build has no name for: passed on as it is (contract §4.6).
    Other(String),
}

impl Status {
    /// Reads the server's text.
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

    /// The text on the wire and in the page.
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

    /// Nothing follows it.
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

/// What the server said about one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusReport {
    /// The call.
    pub call_id: CallId,
    /// Where it stands.
    pub status: Status,
    /// Why, in words.
    pub info: Option<String>,
    /// Why, as a name of the one list of reasons (extension, feature `endReasons`).
    pub end_reason: Option<String>,
}

/// A message from the relay, as far as the machines look into it. Values that are only handed to the page stay with the
/// shell, which has the whole message at hand while it drains the outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// Asks for a pong.
    Ping,
    /// `getUserData`: the session is accepted.
    UserData {
        /// The login the relay knows the session by.
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
        /// The call that is handed over.
        call_id: CallId,
        /// How far it got.
        status: TransferStatus,
    },
    /// `fail`: for the page.
    Fail,
    /// `OnDataEvent`: for the page.
    Data,
    /// `notifySessionDebugEvent`: for the page.
    SessionDebug,
    /// `DataStatusEvent`: settles `sendData`.
    DataStatus {
        /// Echoed from the request.
        operation_id: String,
        /// Whether the data was taken.
        accepted: bool,
    },
    /// `offhookDtmf`: the far end sent a digit.
    Dtmf {
        /// The call.
        call_id: CallId,
        /// `0`–`9`, `A`–`D`, `*` or `#`.
        digit: char,
    },
    /// `offhookHold`: the far end holds the call, or has taken it back.
    Hold {
        /// The call.
        call_id: CallId,
        /// It holds.
        held: bool,
    },
    /// `offhookDirect`: a step on the way past the relay.
    Direct(Box<Direct>),
    /// A sign of life, and nothing else: `pong`, `busy`, unknown names.
    Ignored,
}

#[cfg(feature = "json")]
impl From<ServerMessage> for Received {
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
            ServerMessage::DataStatus { operation_id, status, .. } => {
                Self::DataStatus { operation_id, accepted: status == crate::message::DataStatus::Accepted }
            }
            ServerMessage::Data(_) => Self::Data,
            ServerMessage::SessionDebug { .. } => Self::SessionDebug,
            ServerMessage::Dtmf { call_id, digit } => Self::Dtmf { call_id, digit },
            ServerMessage::Hold { call_id, held } => Self::Hold { call_id, held },
            ServerMessage::Direct(direct) => Self::Direct(direct),
        }
    }
}

#[cfg(test)]
mod tests;
