//! The REST API: authentication, and errors that all resources have in common.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use offhook_tests::relay::{Relay, api_token};
use offhook_tests::rest::{Reply, RestClient};
use serde_json::Value;

/// Asserts that a response is a problem detail (RFC 9457) with this status and code.
pub(crate) fn is_problem(reply: &Reply, status: u16, code: &str) {
    let field = |name: &str| reply.body.get(name).cloned().unwrap_or_default();
    assert_eq!((reply.status, field("code")), (status, Value::from(code)), "{reply:?}");
    assert!(reply.head.contains("content-type: application/problem+json"), "{reply:?}");
    assert_eq!(field("status"), Value::from(status), "{reply:?}");
    assert_eq!(field("type"), Value::from(format!("urn:offhook:problem:{code}")), "{reply:?}");
    assert!(field("title").is_string() && field("detail").is_string(), "{reply:?}");
}

#[tokio::test]
async fn request_without_accepted_token_is_refused() {
    let relay = Relay::start();
    let api = RestClient::of(&relay).await;
    let ok = api.get("/api/v1/statistics").await;
    assert_eq!((ok.status, ok.body.get("calls")), (200, Some(&Value::from(0))), "{ok:?}");
    assert!(ok.head.contains("cache-control: no-store"), "{ok:?}");
    let anonymous = RestClient::anonymous(&relay).await;
    // Paths that do not exist are not disclosed either.
    for path in ["/api/v1/statistics", "/api/v1/nothing", "/"] {
        let reply = anonymous.get(path).await;
        is_problem(&reply, 401, "unauthorized");
        assert!(reply.head.contains("www-authenticate: bearer"), "{reply:?}");
    }
    for wrong in ["Bearer offhook_wrong", "Bearer", "Basic YWxpY2U6YTpi", "Digest x"] {
        let reply = api.with(wrong).get("/api/v1/statistics").await;
        is_problem(&reply, 401, if wrong.starts_with("Bearer o") { "wrongToken" } else { "unauthorized" });
    }
    relay.logs("API request refused token=\"\" address=127.0.0.1 reason=\"wrong token\"").await;
    let refused = api.get("/api/v1/statistics").await.body;
    assert_eq!(refused.pointer("/api/refused/noToken"), Some(&Value::from(6)), "{refused}");
    assert_eq!(refused.pointer("/api/refused/wrongToken"), Some(&Value::from(1)), "{refused}");
}

#[tokio::test]
async fn repeated_wrong_tokens_are_in_the_security_log() {
    let relay = Relay::start();
    let wrong = RestClient::anonymous(&relay).await.with("Bearer offhook_guess");
    for _ in 0..5 {
        is_problem(&wrong.get("/api/v1/statistics").await, 401, "wrongToken");
    }
    relay.logs("offhook::security: repeated offenses of one address kind=wrong-token address=127.0.0.1").await;
}

#[tokio::test]
async fn configured_tokens_replace_the_created_one() {
    let (token, entry) = api_token("read");
    let basic = ["api.basic_authentication=true", &format!("api.tokens.backend={entry}")];
    let relay = Relay::start_with(&basic);
    let anonymous = RestClient::anonymous(&relay).await;
    let api = anonymous.with(&format!("Bearer {token}"));
    assert_eq!(api.get("/api/v1/statistics").await.status, 200);
    assert!(!relay.log().contains("api-token"), "no token is created:\n{}", relay.log());
    assert!(!relay.log().contains(&token), "tokens are not logged");
    // The user name of HTTP Basic authentication is the name of the token.
    let basic = |pair: &str| anonymous.with(&format!("Basic {}", STANDARD.encode(pair)));
    assert_eq!(basic(&format!("backend:{token}")).get("/api/v1/statistics").await.status, 200);
    for wrong in [format!("other:{token}"), "backend:wrong".to_owned()] {
        is_problem(&basic(&wrong).get("/api/v1/statistics").await, 401, "wrongToken");
    }
    relay.logs("API request refused token=\"backend\" address=127.0.0.1 reason=\"wrong token\"").await;
    let challenge = anonymous.get("/api/v1/statistics").await.head;
    assert!(challenge.contains("basic realm=\"offhook\""), "{challenge}");
}

#[tokio::test]
async fn admin_token_is_printed_once_and_stays_valid() {
    let state = std::env::temp_dir().join(format!("offhook-admin-token-{}", std::process::id()));
    let directory = format!("tls.state_directory={}", state.display());
    let start = || {
        let flags = ["--listen", "127.0.0.1:0", "--no-tls", "--media-address", "127.0.0.1"];
        Relay::start_as(&flags, &[&directory])
    };
    let first = start();
    let token = first.printed("api-token ").await;
    assert_eq!(RestClient::of(&first).await.get("/api/v1/statistics").await.status, 200);
    drop(first);
    let second = start();
    let anonymous = RestClient::anonymous(&second).await;
    assert_eq!(anonymous.with(&format!("Bearer {token}")).get("/api/v1/statistics").await.status, 200);
    second.printed("ready").await;
    assert!(!second.log().contains("api-token"), "{}", second.log());
    std::fs::remove_dir_all(state).expect("the hash is stored there");
}

#[tokio::test]
async fn unknown_path_and_method_are_problems() {
    let relay = Relay::start();
    let api = RestClient::of(&relay).await;
    is_problem(&api.get("/api/v1/nothing").await, 404, "notFound");
    let reply = api.post("/api/v1/statistics", &Value::Null).await;
    is_problem(&reply, 405, "methodNotAllowed");
    assert!(reply.head.contains("allow: get"), "{reply:?}");
}

#[tokio::test]
async fn every_described_operation_exists() {
    let relay = Relay::start();
    let api = RestClient::of(&relay).await;
    let description = api.get("/api/openapi.json").await;
    assert_eq!((description.status, description.body.get("openapi")), (200, Some(&"3.1.0".into())));
    let paths = description.body.get("paths").and_then(Value::as_object).expect("paths");
    for (path, operations) in paths {
        for method in operations.as_object().expect("operations").keys() {
            // The stream of events would not end; a filter that is refused is a response of the same operation.
            let query = if path == "/api/v1/events" { "?type=unknown" } else { "" };
            let path = path.replace("{id}", "0") + query;
            let reply = api.send(&method.to_ascii_uppercase(), &path, "application/json", "{}").await;
            let code = reply.body.get("code").and_then(Value::as_str).unwrap_or_default();
            assert!(!["notFound", "methodNotAllowed"].contains(&code), "{method} {path}: {reply:?}");
        }
    }
    is_problem(&RestClient::anonymous(&relay).await.get("/api/openapi.json").await, 401, "unauthorized");
}

#[tokio::test]
async fn page_of_the_api_is_public_and_loads_only_its_own_files() {
    let relay = Relay::start();
    let anonymous = RestClient::anonymous(&relay).await;
    for path in ["/api/", "/api/page.js", "/api/page.css"] {
        let reply = anonymous.get(path).await;
        assert_eq!(reply.status, 200, "{path}");
        let policy =
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'";
        assert!(reply.head.contains(policy) && reply.head.contains("nosniff"), "{reply:?}");
    }
    assert_eq!(anonymous.get("/api").await.status, 308);
}

#[tokio::test]
async fn slow_body_is_a_problem_of_the_client() {
    let relay = Relay::start_with(&["api.request_timeout=200ms"]);
    let api = RestClient::of(&relay).await;
    let reply = api.send_part("POST", "/api/v1/calls/1/hold", "{\"participant\"", 100).await;
    is_problem(&reply, 408, "bodyTimeout");
    assert_eq!(api.get("/api/v1/statistics").await.body.pointer("/api/timeouts"), Some(&1.into()));
}
