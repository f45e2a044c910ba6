//! Errors of the REST API as problem details (RFC 9457). Every status and every code is decided here.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use offhook_b2bua::command::CommandError;
use serde::Serialize;
use std::borrow::Cow;
use utoipa::ToSchema;

/// The stable code of an error. A released code keeps its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProblemCode {
    /// The request has no token.
    Unauthorized,
    /// The token is not accepted.
    WrongToken,
    /// The token does not have the scope for the request.
    ScopeRequired,
    /// There is no such resource.
    NotFound,
    /// The resource does not support the method.
    MethodNotAllowed,
    /// The request must open a WebSocket.
    UpgradeRequired,
    /// The body is longer than the limit.
    BodyTooLarge,
    /// The content type of the body is not JSON.
    UnsupportedMediaType,
    /// The body is not JSON.
    MalformedJson,
    /// A field or parameter is missing, unknown or has an invalid value.
    InvalidField,
    /// A character is no DTMF digit.
    InvalidDigit,
    /// More DTMF digits than the limit.
    TooManyDigits,
    /// There is no such call.
    UnknownCall,
    /// The call has no such participant.
    UnknownParticipant,
    /// The name of a participant matches several of them.
    AmbiguousParticipant,
    /// There is no such client session.
    UnknownSession,
    /// There is no database of call detail records.
    NoDatabase,
    /// The messages of calls are not kept.
    NoTrace,
    /// The session has a call with this identifier already.
    CallIdInUse,
    /// Several calls have the identifier.
    AmbiguousCall,
    /// The application is not a participant of the established call.
    NotOfApplication,
    /// The SIP server may not be used.
    ServerNotAllowed,
    /// The idempotency key belongs to another request.
    IdempotencyKeyReused,
    /// The request with this idempotency key has not been completed.
    IdempotencyKeyInUse,
    /// The participant has no media.
    NoMedia,
    /// Nothing is being played.
    NotPlaying,
    /// The call is being recorded already.
    AlreadyRecording,
    /// The call is not being recorded.
    NotRecording,
    /// There is no such file.
    UnknownFile,
    /// The file cannot be played.
    UnusableFile,
    /// The configuration lacks the directory for the request.
    NotConfigured,
    /// The disk, or the permitted part of it, is full.
    NoDiskSpace,
    /// The participant is not being alerted.
    NotAlerting,
    /// The call is not established.
    NotEstablished,
    /// The configuration cannot be used.
    InvalidConfiguration,
    /// The relay cannot do this yet.
    NotImplemented,
    /// An error in the relay, for example a response that could not be serialized.
    InternalError,
    /// The relay is shutting down.
    ShuttingDown,
    /// The relay has too many connections or requests.
    Overloaded,
    /// The body was not received in time.
    BodyTimeout,
    /// The request was not processed in time.
    RequestTimeout,
}

impl ProblemCode {
    const fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::UpgradeRequired => (StatusCode::UPGRADE_REQUIRED, "upgradeRequired", "WebSocket required"),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "bodyTooLarge", "Body too large"),
            Self::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupportedMediaType", "Unsupported media type")
            }
            Self::MalformedJson => (StatusCode::BAD_REQUEST, "malformedJson", "Malformed JSON"),
            Self::InvalidField => (StatusCode::BAD_REQUEST, "invalidField", "Invalid field"),
            Self::InvalidDigit => (StatusCode::BAD_REQUEST, "invalidDigit", "Invalid DTMF digit"),
            Self::TooManyDigits => (StatusCode::BAD_REQUEST, "tooManyDigits", "Too many DTMF digits"),
            Self::UnknownCall => (StatusCode::NOT_FOUND, "unknownCall", "Unknown call"),
            Self::UnknownParticipant => (StatusCode::NOT_FOUND, "unknownParticipant", "Unknown participant"),
            Self::AmbiguousParticipant => (StatusCode::CONFLICT, "ambiguousParticipant", "Ambiguous participant"),
            Self::NoDatabase => (StatusCode::NOT_FOUND, "noDatabase", "No database"),
            Self::NoTrace => (StatusCode::NOT_FOUND, "noTrace", "No trace"),
            Self::UnknownSession => (StatusCode::NOT_FOUND, "unknownSession", "Unknown session"),
            Self::CallIdInUse => (StatusCode::CONFLICT, "callIdInUse", "Call identifier in use"),
            Self::AmbiguousCall => (StatusCode::CONFLICT, "ambiguousCall", "Ambiguous call"),
            Self::NotOfApplication => (StatusCode::CONFLICT, "notOfApplication", "Not a call of the application"),
            Self::ServerNotAllowed => (StatusCode::FORBIDDEN, "serverNotAllowed", "SIP server not allowed"),
            Self::IdempotencyKeyReused => {
                (StatusCode::UNPROCESSABLE_ENTITY, "idempotencyKeyReused", "Idempotency key reused")
            }
            Self::IdempotencyKeyInUse => (StatusCode::CONFLICT, "idempotencyKeyInUse", "Idempotency key in use"),
            Self::NoMedia => (StatusCode::CONFLICT, "noMedia", "No media"),
            Self::NotPlaying => (StatusCode::CONFLICT, "notPlaying", "Nothing is being played"),
            Self::AlreadyRecording => (StatusCode::CONFLICT, "alreadyRecording", "Already recording"),
            Self::NotRecording => (StatusCode::CONFLICT, "notRecording", "Not recording"),
            Self::UnknownFile => (StatusCode::NOT_FOUND, "unknownFile", "Unknown file"),
            Self::UnusableFile => (StatusCode::UNPROCESSABLE_ENTITY, "unusableFile", "Unusable file"),
            Self::NotConfigured => (StatusCode::CONFLICT, "notConfigured", "Not configured"),
            Self::NoDiskSpace => (StatusCode::INSUFFICIENT_STORAGE, "noDiskSpace", "No disk space"),
            Self::NotAlerting => (StatusCode::CONFLICT, "notAlerting", "Participant not being alerted"),
            Self::NotEstablished => (StatusCode::CONFLICT, "notEstablished", "Call not established"),
            Self::InvalidConfiguration => {
                (StatusCode::UNPROCESSABLE_ENTITY, "invalidConfiguration", "Invalid configuration")
            }
            Self::NotImplemented => (StatusCode::NOT_IMPLEMENTED, "notImplemented", "Not implemented"),
            Self::InternalError => (StatusCode::INTERNAL_SERVER_ERROR, "internalError", "Internal error"),
            Self::ShuttingDown => (StatusCode::SERVICE_UNAVAILABLE, "shuttingDown", "Shutting down"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "Authentication required"),
            Self::WrongToken => (StatusCode::UNAUTHORIZED, "wrongToken", "Token not accepted"),
            Self::ScopeRequired => (StatusCode::FORBIDDEN, "scopeRequired", "Scope required"),
            Self::NotFound => (StatusCode::NOT_FOUND, "notFound", "Not found"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "methodNotAllowed", "Method not allowed"),
            Self::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "overloaded", "Overloaded"),
            Self::BodyTimeout => (StatusCode::REQUEST_TIMEOUT, "bodyTimeout", "Body not received in time"),
            Self::RequestTimeout => (StatusCode::SERVICE_UNAVAILABLE, "requestTimeout", "Request timed out"),
        }
    }
}

/// A problem detail (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProblemJson<'a> {
    /// A URI that identifies the kind of the problem.
    #[serde(rename = "type")]
    kind: String,
    /// The kind in words.
    title: &'static str,
    /// The status of the response.
    status: u16,
    /// The stable code.
    code: &'static str,
    /// The cause, and what to do.
    detail: &'a str,
}

/// An error with the text for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    code: ProblemCode,
    detail: Cow<'static, str>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Problem {
    pub(super) fn new(code: ProblemCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into(), header: None }
    }

    #[cfg(test)]
    pub(super) const fn code(&self) -> ProblemCode {
        self.code
    }

    /// Adds a header field to the response.
    pub(super) fn with(self, name: HeaderName, value: HeaderValue) -> Self {
        Self { header: Some((name, value)), ..self }
    }
}

/// The problem detail for a command that the call model did not accept.
impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        let code = match error {
            CommandError::UnknownCall => ProblemCode::UnknownCall,
            CommandError::UnknownSession => ProblemCode::UnknownSession,
            CommandError::CallIdInUse => ProblemCode::CallIdInUse,
            CommandError::BadAccount | CommandError::UnknownAccount => ProblemCode::InvalidField,
            CommandError::ServerNotAllowed => ProblemCode::ServerNotAllowed,
            CommandError::NotOfApplication => ProblemCode::NotOfApplication,
            CommandError::NoMedia => ProblemCode::NoMedia,
            CommandError::NotPlaying => ProblemCode::NotPlaying,
            CommandError::AlreadyRecording => ProblemCode::AlreadyRecording,
            CommandError::NotRecording => ProblemCode::NotRecording,
            CommandError::NotAlerting => ProblemCode::NotAlerting,
            CommandError::NotEstablished => ProblemCode::NotEstablished,
            CommandError::SameCall => ProblemCode::InvalidField,
            CommandError::InvalidDigit(_) => ProblemCode::InvalidDigit,
            CommandError::TooManyDigits { .. } => ProblemCode::TooManyDigits,
        };
        Self::new(code, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, code, title) = self.code.parts();
        let kind = format!("urn:offhook:problem:{code}");
        let body = ProblemJson { kind, title, status: status.as_u16(), code, detail: &self.detail };
        // Serialization cannot fail: the body contains only strings and a number.
        let body = serde_json::to_string(&body).unwrap_or_default();
        let headers = [(header::CONTENT_TYPE, "application/problem+json"), (header::CACHE_CONTROL, "no-store")];
        let mut response = (status, headers, body).into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
