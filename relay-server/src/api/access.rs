//! Authentication and authorization of REST API requests: a bearer token (RFC 6750), or the same token as the password
//! of HTTP Basic authentication (RFC 7617) with its name as the user.

use super::ApiState;
use super::cors::is_compatible;
use super::problem::{Problem, ProblemCode};
use super::token::{Grant, Scope};
use crate::http::Peer;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use offhook_limits::offense::Kind;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The credentials of a request.
#[derive(Debug, PartialEq, Eq)]
enum Presented {
    Nothing,
    Bearer(String),
    Basic { user: String, password: String },
}

/// Identifies the token of each request. A request without a valid token is answered with 401.
pub(super) async fn authenticate(State(api): State<Arc<ApiState>>, mut request: Request, next: Next) -> Response {
    match api.identify(&request) {
        Ok(grant) => {
            request.extensions_mut().insert(grant);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// Requires a scope. A request whose token has a lower scope is answered with 403.
pub(super) async fn require(
    State((api, needed)): State<(Arc<ApiState>, Scope)>,
    request: Request,
    next: Next,
) -> Response {
    match request.extensions().get::<Grant>() {
        Some(grant) if grant.scope >= needed => next.run(request).await,
        grant => {
            let name = grant.map_or("", |grant| grant.name.as_str());
            api.counters.no_scope.fetch_add(1, Ordering::Relaxed);
            log_refusal(name, api.source(&request), "scope required");
            let detail = format!("this request requires a token with the scope `{needed}`");
            let problem = Problem::new(ProblemCode::ScopeRequired, detail);
            let challenge = format!("Bearer realm=\"offhook\", error=\"insufficient_scope\", scope=\"{needed}\"");
            match HeaderValue::from_str(&challenge) {
                Ok(challenge) => problem.with(header::WWW_AUTHENTICATE, challenge).into_response(),
                Err(_) => problem.into_response(),
            }
        }
    }
}

/// Logs a rejected request. The log formatter limits the rate of these lines (`telemetry::limit`).
fn log_refusal(token: &str, source: Option<IpAddr>, reason: &'static str) {
    let source = source.map(tracing::field::display);
    tracing::warn!(token, address = source, reason, "API request refused");
}

impl ApiState {
    fn identify(&self, request: &Request) -> Result<Grant, Problem> {
        let settings = self.settings();
        let (name, grant) = match presented(request.headers()) {
            Presented::Basic { .. } if !settings.basic_authentication => {
                let detail = "HTTP Basic authentication is off: send `Authorization: Bearer <token>`, or set [api] \
                              basic_authentication";
                return Err(self.refuse_without_token(request, detail));
            }
            Presented::Basic { .. } if is_of_foreign_page(request, settings.allowed_origin.as_ref()) => {
                let detail = "a page of another origin must send `Authorization: Bearer <token>`";
                return Err(self.refuse_without_token(request, detail));
            }
            Presented::Nothing => {
                return Err(self.refuse_without_token(request, "send `Authorization: Bearer <token>`"));
            }
            Presented::Bearer(token) => (String::new(), settings.tokens.find(&token)),
            Presented::Basic { user, password } => {
                let grant = settings.tokens.find(&password).filter(|grant| grant.name == user);
                (user, grant)
            }
        };
        grant.ok_or_else(|| self.refuse_wrong_token(request, &name))
    }

    fn refuse_without_token(&self, request: &Request, detail: &'static str) -> Problem {
        self.counters.no_token.fetch_add(1, Ordering::Relaxed);
        log_refusal("", self.source(request), "no token");
        Problem::new(ProblemCode::Unauthorized, detail).with(header::WWW_AUTHENTICATE, self.challenge())
    }

    fn refuse_wrong_token(&self, request: &Request, name: &str) -> Problem {
        self.counters.wrong_token.fetch_add(1, Ordering::Relaxed);
        let source = self.source(request);
        // A name that is not configured is arbitrary text from the network, and is not logged.
        let name = if self.settings().tokens.has_name(name) { name } else { "" };
        log_refusal(name, source, "wrong token");
        if let Some(source) = source {
            self.security_log.note(Kind::WrongToken, source);
        }
        let detail = "the token is not one of [api.tokens]";
        Problem::new(ProblemCode::WrongToken, detail).with(header::WWW_AUTHENTICATE, self.challenge())
    }

    fn challenge(&self) -> HeaderValue {
        HeaderValue::from_static(match self.settings().basic_authentication {
            true => "Bearer realm=\"offhook\", Basic realm=\"offhook\", charset=\"UTF-8\"",
            false => "Bearer realm=\"offhook\"",
        })
    }

    /// The address of the client.
    fn source(&self, request: &Request) -> Option<IpAddr> {
        let Peer(peer) = request.extensions().get::<Peer>().copied()?;
        Some(self.trusted_proxies.client(peer, request.headers()))
    }
}

/// Returns whether a browser sends the request on behalf of a page of another origin. For HTTP Basic authentication,
/// the browser adds the password to the requests of all pages after the user has entered it once, so that such a page
/// could control calls.
fn is_of_foreign_page(request: &Request, allowed: Option<&HeaderValue>) -> bool {
    let headers = request.headers();
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let is_allowed = allowed == Some(origin) && is_compatible(request);
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let of_page = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    !is_allowed && (of_page.is_none() || of_page != host)
}

/// Returns the credentials of a request. Those of an unknown scheme count as none.
fn presented(headers: &HeaderMap) -> Presented {
    let credentials = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some((scheme, rest)) = credentials.and_then(|text| text.split_once(' ')) else { return Presented::Nothing };
    if scheme.eq_ignore_ascii_case("bearer") {
        return Presented::Bearer(rest.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Presented::Nothing;
    }
    let decoded = STANDARD.decode(rest.trim()).ok().and_then(|octets| String::from_utf8(octets).ok());
    match decoded.as_deref().and_then(|pair| pair.split_once(':')) {
        Some((user, password)) => Presented::Basic { user: user.to_owned(), password: password.to_owned() },
        None => Presented::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::{HeaderMap, HeaderValue, Presented, Request, header, is_of_foreign_page, presented};
    use axum::body::Body;

    #[test]
    fn basic_credentials_are_not_accepted_from_pages_of_other_origins() {
        let allowed = HeaderValue::from_static("https://shop.test");
        let is_foreign = |path: &str, origin: Option<&str>| {
            let mut request = Request::post(path).header(header::HOST, "127.0.0.1:8081");
            if let Some(origin) = origin {
                request = request.header(header::ORIGIN, origin);
            }
            is_of_foreign_page(&request.body(Body::empty()).unwrap(), Some(&allowed))
        };
        let hang_up = "/api/v1/calls/7/hangup";
        assert!(!is_foreign(hang_up, None), "no browser");
        assert!(!is_foreign(hang_up, Some("http://127.0.0.1:8081")), "a page of the same origin");
        assert!(!is_foreign("/rest-api/call/terminate", Some("https://shop.test")));
        for origin in ["https://shop.test", "https://evil.test", "null", "", "http://127.0.0.1:9000"] {
            assert!(is_foreign(hang_up, Some(origin)), "{origin}");
        }
        assert!(is_foreign("/rest-api/call/terminate", Some("https://evil.test")));
    }

    #[test]
    fn credentials_are_parsed() {
        let basic = |user: &str, password: &str| Presented::Basic { user: user.into(), password: password.into() };
        let cases = [
            ("Bearer abc", Presented::Bearer("abc".into())),
            ("bearer  abc ", Presented::Bearer("abc".into())),
            ("Basic YWxpY2U6YTpi", basic("alice", "a:b")),
            ("Basic Og==", basic("", "")),
            ("Basic !", Presented::Nothing),
            ("Basic YWxpY2U=", Presented::Nothing),
            ("Digest x=\"y\"", Presented::Nothing),
            ("abc", Presented::Nothing),
            ("", Presented::Nothing),
        ];
        for (text, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static(text));
            assert_eq!(presented(&headers), expected, "{text}");
        }
        assert_eq!(presented(&HeaderMap::new()), Presented::Nothing);
    }
}
