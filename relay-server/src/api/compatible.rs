//! `/rest-api`: the REST API of the Flashphoner server, as far as it concerns calls and connections.
//!
//! It represents calls as that server does: one object for each browser in a call, with the identifier of the call in
//! the browser's session, and one for the application, with the identifier that it has chosen. A call without both has one
//! object, with the identifier of its first participant.

use super::actions::parse_digits;
use super::body::{Fields, invalid};
use super::calls::DEFAULT_CALLER;
use super::directory::CallEntry;
use super::media::connected;
use super::problem::{Problem, ProblemCode};
use super::{ApiState, json_response};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use offhook_b2bua::address::Address;
use offhook_b2bua::call::{DtmfMethod, LegProgress, ParticipantSnapshot, SessionId};
use offhook_b2bua::command::{ApplicationCall, CallCommand, CallRef, CallingAccount, Playback, ReferOptions};
use offhook_b2bua::relay::SessionSnapshot;
use offhook_media::command::{MuteDirection, PlaybackMode, Repeat};
use offhook_signaling::message::SipOptions;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// The name of that server's default application. All calls and connections of the relay belong to it.
const APPLICATION: &str = "defaultApp";
/// Maximum number of connections in a response.
const MAX_CONNECTIONS: usize = 500;

/// A call, as seen by one browser or by the application.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CallObjectJson {
    node_id: &'static str,
    app_key: &'static str,
    session_id: String,
    call_id: String,
    incoming: bool,
    status: &'static str,
    sip_status: u16,
    caller: String,
    callee: String,
    visible_name: String,
    has_audio: bool,
    has_video: bool,
    media_provider: &'static str,
    is_msrp: bool,
    custom: serde_json::Map<String, Value>,
    #[serde(skip)]
    at: CallRef,
}

/// A connection, which is a client session here.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ConnectionJson {
    node_id: &'static str,
    app_key: &'static str,
    session_id: String,
    sip_login: String,
    status: &'static str,
}

pub(super) async fn find_all_calls(State(api): State<Arc<ApiState>>) -> Result<Response, Problem> {
    found(&api.call_objects(), ProblemCode::UnknownCall)
}

pub(super) async fn find_calls(State(api): State<Arc<ApiState>>, fields: Fields) -> Result<Response, Problem> {
    found(&api.matching_calls(&fields), ProblemCode::UnknownCall)
}

pub(super) async fn terminate_call(State(api): State<Arc<ApiState>>, fields: Fields) -> Result<Response, Problem> {
    let at = api.one_call(&fields)?;
    api.execute(CallCommand::HangUp { at, reason: None }).await
}

/// An addition to that API: the participant puts the other one on hold.
pub(super) async fn hold(State(api): State<Arc<ApiState>>, fields: Fields) -> Result<Response, Problem> {
    let at = api.one_call(&fields)?;
    api.execute(CallCommand::Hold { at }).await
}

/// An addition to that API: the participant ends its hold.
pub(super) async fn unhold(State(api): State<Arc<ApiState>>, fields: Fields) -> Result<Response, Problem> {
    let at = api.one_call(&fields)?;
    api.execute(CallCommand::Resume { at }).await
}

/// An addition to that API: the participant transfers the other one.
pub(super) async fn transfer(State(api): State<Arc<ApiState>>, fields: Fields) -> Result<Response, Problem> {
    let at = api.one_call(&fields)?;
    let target = fields.get("target").filter(|target| !target.is_empty());
    let target = Address::parse(target.ok_or_else(|| invalid("`target` must not be empty".to_owned()))?);
    api.execute(CallCommand::TransferBlind { at, target, refer: ReferOptions::default() }).await
}

pub(super) async fn send_dtmf(State(api): State<Arc<ApiState>>, fields: Fields) -> Result<Response, Problem> {
    let at = api.one_call(&fields)?;
    let digits = parse_digits(fields.get("dtmf").unwrap_or_default())?;
    let method = match fields.get("type") {
        None | Some("RFC2833" | "") => DtmfMethod::TelephoneEvent,
        Some("INFO") => DtmfMethod::Info,
        Some("INFO_RELAY") => DtmfMethod::InfoRelay,
        Some(_) => return Err(invalid("`type` must be RFC2833, INFO or INFO_RELAY".to_owned())),
    };
    api.execute(CallCommand::SendDtmf { at, method, digits }).await
}

/// An addition to that API: what the participant sends is not forwarded.
pub(super) async fn mute(State(api): State<Arc<ApiState>>, fields: Fields) -> Result<Response, Problem> {
    let at = api.one_call(&fields)?;
    api.execute(CallCommand::Mute { at, direction: MuteDirection::Sent }).await
}

/// An addition to that API: ends the muting.
pub(super) async fn unmute(State(api): State<Arc<ApiState>>, fields: Fields) -> Result<Response, Problem> {
    let at = api.one_call(&fields)?;
    api.execute(CallCommand::Unmute { at, direction: MuteDirection::Sent }).await
}

/// Plays a file to the other participants of the call.
pub(super) async fn inject_sound(State(api): State<Arc<ApiState>>, fields: Fields) -> Result<Response, Problem> {
    let from = api.one_call(&fields)?;
    let source = api.audio_source(fields.get("fileName").unwrap_or_default().to_owned()).await?;
    let playback = Playback { source, repeat: Repeat::Once, mode: PlaybackMode::Replace };
    let call = api.directory.call(from.call);
    let others = call.iter().flat_map(|call| connected(call)).filter(|at| at.leg != from.leg);
    let mut result = Err(Problem::new(ProblemCode::NotEstablished, "the call has no other participant"));
    for at in others {
        result = api.execute(CallCommand::Play { at, playback }).await;
    }
    result
}

/// Places a call of the application. Without a SIP domain or proxy, users of the relay are called, or the trunk.
pub(super) async fn start_call(State(api): State<Arc<ApiState>>, fields: Fields) -> Result<Response, Problem> {
    api.accepts_calls()?;
    let text = |name: &str| fields.get(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let needed = |name: &str| text(name).ok_or_else(|| invalid(format!("`{name}` must not be empty")));
    let (call_id, callee) = (needed("callId")?, needed("callee")?);
    let options = SipOptions {
        login: text("sipLogin"),
        authentication_name: text("sipAuthenticationName"),
        password: text("sipPassword"),
        domain: text("sipDomain"),
        outbound_proxy: text("sipOutboundProxy"),
        port: text("sipPort"),
        register_required: Some(fields.get("sipRegisterRequired") == Some("true")),
        ..SipOptions::default()
    };
    let caller = options.login.clone().unwrap_or_else(|| DEFAULT_CALLER.to_owned());
    let call = ApplicationCall {
        call_id: Some(call_id.as_str().into()),
        caller: Address::parse(&caller),
        callee: Address::parse(&callee),
        visible_name: text("visibleName"),
        anonymous: false,
        account: CallingAccount::Given(Box::new(options)),
    };
    api.execute(CallCommand::Start(Box::new(call))).await
}

pub(super) async fn find_all_connections(State(api): State<Arc<ApiState>>) -> Result<Response, Problem> {
    found(&api.connections(Fields::default()).await?, ProblemCode::UnknownSession)
}

pub(super) async fn find_connections(State(api): State<Arc<ApiState>>, fields: Fields) -> Result<Response, Problem> {
    found(&api.connections(fields).await?, ProblemCode::UnknownSession)
}

/// Ends a client session.
pub(super) async fn terminate_connection(
    State(api): State<Arc<ApiState>>,
    fields: Fields,
) -> Result<Response, Problem> {
    let session = fields.get("sessionId").and_then(|id| id.parse().ok()).map(SessionId);
    let unknown = || Problem::new(ProblemCode::UnknownSession, "there is no such connection");
    api.execute(CallCommand::EndSession { session: session.ok_or_else(unknown)? }).await
}

/// The response to a search: an array that is not empty, else 404.
fn found<T: Serialize>(objects: &[T], none: ProblemCode) -> Result<Response, Problem> {
    if objects.is_empty() { Err(Problem::new(none, "nothing matches")) } else { json_response(&objects) }
}

impl ApiState {
    /// Executes a command. The response is empty, as the stock client expects.
    async fn execute(&self, command: CallCommand) -> Result<Response, Problem> {
        self.bridge.execute(command).await?;
        Ok(StatusCode::OK.into_response())
    }

    fn call_objects(&self) -> Vec<CallObjectJson> {
        self.directory.calls().iter().flat_map(|call| objects(call)).collect()
    }

    /// Returns the calls that match all fields. A field that calls of this relay do not have matches no call, unless it is
    /// empty.
    fn matching_calls(&self, fields: &Fields) -> Vec<CallObjectJson> {
        let matches = |call: &CallObjectJson| {
            let object = serde_json::to_value(call).unwrap_or_default();
            fields.iter().all(|(name, wanted)| match object.get(name) {
                Some(Value::String(text)) => text == wanted,
                Some(Value::Number(number)) => wanted.parse() == Ok(number.as_u64().unwrap_or_default()),
                Some(Value::Bool(truth)) => wanted == if *truth { "true" } else { "false" },
                Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => wanted.is_empty(),
            })
        };
        self.call_objects().into_iter().filter(matches).collect()
    }

    fn one_call(&self, fields: &Fields) -> Result<CallRef, Problem> {
        let wanted = fields.only(&["callId", "sessionId"]);
        let unknown = || Problem::new(ProblemCode::UnknownCall, "there is no call with this `callId`");
        if wanted.get("callId").is_none() {
            return Err(unknown());
        }
        match &self.matching_calls(&wanted)[..] {
            [] => Err(unknown()),
            [call] => Ok(call.at),
            _ => {
                let detail = "calls of several sessions have this `callId`: add `sessionId`";
                Err(Problem::new(ProblemCode::AmbiguousCall, detail))
            }
        }
    }

    async fn connections(&self, fields: Fields) -> Result<Vec<ConnectionJson>, Problem> {
        let view = move |relay: &offhook_b2bua::relay::Relay| {
            let is = |name: &str, value: &str| fields.get(name).is_none_or(|wanted| wanted == value);
            let matches = |connection: &ConnectionJson| {
                is("sessionId", &connection.session_id)
                    && is("sipLogin", &connection.sip_login)
                    && is("status", connection.status)
            };
            relay.sessions().map(ConnectionJson::from).filter(matches).take(MAX_CONNECTIONS).collect()
        };
        self.bridge.view(view).await
    }
}

impl From<SessionSnapshot<'_>> for ConnectionJson {
    fn from(session: SessionSnapshot<'_>) -> Self {
        Self {
            node_id: "",
            app_key: APPLICATION,
            session_id: session.id.0.to_string(),
            sip_login: session.login.unwrap_or_default().to_owned(),
            status: if session.is_connected { "ESTABLISHED" } else { "DISCONNECTED" },
        }
    }
}

/// Returns the objects of a call.
fn objects(call: &CallEntry) -> Vec<CallObjectJson> {
    let participants = &call.snapshot.participants;
    let has_id =
        |participant: &&ParticipantSnapshot| participant.browser.is_some() || participant.application.is_some();
    let mut shown: Vec<&ParticipantSnapshot> = participants.iter().filter(has_id).collect();
    if shown.is_empty() {
        shown = participants.iter().take(1).collect();
    }
    shown.into_iter().map(|participant| object(call, participant)).collect()
}

fn object(call: &CallEntry, participant: &ParticipantSnapshot) -> CallObjectJson {
    let browser = participant.browser.as_ref();
    let id = browser.map(|(_, id)| id).or(participant.application.as_ref());
    let is_alerting = call.snapshot.participants.iter().any(|one| one.progress == LegProgress::Alerting);
    let (status, sip_status) = match participant.progress {
        LegProgress::Calling if !is_alerting => ("TRYING", 100),
        LegProgress::Calling | LegProgress::Alerting => ("RING", 180),
        LegProgress::Connected if participant.is_holding => ("HOLD", 200),
        LegProgress::Connected => ("ESTABLISHED", 200),
    };
    let has_video = call.record.codecs.iter().any(|codec| is_video(codec));
    CallObjectJson {
        node_id: "",
        app_key: APPLICATION,
        session_id: browser.map(|(session, _)| session.0.to_string()).unwrap_or_default(),
        call_id: id.map_or_else(|| participant.leg.0.to_string(), |id| id.as_str().to_owned()),
        incoming: participant.is_incoming,
        status,
        sip_status,
        caller: participant.caller.clone(),
        callee: participant.callee.clone(),
        visible_name: participant.visible_name.clone(),
        has_audio: true,
        has_video,
        media_provider: "WebRTC",
        is_msrp: false,
        custom: serde_json::Map::new(),
        at: CallRef { call: call.record.call, leg: participant.leg },
    }
}

fn is_video(codec: &str) -> bool {
    ["VP8", "VP9", "H263", "H264", "H265", "AV1"].iter().any(|video| codec.eq_ignore_ascii_case(video))
}
