//! `/rest-api`: the REST API of the Flashphoner server, as far as it concerns calls and connections.
//!
//! It represents calls as that server does: one object for each browser in a call, with the identifier of the call in
//! the browser's session. A call without browsers has one object, with the identifier of its first participant.

use super::actions::parse_digits;
use super::body::Fields;
use super::directory::CallEntry;
use super::problem::{Problem, ProblemCode};
use super::{ApiState, json_response};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use offhook_b2bua::call::{DtmfMethod, LegProgress, ParticipantSnapshot};
use offhook_b2bua::command::{CallCommand, CallRef};
use offhook_b2bua::relay::SessionSnapshot;
use serde::Serialize;
use std::sync::Arc;

/// The name of that server's default application. All calls and connections of the relay belong to it.
const APPLICATION: &str = "defaultApp";
/// Maximum number of connections in a response.
const MAX_CONNECTIONS: usize = 500;

/// A call, as seen by one browser.
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
    custom: serde_json::Map<String, serde_json::Value>,
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
    api.bridge.execute(CallCommand::HangUp { at }).await?;
    Ok(StatusCode::OK.into_response())
}

pub(super) async fn send_dtmf(State(api): State<Arc<ApiState>>, fields: Fields) -> Result<Response, Problem> {
    let at = api.one_call(&fields)?;
    let digits = parse_digits(fields.get("dtmf").unwrap_or_default())?;
    let method = match fields.get("type") {
        None | Some("RFC2833" | "") => DtmfMethod::TelephoneEvent,
        Some("INFO") => DtmfMethod::Info,
        Some("INFO_RELAY") => DtmfMethod::InfoRelay,
        Some(_) => return Err(super::body::invalid("`type` must be RFC2833, INFO or INFO_RELAY".to_owned())),
    };
    api.bridge.execute(CallCommand::SendDtmf { at, method, digits }).await?;
    Ok(StatusCode::OK.into_response())
}

/// Rejects a request to play a file, which the relay does not support yet.
pub(super) async fn inject_sound(State(api): State<Arc<ApiState>>, fields: Fields) -> Result<Response, Problem> {
    api.one_call(&fields)?;
    Err(Problem::new(ProblemCode::Unsupported, "the relay cannot play files yet"))
}

/// Rejects a request to place a call without a browser, which the relay does not support yet.
pub(super) async fn start_call(State(api): State<Arc<ApiState>>, fields: Fields) -> Result<Response, Problem> {
    let call_id = fields.get("callId").unwrap_or_default();
    if api.call_objects().iter().any(|call| call.call_id == call_id) {
        return Err(Problem::new(ProblemCode::CallIdInUse, "there is a call with this `callId` already"));
    }
    Err(Problem::new(ProblemCode::Unsupported, "the relay cannot place calls without a browser yet"))
}

pub(super) async fn find_all_connections(State(api): State<Arc<ApiState>>) -> Result<Response, Problem> {
    found(&api.connections(Fields::default()).await?, ProblemCode::UnknownSession)
}

pub(super) async fn find_connections(State(api): State<Arc<ApiState>>, fields: Fields) -> Result<Response, Problem> {
    found(&api.connections(fields).await?, ProblemCode::UnknownSession)
}

/// Rejects a request to end a client session, which the relay does not support yet.
pub(super) async fn terminate_connection(
    State(api): State<Arc<ApiState>>,
    fields: Fields,
) -> Result<Response, Problem> {
    if fields.get("sessionId").is_none() || api.connections(fields).await?.is_empty() {
        return Err(Problem::new(ProblemCode::UnknownSession, "there is no such connection"));
    }
    Err(Problem::new(ProblemCode::Unsupported, "the relay cannot end a connection by a request yet"))
}

/// The response to a search: an array that is not empty, else 404.
fn found<T: Serialize>(objects: &[T], none: ProblemCode) -> Result<Response, Problem> {
    if objects.is_empty() { Err(Problem::new(none, "nothing matches")) } else { json_response(&objects) }
}

impl ApiState {
    fn call_objects(&self) -> Vec<CallObjectJson> {
        self.directory.calls().iter().flat_map(|call| objects(call)).collect()
    }

    /// Returns the calls that match all fields. A field that calls of this relay do not have matches no call.
    fn matching_calls(&self, fields: &Fields) -> Vec<CallObjectJson> {
        let is = |name: &str, value: &str| fields.get(name).is_none_or(|wanted| wanted == value);
        let has_rtmp = fields.get("rtmpUrl").is_some_and(|url| !url.is_empty());
        let matches = |call: &CallObjectJson| {
            is("callId", &call.call_id)
                && is("sessionId", &call.session_id)
                && is("caller", &call.caller)
                && is("callee", &call.callee)
                && is("status", call.status)
                && !has_rtmp
        };
        self.call_objects().into_iter().filter(matches).collect()
    }

    fn one_call(&self, fields: &Fields) -> Result<CallRef, Problem> {
        let wanted = fields.only(&["callId", "sessionId"]);
        let unknown = || Problem::new(ProblemCode::UnknownCall, "there is no call with this `callId`");
        if wanted.get("callId").is_none() {
            return Err(unknown());
        }
        self.matching_calls(&wanted).first().map(|call| call.at).ok_or_else(unknown)
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
    let browsers = || participants.iter().filter(|participant| participant.browser.is_some());
    let shown = if browsers().next().is_some() { browsers().collect() } else { participants.iter().take(1).collect() };
    let shown: Vec<&ParticipantSnapshot> = shown;
    shown.into_iter().map(|participant| object(call, participant)).collect()
}

fn object(call: &CallEntry, participant: &ParticipantSnapshot) -> CallObjectJson {
    let browser = participant.browser.as_ref();
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
        call_id: browser.map_or_else(|| participant.leg.0.to_string(), |(_, id)| id.as_str().to_owned()),
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
