//! Conversion between signaling messages and JavaScript values. The browser's `JSON` object parses and serializes the
//! frames.

use js_sys::{Array, JSON, Object, Reflect};
use offhook_signaling::client::{ReceivedMessage, Status, StatusReport};
use offhook_signaling::message::{
    Answer, CallId, CallMessage, ClientMessage, DirectMessage, DirectStep, Json, TransferStatus,
};
use offhook_signaling::version::Extension;
use wasm_bindgen::{JsCast, JsValue};

/// Returns a field of an object, or undefined if there is none.
#[must_use]
pub fn field(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

/// Returns a text field of an object.
#[must_use]
pub fn text(object: &JsValue, name: &str) -> Option<String> {
    field(object, name).as_string()
}

/// Returns the text of an exception. The `message` may be empty (`OverconstrainedError`), and the value need not be an `Error`.
#[must_use]
pub fn reason(error: &JsValue) -> String {
    let texts = [text(error, "message"), text(error, "name"), error.as_string()];
    texts.into_iter().flatten().find(|text| !text.is_empty()).unwrap_or_else(|| "unknown error".to_owned())
}

/// Converts a value to JSON; returns `None` if JSON cannot represent it, for example undefined.
#[must_use]
pub fn json(value: &JsValue) -> Option<Json> {
    let text = JSON::stringify(value).ok()?.as_string()?;
    Some(Json::from_valid(text))
}

/// Parses a frame. Returns the message for the state machines, and the first element of its `data` for the application.
#[must_use]
pub fn decode(frame: &str) -> Option<(ReceivedMessage, JsValue)> {
    let frame = JSON::parse(frame).ok()?;
    let data: Array = field(&frame, "data").dyn_into().unwrap_or_default();
    let first = data.get(0);
    let call_id = || text(&first, "callId").map(CallId);
    let received = match text(&frame, "message")?.as_str() {
        "ping" => Some(ReceivedMessage::Ping),
        "getUserData" => Some(ReceivedMessage::UserData { login: text(&first, "sipLogin") }),
        "registered" => Some(ReceivedMessage::Registered),
        "setRemoteSDP" => first
            .as_string()
            .zip(data.get(1).as_string())
            .map(|(call_id, sdp)| ReceivedMessage::RemoteSdp { call_id: CallId(call_id), sdp }),
        "notifyIncomingCall" => call_id().map(|call_id| ReceivedMessage::IncomingCall { call_id }),
        "notifyTryingResponse" | "ring" | "hold" | "talk" | "finish" => {
            call_id().zip(text(&first, "status")).map(|(call_id, status)| {
                ReceivedMessage::CallStatus(StatusReport {
                    call_id,
                    status: Status::parse(&status),
                    info: text(&first, "info"),
                    end_reason: text(&first, "endReason"),
                })
            })
        }
        "notifyTransferEvent" => call_id().zip(text(&first, "status")).map(|(call_id, status)| {
            let status = match status.as_str() {
                "COMPLETED" => TransferStatus::Completed,
                "RINGING" => TransferStatus::Ringing,
                "FAILED" => TransferStatus::Failed,
                _ => TransferStatus::Pending,
            };
            ReceivedMessage::Transfer { call_id, status }
        }),
        "fail" => Some(ReceivedMessage::Fail),
        "OnDataEvent" => Some(ReceivedMessage::Data),
        "notifySessionDebugEvent" => Some(ReceivedMessage::SessionDebug),
        "DataStatusEvent" | "offhookTokenStatus" => {
            text(&first, "operationId").map(|operation_id| ReceivedMessage::DataStatus {
                operation_id,
                accepted: text(&first, "status").as_deref() == Some("ACCEPTED"),
            })
        }
        "offhookDtmf" => call_id()
            .zip(text(&first, "digit").and_then(|digit| digit.chars().next()))
            .map(|(call_id, digit)| ReceivedMessage::Dtmf { call_id, digit }),
        "offhookHold" => call_id()
            .zip(field(&first, "held").as_bool())
            .map(|(call_id, held)| ReceivedMessage::Hold { call_id, held }),
        "offhookTokenExpiring" => Some(ReceivedMessage::TokenExpiring),
        "offhookDirect" => direct(&first).map(|direct| ReceivedMessage::Direct(Box::new(direct))),
        _ => None,
    };
    Some((received.unwrap_or(ReceivedMessage::Ignored), first))
}

fn direct(body: &JsValue) -> Option<DirectMessage> {
    let step = DirectStep::from_parts(&text(body, "step")?, text(body, "sdp"), json(&field(body, "candidate")))?;
    Some(DirectMessage { call_id: CallId(text(body, "callId")?), attempt: attempt_of(body)?, step })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn attempt_of(body: &JsValue) -> Option<u32> {
    field(body, "attempt").as_f64().map(|number| number as u32)
}

/// Builder of an object; fields without a value are omitted.
struct Body(Object);

impl Body {
    fn new() -> Self {
        Self(Object::new())
    }

    fn call(call_id: &CallId) -> Self {
        Self::new().set("callId", Some(call_id.as_str()))
    }

    fn set<T: Into<JsValue>>(self, name: &str, value: Option<T>) -> Self {
        if let Some(value) = value {
            let _ = Reflect::set(&self.0, &name.into(), &value.into());
        }
        self
    }

    fn json(self, name: &str, value: Option<&Json>) -> Self {
        self.set(name, value.and_then(|value| JSON::parse(value.as_str()).ok()))
    }

    fn lines(self, name: &str, lines: &[String]) -> Self {
        self.set(name, (!lines.is_empty()).then(|| lines.iter().map(JsValue::from).collect::<Array>()))
    }
}

/// Returns the frame of the message with the name `message`. `data` is the only element of its `data` array.
#[must_use]
pub fn frame(message: &str, data: &JsValue) -> String {
    let frame = Body::new().set("message", Some(message)).set("data", Some(Array::of1(data)));
    JSON::stringify(&frame.0).ok().and_then(|text| text.as_string()).unwrap_or_default()
}

/// Returns the frame of `connection`: the fields set by the application and the extension announcement.
#[must_use]
pub fn connection(fields: Object) -> String {
    let Extension { version, features } = Extension::ours();
    let offhook = Body::new().set("version", Some(version)).lines("features", &features);
    frame("connection", &Body(fields).set("offhook", Some(offhook.0)).0)
}

/// Returns the frame of a message.
#[must_use]
pub fn encode(message: &ClientMessage) -> String {
    let body = match message {
        ClientMessage::Connection(_)
        | ClientMessage::Ping
        | ClientMessage::Pong
        | ClientMessage::Unsupported { .. } => return frame(message.name(), &JsValue::NULL),
        ClientMessage::Call(call) => call_body(call),
        ClientMessage::Answer(answer) => answer_body(answer),
        ClientMessage::Hangup(call_id) | ClientMessage::Unhold(call_id) => Body::call(call_id),
        ClientMessage::Hold { call_id, for_transfer } => {
            Body::call(call_id).set("holdForTransfer", for_transfer.then_some(true))
        }
        ClientMessage::SendDtmf { call_id, kind, digits } => {
            Body::call(call_id).set("type", Some(kind.name())).set("dtmf", Some(digits.as_str()))
        }
        ClientMessage::Transfer { call_id, target } => Body::call(call_id).set("target", Some(target.as_str())),
        ClientMessage::Direct(direct) => Body::call(&direct.call_id)
            .set("attempt", Some(direct.attempt))
            .set("step", Some(direct.step.name()))
            .set("sdp", direct.step.sdp())
            .json("candidate", direct.step.candidate()),
        ClientMessage::SendData { operation_id, payload } => {
            Body::new().set("operationId", Some(operation_id.as_str())).json("payload", Some(payload))
        }
        ClientMessage::RenewToken { operation_id, token } => {
            Body::new().set("operationId", Some(operation_id.as_str())).set("token", Some(token.as_str()))
        }
        ClientMessage::SubmitBugReport(report) => {
            return frame(message.name(), &JSON::parse(report.as_str()).unwrap_or(JsValue::NULL));
        }
        ClientMessage::SessionDebug { command } => Body::new().set("command", Some(command.as_str())),
        ClientMessage::PushLogs { logs } => Body::new().set("logs", Some(logs.as_str())),
    };
    frame(message.name(), &body.0)
}

fn call_body(call: &CallMessage) -> Body {
    Body::call(&call.call_id)
        .set("incoming", Some(false))
        .set("hasVideo", Some(call.has_video))
        .set("hasAudio", Some(call.has_audio))
        .set("status", Some("PENDING"))
        .set("mediaProvider", Some("WebRTC"))
        .set("sdp", Some(call.sdp.as_str()))
        .lines("sipSDP", &call.sip_sdp)
        .lines("sipHeaders", &call.sip_headers)
        .set("caller", call.caller.as_deref())
        .set("callee", Some(call.callee.as_str()))
        .json("custom", call.custom.as_ref())
        .set("visibleName", call.visible_name.as_deref())
        .json("localMediaInfo", call.local_media_info.as_ref())
}

fn answer_body(answer: &Answer) -> Body {
    // `hasVideo` and `hasAudio` are always true, as in the stock SDK.
    Body::call(&answer.call_id)
        .set("incoming", Some(true))
        .set("hasVideo", Some(true))
        .set("hasAudio", Some(true))
        .set("status", Some("PENDING"))
        .set("mediaProvider", Some("WebRTC"))
        .set("sdp", Some(answer.sdp.as_str()))
        .lines("sipSDP", &answer.sip_sdp)
        .set("callee", answer.callee.as_deref())
        .json("custom", answer.custom.as_ref())
        .json("localMediaInfo", answer.local_media_info.as_ref())
}
