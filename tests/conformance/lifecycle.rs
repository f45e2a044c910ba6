//! The drain before a shutdown, and the reload of the configuration.

use crate::api::is_problem;
use crate::sip::listen_with;
use crate::{EstablishedCall, HIGH, LOW, establish_call};
use offhook_signaling::message::ConnectionMessage;
use offhook_tests::browser::{Browser, connection};
use offhook_tests::peer::{Habits, Sound};
use offhook_tests::relay::{Relay, api_token, hash_password};
use offhook_tests::rest::RestClient;
use offhook_tests::wire::{Wire, header, status};
use serde_json::{Value, json};
use std::path::PathBuf;

/// The status and the body of the response to a health check.
async fn check(relay: &Relay, path: &str) -> (String, Value) {
    let (head, body) = relay.request(path, "").await;
    let status = head.split(' ').nth(1).unwrap_or_default().to_owned();
    (status, serde_json::from_str::<Value>(&body).expect("a body in JSON").get("status").cloned().unwrap_or_default())
}

#[tokio::test]
async fn sigterm_refuses_new_calls_and_continues_others() {
    let mut here = listen_with(&["calls.drain_timeout=60s"]).await;
    let api = RestClient::of(&here.relay).await;
    assert_eq!(check(&here.relay, "/readyz").await, ("200".to_owned(), json!("ok")));
    let mut bob = Browser::sign_in(&here.relay, "bob").await;
    let mut carol = Browser::sign_in(&here.relay, "carol").await;
    let (at_bob, at_carol) = establish_call(&mut bob, &mut carol, Sound::Tone(LOW), Sound::Tone(HIGH)).await;
    here.relay.signal("TERM");
    here.relay.logs("SIGTERM: shutting down when the calls have ended").await;

    assert_eq!(check(&here.relay, "/readyz").await, ("503".to_owned(), json!("draining")));
    assert_eq!(check(&here.relay, "/healthz").await, ("200".to_owned(), json!("draining")));
    let upgrade = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
    let (head, _) = here.relay.request("/", &format!("{upgrade}Connection: upgrade\r\n")).await;
    assert!(head.starts_with("HTTP/1.1 503") && head.contains("retry-after: 10"), "{head}");
    let call = json!({"sessionId": "1", "callId": "x", "callee": "bob", "sdp": "v=0"});
    is_problem(&api.post("/api/v1/calls", &call).await, 503, "shuttingDown");
    let second = here.alice.call("bob", Sound::Tone(LOW)).await;
    assert_eq!(here.alice.over(&second.id).await.sip_status, Some(503));
    let wire = Wire::toward(here.relay.sip("udp").await).await;
    wire.send(wire.request("INVITE", &here.contact, "Max-Forwards: 70\r\n")).await;
    let refused = wire.final_response().await;
    assert_eq!((status(&refused), header(&refused, "Retry-After")), (Some(503), Some("10")), "{refused}");

    // The call continues, can be changed, and its end ends the relay.
    at_bob.peer.receives_tone(HIGH).await;
    carol.hold(&at_carol.id).await;
    carol.unhold(&at_carol.id).await;
    bob.hang_up(&at_bob.id);
    assert!(here.relay.ends().await.success(), "{}", here.relay.log());
    assert!(here.relay.log().contains("all calls have ended"), "{}", here.relay.log());
}

#[tokio::test]
async fn drain_ends_at_its_time_limit_and_at_second_sigterm() {
    let mut short = Relay::start_with(&["calls.drain_timeout=200ms"]);
    let mut long = Relay::start_with(&["calls.drain_timeout=10m"]);
    let (mut of_short, mut of_long) = (EstablishedCall::begin(&short).await, EstablishedCall::begin(&long).await);
    short.signal("TERM");
    assert_eq!(of_short.alice.over(&of_short.at_alice.id).await.sip_status, Some(503));
    assert!(short.ends().await.success());
    long.signal("TERM");
    long.logs("SIGTERM: shutting down when the calls have ended").await;
    long.signal("TERM");
    assert_eq!(of_long.alice.over(&of_long.at_alice.id).await.sip_status, Some(503));
    assert!(long.ends().await.success());
}

/// A relay with a configuration file that the test changes.
struct Configured {
    file: PathBuf,
    relay: Relay,
}

impl Configured {
    fn start(name: &str, text: &str) -> Self {
        let file = std::env::temp_dir().join(format!("offhook-{name}-{}.toml", std::process::id()));
        std::fs::write(&file, text).expect("written");
        let path = file.display().to_string();
        let flags = ["--config", &path, "--listen", "127.0.0.1:0", "--no-tls", "--media-address", "127.0.0.1"];
        let relay = Relay::start_as(&flags, &["limits.password_checks=2"]);
        Self { file, relay }
    }

    fn write(&self, text: &str) {
        std::fs::write(&self.file, text).expect("written");
    }

    /// Opens a session with a password.
    async fn sign_in(&self, login: &str) -> Browser {
        Browser::connect(&self.relay, with_password(login), Habits::default()).await
    }
}

impl Drop for Configured {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

/// The `connection` message with the password of all accounts.
fn with_password(login: &str) -> ConnectionMessage {
    let mut hello = connection(login);
    hello.sip.password = Some("tulip".to_owned());
    hello
}

#[tokio::test]
async fn reload_applies_options_and_refuses_bad_ones_as_a_whole() {
    let hash = hash_password("tulip");
    let ((admin, admin_entry), (reader, reader_entry)) = (api_token("admin"), api_token("read"));
    let tokens = format!("[api.tokens]\nadmin = \"{admin_entry}\"\n");
    let first = format!("[accounts]\nalice = \"{hash}\"\nbob = \"{hash}\"\n{tokens}");
    let here = Configured::start("reload", &first);
    let api = RestClient::anonymous(&here.relay).await.with(&format!("Bearer {admin}"));
    let reader = api.with(&format!("Bearer {reader}"));
    let (alice, mut bob) = (here.sign_in("alice").await, here.sign_in("bob").await);

    // SIGHUP: an account is removed, one is added, a token is added, and two other options change.
    let second = format!(
        "[media]\nwake_interval = \"2ms\"\n[calls]\nring_timeout = \"300ms\"\n[accounts]\nbob = \"{hash}\"\ncarol = \
         \"{hash}\"\n{tokens}reader = \"{reader_entry}\"\n"
    );
    here.write(&second);
    is_problem(&reader.get("/api/v1/statistics").await, 401, "wrongToken");
    here.relay.signal("HUP");
    let changed = "applied=\"accounts,calls.ring_timeout,api.tokens\" needs_restart=\"media.wake_interval\"";
    here.relay.logs(changed).await;
    assert_eq!(alice.is_closed().await, "the account was removed from the relay");
    let mut carol = here.sign_in("carol").await;
    let unanswered = bob.call("carol", Sound::Tone(LOW)).await;
    carol.incoming().await;
    assert_eq!(bob.over(&unanswered.id).await.sip_status, Some(408), "the new ring timeout applies");
    assert_eq!(reader.get("/api/v1/statistics").await.status, 200);
    is_problem(&reader.post("/api/v1/reload", &json!({})).await, 403, "scopeRequired");

    // A bad option refuses the whole file, although the first one is good.
    here.write(&second.replace("300ms", "5m").replace("wake_interval", "wake_intervall"));
    let refused = api.post("/api/v1/reload", &json!({})).await;
    is_problem(&refused, 422, "invalidConfiguration");
    let detail = refused.body.get("detail").and_then(Value::as_str).expect("a detail");
    assert!(detail.contains(".toml:2: `wake_intervall` is not an option of [media]"), "{detail}");
    here.relay.logs("reloading the configuration failed: nothing has changed").await;
    let unanswered = bob.call("carol", Sound::Tone(LOW)).await;
    assert_eq!(bob.over(&unanswered.id).await.sip_status, Some(408), "the ring timeout has not changed");

    // The response lists the changes.
    here.write(&first);
    let reply = api.post("/api/v1/reload", &json!({})).await;
    let expected = json!({"applied": ["accounts", "calls.ring_timeout", "api.tokens"], "needsRestart": []});
    assert_eq!((reply.status, reply.body), (200, expected));
    is_problem(&reader.get("/api/v1/statistics").await, 401, "wrongToken");
}
