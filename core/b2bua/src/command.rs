//! Call commands from browsers, SIP endpoints and the application, and their results.

use crate::address::Address;
use crate::call::{CallKey, CollectionId, DtmfMethod, JsonText, SessionId};
use crate::config::LoginName;
use core::fmt;
use core::time::Duration;
use offhook_media::command::{LegKey, MuteDirection, PlaybackId, PlaybackMode, PlaybackSource, RecordingId, Repeat};
use offhook_sdp::sip::ExtraLine;
use offhook_signaling::message::{CallId, SipOptions};
use offhook_signaling::reason::EndReason;
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
    /// Place a call of the application itself.
    Start(Box<ApplicationCall>),
    /// Connect the other participants of two calls of the application, which leaves both. Later events are those of an
    /// attended transfer by the application in the first call.
    Bridge {
        /// The call that continues.
        call: CallKey,
        /// The call that ends.
        other: CallKey,
    },
    /// End a client session: its calls end, and its WebSocket is closed.
    EndSession {
        /// The session.
        session: SessionId,
    },
    /// Collect the DTMF digits that a participant sends. The result is reported by
    /// [`CallEvent::DigitsCollected`](crate::call::CallEvent).
    CollectDigits {
        /// The participant.
        at: CallRef,
        /// The end of the collection.
        limits: DigitLimits,
    },
    /// Play audio to a participant.
    Play {
        /// The participant.
        at: CallRef,
        /// The audio.
        playback: Playback,
    },
    /// Stop the playback to a participant.
    StopPlayback {
        /// The participant.
        at: CallRef,
    },
    /// Mute a participant.
    Mute {
        /// The participant.
        at: CallRef,
        /// The direction, from the point of view of the participant.
        direction: MuteDirection,
    },
    /// End the muting of a participant.
    Unmute {
        /// The participant.
        at: CallRef,
        /// The direction.
        direction: MuteDirection,
    },
    /// Record a call.
    Record {
        /// The call.
        call: CallKey,
        /// The recording, which the shell has created.
        recording: RecordingId,
        /// The name of its file, for events and records.
        file: String,
    },
    /// Pause, resume or stop the recording of a call.
    ControlRecording {
        /// The call.
        call: CallKey,
        /// The action.
        action: RecordingAction,
    },
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
        /// The reason for the other participants; by default that of the state of the call.
        reason: Option<EndReason>,
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

/// A call to be placed by the application: no browser and no SIP endpoint is the caller.
#[derive(Clone, Debug)]
pub struct ApplicationCall {
    /// The identifier of the call, unique among the identifiers of all calls; by default a random one.
    pub call_id: Option<CallId>,
    /// The caller, as shown to callees.
    pub caller: Address,
    /// The callee.
    pub callee: Address,
    /// The caller's display name, if it has one.
    pub visible_name: Option<String>,
    /// The caller's identity is withheld from SIP endpoints (RFC 3323).
    pub anonymous: bool,
    /// The account through which the call is placed.
    pub account: CallingAccount,
}

/// The account through which the application places a call.
#[derive(Clone, Debug)]
pub enum CallingAccount {
    /// None: users of the relay, or the trunk.
    Relay,
    /// The account that the operator has assigned to this login.
    Configured(LoginName),
    /// An account for this call.
    Given(Box<SipOptions>),
}

/// The conditions under which a collection of digits ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigitLimits {
    /// The number of digits, at least 1.
    pub most: usize,
    /// Digits that end the collection and do not belong to it.
    pub terminators: String,
    /// The time for the first digit.
    pub first_digit_timeout: Duration,
    /// The time between two digits.
    pub inter_digit_timeout: Duration,
}

/// Audio to be played to a participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Playback {
    /// The audio.
    pub source: PlaybackSource,
    /// Whether it starts again when it has ended.
    pub repeat: Repeat,
    /// The treatment of the other participant's audio meanwhile.
    pub mode: PlaybackMode,
}

/// An action on the recording of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingAction {
    /// Silence is recorded.
    Pause,
    /// The audio is recorded again.
    Resume,
    /// The recording ends.
    Stop,
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
    /// Digits are being collected.
    Collecting(CollectionId),
    /// Audio is being played.
    Playing(PlaybackId),
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
    /// The SIP account of the command is not valid.
    BadAccount,
    /// The operator has not assigned an account to the login.
    UnknownAccount,
    /// The SIP server of the command's account is not one that clients may use.
    ServerNotAllowed,
    /// The application is not a participant of the established call.
    NotOfApplication,
    /// The participant has no media: it is the application.
    NoMedia,
    /// Nothing is being played to the participant.
    NotPlaying,
    /// The call is being recorded already.
    AlreadyRecording,
    /// The call is not being recorded.
    NotRecording,
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
            Self::CallIdInUse => f.write_str("there already is a call with this callId: use a new callId"),
            Self::BadAccount => f.write_str("the SIP account needs a login, and a server as `host` or `host:port`"),
            Self::UnknownAccount => f.write_str("there is no [sip.accounts] entry for this login"),
            Self::ServerNotAllowed => f.write_str("the SIP server may not be used: see [sip] servers"),
            Self::NotOfApplication => f.write_str("the call is not an established call of the application"),
            Self::NoMedia => f.write_str("the application has no media: name another participant"),
            Self::NotPlaying => f.write_str("nothing is being played to the participant"),
            Self::AlreadyRecording => f.write_str("the call is being recorded already: stop the recording first"),
            Self::NotRecording => f.write_str("the call is not being recorded"),
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
