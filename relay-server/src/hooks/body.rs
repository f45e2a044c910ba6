//! Bodies of requests, in the terms of the Flashphoner server.

use offhook_b2bua::authorization::{SessionApplicant, SessionGrant};
use offhook_b2bua::call::{CallSnapshot, LegProgress, ParticipantSnapshot, SessionId};
use offhook_media::command::LegKey;
use offhook_signaling::message::{ClientMessage, ConnectionMessage, SipOptions};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// A JSON object.
pub(super) type Object = Map<String, Value>;

/// Returns the fields of every request. An answer cannot change them.
pub(super) fn context(session: Option<SessionId>, app_key: &str) -> Object {
    let mut body = Object::new();
    body.insert("nodeId".to_owned(), "".into());
    let session = session.map(|session| session.0.to_string()).unwrap_or_default();
    body.insert("sessionId".to_owned(), session.into());
    body.insert("appKey".to_owned(), app_key.into());
    body
}

/// Adds the fields of a value that is serialized as an object, except for those that the body has already.
pub(super) fn extend(body: &mut Object, value: &impl Serialize) {
    if let Ok(Value::Object(fields)) = serde_json::to_value(value) {
        for (name, value) in fields {
            body.entry(name).or_insert(value);
        }
    }
}

/// Returns the body of `connect`.
pub(super) fn connect(session: SessionId, applicant: &SessionApplicant) -> Object {
    let mut body = connection(session, &applicant.hello, "PENDING");
    if let Some(password) = &applicant.password {
        body.insert("sipPassword".to_owned(), password.reveal().into());
    }
    body.insert("remoteAddress".to_owned(), applicant.address.to_string().into());
    body.insert("authenticated".to_owned(), applicant.verified.is_some().into());
    body
}

/// Returns the fields of a connection.
pub(super) fn connection(session: SessionId, hello: &ConnectionMessage, status: &str) -> Object {
    let mut body = context(Some(session), &hello.app_key);
    extend(&mut body, hello);
    // The token admits to the session.
    body.remove("authToken");
    body.insert("status".to_owned(), status.into());
    body
}

/// Returns the grant of an answer to `connect`, without policies. `changes` are the fields that the application has
/// changed.
pub(super) fn session_grant(applicant: &SessionApplicant, changes: &Object) -> SessionGrant {
    let text = |name: &str| changes.get(name).map(text_of);
    let mut sip = applicant.hello.sip.clone();
    let mut set = |name: &str, field: fn(&mut SipOptions) -> &mut Option<String>| {
        if let Some(value) = text(name) {
            *field(&mut sip) = Some(value).filter(|value| !value.is_empty());
        }
    };
    set("sipLogin", |sip| &mut sip.login);
    set("sipAuthenticationName", |sip| &mut sip.authentication_name);
    set("sipPassword", |sip| &mut sip.password);
    set("sipDomain", |sip| &mut sip.domain);
    set("sipOutboundProxy", |sip| &mut sip.outbound_proxy);
    set("sipProxy", |sip| &mut sip.proxy);
    set("sipPort", |sip| &mut sip.port);
    if let Some(required) = changes.get("sipRegisterRequired") {
        sip.register_required = Some(text_of(required) == "true");
    }
    let visible_name = text("sipVisibleName").filter(|name| !name.is_empty());
    let sip = (sip != applicant.hello.sip).then(|| Box::new(sip));
    SessionGrant { sip, visible_name, ..SessionGrant::default() }
}

/// Returns a value as text, as the Flashphoner server writes numbers and truth values as text in some places.
pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Returns the body for a command of a browser.
pub(super) fn command(context: Object, call: Option<&CallSnapshot>, leg: LegKey, message: &ClientMessage) -> Object {
    let mut body = context;
    if let Some(call) = call
        && let Some(participant) = call.participants.iter().find(|participant| participant.leg == leg)
    {
        extend(&mut body, &participant_json(call, participant));
    }
    let own = match message {
        ClientMessage::Hold { for_transfer, .. } => json!({ "holdForTransfer": for_transfer }),
        ClientMessage::Transfer { target, .. } => json!({ "target": target }),
        ClientMessage::SendDtmf { kind, digits, .. } => json!({ "dtmf": digits, "type": kind.name() }),
        _ => json!({}),
    };
    extend(&mut body, &own);
    body
}

/// Returns the call object of a participant that is a browser.
pub(super) fn participant_json(call: &CallSnapshot, participant: &ParticipantSnapshot) -> Value {
    let is_alerting = call.participants.iter().any(|one| one.progress == LegProgress::Alerting);
    let status = match participant.progress {
        LegProgress::Calling if !is_alerting => "TRYING",
        LegProgress::Calling | LegProgress::Alerting => "RING",
        LegProgress::Connected if participant.is_holding => "HOLD",
        LegProgress::Connected => "ESTABLISHED",
    };
    let call_id = participant.browser.as_ref().map(|(_, id)| id.as_str());
    json!({
        "callId": call_id,
        "status": status,
        "incoming": participant.is_incoming,
        "caller": participant.caller,
        "callee": participant.callee,
        "visibleName": participant.visible_name,
        "mediaProvider": "WebRTC",
        "hasAudio": true,
    })
}
