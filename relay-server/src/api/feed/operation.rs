//! The part of an event that concerns an operation: a playback, a recording, or a collection of digits.

use core::time::Duration;
use offhook_b2bua::call::{CallEvent, CollectionEnd};
use offhook_media::command::{MuteDirection, PlaybackEnd, RecordingEnd};
use serde::Serialize;
use utoipa::ToSchema;

/// An operation, as reported by an event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationChange {
    /// Its identifier, as in the response to the request.
    id: String,
    /// The digits that were collected.
    #[serde(skip_serializing_if = "Option::is_none")]
    digits: Option<String>,
    /// The digit that ended a collection, if it is a terminator.
    #[serde(skip_serializing_if = "Option::is_none")]
    terminator: Option<char>,
    /// The file of a recording.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// The duration of a recording.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    /// The duration of audio that is missing in a recording.
    #[serde(skip_serializing_if = "Option::is_none")]
    lost_ms: Option<u64>,
    /// The reason why a playback failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'static str>,
}

impl OperationChange {
    fn new(id: u64) -> Self {
        Self { id: id.to_string(), ..Self::default() }
    }

    /// Returns the operation that an event concerns, and the reason of its end. Returns `None` for other events.
    pub(super) fn of(event: &CallEvent) -> Option<(Self, Option<&'static str>)> {
        let millis = |duration: &Duration| u64::try_from(duration.as_millis()).ok();
        Some(match event {
            CallEvent::PlaybackStarted { playback, .. } => (Self::new(playback.0), None),
            CallEvent::PlaybackEnded { playback, end, .. } => {
                let (detail, failure) = match end {
                    PlaybackEnd::Completed => ("completed", None),
                    PlaybackEnd::Stopped => ("stopped", None),
                    PlaybackEnd::Failed(failure) => ("failed", Some(failure.reason())),
                };
                (Self { failure, ..Self::new(playback.0) }, Some(detail))
            }
            CallEvent::DigitsCollected { collection, digits, end, .. } => {
                let (detail, terminator) = match end {
                    CollectionEnd::Complete => ("complete", None),
                    CollectionEnd::Terminator(digit) => ("terminator", Some(*digit)),
                    CollectionEnd::Timeout => ("timeout", None),
                    CollectionEnd::Left => ("left", None),
                    CollectionEnd::Canceled => ("canceled", None),
                };
                (Self { digits: Some(digits.clone()), terminator, ..Self::new(collection.0) }, Some(detail))
            }
            CallEvent::RecordingStarted { recording, file } => {
                (Self { file: Some(file.clone()), ..Self::new(recording.0) }, None)
            }
            CallEvent::RecordingPaused { recording } | CallEvent::RecordingResumed { recording } => {
                (Self::new(recording.0), None)
            }
            CallEvent::RecordingEnded { recording, end, duration, lost } => {
                let detail = match end {
                    RecordingEnd::Stopped => "stopped",
                    RecordingEnd::LegClosed => "callEnded",
                    RecordingEnd::Limit => "limit",
                    RecordingEnd::Failed => "failed",
                };
                let (duration_ms, lost_ms) = (millis(duration), millis(lost));
                (Self { duration_ms, lost_ms, ..Self::new(recording.0) }, Some(detail))
            }
            _ => return None,
        })
    }
}

/// The name of a direction of muting.
pub(super) const fn direction_name(direction: MuteDirection) -> &'static str {
    match direction {
        MuteDirection::Sent => "sent",
        MuteDirection::Received => "received",
    }
}
