//! Media actions on calls: playback, recording, muting, and collection of DTMF digits.

use super::ApiState;
use super::actions::{Acting, act, at};
use super::body::{CallPath, JsonBody, invalid};
use super::directory::CallEntry;
use super::json_response;
use super::problem::{Problem, ProblemCode};
use super::views::CallJson;
use crate::media_files::{MediaFileError, RecordingError, RecordingFields};
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use core::time::Duration;
use offhook_b2bua::call::{EndpointKind, LegProgress, ParticipantSnapshot};
use offhook_b2bua::command::{Accepted, CallCommand, CallRef, DigitLimits, Digits, Playback, RecordingAction};
use offhook_media::command::{LegKey, MuteDirection, PlaybackMode, PlaybackSource, Repeat};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Maximum number of digits of a collection.
const MAX_DIGITS: u32 = 64;
/// Bounds of the time-outs of a collection, in milliseconds.
const TIMEOUTS: core::ops::RangeInclusive<u64> = 100..=600_000;

/// The body of `play`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PlayRequest {
    /// The participant that receives the audio; by default all that are connected.
    participant: Option<String>,
    /// A file below the directory of `[media_files]`, or a tone like `tone:440`.
    file: String,
    /// The audio starts again until it is stopped.
    #[serde(default, rename = "loop")]
    is_repeated: bool,
    #[serde(default)]
    mode: PlayModeJson,
}

/// The treatment of the other participant's audio during a playback.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum PlayModeJson {
    /// It is not forwarded.
    #[default]
    Replace,
    /// It is mixed with the playback.
    Mix,
}

/// The body of `stop`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct StopRequest {
    /// The participant that receives the audio; by default all.
    participant: Option<String>,
}

/// The body of `mute` and `unmute`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MuteRequest {
    participant: String,
    #[serde(default)]
    direction: MuteDirectionJson,
}

/// The direction of audio, from the point of view of the participant.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum MuteDirectionJson {
    /// The media that the participant sends.
    #[default]
    Sent,
    /// The media that the participant receives from the other one.
    Received,
}

/// The body of `record`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RecordRequest {
    action: RecordActionJson,
}

/// An action on the recording of a call.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum RecordActionJson {
    Start,
    Stop,
    /// Silence is recorded until `resume`.
    Pause,
    Resume,
}

/// The body of `collect`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CollectRequest {
    /// The participant that sends the digits.
    participant: String,
    /// The collection ends after this number of digits, 1 to 64.
    max_digits: u32,
    /// Digits that end the collection and do not belong to it; `#` by default.
    #[serde(default = "default_terminators")]
    terminators: String,
    /// The time for the first digit in milliseconds, 100 to 600000; 10000 by default.
    #[serde(default = "default_first")]
    first_digit_timeout_ms: u64,
    /// The time between two digits in milliseconds, 100 to 600000; 5000 by default.
    #[serde(default = "default_next")]
    inter_digit_timeout_ms: u64,
}

fn default_terminators() -> String {
    "#".to_owned()
}

const fn default_first() -> u64 {
    10_000
}

const fn default_next() -> u64 {
    5_000
}

/// Operations that were started. Events report their ends with the same identifiers.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OperationsJson {
    operations: Vec<OperationJson>,
}

/// An operation that was started.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OperationJson {
    /// Its identifier, as in the `operation` of events.
    id: String,
    /// The participant that it concerns; null for a recording.
    participant_id: Option<String>,
    /// The file of a recording.
    file: Option<String>,
}

impl CollectRequest {
    fn limits(&self) -> Result<DigitLimits, Problem> {
        let timeout = |name: &str, value: u64| {
            let is_valid = TIMEOUTS.contains(&value);
            let error = || invalid(format!("`{name}` must be {} to {}", TIMEOUTS.start(), TIMEOUTS.end()));
            is_valid.then(|| Duration::from_millis(value)).ok_or_else(error)
        };
        if !(1..=MAX_DIGITS).contains(&self.max_digits) {
            return Err(invalid(format!("`maxDigits` must be 1 to {MAX_DIGITS}")));
        }
        Ok(DigitLimits {
            most: usize::try_from(self.max_digits).unwrap_or(usize::MAX),
            terminators: Digits::parse(&self.terminators)?.as_str().to_owned(),
            first_digit_timeout: timeout("firstDigitTimeoutMs", self.first_digit_timeout_ms)?,
            inter_digit_timeout: timeout("interDigitTimeoutMs", self.inter_digit_timeout_ms)?,
        })
    }
}

/// Plays a file or a tone to a participant, or to all. `playbackEnded` reports the end.
#[utoipa::path(
    post,
    path = "/api/v1/calls/{id}/play",
    operation_id = "play",
    params(
        ("id" = String, Path, description = "The call"),
    ),
    request_body = PlayRequest,
    responses((status = 202, description = "The audio is being played", body = OperationsJson))
)]
pub(super) async fn play(
    (State(api), Extension(grant), CallPath(id)): Acting,
    JsonBody(body): JsonBody<PlayRequest>,
) -> Result<Response, Problem> {
    let call = api.call(&id)?;
    let participants = match &body.participant {
        Some(participant) => vec![at(&call, participant)?],
        None => connected(&call),
    };
    let source = api.audio_source(body.file).await?;
    let repeat = if body.is_repeated { Repeat::Forever } else { Repeat::Once };
    let mode = match body.mode {
        PlayModeJson::Replace => PlaybackMode::Replace,
        PlayModeJson::Mix => PlaybackMode::Mix,
    };
    let mut operations = Vec::new();
    for at in participants {
        let command = CallCommand::Play { at, playback: Playback { source, repeat, mode } };
        if let Accepted::Playing(playback) = api.bridge.execute(command).await? {
            operations.push(operation(playback.0, Some(at.leg), None));
        }
    }
    if operations.is_empty() {
        return Err(Problem::new(ProblemCode::NotEstablished, "no participant is connected"));
    }
    tracing::info!(token = grant.name, call = call.record.call.0, action = "play", "call controlled by the API");
    accepted(operations)
}

/// Stops the playback to a participant, or to all.
#[utoipa::path(
    post,
    path = "/api/v1/calls/{id}/stop",
    operation_id = "stopPlayback",
    params(
        ("id" = String, Path, description = "The call"),
    ),
    request_body = StopRequest,
    responses(
        (status = 200, description = "The call after the action", body = CallJson),
        (status = 204, description = "The call has ended")
    )
)]
pub(super) async fn stop(
    (State(api), Extension(grant), CallPath(id)): Acting,
    JsonBody(body): JsonBody<StopRequest>,
) -> Result<Response, Problem> {
    let call = api.call(&id)?;
    let participants = match &body.participant {
        Some(participant) => vec![at(&call, participant)?],
        None => connected(&call),
    };
    let mut result = Err(Problem::new(ProblemCode::NotPlaying, "nothing is being played"));
    for at in participants {
        let stopped = api.bridge.execute(CallCommand::StopPlayback { at }).await;
        if result.is_err() {
            result = stopped;
        }
    }
    result?;
    tracing::info!(token = grant.name, call = call.record.call.0, action = "stop", "call controlled by the API");
    api.call_response(call.record.call)
}

/// Mutes a participant.
#[utoipa::path(
    post,
    path = "/api/v1/calls/{id}/mute",
    operation_id = "mute",
    params(
        ("id" = String, Path, description = "The call"),
    ),
    request_body = MuteRequest,
    responses(
        (status = 200, description = "The call after the action", body = CallJson),
        (status = 204, description = "The call has ended")
    )
)]
pub(super) async fn mute(acting: Acting, JsonBody(body): JsonBody<MuteRequest>) -> Result<Response, Problem> {
    let direction = body.direction.into();
    act(acting, "mute", |call, _| Ok(CallCommand::Mute { at: at(call, &body.participant)?, direction })).await
}

/// Ends the muting of a participant.
#[utoipa::path(
    post,
    path = "/api/v1/calls/{id}/unmute",
    operation_id = "unmute",
    params(
        ("id" = String, Path, description = "The call"),
    ),
    request_body = MuteRequest,
    responses(
        (status = 200, description = "The call after the action", body = CallJson),
        (status = 204, description = "The call has ended")
    )
)]
pub(super) async fn unmute(acting: Acting, JsonBody(body): JsonBody<MuteRequest>) -> Result<Response, Problem> {
    let direction = body.direction.into();
    act(acting, "unmute", |call, _| Ok(CallCommand::Unmute { at: at(call, &body.participant)?, direction })).await
}

/// Starts, pauses, resumes or stops the recording of a call. `recordingEnded` reports its end; the file is then completed.
#[utoipa::path(
    post,
    path = "/api/v1/calls/{id}/record",
    operation_id = "record",
    params(
        ("id" = String, Path, description = "The call"),
    ),
    request_body = RecordRequest,
    responses(
        (status = 200, description = "The call after `stop`, `pause` or `resume`", body = CallJson),
        (status = 202, description = "The call is being recorded", body = OperationsJson),
        (status = 204, description = "The call has ended")
    )
)]
pub(super) async fn record(acting: Acting, JsonBody(body): JsonBody<RecordRequest>) -> Result<Response, Problem> {
    let (action, name) = match body.action {
        RecordActionJson::Start => return start_recording(acting).await,
        RecordActionJson::Stop => (RecordingAction::Stop, "stop recording"),
        RecordActionJson::Pause => (RecordingAction::Pause, "pause recording"),
        RecordActionJson::Resume => (RecordingAction::Resume, "resume recording"),
    };
    act(acting, name, |call, _| Ok(CallCommand::ControlRecording { call: call.record.call, action })).await
}

async fn start_recording((State(api), Extension(grant), CallPath(id)): Acting) -> Result<Response, Problem> {
    let entry = api.call(&id)?;
    let call = entry.record.call;
    // Checked first, so that no file is created for a command that is refused.
    if !entry.snapshot.participants.iter().any(is_connected) {
        return Err(Problem::new(ProblemCode::NotEstablished, "the call is not established"));
    }
    let fields = RecordingFields {
        call: call.0.to_string(),
        caller: entry.record.from.clone(),
        callee: entry.record.to.clone(),
        started_at: api.clock.now(),
    };
    let audio = Arc::clone(&api.audio);
    let started = tokio::task::spawn_blocking(move || audio.recordings.start(&fields)).await;
    let started = started.map_err(|_| Problem::new(ProblemCode::InternalError, "the recording was not started"))??;
    let file = started.path.display().to_string();
    let command = CallCommand::Record { call, recording: started.id, file: file.clone() };
    if let Err(problem) = api.bridge.execute(command).await {
        let audio = Arc::clone(&api.audio);
        // Awaited, so that the response follows the removal; a panic is reported by its own message.
        let _ = tokio::task::spawn_blocking(move || audio.recordings.discard(&started)).await;
        return Err(problem);
    }
    tracing::info!(token = grant.name, call = call.0, action = "record", "call controlled by the API");
    accepted(vec![operation(started.id.0, None, Some(file))])
}

/// Collects the DTMF digits that a participant sends. `digitsCollected` reports them.
#[utoipa::path(
    post,
    path = "/api/v1/calls/{id}/collect",
    operation_id = "collectDigits",
    params(
        ("id" = String, Path, description = "The call"),
    ),
    request_body = CollectRequest,
    responses((status = 202, description = "Digits are being collected", body = OperationsJson))
)]
pub(super) async fn collect(
    (State(api), Extension(grant), CallPath(id)): Acting,
    JsonBody(body): JsonBody<CollectRequest>,
) -> Result<Response, Problem> {
    let limits = body.limits()?;
    let call = api.call(&id)?;
    let at = at(&call, &body.participant)?;
    let Accepted::Collecting(collection) = api.bridge.execute(CallCommand::CollectDigits { at, limits }).await? else {
        return Err(Problem::new(ProblemCode::InternalError, "no digits are being collected"));
    };
    tracing::info!(token = grant.name, call = call.record.call.0, action = "collect", "call controlled by the API");
    accepted(vec![operation(collection.0, Some(at.leg), None)])
}

impl From<MuteDirectionJson> for MuteDirection {
    fn from(direction: MuteDirectionJson) -> Self {
        match direction {
            MuteDirectionJson::Sent => Self::Sent,
            MuteDirectionJson::Received => Self::Received,
        }
    }
}

impl ApiState {
    /// Returns the audio with this name. The file is read by another thread.
    pub(super) async fn audio_source(&self, name: String) -> Result<PlaybackSource, Problem> {
        let audio = Arc::clone(&self.audio);
        let opened = tokio::task::spawn_blocking(move || audio.files.open(&name)).await;
        Ok(opened.map_err(|_| Problem::new(ProblemCode::InternalError, "the file was not read"))??)
    }
}

impl From<MediaFileError> for Problem {
    fn from(error: MediaFileError) -> Self {
        let code = match &error {
            MediaFileError::NotConfigured => ProblemCode::NotConfigured,
            MediaFileError::BadName => ProblemCode::InvalidField,
            MediaFileError::NotFound => ProblemCode::UnknownFile,
            MediaFileError::TooLarge(_) | MediaFileError::Unsupported(_) | MediaFileError::Malformed(_) => {
                ProblemCode::UnusableFile
            }
            MediaFileError::Unreadable(_) => ProblemCode::InternalError,
        };
        Self::new(code, error.to_string())
    }
}

impl From<RecordingError> for Problem {
    fn from(error: RecordingError) -> Self {
        let code = match &error {
            RecordingError::NotConfigured => ProblemCode::NotConfigured,
            RecordingError::DiskFull | RecordingError::TotalReached => ProblemCode::NoDiskSpace,
            RecordingError::NotCreated(_) => ProblemCode::InternalError,
        };
        Self::new(code, error.to_string())
    }
}

/// Returns the participants that are connected, except the application.
pub(super) fn connected(call: &CallEntry) -> Vec<CallRef> {
    let participants = call.snapshot.participants.iter().filter(|one| is_connected(one));
    participants.map(|one| CallRef { call: call.record.call, leg: one.leg }).collect()
}

fn is_connected(participant: &ParticipantSnapshot) -> bool {
    participant.progress == LegProgress::Connected && participant.endpoint != EndpointKind::Application
}

fn operation(id: u64, participant: Option<LegKey>, file: Option<String>) -> OperationJson {
    OperationJson { id: id.to_string(), participant_id: participant.map(|leg| leg.0.to_string()), file }
}

fn accepted(operations: Vec<OperationJson>) -> Result<Response, Problem> {
    let mut response = json_response(&OperationsJson { operations })?;
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}
