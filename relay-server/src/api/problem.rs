//! Errors of the REST API as problem details (RFC 9457). Every status and every code is decided here.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::borrow::Cow;

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
    /// The relay has too many connections or requests.
    Overloaded,
    /// The request was not processed in time.
    RequestTimeout,
}

impl ProblemCode {
    const fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "Authentication required"),
            Self::WrongToken => (StatusCode::UNAUTHORIZED, "wrongToken", "Token not accepted"),
            Self::ScopeRequired => (StatusCode::FORBIDDEN, "scopeRequired", "Scope required"),
            Self::NotFound => (StatusCode::NOT_FOUND, "notFound", "Not found"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "methodNotAllowed", "Method not allowed"),
            Self::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "overloaded", "Overloaded"),
            Self::RequestTimeout => (StatusCode::SERVICE_UNAVAILABLE, "requestTimeout", "Request timed out"),
        }
    }
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

    /// Adds a header field to the response.
    pub(super) fn with(self, name: HeaderName, value: HeaderValue) -> Self {
        Self { header: Some((name, value)), ..self }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, code, title) = self.code.parts();
        let body = json!({
            "type": format!("urn:offhook:problem:{code}"),
            "title": title,
            "status": status.as_u16(),
            "code": code,
            "detail": self.detail,
        });
        let headers = [(header::CONTENT_TYPE, "application/problem+json"), (header::CACHE_CONTROL, "no-store")];
        let mut response = (status, headers, body.to_string()).into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
