//! Call commands from browsers, SIP endpoints and the application, and their results.

use crate::address::Address;
use crate::call::{CallKey, DtmfMethod, JsonText, SessionId};
use core::fmt;
use offhook_media::command::LegKey;
use offhook_sdp::sip::ExtraLine;
use offhook_signaling::message::CallId;
use offhook_sip::message::Uri;
use serde::{Deserialize, Serialize};

/// Identifies a participant of a call: by the call, and by the participant's leg in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRef {
    /// The call.
    pub call: CallKey,
    /// The leg.
    pub leg: LegKey,
}

/// A command on behalf of a participant.
#[derive(Clone, Debug)]
pub enum CallCommand {
    /// Place a call.
    Place(Box<NewCall>),
    /// Answer an incoming call.
    Answer {
        /// The callee that answers.
        at: CallRef,
        /// The answer to the relay's offer.
        sdp: String,
        /// Additional SDP lines for the relay's answer to a SIP caller.
        lines: Vec<ExtraLine>,
    },
    /// Hang up, cancel or reject, according to the state of the call.
    HangUp {
        /// The participant that hangs up.
        at: CallRef,
    },
    /// Put the other participant on hold.
    Hold {
        /// The holder.
        at: CallRef,
    },
    /// End the hold of the other participant.
    Resume {
        /// The holder.
        at: CallRef,
    },
    /// Blind transfer: connect the other participant to a target that is called.
    TransferBlind {
        /// The transferor.
        at: CallRef,
        /// The target.
        target: Address,
        /// Parameters in a SIP endpoint's REFER for the call to the target.
        refer: ReferOptions,
    },
    /// Attended transfer: connect the other participant to the other participant of a second call of the transferor.
    TransferAttended {
        /// The transferor.
        at: CallRef,
        /// The transferor in its second call.
        other: CallRef,
    },
    /// Send DTMF digits to the other participant.
    SendDtmf {
        /// The sender.
        at: CallRef,
        /// The method that is used for a SIP endpoint.
        method: DtmfMethod,
        /// The digits.
        digits: Digits,
    },
}

/// A call to be placed by a browser.
#[derive(Clone, Debug)]
pub struct NewCall {
    /// The caller's session.
    pub session: SessionId,
    /// The identifier of the call in that session.
    pub call_id: CallId,
    /// The callee.
    pub callee: Address,
    /// The caller's display name, if it has one.
    pub visible_name: Option<String>,
    /// The caller's offer.
    pub sdp: String,
    /// Application data for the callee's page.
    pub custom: Option<JsonText>,
    /// Header fields for the INVITE to a SIP callee.
    pub headers: Vec<(String, String)>,
    /// The caller's identity is withheld from SIP endpoints (RFC 3323).
    pub anonymous: bool,
    /// Additional SDP lines for the relay's descriptions to a SIP callee.
    pub lines: Vec<ExtraLine>,
}

/// Parameters in a REFER for the call to its target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferOptions {
    /// The transferor's `Referred-By` (RFC 3892).
    pub referred_by: Option<Uri>,
    /// The dialog that the call replaces (RFC 3891).
    pub replaces: Option<String>,
}

/// DTMF digits: `0`–`9`, `A`–`D`, `*` and `#`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digits(String);

impl Digits {
    /// Parses digits. Letters may be in upper or lower case.
    ///
    /// # Errors
    /// [`CommandError::InvalidDigit`] with the first invalid character.
    pub fn parse(text: &str) -> Result<Self, CommandError> {
        let digits = text.to_ascii_uppercase();
        match digits.chars().find(|digit| !matches!(digit, '0'..='9' | 'A'..='D' | '*' | '#')) {
            Some(invalid) => Err(CommandError::InvalidDigit(invalid)),
            None => Ok(Self(digits)),
        }
    }

    /// Returns the digits in upper case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The outcome of a command. Later progress is reported by [`CallEvent`](crate::call::CallEvent).
pub type CommandResult = Result<Accepted, CommandError>;

/// A command was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// The call was placed; its first events may have ended it already.
    Placed(CallRef),
    /// The command was passed to its call.
    Passed,
}

/// The reason why a command was not accepted. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// There is no such participant.
    UnknownCall,
    /// There is no such session.
    UnknownSession,
    /// The session has a call with this identifier already.
    CallIdInUse,
    /// The participant is not being alerted.
    NotAlerting,
    /// The call is not established.
    NotEstablished,
    /// An attended transfer needs two calls.
    SameCall,
    /// The character is no DTMF digit.
    InvalidDigit(char),
    /// The command contains more digits than are permitted at once.
    TooManyDigits {
        /// The limit.
        most: u32,
    },
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownCall => f.write_str("there is no such call"),
            Self::UnknownSession => f.write_str("there is no such session"),
            Self::CallIdInUse => f.write_str("this session already has a call with this callId: use a new callId"),
            Self::NotAlerting => f.write_str("the call cannot be answered: it is not ringing"),
            Self::NotEstablished => f.write_str("the call is not established: transfer it after the answer"),
            Self::SameCall => f.write_str("the call cannot be joined with itself: name another call"),
            Self::InvalidDigit(digit) => write!(f, "`{digit}` is not a DTMF digit: use 0-9, A-D, * and #"),
            Self::TooManyDigits { most } => write!(f, "too many digits: the maximum is {most} at once"),
        }
    }
}

#[cfg(test)]
mod tests;
