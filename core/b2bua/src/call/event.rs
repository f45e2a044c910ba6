//! Events of a call, for its participants and for observers.
//!
//! A call reports by these events only. Presenters translate them for the client protocol, log, records and hooks.

use super::direct::DirectMediaStep;
use super::participant::{End, EndpointKind};
use core::time::Duration;
use offhook_media::command::{
    LegKey, MuteDirection, PlaybackEnd, PlaybackId, RecordingEnd, RecordingId, StreamStatistics,
};
use offhook_signaling::reason::EndReason;
use serde::{Deserialize, Serialize};

/// An event of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallEvent {
    /// The caller's request was accepted for processing.
    Placed {
        /// The leg of the caller.
        caller: LegKey,
        /// The endpoint at that leg.
        endpoint: EndpointKind,
        /// The caller's login, number or address, as shown to callees.
        from: String,
        /// The callee as dialed.
        to: String,
    },
    /// The call was routed to a callee: a browser is alerted, or the INVITE to a SIP endpoint is sent.
    Routed {
        /// The leg of the callee.
        callee: LegKey,
        /// The endpoint at that leg.
        endpoint: EndpointKind,
        /// The login of a browser, or the URI of a SIP endpoint.
        address: String,
        /// The relay's offer to a browser; a SIP endpoint receives its offer in the INVITE.
        offer: Option<String>,
    },
    /// A callee is being alerted, and the caller is informed (180).
    Ringing {
        /// The leg of the caller.
        caller: LegKey,
    },
    /// A callee reports progress other than ringing (183), and the caller is informed.
    Progressing {
        /// The leg of the caller.
        caller: LegKey,
    },
    /// Media flow between a callee and the caller before the call is answered.
    EarlyMedia {
        /// The leg of the caller.
        caller: LegKey,
        /// The answer to the caller's offer.
        answer: String,
    },
    /// The INVITE to a SIP server returned to this relay, and a callee here answered it: the relay bridges caller and
    /// callee.
    Looped,
    /// A callee answered.
    Answered {
        /// The leg of the caller.
        caller: LegKey,
        /// The leg of the callee.
        callee: LegKey,
        /// The answer to the caller's offer, unless the caller received it with [`CallEvent::EarlyMedia`].
        answer: Option<String>,
        /// The names of the codecs of the negotiated streams of both legs, each once.
        codecs: Vec<String>,
    },
    /// A participant has put the other on hold.
    Held {
        /// The leg of the holder.
        by: LegKey,
    },
    /// A participant has ended its hold.
    Resumed {
        /// The leg of the former holder.
        by: LegKey,
    },
    /// The remote hold of a participant began or ended.
    RemoteHoldChanged {
        /// The leg that is, or was, on hold.
        leg: LegKey,
        /// It is on hold now.
        is_held: bool,
    },
    /// The state of the call is reported again to a participant that may have expected a change.
    StateRepeated {
        /// The leg of that participant.
        leg: LegKey,
        /// It has the other participant on hold.
        is_holding: bool,
    },
    /// A DTMF digit was received.
    DtmfReceived {
        /// The leg that sent the digit.
        from: LegKey,
        /// The leg that receives the digit.
        to: LegKey,
        /// `0`–`9`, `A`–`D`, `*` or `#`.
        digit: char,
    },
    /// A collection of digits has ended ([`CallCommand::CollectDigits`](crate::command::CallCommand)).
    DigitsCollected {
        /// The leg that sent the digits.
        from: LegKey,
        /// The collection.
        collection: CollectionId,
        /// The digits.
        digits: String,
        /// The reason of the end.
        end: CollectionEnd,
    },
    /// Audio is being played to a participant.
    PlaybackStarted {
        /// The leg of the participant.
        to: LegKey,
        /// The playback.
        playback: PlaybackId,
    },
    /// A playback has ended. Not reported if the participant has left.
    PlaybackEnded {
        /// The leg of the participant.
        to: LegKey,
        /// The playback.
        playback: PlaybackId,
        /// The reason.
        end: PlaybackEnd,
    },
    /// A participant was muted in one direction.
    Muted {
        /// The leg of the participant.
        leg: LegKey,
        /// The direction.
        direction: MuteDirection,
    },
    /// A participant is no longer muted in one direction.
    Unmuted {
        /// The leg of the participant.
        leg: LegKey,
        /// The direction.
        direction: MuteDirection,
    },
    /// The call is being recorded.
    RecordingStarted {
        /// The recording.
        recording: RecordingId,
        /// The name of its file.
        file: String,
    },
    /// A recording was paused: it contains silence from now on.
    RecordingPaused {
        /// The recording.
        recording: RecordingId,
    },
    /// A paused recording continues.
    RecordingResumed {
        /// The recording.
        recording: RecordingId,
    },
    /// A recording has ended.
    RecordingEnded {
        /// The recording.
        recording: RecordingId,
        /// The reason.
        end: RecordingEnd,
        /// Its duration.
        duration: Duration,
        /// The duration of audio that is missing, because it could not be written in time.
        lost: Duration,
    },
    /// A transfer began.
    TransferStarted {
        /// The leg of the transferor.
        by: LegKey,
    },
    /// The target of a transfer is being called or alerted.
    TransferProgressed {
        /// The leg of the transferor.
        by: LegKey,
        /// The target's progress.
        progress: TransferProgress,
    },
    /// A transfer is complete.
    TransferCompleted {
        /// The leg of the transferor, unless it left before.
        by: Option<LegKey>,
        /// The leg of the target; `None` if the target joined from another call, or if the transferee called it itself
        /// (REFER).
        target: Option<LegKey>,
    },
    /// A transfer failed. The call continues between the same participants.
    TransferFailed {
        /// The leg of the transferor.
        by: LegKey,
        /// The reason.
        end: End,
        /// The transferor has the other participant on hold.
        is_holding: bool,
    },
    /// A step in the setup of direct media, for one of the two browsers.
    DirectMedia {
        /// The leg of that browser.
        to: LegKey,
        /// The number of the attempt.
        attempt: u32,
        /// The step.
        step: DirectMediaStep,
    },
    /// The media path changed.
    MediaPathChanged {
        /// The new path.
        path: MediaPath,
    },
    /// A media worker reported the statistics of a leg: every few seconds, and once more after the leg was closed.
    QualityReported {
        /// The leg.
        leg: LegKey,
        /// The statistics of the leg's streams since it was opened.
        streams: Vec<StreamStatistics>,
    },
    /// The caller leaves a call that was not answered.
    Unanswered {
        /// The leg of the caller.
        caller: LegKey,
        /// The reason.
        end: End,
    },
    /// A participant leaves the call.
    Left {
        /// Its leg.
        leg: LegKey,
        /// The reason.
        end: End,
    },
    /// The call is over. The relay forwards this event to the shell when the final statistics of all legs have arrived,
    /// or after 1 s.
    Ended {
        /// The reason.
        reason: EndReason,
    },
}

/// Identifies a collection of digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionId(pub u64);

/// The reason why a collection of digits has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CollectionEnd {
    /// It has the maximum number of digits.
    Complete,
    /// This terminator was received.
    Terminator(char),
    /// No digit arrived in time.
    Timeout,
    /// The participant has left.
    Left,
    /// Another collection from the same participant has begun.
    Canceled,
}

/// The progress of the target of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferProgress {
    /// The target is being called (100).
    Trying,
    /// The target is being alerted (180 to 199).
    Ringing,
}

impl TransferProgress {
    /// Returns the progress that a provisional status represents; `None` for any other status.
    #[must_use]
    pub const fn of_status(status: u16) -> Option<Self> {
        match status {
            100 => Some(Self::Trying),
            180..=199 => Some(Self::Ringing),
            _ => None,
        }
    }
}

/// The path of a call's media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaPath {
    /// Through the relay.
    Relayed,
    /// Between the two browsers.
    Direct,
}
