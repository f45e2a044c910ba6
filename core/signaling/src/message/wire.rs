//! JSON serialization and parsing of messages. The parser ignores unknown fields, and accepts numbers for some text
//! fields.

use super::{
    Answer, CallId, CallMessage, CallObject, CallStatus, ClientMessage, ConnectionMessage, DataStatus, DirectMessage,
    DirectStep, DtmfType, Json, ServerMessage, TransferStatus, UserData,
};
use core::fmt;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // `from_valid` requires valid JSON; anything else is serialized as null.
        let raw: &RawValue = serde_json::from_str(&self.0).unwrap_or(RawValue::NULL);
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // `Value` instead of `RawValue`, because a flattened outer struct provides buffered content, which `RawValue` does
        // not support.
        let value = serde_json::Value::deserialize(deserializer)?;
        serde_json::to_string(&value).map(Self).map_err(D::Error::custom)
    }
}

impl Json {
    /// Parses `text` as exactly one JSON value.
    ///
    /// # Errors
    /// The error of the JSON parser.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        serde_json::from_str::<&RawValue>(text).map(|raw| Self(raw.get().to_owned())).map_err(ParseError::Json)
    }
}

/// The reason why a frame is not a valid message.
#[derive(Debug)]
pub enum ParseError {
    /// The frame is not JSON, or not a message envelope.
    Json(serde_json::Error),
    /// The content of a known message is invalid.
    Content {
        /// The message's name.
        name: String,
        /// The error of the JSON parser.
        error: serde_json::Error,
    },
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => write!(f, "not a message: {error}; expected {{\"message\": name, \"data\": [ … ]}}"),
            Self::Content { name, error } => write!(f, "bad `{name}` message: {error}"),
        }
    }
}

impl core::error::Error for ParseError {}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    message: std::borrow::Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<Vec<&'a RawValue>>,
}

impl<'a> Envelope<'a> {
    fn argument(&self, index: usize) -> &'a RawValue {
        self.data.as_ref().and_then(|data| data.get(index)).copied().unwrap_or(RawValue::NULL)
    }

    fn read<T: DeserializeOwned>(&self, index: usize) -> Result<T, ParseError> {
        serde_json::from_str(self.argument(index).get())
            .map_err(|error| ParseError::Content { name: self.message.clone().into_owned(), error })
    }
}

/// Deserializes text or a number as text, and null as `None`.
pub(super) fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::Null => Ok(None),
        serde_json::Value::String(text) => Ok(Some(text)),
        serde_json::Value::Number(number) => Ok(Some(number.to_string())),
        other => Err(D::Error::custom(format!("expected text or a number, got {other}"))),
    }
}

pub(super) fn required_text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text_or_number(deserializer)?.ok_or_else(|| D::Error::custom("expected text or a number, got null"))
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OnlyCallId {
    call_id: CallId,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HoldBody {
    call_id: CallId,
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    hold_for_transfer: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DtmfBody {
    call_id: CallId,
    #[serde(default, rename = "type")]
    kind: Option<DtmfType>,
    #[serde(deserialize_with = "required_text_or_number")]
    dtmf: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TransferBody {
    call_id: CallId,
    #[serde(deserialize_with = "required_text_or_number")]
    target: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SendDataBody {
    operation_id: String,
    payload: Json,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RenewTokenBody {
    operation_id: String,
    token: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DirectBody {
    call_id: CallId,
    attempt: u32,
    step: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sdp: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    candidate: Option<Json>,
}

impl Envelope<'_> {
    fn direct(&self) -> Result<Box<DirectMessage>, ParseError> {
        let DirectBody { call_id, attempt, step, sdp, candidate } = self.read(0)?;
        let step = DirectStep::from_parts(&step, sdp, candidate).ok_or_else(|| ParseError::Content {
            name: self.message.clone().into_owned(),
            error: serde_json::Error::custom(format!("`{step}` is not a step, or lacks its sdp or candidate")),
        })?;
        Ok(Box::new(DirectMessage { call_id, attempt, step }))
    }
}

fn print_direct(direct: &DirectMessage) -> String {
    let DirectMessage { call_id, attempt, step } = direct;
    let body = DirectBody {
        call_id: call_id.clone(),
        attempt: *attempt,
        step: step.name().to_owned(),
        sdp: step.sdp().map(str::to_owned),
        candidate: step.candidate().cloned(),
    };
    print("offhookDirect", &[body])
}

#[derive(Serialize, Deserialize)]
struct SessionDebugBody {
    #[serde(default)]
    command: String,
}

#[derive(Serialize, Deserialize)]
struct PushLogsBody {
    #[serde(default)]
    logs: Option<Json>,
}

impl ClientMessage {
    /// Parses one text frame from a browser. A message with an unknown name is returned as [`ClientMessage::Unsupported`].
    ///
    /// # Errors
    /// [`ParseError`] if the frame or its content is invalid.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let envelope: Envelope<'_> = serde_json::from_str(text).map_err(ParseError::Json)?;
        Ok(match &*envelope.message {
            "connection" => Self::Connection(Box::new(envelope.read::<ConnectionMessage>(0)?)),
            "ping" => Self::Ping,
            "pong" => Self::Pong,
            "call" => Self::Call(Box::new(envelope.read::<CallMessage>(0)?)),
            "answer" => Self::Answer(Box::new(envelope.read::<Answer>(0)?)),
            "hangup" => Self::Hangup(envelope.read::<OnlyCallId>(0)?.call_id),
            "hold" => {
                let HoldBody { call_id, hold_for_transfer } = envelope.read(0)?;
                Self::Hold { call_id, for_transfer: hold_for_transfer }
            }
            "unhold" => Self::Unhold(envelope.read::<OnlyCallId>(0)?.call_id),
            "sendDtmf" => {
                let DtmfBody { call_id, kind, dtmf } = envelope.read(0)?;
                Self::SendDtmf { call_id, kind: kind.unwrap_or_default(), digits: dtmf }
            }
            "transfer" => {
                let TransferBody { call_id, target } = envelope.read(0)?;
                Self::Transfer { call_id, target }
            }
            "sendData" => {
                let SendDataBody { operation_id, payload } = envelope.read(0)?;
                Self::SendData { operation_id, payload }
            }
            "offhookRenewToken" => {
                let RenewTokenBody { operation_id, token } = envelope.read(0)?;
                Self::RenewToken { operation_id, token }
            }
            "submitBugReport" => Self::SubmitBugReport(envelope.read(0)?),
            "sessionDebug" => Self::SessionDebug { command: envelope.read::<SessionDebugBody>(0)?.command },
            "pushLogs" => {
                let logs = envelope.read::<PushLogsBody>(0)?.logs;
                Self::PushLogs { logs: logs.map(|logs| logs.as_str().to_owned()).unwrap_or_default() }
            }
            "offhookDirect" => Self::Direct(envelope.direct()?),
            other => Self::Unsupported { name: other.to_owned() },
        })
    }

    /// Serializes the message as a text frame.
    #[must_use]
    pub fn to_json(&self) -> String {
        let name = self.name();
        match self {
            Self::Connection(connection) => print_with_password(connection),
            Self::Ping | Self::Pong | Self::Unsupported { .. } => print(name, &[()]),
            Self::Call(call) => print_call(call),
            Self::Answer(answer) => print(name, &[answer]),
            Self::Hangup(call_id) | Self::Unhold(call_id) => print(name, &[OnlyCallId { call_id: call_id.clone() }]),
            Self::Hold { call_id, for_transfer } => {
                print(name, &[HoldBody { call_id: call_id.clone(), hold_for_transfer: *for_transfer }])
            }
            Self::SendDtmf { call_id, kind, digits } => {
                print(name, &[DtmfBody { call_id: call_id.clone(), kind: Some(*kind), dtmf: digits.clone() }])
            }
            Self::Transfer { call_id, target } => {
                print(name, &[TransferBody { call_id: call_id.clone(), target: target.clone() }])
            }
            Self::SendData { operation_id, payload } => {
                print(name, &[SendDataBody { operation_id: operation_id.clone(), payload: payload.clone() }])
            }
            Self::RenewToken { operation_id, token } => {
                print(name, &[RenewTokenBody { operation_id: operation_id.clone(), token: token.clone() }])
            }
            Self::SubmitBugReport(report) => print(name, &[report]),
            Self::SessionDebug { command } => print(name, &[SessionDebugBody { command: command.clone() }]),
            Self::PushLogs { logs } => print(name, &[serde_json::json!({ "logs": logs })]),
            Self::Direct(direct) => print_direct(direct),
        }
    }
}

fn print_with_password(connection: &ConnectionMessage) -> String {
    let mut body = serde_json::to_value(connection).unwrap_or_default();
    if let (Some(password), Some(fields)) = (&connection.sip.password, body.as_object_mut()) {
        fields.insert("sipPassword".to_owned(), password.as_str().into());
    }
    print("connection", &[body])
}

fn print_call(call: &CallMessage) -> String {
    let mut body = serde_json::to_value(call).unwrap_or_default();
    if let Some(fields) = body.as_object_mut() {
        fields.insert("incoming".to_owned(), false.into());
        fields.insert("status".to_owned(), "PENDING".into());
        fields.insert("mediaProvider".to_owned(), "WebRTC".into());
    }
    print("call", &[body])
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TransferEventBody {
    call_id: CallId,
    status: TransferStatus,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FailBody {
    api_method: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    status: String,
    info: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DataStatusBody {
    operation_id: String,
    status: DataStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    info: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenExpiringBody {
    expires_in: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenStatusBody {
    operation_id: String,
    status: DataStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_in: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    info: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct StatusBody {
    status: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DtmfEventBody {
    call_id: CallId,
    digit: char,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HoldEventBody {
    call_id: CallId,
    held: bool,
}

impl ServerMessage {
    /// Serializes the message as a text frame. `data` is always an array, because the stock SDK requires it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let name = self.name();
        match self {
            Self::Ping | Self::Pong | Self::Registered => print(name, &[()]),
            Self::UserData(data) => print(name, &[data]),
            Self::RemoteSdp { call_id, sdp } => print(name, &(call_id, sdp)),
            Self::IncomingCall(call) | Self::CallStatus(call) | Self::Busy(call) => print(name, &[call]),
            Self::Transfer { call_id, status } => {
                print(name, &[TransferEventBody { call_id: call_id.clone(), status: *status }])
            }
            Self::Fail { api_method, id, status, info } => {
                let body = FailBody {
                    api_method: api_method.clone(),
                    id: id.clone(),
                    status: status.clone(),
                    info: info.clone(),
                };
                print(name, &[body])
            }
            Self::DataStatus { operation_id, status, info } => {
                let body = DataStatusBody { operation_id: operation_id.clone(), status: *status, info: info.clone() };
                print(name, &[body])
            }
            Self::Data(payload) => print(name, &[payload]),
            Self::SessionDebug { status } => print(name, &[StatusBody { status: status.clone() }]),
            Self::Dtmf { call_id, digit } => print(name, &[DtmfEventBody { call_id: call_id.clone(), digit: *digit }]),
            Self::Hold { call_id, held } => print(name, &[HoldEventBody { call_id: call_id.clone(), held: *held }]),
            Self::Direct(direct) => print_direct(direct),
            Self::TokenExpiring { expires_in } => print(name, &[TokenExpiringBody { expires_in: *expires_in }]),
            Self::TokenStatus { operation_id, status, expires_in, info } => {
                let body = TokenStatusBody {
                    operation_id: operation_id.clone(),
                    status: *status,
                    expires_in: *expires_in,
                    info: info.clone(),
                };
                print(name, &[body])
            }
        }
    }

    /// Parses one text frame from a relay; returns `None` for a message with an unknown name.
    ///
    /// # Errors
    /// [`ParseError`] if the frame or its content is invalid.
    pub fn parse(text: &str) -> Result<Option<Self>, ParseError> {
        let envelope: Envelope<'_> = serde_json::from_str(text).map_err(ParseError::Json)?;
        Ok(Some(match &*envelope.message {
            "ping" => Self::Ping,
            "pong" => Self::Pong,
            "registered" => Self::Registered,
            "getUserData" => Self::UserData(Box::new(envelope.read::<UserData>(0)?)),
            "setRemoteSDP" => Self::RemoteSdp { call_id: envelope.read(0)?, sdp: envelope.read(1)? },
            "notifyIncomingCall" => Self::IncomingCall(Box::new(envelope.read::<CallObject>(0)?)),
            "notifyTryingResponse" | "ring" | "talk" | "hold" | "finish" => {
                Self::CallStatus(Box::new(envelope.read::<CallObject>(0)?))
            }
            "busy" => {
                let call = envelope.read::<CallObject>(0)?;
                Self::Busy(Box::new(CallObject { status: CallStatus::Busy, ..call }))
            }
            "notifyTransferEvent" => {
                let TransferEventBody { call_id, status } = envelope.read(0)?;
                Self::Transfer { call_id, status }
            }
            "fail" => {
                let FailBody { api_method, id, status, info } = envelope.read(0)?;
                Self::Fail { api_method, id, status, info }
            }
            "DataStatusEvent" => {
                let DataStatusBody { operation_id, status, info } = envelope.read(0)?;
                Self::DataStatus { operation_id, status, info }
            }
            "OnDataEvent" => Self::Data(envelope.read(0)?),
            "notifySessionDebugEvent" => Self::SessionDebug { status: envelope.read::<StatusBody>(0)?.status },
            "offhookDtmf" => {
                let DtmfEventBody { call_id, digit } = envelope.read(0)?;
                Self::Dtmf { call_id, digit }
            }
            "offhookHold" => {
                let HoldEventBody { call_id, held } = envelope.read(0)?;
                Self::Hold { call_id, held }
            }
            "offhookDirect" => Self::Direct(envelope.direct()?),
            "offhookTokenExpiring" => {
                Self::TokenExpiring { expires_in: envelope.read::<TokenExpiringBody>(0)?.expires_in }
            }
            "offhookTokenStatus" => {
                let TokenStatusBody { operation_id, status, expires_in, info } = envelope.read(0)?;
                Self::TokenStatus { operation_id, status, expires_in, info }
            }
            _ => return Ok(None),
        }))
    }
}

fn print<T: Serialize + ?Sized>(name: &str, data: &T) -> String {
    #[derive(Serialize)]
    struct Frame<'a, T: ?Sized> {
        message: &'a str,
        data: &'a T,
    }
    // Serialization cannot fail: the message types have only text keys and infallible `Serialize` implementations.
    serde_json::to_string(&Frame { message: name, data }).unwrap_or_default()
}
