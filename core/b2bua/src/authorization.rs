//! Questions to the application's backend about client sessions and commands of browsers, and reports for it
//! ([`Authorization::External`](crate::config::Authorization::External)).
//!
//! A session is authenticated first, by the relay or by a SIP server, and authorized by the application then. The
//! answer can supply the account, so that a page without credentials has one and does not receive it.

use crate::call::{CallSnapshot, SessionId};
use crate::command::CallRef;
use crate::config::LoginName;
use crate::io::RequestId;
use offhook_signaling::message::{ClientMessage, ConnectionMessage, DtmfType, ServerMessage, SipOptions};
use offhook_sip::auth::Secret;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A question or report of the relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthorizationOutput {
    /// Authorize a client session.
    Session {
        /// Identifies the answer.
        request: RequestId,
        /// The identifier that the session will have.
        session: SessionId,
        /// The session.
        applicant: Box<SessionApplicant>,
    },
    /// A browser has sent a command.
    Command {
        /// Identifies the answer, for which the command waits; `None` if the command is not delayed.
        request: Option<RequestId>,
        /// The session.
        session: SessionId,
        /// The participant that the command concerns.
        at: CallRef,
        /// The call before the command.
        call: Option<Box<CallSnapshot>>,
        /// The command.
        message: Box<ClientMessage>,
    },
    /// A session was informed of the status of itself, a call or a transfer, or of an error.
    Informed {
        /// The session.
        session: SessionId,
        /// The message that reports the status.
        message: Box<ServerMessage>,
    },
    /// A session has lost its browser, or an applicant did not become a session.
    Disconnected {
        /// The session.
        session: SessionId,
        /// The browser can return. Otherwise, the identifier is not used again.
        is_kept: bool,
    },
}

/// A client that is to be authorized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionApplicant {
    /// Its `connection` message without the password.
    pub hello: ConnectionMessage,
    /// The password of the page for a SIP server, which has not been verified yet.
    pub password: Option<Secret>,
    /// The login that the relay has verified.
    pub verified: Option<LoginName>,
    /// The source address.
    pub address: IpAddr,
}

/// An answer of the application.
#[derive(Clone, Debug)]
pub enum AuthorizationInput {
    /// The answer to [`AuthorizationOutput::Session`].
    Session {
        /// The question.
        request: RequestId,
        /// The properties of the session, or its refusal.
        answer: Result<Box<SessionGrant>, ApplicationRefusal>,
    },
    /// The answer to [`AuthorizationOutput::Command`].
    Command {
        /// The question.
        request: RequestId,
        /// Changes of the command, or its refusal.
        answer: Result<CommandGrant, ApplicationRefusal>,
    },
}

/// The properties of an authorized session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionGrant {
    /// The SIP options that replace those of the page. A login other than that of the page, or any login with a
    /// password, needs no verification by the relay.
    pub sip: Option<Box<SipOptions>>,
    /// The display name of its calls that have no other.
    pub visible_name: Option<String>,
    /// The commands about which the application is informed or asked.
    pub submitted: BTreeMap<CommandKind, Submission>,
}

/// The part of a grant that a session keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptGrant {
    /// The SIP options without the password; `None`: those of the page.
    pub sip: Option<Box<SipOptions>>,
    /// The display name of its calls that have no other.
    pub visible_name: Option<String>,
    /// The commands about which the application is informed or asked.
    pub submitted: BTreeMap<CommandKind, Submission>,
}

/// Changes of a command. Changes that do not apply to the command are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandGrant {
    /// The target of a transfer.
    pub target: Option<String>,
    /// The digits.
    pub digits: Option<String>,
    /// The transport of the digits.
    pub kind: Option<DtmfType>,
}

/// A refusal by the application, or the failure to obtain its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationRefusal {
    /// The SIP status for a caller.
    pub sip_status: u16,
    /// The text for the user.
    pub info: String,
}

/// The effect of a command on its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Submission {
    /// The application is informed, and the command is executed.
    Notified,
    /// The command waits for the answer of the application, and later commands of the session wait with it. A hang-up
    /// never waits.
    Held,
}

/// The kinds of commands that can be submitted. A new call is not one of them: it is a routing question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum CommandKind {
    /// `answer`
    Answer,
    /// `hangup`
    HangUp,
    /// `hold`
    Hold,
    /// `unhold`
    Resume,
    /// `transfer`
    Transfer,
    /// `sendDtmf`
    SendDtmf,
}

impl CommandGrant {
    /// Applies the changes.
    #[must_use]
    pub fn apply(self, message: ClientMessage) -> ClientMessage {
        match message {
            ClientMessage::Transfer { call_id, target } => {
                ClientMessage::Transfer { call_id, target: self.target.unwrap_or(target) }
            }
            ClientMessage::SendDtmf { call_id, kind, digits } => ClientMessage::SendDtmf {
                call_id,
                kind: self.kind.unwrap_or(kind),
                digits: self.digits.unwrap_or(digits),
            },
            message => message,
        }
    }
}
