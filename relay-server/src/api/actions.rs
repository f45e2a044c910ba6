//! Actions on calls: `POST /api/v1/calls/{id}/…`. Each is one command of the call model on behalf of a participant.

use super::ApiState;
use super::body::{CallPath, JsonBody, invalid};
use super::directory::CallEntry;
use super::problem::{Problem, ProblemCode, ProblemJson};
use super::token::Grant;
use super::views::CallJson;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use offhook_b2bua::address::Address;
use offhook_b2bua::call::{DtmfMethod, LegProgress, ParticipantRole, ParticipantSnapshot};
use offhook_b2bua::command::{CallCommand, CallRef, CommandError, Digits, ReferOptions};
use offhook_signaling::reason::EndReason;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Maximum number of digits in one request.
const MAX_DIGITS: u32 = 64;

/// The participant on behalf of which an action is executed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ParticipantRequest {
    /// Its identifier, or `caller` or `callee`.
    participant: String,
}

/// The body of `hangup`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct HangUpRequest {
    /// The participant that leaves; by default the first one that is not being alerted, usually the caller.
    participant: Option<String>,
    /// The reason for the other participants; by default that of the state of the call.
    reason: Option<HangUpReasonJson>,
}

/// A reason to hang up. The SIP status is that of the same end reason of a call.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum HangUpReasonJson {
    /// A normal end, without a status.
    HungUp,
    /// 603.
    Rejected,
    /// 486.
    Busy,
    /// 480.
    Unavailable,
    /// 408, or 480 in the response to an INVITE.
    NoAnswer,
    /// 404.
    NotFound,
    /// 403.
    Forbidden,
}

impl From<HangUpReasonJson> for EndReason {
    fn from(reason: HangUpReasonJson) -> Self {
        match reason {
            HangUpReasonJson::HungUp => Self::HungUp,
            HangUpReasonJson::Rejected => Self::Rejected,
            HangUpReasonJson::Busy => Self::Busy,
            HangUpReasonJson::Unavailable => Self::Unavailable,
            HangUpReasonJson::NoAnswer => Self::NoAnswer,
            HangUpReasonJson::NotFound => Self::NotFound,
            HangUpReasonJson::Forbidden => Self::Forbidden,
        }
    }
}

/// The body of `dtmf`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DtmfRequest {
    /// The sender; the other participant receives the digits.
    participant: String,
    /// `0` to `9`, `A` to `D`, `*` and `#`.
    #[schema(pattern = "^[0-9A-Da-d*#]{1,64}$")]
    digits: String,
    /// The method toward a SIP endpoint.
    #[serde(default)]
    method: DtmfMethodJson,
}

/// A method to send DTMF digits.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum DtmfMethodJson {
    /// RFC 4733.
    #[default]
    TelephoneEvent,
    /// INFO with `application/dtmf`.
    Info,
    /// INFO with `application/dtmf-relay`.
    InfoRelay,
}

/// The body of `transfer`: either `target`, or `otherCall`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TransferRequest {
    /// The transferor, which leaves the call.
    participant: String,
    /// The target that is to be called.
    target: Option<String>,
    /// The other call of the transferor, whose other participant is the target.
    other_call: Option<String>,
    /// The transferor in that call; by default the participant of the same client session.
    other_participant: Option<String>,
}

/// The parts of a request for an action: the state of the API, the permission of the token, and the call.
pub(super) type Acting = (State<Arc<ApiState>>, Extension<Grant>, CallPath);

/// Puts the other participant on hold.
#[utoipa::path(
    post,
    path = "/api/v1/calls/{id}/hold",
    operation_id = "hold",
    params(
        ("id" = String, Path, description = "The call"),
    ),
    request_body = ParticipantRequest,
    responses(
        (status = 200, description = "The call after the action", body = CallJson),
        (status = 204, description = "The call has ended")
    )
)]
pub(super) async fn hold(acting: Acting, JsonBody(body): JsonBody<ParticipantRequest>) -> Result<Response, Problem> {
    act(acting, "hold", |call, _| Ok(CallCommand::Hold { at: at(call, &body.participant)? })).await
}

/// Ends the hold of the other participant.
#[utoipa::path(
    post,
    path = "/api/v1/calls/{id}/resume",
    operation_id = "resume",
    params(
        ("id" = String, Path, description = "The call"),
    ),
    request_body = ParticipantRequest,
    responses(
        (status = 200, description = "The call after the action", body = CallJson),
        (status = 204, description = "The call has ended")
    )
)]
pub(super) async fn resume(acting: Acting, JsonBody(body): JsonBody<ParticipantRequest>) -> Result<Response, Problem> {
    act(acting, "resume", |call, _| Ok(CallCommand::Resume { at: at(call, &body.participant)? })).await
}

/// Hangs up, cancels or rejects, according to the state of the call.
#[utoipa::path(
    post,
    path = "/api/v1/calls/{id}/hangup",
    operation_id = "hangUp",
    params(
        ("id" = String, Path, description = "The call"),
    ),
    request_body = HangUpRequest,
    responses(
        (status = 200, description = "The call after the action", body = CallJson),
        (status = 204, description = "The call has ended")
    )
)]
pub(super) async fn hang_up(acting: Acting, JsonBody(body): JsonBody<HangUpRequest>) -> Result<Response, Problem> {
    let HangUpRequest { participant, reason } = body;
    act(acting, "hangup", |call, _| {
        let at = match &participant {
            Some(participant) => at(call, participant)?,
            None => first(call)?,
        };
        Ok(CallCommand::HangUp { at, reason: reason.map(EndReason::from) })
    })
    .await
}

/// Sends DTMF digits to the other participant.
#[utoipa::path(
    post,
    path = "/api/v1/calls/{id}/dtmf",
    operation_id = "sendDtmf",
    params(
        ("id" = String, Path, description = "The call"),
    ),
    request_body = DtmfRequest,
    responses(
        (status = 200, description = "The call after the action", body = CallJson),
        (status = 204, description = "The call has ended")
    )
)]
pub(super) async fn dtmf(acting: Acting, JsonBody(body): JsonBody<DtmfRequest>) -> Result<Response, Problem> {
    let DtmfRequest { participant, digits, method } = body;
    let digits = parse_digits(&digits)?;
    let method = match method {
        DtmfMethodJson::TelephoneEvent => DtmfMethod::TelephoneEvent,
        DtmfMethodJson::Info => DtmfMethod::Info,
        DtmfMethodJson::InfoRelay => DtmfMethod::InfoRelay,
    };
    act(acting, "dtmf", |call, _| Ok(CallCommand::SendDtmf { at: at(call, &participant)?, method, digits })).await
}

/// Transfers the other participant.
#[utoipa::path(
    post,
    path = "/api/v1/calls/{id}/transfer",
    operation_id = "transfer",
    params(
        ("id" = String, Path, description = "The call"),
    ),
    request_body = TransferRequest,
    responses(
        (status = 200, description = "The call after the action", body = CallJson),
        (status = 204, description = "The call has ended")
    )
)]
pub(super) async fn transfer(acting: Acting, JsonBody(body): JsonBody<TransferRequest>) -> Result<Response, Problem> {
    let TransferRequest { participant, target, other_call, other_participant } = body;
    act(acting, "transfer", |call, api| {
        let at = at(call, &participant)?;
        match (target, other_call) {
            (Some(target), None) if other_participant.is_none() && !target.is_empty() => {
                let target = Address::parse(&target);
                Ok(CallCommand::TransferBlind { at, target, refer: ReferOptions::default() })
            }
            (None, Some(other)) => {
                let other = api.call(&other)?;
                let other = match &other_participant {
                    Some(participant) => self::at(&other, participant)?,
                    None => same_session(call, at, &other)?,
                };
                Ok(CallCommand::TransferAttended { at, other })
            }
            _ => Err(invalid("a transfer needs either `target` or `otherCall`".to_owned())),
        }
    })
    .await
}

/// Answers a call. Not implemented yet.
#[utoipa::path(
    post,
    path = "/api/v1/calls/{id}/answer",
    operation_id = "answerCall",
    params(
        ("id" = String, Path, description = "The call"),
    ),
    responses((status = 501, description = "Not implemented", body = ProblemJson, content_type = "application/problem+json"))
)]
pub(super) async fn answer(State(api): State<Arc<ApiState>>, CallPath(id): CallPath) -> Result<Response, Problem> {
    api.call(&id)?;
    let detail = "an answer needs the session description of the callee's page, so that only the page can answer";
    Err(Problem::new(ProblemCode::NotImplemented, detail))
}

/// Parses the digits of a request.
pub(super) fn parse_digits(text: &str) -> Result<Digits, Problem> {
    let digits = Digits::parse(text)?;
    match digits.as_str().len() {
        0 => Err(invalid("there are no digits".to_owned())),
        length if length > MAX_DIGITS as usize => Err(CommandError::TooManyDigits { most: MAX_DIGITS }.into()),
        _ => Ok(digits),
    }
}

/// Executes the command of an action.
pub(super) async fn act(
    (State(api), Extension(grant), CallPath(id)): Acting,
    action: &'static str,
    command: impl FnOnce(&CallEntry, &ApiState) -> Result<CallCommand, Problem>,
) -> Result<Response, Problem> {
    let call = api.call(&id)?;
    let command = command(&call, &api)?;
    api.bridge.execute(command).await?;
    tracing::info!(token = grant.name, call = call.record.call.0, action, "call controlled by the API");
    api.call_response(call.record.call)
}

/// Returns the participant with this identifier or role.
pub(super) fn at(call: &CallEntry, name: &str) -> Result<CallRef, Problem> {
    let role = match name {
        "caller" => Some(ParticipantRole::Caller),
        "callee" => Some(ParticipantRole::Callee),
        _ => None,
    };
    let is_named = |participant: &&ParticipantSnapshot| match role {
        Some(role) => participant.role == role,
        None => participant.leg.0.to_string() == name,
    };
    let mut named = call.snapshot.participants.iter().filter(is_named);
    let unknown = || Problem::new(ProblemCode::UnknownParticipant, "the call has no such participant");
    let participant = named.next().ok_or_else(unknown)?;
    if named.next().is_some() {
        let detail = "several callees are being alerted: use the identifier of one of them";
        return Err(Problem::new(ProblemCode::AmbiguousParticipant, detail));
    }
    Ok(reference(call, participant))
}

/// Returns the participant whose hang-up ends the whole call: the first one that is not being alerted.
fn first(call: &CallEntry) -> Result<CallRef, Problem> {
    let found = call.snapshot.participants.iter().find(|participant| participant.progress != LegProgress::Alerting);
    let found = found.ok_or_else(|| Problem::new(ProblemCode::UnknownParticipant, "the call has no participant"))?;
    Ok(reference(call, found))
}

/// Returns the participant of `other` that belongs to the client session of the participant `at` of `call`.
fn same_session(call: &CallEntry, at: CallRef, other: &CallEntry) -> Result<CallRef, Problem> {
    let session = |participant: &ParticipantSnapshot| participant.browser.as_ref().map(|(session, _)| *session);
    let own = call.snapshot.participants.iter().find(|participant| participant.leg == at.leg).and_then(session);
    let found = other.snapshot.participants.iter().find(|participant| own.is_some() && session(participant) == own);
    let found = found.ok_or_else(|| {
        let detail = "no participant of `otherCall` belongs to the same client session: add `otherParticipant`";
        Problem::new(ProblemCode::UnknownParticipant, detail)
    })?;
    Ok(reference(other, found))
}

const fn reference(call: &CallEntry, participant: &ParticipantSnapshot) -> CallRef {
    CallRef { call: call.record.call, leg: participant.leg }
}
