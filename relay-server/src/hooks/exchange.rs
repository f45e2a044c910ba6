//! One HTTP exchange with an application: request, signature, limits and classification of the response.

use super::method::HookMethod;
use aws_lc_rs::hmac;
use core::fmt;
use core::time::Duration;
use offhook_sip::auth::Secret;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Response, Url};
use serde_json::{Map, Value};
use std::time::{SystemTime, UNIX_EPOCH};

/// Maximum length of a response body, in octets.
const MAX_BODY: usize = 65_536;

/// The parameters of the requests to an application.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    pub(super) client: Client,
    pub(super) url: Url,
    /// For HTTP Basic authentication.
    pub(super) user: Option<(String, Secret)>,
    /// The key of the signatures.
    pub(super) secret: Option<Secret>,
    /// Time limit for a request.
    pub(super) timeout: Duration,
}

/// A request.
#[derive(Clone, Debug)]
pub(super) struct HookRequest {
    pub(super) method: HookMethod,
    /// Identifies the request; its repetitions have the same identifier.
    pub(super) delivery: String,
    pub(super) body: String,
}

/// The reason why a request has no usable answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HookFailure {
    /// The application answered with this status, which is neither 2xx nor 3xx. The answer may contain a reason.
    Refused { status: u16, answer: Map<String, Value> },
    /// The application answered with a redirect, which is not followed.
    Redirected,
    /// There was no answer in time.
    TimedOut,
    /// The connection failed.
    Unreachable,
    /// The answer is longer than 64 KiB.
    TooLong,
    /// The answer is not a JSON object with its content type.
    NotJson,
}

impl HookFailure {
    /// Returns the label in metrics.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Refused { status: 500.., .. } => "server_error",
            Self::Refused { .. } => "refused",
            Self::Redirected => "redirected",
            Self::TimedOut => "timed_out",
            Self::Unreachable => "unreachable",
            Self::TooLong => "too_long",
            Self::NotJson => "not_json",
        }
    }

    /// Returns whether a repetition of the request can succeed.
    pub(super) const fn is_temporary(&self) -> bool {
        match self {
            Self::Refused { status, .. } => matches!(status, 408 | 425 | 429 | 500..),
            Self::TimedOut | Self::Unreachable => true,
            Self::Redirected | Self::TooLong | Self::NotJson => false,
        }
    }
}

impl fmt::Display for HookFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { status, .. } => write!(f, "status {status}"),
            Self::Redirected => f.write_str("a redirect, which is not followed"),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Unreachable => f.write_str("the connection failed"),
            Self::TooLong => write!(f, "an answer of more than {MAX_BODY} octets"),
            Self::NotJson => f.write_str("an answer that is not a JSON object"),
        }
    }
}

/// The answer to a request.
pub(super) type HookResult = Result<Map<String, Value>, HookFailure>;

impl Endpoint {
    /// Sends a request and receives its answer within the time limit.
    pub(super) async fn send(&self, request: &HookRequest, attempt: u32) -> HookResult {
        match tokio::time::timeout(self.timeout, self.exchange(request, attempt)).await {
            Ok(result) => result,
            Err(_) => Err(HookFailure::TimedOut),
        }
    }

    async fn exchange(&self, request: &HookRequest, attempt: u32) -> HookResult {
        let HookRequest { method, delivery, body } = request;
        let mut url = self.url.clone();
        let path = format!("{}/{}", url.path().trim_end_matches('/'), method.name());
        url.set_path(&path);
        let mut http = self.client.post(url).header(CONTENT_TYPE, "application/json");
        http = http.header("Offhook-Delivery", delivery).header("Offhook-Attempt", attempt);
        if let Some((user, password)) = &self.user {
            http = http.basic_auth(user, Some(password.reveal()));
        }
        if let Some(secret) = &self.secret {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            http = http.header("Offhook-Signature", signature(secret, now, delivery, body));
        }
        let response = http.body(body.clone()).send().await.map_err(|error| {
            tracing::debug!(target: super::TARGET, %error, delivery, "webhook request failed");
            if error.is_timeout() { HookFailure::TimedOut } else { HookFailure::Unreachable }
        })?;
        let status = response.status();
        if status.is_redirection() {
            return Err(HookFailure::Redirected);
        }
        let is_json = is_json(response.headers());
        let answer = read(response).await?;
        if status.is_success() {
            parse(is_json, &answer).ok_or(HookFailure::NotJson)
        } else {
            let answer = parse(is_json, &answer).unwrap_or_default();
            Err(HookFailure::Refused { status: status.as_u16(), answer })
        }
    }
}

/// Returns the value of `Offhook-Signature`.
fn signature(secret: &Secret, now: u64, delivery: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes());
    let tag = hmac::sign(&key, format!("{now}.{delivery}.{body}").as_bytes());
    let digits: String = tag.as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
    format!("t={now},v1={digits}")
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

/// Reads the body of a response, up to the limit.
async fn read(mut response: Response) -> Result<Vec<u8>, HookFailure> {
    let too_long = |length: u64| length > MAX_BODY as u64;
    if response.content_length().is_some_and(too_long) {
        return Err(HookFailure::TooLong);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| HookFailure::Unreachable)? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(HookFailure::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Returns the object in a body; an empty body is an empty object.
fn parse(is_json: bool, body: &[u8]) -> Option<Map<String, Value>> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Some(Map::new());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(answer)) if is_json => Some(answer),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{HookFailure, Secret, parse, signature};

    #[test]
    fn signature_covers_time_delivery_and_body() {
        // openssl dgst -sha256 -hmac key: 1700000000.d-1.{"a":1}
        let expected = "t=1700000000,v1=0fa920b360de54c541b2bcd7d75fd46b932874f2e4c9d234c90a006432de2353";
        assert_eq!(signature(&Secret::new("key"), 1_700_000_000, "d-1", r#"{"a":1}"#), expected);
    }

    #[test]
    fn answer_is_an_object_with_its_content_type_or_empty() {
        assert!(parse(false, b" \r\n").is_some_and(|answer| answer.is_empty()));
        assert!(parse(true, br#"{"a":1}"#).is_some());
        assert_eq!((parse(false, br#"{"a":1}"#), parse(true, b"[]"), parse(true, b"{")), (None, None, None));
    }

    #[test]
    fn refusals_are_final_and_overload_is_temporary() {
        let refused = |status| HookFailure::Refused { status, answer: Default::default() };
        assert!(!refused(403).is_temporary() && !HookFailure::Redirected.is_temporary());
        assert!(refused(429).is_temporary() && refused(503).is_temporary() && HookFailure::TimedOut.is_temporary());
    }
}
