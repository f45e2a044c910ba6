//! Tests of logins by JSON Web Tokens, of a server of keys, and of the guards against abuse.

use crate::logins::banned;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use offhook_signaling::message::{ClientMessage, ConnectionMessage, DataStatus, ServerMessage, SipOptions};
use offhook_signaling::reason::EndReason;
use offhook_signaling::version::Extension;
use offhook_tests::browser::{Browser, connection};
use offhook_tests::child::Folder;
use offhook_tests::peer::{Habits, Sound};
use offhook_tests::relay::Relay;
use offhook_tests::wait::{PATIENCE, until};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite;

const FLAGS: [&str; 5] = ["--listen", "127.0.0.1:0", "--no-tls", "--media-address", "127.0.0.1"];
const SECRET: &str = "a secret that only the application and the relay have";

fn in_seconds(seconds: u64) -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs() + seconds
}

fn signed(claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).expect("a token")
}

fn with_token(token: &str) -> ConnectionMessage {
    let hello = ConnectionMessage { auth_token: Some(token.to_owned()), ..connection("") };
    let sip = SipOptions { register_required: Some(true), ..SipOptions::default() };
    ConnectionMessage { sip, offhook: Some(Extension::ours()), ..hello }
}

async fn refused(relay: &Relay, token: &str) -> String {
    Browser::knock(relay, with_token(token), Habits::default()).await.refused().await
}

/// Logs in until the token is accepted.
async fn becomes_valid(relay: &Relay, token: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut browser = Browser::knock(relay, with_token(token), Habits::default()).await;
        let answer = browser.expect("an answer", |message| match message {
            ServerMessage::Fail { .. } => Some(false),
            ServerMessage::UserData(_) => Some(true),
            _ => None,
        });
        if answer.await {
            return;
        }
        assert!(Instant::now() < deadline, "the token remains refused");
    }
}

async fn sign_in(relay: &Relay, token: &str) -> Browser {
    Browser::connect(relay, with_token(token), Habits::default()).await
}

/// A server of a JWK set that can be changed and stopped.
struct KeyServer {
    address: SocketAddr,
    /// The body of responses; `None` for status 500.
    body: Arc<Mutex<Option<String>>>,
    requests: Arc<AtomicU32>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for KeyServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl KeyServer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (body, requests) = (Arc::new(Mutex::new(None::<String>)), Arc::new(AtomicU32::new(0)));
        let (current, count) = (Arc::clone(&body), Arc::clone(&requests));
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 4_096];
                let _ = stream.read(&mut request).await;
                count.fetch_add(1, Ordering::Relaxed);
                let body = current.lock().expect("the body").clone();
                let status = if body.is_some() { "200 OK" } else { "500 Internal Server Error" };
                let body = body.unwrap_or_default();
                let response = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(response.as_bytes()).await;
            }
        });
        Self { address, body, requests, task }
    }

    fn publish(&self, keys: &[&AppKey]) {
        let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
        *self.body.lock().expect("the body") = Some(json!({ "keys": keys }).to_string());
    }

    fn fail(&self) {
        *self.body.lock().expect("the body") = None;
    }

    fn requests(&self) -> u32 {
        self.requests.load(Ordering::Relaxed)
    }
}

/// A P-256 key of an application.
struct AppKey {
    id: &'static str,
    pair: KeyPair,
}

impl AppKey {
    fn new(id: &'static str) -> Self {
        Self { id, pair: KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key") }
    }

    fn jwk(&self) -> Value {
        // An uncompressed point (SEC 1 §2.3.3).
        let point = self.pair.public_key_raw();
        let part = |range| URL_SAFE_NO_PAD.encode(point.get(range).expect("65 octets"));
        json!({ "kty": "EC", "crv": "P-256", "kid": self.id, "use": "sig", "x": part(1..33), "y": part(33..65) })
    }

    fn sign(&self, claims: &Value) -> String {
        let key = EncodingKey::from_ec_pem(self.pair.serialize_pem().as_bytes()).expect("a private key");
        let header = Header { kid: Some(self.id.to_owned()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, claims, &key).expect("a token")
    }
}

#[tokio::test]
async fn token_logs_in_and_attacks_are_logged() {
    let folder = Folder::new("tokens");
    let file = format!("tokens.secret_file={}", folder.write("secret", format!("{SECRET}\n")));
    let options = [file.as_str(), "tokens.issuer=app", "tokens.audience=relay", "tokens.leeway=0"];
    let relay = Relay::start_as(&FLAGS, &options);
    let claims = |login: &str| json!({ "iss": "app", "aud": "relay", "sub": login, "exp": in_seconds(600) });
    let mut alice = sign_in(&relay, &signed(&claims("alice"))).await;
    let mut bob = sign_in(&relay, &signed(&claims("bob"))).await;
    let (at_alice, at_bob) = crate::establish_call(&mut alice, &mut bob, Sound::Tone(440.0), Sound::Tone(440.0)).await;
    at_bob.peer.receives_tone(440.0).await;
    alice.hang_up(&at_alice.id);
    let good = signed(&claims("mallory"));
    let payload = good.split('.').nth(1).expect("claims");
    let none = format!("{}.{payload}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#));
    let once = {
        let mut once = claims("carol");
        once["jti"] = "once".into();
        once["offhook"] = json!({ "singleUse": true });
        signed(&once)
    };
    drop(sign_in(&relay, &once).await);
    let mut expired = claims("mallory");
    expired["exp"] = in_seconds(0).into();
    let expired = signed(&expired);
    // Several clients that present expired tokens are no attack.
    for _ in 0..5 {
        assert!(refused(&relay, &expired).await.contains("it has expired; request a new one"));
    }
    assert!(!relay.log().contains("kind=wrong-token"), "{}", relay.log());
    let oversized = format!("{good}{}", "A".repeat(8_192));
    for (token, reason) in [
        (none, "its algorithm is not that of the key"),
        (good.replace(payload, "e30"), "its signature is wrong"),
        (signed(&json!({ "iss": "other", "aud": "relay", "sub": "x", "exp": in_seconds(0) })), "its issuer"),
        (signed(&json!({ "iss": "app", "aud": "other", "sub": "x", "exp": in_seconds(60) })), "its audience"),
        (once, "has been used before"),
        (oversized, "the maximum is 8192"),
    ] {
        let found = refused(&relay, &token).await;
        assert!(found.contains(reason), "{found}");
    }
    relay.logs("kind=wrong-token address=127.0.0.1 verified=true count=5").await;
    assert!(until(|| banned(&relay.log()) == ["127.0.0.1"]).await, "{}", relay.log());
    let (_, metrics) = relay.request("/metrics", "").await;
    assert!(metrics.contains("offhook_guard_refusals_total{guard=\"token\"} 5"), "{metrics}");
    assert!(metrics.contains("offhook_guard_refusals_total{guard=\"token_expiry\"} 5"), "{metrics}");
    assert!(!relay.log().contains(SECRET) && !relay.log().contains(payload), "no token in the log");
}

#[tokio::test]
async fn key_set_is_rotated_and_survives_an_outage() {
    let server = KeyServer::start().await;
    let (old, new, foreign) = (AppKey::new("k1"), AppKey::new("k2"), AppKey::new("k3"));
    server.fail();
    let url = format!("tokens.jwks_url=http://{}/keys", server.address);
    let relay = Relay::start_as(&FLAGS, &[&url, "tokens.jwks_refetch_interval=1s"]);
    let claims = json!({ "sub": "alice", "exp": in_seconds(600) });
    assert!(refused(&relay, &old.sign(&claims)).await.contains("cannot be verified at present"));
    server.publish(&[&old]);
    // At most one fetch in an interval of a second, whatever arrives.
    let begun = Instant::now();
    let is_limited = || u64::from(server.requests()) <= 2 + begun.elapsed().as_secs();
    becomes_valid(&relay, &old.sign(&claims)).await;
    assert!(is_limited(), "{} requests", server.requests());
    for _ in 0..10 {
        assert!(refused(&relay, &foreign.sign(&claims)).await.contains("`kid`"));
        drop(sign_in(&relay, &old.sign(&claims)).await);
    }
    assert!(is_limited(), "{} requests", server.requests());
    server.publish(&[&new]);
    becomes_valid(&relay, &new.sign(&claims)).await;
    assert!(is_limited(), "{} requests", server.requests());
    assert!(refused(&relay, &old.sign(&claims)).await.contains("`kid`"), "a withdrawn key is not valid any more");
    server.fail();
    drop(sign_in(&relay, &new.sign(&claims)).await);
}

#[tokio::test]
async fn session_is_renewed_before_its_token_expires() {
    let secret = format!("tokens.secret={SECRET}");
    let relay = Relay::start_as(&FLAGS, &[&secret, "tokens.leeway=0", "tokens.expiry_notice=10s"]);
    let claims = |login: &str, seconds| signed(&json!({ "sub": login, "exp": in_seconds(seconds) }));
    let mut alice = sign_in(&relay, &claims("alice", 2)).await;
    let bob = sign_in(&relay, &claims("bob", 2)).await;
    let expires_in = |message: &ServerMessage| match message {
        ServerMessage::TokenExpiring { expires_in } => Some(*expires_in),
        _ => None,
    };
    assert!(alice.expect("the notice", expires_in).await <= 2);
    let status = |message: &ServerMessage| match message {
        ServerMessage::TokenStatus { status, info, .. } => Some((*status, info.clone())),
        _ => None,
    };
    let renew = |token: String| ClientMessage::RenewToken { operation_id: "r".to_owned(), token };
    alice.send(&renew(claims("mallory", 600)));
    let (failed, info) = alice.expect("the refusal", status).await;
    assert_eq!((failed, info.as_deref()), (DataStatus::Failed, Some("the token is for another login")));
    alice.send(&renew(claims("alice", 600)));
    assert_eq!(alice.expect("the renewal", status).await, (DataStatus::Accepted, None));
    assert!(bob.is_closed().await.contains("expired"), "Bob has not renewed his token");
    let carol = sign_in(&relay, &claims("carol", 600)).await;
    let call = alice.call(carol.login(), Sound::Tone(440.0)).await;
    alice.status(&call.id, offhook_signaling::message::CallStatus::Ring).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_many_sessions_stop_exactly_at_the_limits() {
    let options = ["guards.calls_per_login=3", "guards.calls_per_address=20", "guards.call_rate_per_login=1000"];
    let relay = Relay::start_with(&options);
    let mut callees = Vec::new();
    for number in 0..16 {
        callees.push(Browser::sign_in(&relay, &format!("callee{number}")).await);
    }
    let mut callers = Vec::new();
    for number in 0..8 {
        callers.push(Browser::sign_in(&relay, &format!("caller{number}")).await);
    }
    // Eight logins place four calls each: three of each login, but twenty of the address.
    let placed = callers.iter_mut().enumerate().map(async |(caller, browser)| {
        let mut refused = Vec::new();
        let mut calls = Vec::new();
        for number in 0..4 {
            let callee = format!("callee{}", (caller * 2 + number) % 16);
            let call = browser.call(&callee, Sound::Tone(440.0)).await;
            let id = call.id.clone();
            let outcome = browser.expect("an outcome", |message| match message {
                ServerMessage::CallStatus(call) if call.call_id == id && call.status.is_terminal() => {
                    Some(call.info.clone())
                }
                ServerMessage::CallStatus(call) if call.call_id == id && call.status.name() == "RING" => Some(None),
                _ => None,
            });
            match outcome.await {
                Some(info) => refused.push(info),
                None => calls.push(call),
            }
        }
        (refused, calls)
    });
    let outcomes = futures_util::future::join_all(placed).await;
    let refused: Vec<&String> = outcomes.iter().flat_map(|(refused, _)| refused).collect();
    let running: usize = outcomes.iter().map(|(_, calls)| calls.len()).sum();
    assert_eq!((running, refused.len()), (20, 12));
    assert!(refused.iter().all(|info| *info == EndReason::TooManyCalls.info()), "{refused:?}");
    let (_, metrics) = relay.request("/metrics", "").await;
    let count = |guard: &str| {
        let name = format!("offhook_guard_refusals_total{{guard=\"{guard}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&name)?.parse::<u32>().ok()).expect("a counter")
    };
    assert_eq!(count("calls_per_login") + count("calls_per_address"), 12);
    assert_eq!(relay.health().await["calls"], 20);
}

#[tokio::test]
async fn page_of_foreign_origin_is_refused() {
    let secret = format!("tokens.secret={SECRET}");
    let relay = Relay::start_as(&FLAGS, &[&secret, "guards.origins=https://phone.example,https://shop.example"]);
    let open = async |origin: &str| {
        let stream = tokio::net::TcpStream::connect(relay.address()).await.expect("a connection");
        let mut request = tungstenite::client::IntoClientRequest::into_client_request(relay.url()).expect("a request");
        request.headers_mut().insert("Origin", origin.parse().expect("a header value"));
        match tokio_tungstenite::client_async(request, stream).await {
            Ok(_) => 101,
            Err(tungstenite::Error::Http(response)) => response.status().as_u16(),
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(open("https://phone.example").await, 101);
    for _ in 0..20 {
        assert_eq!(open("https://evil.example").await, 403);
    }
    relay.logs("kind=foreign-origin address=127.0.0.1 verified=true count=20").await;
    let (_, metrics) = relay.request("/metrics", "").await;
    assert!(metrics.contains("offhook_foreign_origin_refusals_total 20"), "{metrics}");
}
