//! Messages from browser to relay.

use super::{CallId, DirectMessage, Json};
use crate::version::Extension;

/// A message from browser to relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientMessage {
    /// The first message on a socket.
    Connection(Box<ConnectionMessage>),
    /// Requests a pong as keep-alive.
    Ping,
    /// Answers the relay's ping.
    Pong,
    /// Places a call.
    Call(Box<CallMessage>),
    /// Answers an incoming call.
    Answer(Box<Answer>),
    /// Ends, cancels or rejects a call. The call may be unknown or ended already.
    Hangup(CallId),
    /// Puts the call on hold.
    Hold {
        /// The call.
        call_id: CallId,
        /// The hold precedes an attended transfer to another call of the client.
        for_transfer: bool,
    },
    /// Resumes a call on hold.
    Unhold(CallId),
    /// Sends DTMF digits.
    SendDtmf {
        /// The call.
        call_id: CallId,
        /// The transport of the digits on a SIP leg.
        kind: DtmfType,
        /// The digits: `0`–`9`, `A`–`D`, `*`, `#`.
        digits: String,
    },
    /// Transfers the peer of the call to another participant.
    Transfer {
        /// The call.
        call_id: CallId,
        /// The transfer target: a login or address, or the peer of another call of this session (attended transfer).
        target: String,
    },
    /// A step of the direct media negotiation (extension, feature `directMedia`).
    Direct(Box<DirectMessage>),
    /// Renews the login of a session with a new token (extension, feature `tokenRenewal`).
    RenewToken {
        /// Echoed in the response.
        operation_id: String,
        /// The new token.
        token: String,
    },
    /// Data for the application.
    SendData {
        /// Echoed in the response.
        operation_id: String,
        /// The value set by the web page.
        payload: Json,
    },
    /// A bug report of the web page.
    SubmitBugReport(Json),
    /// Starts or stops a debug session.
    SessionDebug {
        /// `start` or `stop`.
        command: String,
    },
    /// Log lines of the web page.
    PushLogs {
        /// The lines.
        logs: String,
    },
    /// A message that the relay does not support, such as those for streaming.
    Unsupported {
        /// The message name.
        name: String,
    },
}

/// `connection`: credentials, capabilities and SIP account of the browser.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase", default))]
pub struct ConnectionMessage {
    /// Selects the application. The SDK sends `defaultApp` unless the web page sets another one.
    pub app_key: String,
    /// Media providers of the browser; `["WebRTC", …]`.
    pub media_providers: Vec<String>,
    /// Requests that the client session survives the loss of the socket.
    #[cfg_attr(feature = "json", serde(skip_serializing_if = "Option::is_none"))]
    pub keep_alive: Option<bool>,
    /// A token in place of credentials: that of an earlier `getUserData`, or a JSON Web Token of the application.
    #[cfg_attr(feature = "json", serde(skip_serializing_if = "Option::is_none"))]
    pub auth_token: Option<String>,
    /// `2.0`.
    pub client_version: String,
    /// `navigator.appVersion`.
    #[cfg_attr(feature = "json", serde(rename = "clientOSVersion"))]
    pub client_os_version: String,
    /// `navigator.userAgent`.
    pub client_browser_version: String,
    /// A value set by the web page.
    #[cfg_attr(feature = "json", serde(skip_serializing_if = "Option::is_none"))]
    pub custom: Option<Json>,
    /// User-agent client hints.
    #[cfg_attr(feature = "json", serde(skip_serializing_if = "Option::is_none"))]
    pub client_info: Option<Json>,
    /// The SIP account. If the relay routes the calls itself, it contains only the login.
    #[cfg_attr(feature = "json", serde(flatten))]
    pub sip: SipOptions,
    /// The extension announcement; absent from the stock SDK.
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
    /// The password. It is never serialized.
    #[cfg_attr(feature = "json", serde(rename = "sipPassword", skip_serializing))]
    pub password: Option<String>,
    /// The SIP domain.
    #[cfg_attr(feature = "json", serde(rename = "sipDomain", skip_serializing_if = "Option::is_none"))]
    pub domain: Option<String>,
    /// The host that SIP requests are sent to.
    #[cfg_attr(feature = "json", serde(rename = "sipOutboundProxy", skip_serializing_if = "Option::is_none"))]
    pub outbound_proxy: Option<String>,
    /// An additional proxy.
    #[cfg_attr(feature = "json", serde(rename = "sipProxy", skip_serializing_if = "Option::is_none"))]
    pub proxy: Option<String>,
    /// The SIP port; sent as text or as a number.
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "sipPort",
            skip_serializing_if = "Option::is_none",
            deserialize_with = "super::wire::text_or_number"
        )
    )]
    pub port: Option<String>,
    /// Whether the relay registers the account at the SIP server.
    #[cfg_attr(feature = "json", serde(rename = "sipRegisterRequired", skip_serializing_if = "Option::is_none"))]
    pub register_required: Option<bool>,
}

/// `call`: an outgoing call with the browser's offer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct CallMessage {
    /// The call's identifier, generated by the client.
    pub call_id: CallId,
    /// The callee; sent as text or as a number.
    #[cfg_attr(feature = "json", serde(deserialize_with = "super::wire::required_text_or_number"))]
    pub callee: String,
    /// The caller's login according to the client; the relay uses that of the session instead.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub caller: Option<String>,
    /// The display name shown to the callee.
    #[cfg_attr(
        feature = "json",
        serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::wire::text_or_number")
    )]
    pub visible_name: Option<String>,
    /// The browser sends or receives audio.
    #[cfg_attr(feature = "json", serde(default))]
    pub has_audio: bool,
    /// The browser sends or receives video.
    #[cfg_attr(feature = "json", serde(default))]
    pub has_video: bool,
    /// The offer (RFC 8829), without candidates.
    pub sdp: String,
    /// Lines for the session description of a SIP leg.
    #[cfg_attr(feature = "json", serde(rename = "sipSDP", default, skip_serializing_if = "Vec::is_empty"))]
    pub sip_sdp: Vec<String>,
    /// Header fields for the INVITE of a SIP leg, each `Name: value`. The stock SDK accepts them but does not send them.
    #[cfg_attr(feature = "json", serde(rename = "sipHeaders", default, skip_serializing_if = "Vec::is_empty"))]
    pub sip_headers: Vec<String>,
    /// A value set by the web page.
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
    /// The call's identifier, generated by the relay.
    pub call_id: CallId,
    /// The answer (RFC 8829), without candidates.
    pub sdp: String,
    /// The callee of the call, echoed.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub callee: Option<String>,
    /// Lines for the session description of a SIP leg.
    #[cfg_attr(feature = "json", serde(rename = "sipSDP", default, skip_serializing_if = "Vec::is_empty"))]
    pub sip_sdp: Vec<String>,
    /// The `custom` value of the incoming call, echoed.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub custom: Option<Json>,
    /// Devices and tracks of the browser; informative.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub local_media_info: Option<Json>,
}

/// The transport of DTMF digits on a SIP leg.
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
    /// Returns the name on the wire.
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
    /// Returns the message's name on the wire.
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
            Self::RenewToken { .. } => "offhookRenewToken",
            Self::SendData { .. } => "sendData",
            Self::SubmitBugReport(_) => "submitBugReport",
            Self::SessionDebug { .. } => "sessionDebug",
            Self::PushLogs { .. } => "pushLogs",
            Self::Unsupported { name } => name,
        }
    }
}
