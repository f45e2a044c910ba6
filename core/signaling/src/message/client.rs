//! What the browser sends.

use super::{CallId, Direct, Json};
use crate::version::Extension;

/// A message from browser to relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientMessage {
    /// The first message on a socket.
    Connection(Box<Connection>),
    /// Asks for the pong of an idle check.
    Ping,
    /// Answers the relay's ping.
    Pong,
    /// Places a call.
    Call(Box<Call>),
    /// Takes an incoming call.
    Answer(Box<Answer>),
    /// Ends, cancels or rejects a call; may name one that is unknown or over.
    Hangup(CallId),
    /// Puts the far end on hold.
    Hold {
        /// The call.
        call_id: CallId,
        /// The page means to transfer this call to another one of its calls.
        for_transfer: bool,
    },
    /// Takes the far end back from hold.
    Unhold(CallId),
    /// Sends DTMF digits.
    SendDtmf {
        /// The call.
        call_id: CallId,
        /// How the digits travel on a SIP leg.
        kind: DtmfType,
        /// The digits: `0`–`9`, `A`–`D`, `*`, `#`.
        digits: String,
    },
    /// Hands the far end to somebody else.
    Transfer {
        /// The call.
        call_id: CallId,
        /// Who shall take it: a login, or the callee or caller of another call of this session.
        target: String,
    },
    /// A step on the way past the relay (extension, feature `directMedia`).
    Direct(Box<Direct>),
    /// Data for the application.
    SendData {
        /// Echoed in the answer.
        operation_id: String,
        /// The page's value.
        payload: Json,
    },
    /// A bug report of the page.
    SubmitBugReport(Json),
    /// Starts or stops a debug session.
    SessionDebug {
        /// `start` or `stop`.
        command: String,
    },
    /// Log lines of the page.
    PushLogs {
        /// The lines.
        logs: String,
    },
    /// A message this relay knows of and has no use for, such as the streaming ones.
    Unsupported {
        /// Its name.
        name: String,
    },
}

/// `connection`: who the browser is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase", default))]
pub struct Connection {
    /// Selects the application; `defaultApp` unless the page says otherwise.
    pub app_key: String,
    /// What the browser can play media with; `["WebRTC", …]`.
    pub media_providers: Vec<String>,
    /// Keep the login when the socket drops.
    #[cfg_attr(feature = "json", serde(skip_serializing_if = "Option::is_none"))]
    pub keep_alive: Option<bool>,
    /// The token of an earlier `getUserData`, in place of credentials.
    #[cfg_attr(feature = "json", serde(skip_serializing_if = "Option::is_none"))]
    pub auth_token: Option<String>,
    /// `2.0`.
    pub client_version: String,
    /// `navigator.appVersion`.
    #[cfg_attr(feature = "json", serde(rename = "clientOSVersion"))]
    pub client_os_version: String,
    /// `navigator.userAgent`.
    pub client_browser_version: String,
    /// The page's own value.
    #[cfg_attr(feature = "json", serde(skip_serializing_if = "Option::is_none"))]
    pub custom: Option<Json>,
    /// User-agent client hints.
    #[cfg_attr(feature = "json", serde(skip_serializing_if = "Option::is_none"))]
    pub client_info: Option<Json>,
    /// The SIP account, or in local mode the login alone.
    #[cfg_attr(feature = "json", serde(flatten))]
    pub sip: SipOptions,
    /// What our own SDK adds; the stock one does not.
    #[cfg_attr(feature = "json", serde(skip_serializing_if = "Option::is_none"))]
    pub offhook: Option<Extension>,
}

/// The SIP fields of `connection`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct SipOptions {
    /// The user part of the address.
    #[cfg_attr(feature = "json", serde(rename = "sipLogin", skip_serializing_if = "Option::is_none"))]
    pub login: Option<String>,
    /// The digest user name.
    #[cfg_attr(feature = "json", serde(rename = "sipAuthenticationName", skip_serializing_if = "Option::is_none"))]
    pub authentication_name: Option<String>,
    /// The password. Never sent back.
    #[cfg_attr(feature = "json", serde(rename = "sipPassword", skip_serializing))]
    pub password: Option<String>,
    /// The SIP domain.
    #[cfg_attr(feature = "json", serde(rename = "sipDomain", skip_serializing_if = "Option::is_none"))]
    pub domain: Option<String>,
    /// The host to send SIP to.
    #[cfg_attr(feature = "json", serde(rename = "sipOutboundProxy", skip_serializing_if = "Option::is_none"))]
    pub outbound_proxy: Option<String>,
    /// A further proxy.
    #[cfg_attr(feature = "json", serde(rename = "sipProxy", skip_serializing_if = "Option::is_none"))]
    pub proxy: Option<String>,
    /// The SIP port; pages send it as text or as a number.
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "sipPort",
            skip_serializing_if = "Option::is_none",
            deserialize_with = "super::wire::text_or_number"
        )
    )]
    pub port: Option<String>,
    /// Whether to REGISTER.
    #[cfg_attr(feature = "json", serde(rename = "sipRegisterRequired", skip_serializing_if = "Option::is_none"))]
    pub register_required: Option<bool>,
}

/// `call`: an outgoing call with the browser's offer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Call {
    /// The call's id, made by the page.
    pub call_id: CallId,
    /// Whom to call; pages send it as text or as a number.
    #[cfg_attr(feature = "json", serde(deserialize_with = "super::wire::required_text_or_number"))]
    pub callee: String,
    /// The caller's login, as the page believes it to be; the relay uses the session's own.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub caller: Option<String>,
    /// The name shown to the callee.
    #[cfg_attr(
        feature = "json",
        serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::wire::text_or_number")
    )]
    pub visible_name: Option<String>,
    /// The browser sends or wants audio.
    #[cfg_attr(feature = "json", serde(default))]
    pub has_audio: bool,
    /// The browser sends or wants video.
    #[cfg_attr(feature = "json", serde(default))]
    pub has_video: bool,
    /// The offer (RFC 8829), without candidates.
    pub sdp: String,
    /// Lines for the session description of a SIP leg.
    #[cfg_attr(feature = "json", serde(rename = "sipSDP", default, skip_serializing_if = "Vec::is_empty"))]
    pub sip_sdp: Vec<String>,
    /// Headers for the INVITE of a SIP leg, each `Name: value`. The stock SDK takes them and does not send them.
    #[cfg_attr(feature = "json", serde(rename = "sipHeaders", default, skip_serializing_if = "Vec::is_empty"))]
    pub sip_headers: Vec<String>,
    /// The page's own value.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub custom: Option<Json>,
    /// Devices and tracks of the browser; informative.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub local_media_info: Option<Json>,
}

/// `answer`: the browser's answer to an incoming call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Answer {
    /// The call's id, made by the relay.
    pub call_id: CallId,
    /// The answer (RFC 8829), without candidates.
    pub sdp: String,
    /// The callee of the call, echoed.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub callee: Option<String>,
    /// Lines for the session description of a SIP leg.
    #[cfg_attr(feature = "json", serde(rename = "sipSDP", default, skip_serializing_if = "Vec::is_empty"))]
    pub sip_sdp: Vec<String>,
    /// The value of the incoming call, echoed.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub custom: Option<Json>,
    /// Devices and tracks of the browser; informative.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub local_media_info: Option<Json>,
}

/// How DTMF digits travel on a SIP leg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub enum DtmfType {
    /// `RFC2833`: RTP telephone events (RFC 4733).
    #[default]
    #[cfg_attr(feature = "json", serde(rename = "RFC2833"))]
    Rfc2833,
    /// `INFO`: a SIP INFO request.
    #[cfg_attr(feature = "json", serde(rename = "INFO"))]
    Info,
    /// `INFO_RELAY`: a SIP INFO request with an `application/dtmf-relay` body.
    #[cfg_attr(feature = "json", serde(rename = "INFO_RELAY"))]
    InfoRelay,
}

impl DtmfType {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rfc2833 => "RFC2833",
            Self::Info => "INFO",
            Self::InfoRelay => "INFO_RELAY",
        }
    }
}

impl ClientMessage {
    /// The message's name on the wire.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Connection(_) => "connection",
            Self::Ping => "ping",
            Self::Pong => "pong",
            Self::Call(_) => "call",
            Self::Answer(_) => "answer",
            Self::Hangup(_) => "hangup",
            Self::Hold { .. } => "hold",
            Self::Unhold(_) => "unhold",
            Self::SendDtmf { .. } => "sendDtmf",
            Self::Transfer { .. } => "transfer",
            Self::Direct(_) => "offhookDirect",
            Self::SendData { .. } => "sendData",
            Self::SubmitBugReport(_) => "submitBugReport",
            Self::SessionDebug { .. } => "sessionDebug",
            Self::PushLogs { .. } => "pushLogs",
            Self::Unsupported { name } => name,
        }
    }
}
