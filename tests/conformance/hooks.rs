//! Webhooks: the backend of an application authorizes sessions, calls and commands, and receives events.

use crate::sip::listen_with;
use crate::{HIGH, LOW, establish_call, ring};
use core::time::Duration;
use hmac::{Hmac, KeyInit as _, Mac as _};
use offhook_signaling::message::{CallStatus, ConnectionMessage, ServerMessage, SipOptions};
use offhook_tests::browser::{Browser, Ongoing, connection};
use offhook_tests::hook_server::{HookReply, HookServer};
use offhook_tests::peer::{Habits, Sound};
use offhook_tests::relay::{Relay, hash_password};
use offhook_tests::rtp_endpoint::RtpEndpoint;
use offhook_tests::sipp::Sipp;
use offhook_tests::wire::Registrar;
use serde_json::json;
use sha2::Sha256;

/// The time limit of requests in these tests.
const TIMEOUT: &str = "hooks.timeout=400ms";
const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn start(server: &HookServer, methods: &str, more: &[&str]) -> Relay {
    let options = server.options(methods);
    let options: Vec<&str> = options.iter().map(String::as_str).chain([TIMEOUT]).chain(more.iter().copied()).collect();
    Relay::start_with_sip(&options)
}

/// Returns the `connection` of a page that has no account.
fn without_account() -> ConnectionMessage {
    ConnectionMessage { sip: SipOptions::default(), ..connection("") }
}

async fn fails_with(browser: &mut Browser, text: &str) {
    let wanted = |message: &ServerMessage| match message {
        ServerMessage::Fail { status, info, .. } if info.contains(text) => Some(status.clone()),
        _ => None,
    };
    assert_eq!(browser.expect(text, wanted).await, "FAILED");
}

async fn established(relay: &Relay) -> (Browser, Browser, Ongoing, Ongoing) {
    let (mut alice, mut bob) = (Browser::sign_in(relay, "alice").await, Browser::sign_in(relay, "bob").await);
    let (at_alice, at_bob) = establish_call(&mut alice, &mut bob, Sound::Tone(LOW), Sound::Tone(HIGH)).await;
    (alice, bob, at_alice, at_bob)
}

#[tokio::test]
async fn connect_supplies_account_to_page_without_credentials() {
    let (server, registrar) = (HookServer::start().await, Registrar::start().await);
    let account = json!({
        "sipLogin": "1001", "sipPassword": "secret", "sipDomain": "127.0.0.1", "sipOutboundProxy": "127.0.0.1",
        "sipPort": registrar.address().port().to_string(), "sipRegisterRequired": "true", "nodeId": "x", "sessionId": "0",
    });
    server.replies("connect", [HookReply::Change(account)]);
    let relay = start(&server, "connect,RegistrationStatusEvent,ConnectionStatusEvent", &[]);
    let mut page = Browser::knock(&relay, without_account(), Habits::default()).await;
    let data = page.expect("getUserData", |message| match message {
        ServerMessage::UserData(data) => Some(data.connection.clone()),
        _ => None,
    });
    assert_eq!(data.await.sip, SipOptions::default(), "the page does not receive the account");
    registrar.contact("1001").await;
    page.expect("registered", |message| matches!(message, ServerMessage::Registered).then_some(())).await;
    let connect = &server.calls("connect")[0];
    assert_eq!((connect.field("appKey"), connect.field("status")), ("defaultApp", "PENDING"));
    assert!(!connect.field("sessionId").is_empty() && connect.body.get("mediaProviders").is_some(), "{connect:?}");
    let registered = server.received("RegistrationStatusEvent", |call| call.field("status") == "REGISTERED").await;
    assert_eq!(registered.field("sessionId"), connect.field("sessionId"), "the answer cannot change it");
    drop(page);
    let ended = server.received("ConnectionStatusEvent", |call| call.field("status") == "DISCONNECTED").await;
    assert_eq!(ended.field("sessionId"), connect.field("sessionId"));
}

#[tokio::test]
async fn connect_refuses_with_status_and_info() {
    let server = HookServer::start().await;
    server.replies("connect", [HookReply::Status(403, json!({"info": "unknown customer"}))]);
    let relay = start(&server, "connect", &["hooks.applications.test.app_key=defaultApp"]);
    let page = Browser::knock(&relay, connection("alice"), Habits::default()).await;
    assert_eq!(page.refused().await, "unknown customer");
    // A page cannot evade the application by another appKey.
    let other = ConnectionMessage { app_key: "other".to_owned(), ..connection("alice") };
    let refused = Browser::knock(&relay, other, Habits::default()).await.refused().await;
    assert!(refused.contains("appKey") && server.calls("connect").len() == 1, "{refused}");
}

#[tokio::test]
async fn wrong_password_does_not_reach_the_application() {
    let server = HookServer::start().await;
    let options = server.options("connect");
    let directory = std::env::temp_dir().join(format!("offhook-hooks-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let file = directory.join("relay.toml");
    let accounts = format!("[accounts]\nalice = \"{}\"\n", hash_password("tulip"));
    std::fs::write(&file, accounts).expect("a configuration");
    let config = file.to_str().expect("a path");
    let flags = ["--config", config, "--listen", "127.0.0.1:0", "--no-tls", "--media-address", "127.0.0.1"];
    let relay = Relay::start_as(&flags, &[&options[0], &options[1], "sip.listen="]);
    let hello = |password: &str| {
        let hello = connection("alice");
        let sip = SipOptions { password: Some(password.to_owned()), ..hello.sip.clone() };
        ConnectionMessage { sip, ..hello }
    };
    let refused = Browser::knock(&relay, hello("rose"), Habits::default()).await.refused().await;
    assert!(refused.contains("wrong login or password"), "{refused}");
    // An echo does not make a login without a password valid.
    let refused = Browser::knock(&relay, hello(""), Habits::default()).await.refused().await;
    assert!(refused.contains("wrong login or password"), "{refused}");
    let unverified = server.calls("connect");
    assert_eq!(unverified.len(), 1, "{unverified:?}");
    Browser::connect(&relay, hello("tulip"), Habits::default()).await;
    let verified = server.received("connect", |call| call.body.get("authenticated") == Some(&true.into())).await;
    assert_eq!(verified.body.get("sipPassword"), None);
    std::fs::remove_dir_all(&directory).expect("removed");
}

#[tokio::test]
async fn call_is_redirected_refused_or_sent_to_several_targets() {
    let server = HookServer::start().await;
    let relay = start(&server, "call,CallStatusEvent", &[]);
    let mut alice = Browser::sign_in(&relay, "alice").await;
    let (mut bob, mut carol) = (Browser::sign_in(&relay, "bob").await, Browser::sign_in(&relay, "carol").await);
    server.replies(
        "call",
        [
            HookReply::Change(json!({"callee": "carol"})),
            HookReply::Status(403, json!({"sipStatus": 480, "info": "after hours"})),
            HookReply::Change(json!({"targets": ["bob", {"user": "carol"}]})),
        ],
    );
    let call = alice.call("support", Sound::Tone(LOW)).await;
    let incoming = carol.incoming().await;
    assert_eq!((incoming.call.caller.as_str(), incoming.call.callee.as_str()), ("alice", "carol"));
    alice.hang_up(&call.id);
    alice.over(&call.id).await;
    carol.over(&incoming.call.call_id).await;
    let call = alice.call("support", Sound::Tone(LOW)).await;
    let over = alice.over(&call.id).await;
    assert_eq!(
        (over.status, over.sip_status, over.info.as_deref()),
        (CallStatus::Failed, Some(480), Some("after hours"))
    );
    let call = alice.call("support", Sound::Tone(LOW)).await;
    let (at_bob, at_carol) = (bob.incoming().await, carol.incoming().await);
    carol.hang_up(&at_carol.call.call_id);
    alice.hang_up(&call.id);
    bob.over(&at_bob.call.call_id).await;
    let asked = server.calls("call");
    let fields = ["callId", "caller", "callee", "status", "mediaProvider", "visibleName"];
    assert_eq!(
        fields.map(|name| asked[2].field(name)),
        [call.id.as_str(), "alice", "support", "TRYING", "WebRTC", "alice"]
    );
    assert_eq!(asked[2].body.get("incoming"), Some(&false.into()));
    server
        .received("CallStatusEvent", |event| {
            event.field("callId") == call.id.as_str() && event.field("status") == "FINISH"
        })
        .await;
    // The events of a session are in the order of its messages.
    let of_alice: Vec<String> = server
        .calls("CallStatusEvent")
        .iter()
        .filter(|event| event.field("callId") == call.id.as_str())
        .map(|event| event.field("status").to_owned())
        .collect();
    assert_eq!(of_alice, ["TRYING", "RING", "FINISH"]);
}

#[tokio::test]
async fn incoming_invite_is_refused_and_redirected() {
    let server = HookServer::start().await;
    let options = server.options("OnCallEvent");
    let mut here = listen_with(&[&options[0], &options[1]]).await;
    server.replies(
        "OnCallEvent",
        [
            HookReply::Status(403, json!({})),
            HookReply::Status(403, json!({"sipStatus": "486", "info": "do not disturb"})),
            HookReply::Change(json!({"callee": "bob"})),
        ],
    );
    for (status, note) in [(403, "no status"), (486, "a status")] {
        let phone = RtpEndpoint::start(HIGH).await;
        let run = here.run(&phone).await.with("status", status).with("note", note).with("header", "Subject: x");
        let mut peer = Sipp::start("uac-refused", run).await;
        let report = peer.reaches("refused").await;
        peer.go(&report).await;
        peer.passes().await;
    }
    let mut bob = Browser::sign_in(&here.relay, "bob").await;
    let phone = RtpEndpoint::start(HIGH).await;
    let _peer = Sipp::start("uac-call", here.run(&phone).await).await;
    let incoming = bob.incoming().await;
    assert_eq!(incoming.call.caller, "peer");
    assert!(!here.alice.has_received(|message| matches!(message, ServerMessage::IncomingCall(_))));
    let asked = server.calls("OnCallEvent");
    assert_eq!((asked[0].field("caller"), asked[0].field("status")), ("peer", "RING"));
    assert!(!asked[0].field("sessionId").is_empty() && asked[0].body.get("incoming") == Some(&true.into()));
}

#[tokio::test]
async fn commands_are_changed_or_refused_or_continue_with_log() {
    let server = HookServer::start().await;
    let relay =
        start(&server, "hold,unhold,transfer,sendDtmf,answer,hangup", &["hooks.applications.test.on_error.unhold=log"]);
    let (mut alice, mut bob, at_alice, at_bob) = established(&relay).await;
    let mut carol = Browser::sign_in(&relay, "carol").await;
    let no = |text: &str| HookReply::Status(403, json!({ "info": text }));
    server.replies("hold", [no("no hold"), HookReply::Change(json!({}))]);
    server.replies("unhold", [no("no unhold")]);
    server.replies("sendDtmf", [no("no digits"), HookReply::Change(json!({"dtmf": "9"}))]);
    server.replies("transfer", [no("no transfer"), HookReply::Change(json!({"target": "carol"}))]);
    alice.send(&offhook_signaling::message::ClientMessage::Hold { call_id: at_alice.id.clone(), for_transfer: false });
    fails_with(&mut alice, "no hold").await;
    alice.hold(&at_alice.id).await;
    alice.unhold(&at_alice.id).await;
    alice.send_dtmf(&at_alice.id, "1");
    fails_with(&mut alice, "no digits").await;
    alice.send_dtmf(&at_alice.id, "2");
    alice.transfer(&at_alice.id, "sales");
    fails_with(&mut alice, "no transfer").await;
    alice.transfer(&at_alice.id, "sales");
    let incoming = carol.incoming().await;
    assert_eq!(incoming.call.callee, "carol");
    let digits = &server.calls("sendDtmf")[1];
    let fields = ["dtmf", "type", "callId", "status"].map(|name| digits.field(name));
    assert_eq!(fields, ["2", "RFC2833", at_alice.id.as_str(), "ESTABLISHED"]);
    assert_eq!(server.calls("transfer")[1].field("target"), "sales");
    assert_eq!(server.calls("answer")[0].field("callId"), at_bob.id.as_str());
    bob.hang_up(&at_bob.id);
    bob.over(&at_bob.id).await;
    server.received("hangup", |call| call.field("callId") == at_bob.id.as_str()).await;
}

#[tokio::test]
async fn rest_client_config_applies_to_its_session() {
    let server = HookServer::start().await;
    let config = json!({"restClientConfig": {
        "hold": {"restOnError": "LOG"},
        "call": {"restPolicy": "OVERWRITE", "restOverwrite": "callee", "restOnError": "LOG", "restExclude": "caller,custom"},
        "unhold": {"restPolicy": "DISABLE"},
    }});
    server.replies("connect", [HookReply::Change(config)]);
    server.replies("hold", [HookReply::Status(403, json!({}))]);
    server.replies("call", [HookReply::Change(json!({"callee": "bob", "targets": ["nobody"]}))]);
    let relay = start(&server, "connect,call,hold,unhold", &[]);
    let (mut alice, mut bob) = (Browser::sign_in(&relay, "alice").await, Browser::sign_in(&relay, "bob").await);
    let call = alice.call("support", Sound::Tone(LOW)).await;
    let incoming = bob.incoming().await;
    tokio::join!(alice.established(&call), bob.answer(&incoming, Sound::Tone(HIGH)));
    alice.hold(&call.id).await;
    alice.unhold(&call.id).await;
    server.received("hold", |_| true).await;
    assert_eq!((server.calls("call")[0].body.get("caller"), server.calls("unhold").len()), (None, 0));
}

#[tokio::test]
async fn failing_servers_delay_calls_by_their_time_limit_only() {
    let server = HookServer::start().await;
    let relay = start(&server, "call", &[]);
    let (mut alice, mut bob) = (Browser::sign_in(&relay, "alice").await, Browser::sign_in(&relay, "bob").await);
    let replies = [
        (HookReply::After(Duration::from_secs(60)), "no answer in time"),
        (HookReply::Redirect, "a redirect"),
        (HookReply::Huge, "65536"),
        (HookReply::Text, "not a JSON object"),
        (HookReply::Status(500, json!({"info": "hidden"})), "status 500"),
    ];
    let memory = relay.resident();
    for (reply, text) in replies {
        server.replies("call", [reply]);
        let placed = std::time::Instant::now();
        let call = alice.call("bob", Sound::Tone(LOW)).await;
        let over = alice.over(&call.id).await;
        let info = over.info.unwrap_or_default();
        assert!(info.contains(text) && over.sip_status == Some(503), "{text}: {info}");
        assert!(placed.elapsed() < Duration::from_secs(4), "{text}: {:?}", placed.elapsed());
    }
    assert!(relay.resident() < memory + 8_000_000, "the long answer uses no memory");
    assert!(
        server.calls("redirected").is_empty()
            && !bob.has_received(|message| matches!(message, ServerMessage::IncomingCall(_)))
    );
    drop(server);
    let call = alice.call("bob", Sound::Tone(LOW)).await;
    let over = alice.over(&call.id).await;
    assert!(over.info.unwrap_or_default().contains("the connection failed"));
    let (_, metrics) = relay.request("/metrics", "").await;
    for outcome in ["timed_out", "redirected", "too_long", "not_json", "server_error", "unreachable"] {
        let sample = format!("offhook_hook_requests_total{{method=\"call\",outcome=\"{outcome}\"}} 1");
        assert!(metrics.contains(&sample), "{sample}:\n{metrics}");
    }
}

#[tokio::test]
async fn dead_server_with_log_does_not_stop_calls() {
    let server = HookServer::start().await;
    let log = ["connect", "call"].map(|method| format!("hooks.applications.test.on_error.{method}=log"));
    let relay = start(&server, "connect,call", &[&log[0], &log[1]]);
    drop(server);
    let (mut alice, mut bob) = (Browser::sign_in(&relay, "alice").await, Browser::sign_in(&relay, "bob").await);
    ring(&mut alice, &mut bob, Sound::Tone(LOW)).await;
    relay.logs("webhook failure ignored").await;
}

#[tokio::test]
async fn events_are_signed_repeated_and_in_order() {
    let server = HookServer::start().await;
    let secret = format!("hooks.applications.test.secret={SECRET}");
    let more = [&secret, "hooks.applications.test.user=relay", "hooks.applications.test.password=tulip"];
    server.replies("CallStatusEvent", [HookReply::Status(503, json!({})), HookReply::Change(json!({}))]);
    let relay = start(&server, "CallStatusEvent", &more);
    let (mut alice, mut bob) = (Browser::sign_in(&relay, "alice").await, Browser::sign_in(&relay, "bob").await);
    let (call, _) = ring(&mut alice, &mut bob, Sound::Tone(LOW)).await;
    alice.hang_up(&call.id);
    alice.over(&call.id).await;
    let last = server.received("CallStatusEvent", |event| {
        event.field("callId") == call.id.as_str() && event.field("status") == "FINISH"
    });
    let last = last.await;
    assert_eq!(last.header("authorization"), "Basic cmVsYXk6dHVsaXA=");
    let signature = last.header("offhook-signature");
    let (time, digits) = signature.strip_prefix("t=").and_then(|rest| rest.split_once(",v1=")).expect("a signature");
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length");
    mac.update(format!("{time}.{}.{}", last.header("offhook-delivery"), last.text).as_bytes());
    let expected: String = mac.finalize().into_bytes().iter().map(|octet| format!("{octet:02x}")).collect();
    assert_eq!(digits, expected);
    let of_alice: Vec<_> =
        server.calls("CallStatusEvent").into_iter().filter(|event| event.field("callId") == call.id.as_str()).collect();
    let seen: Vec<_> = of_alice.iter().map(|event| (event.field("status"), event.header("offhook-attempt"))).collect();
    let once = [("TRYING", "1"), ("RING", "1"), ("FINISH", "1")];
    let repeated = [("TRYING", "1"), ("TRYING", "2"), ("RING", "1"), ("FINISH", "1")];
    // The first event of the server is repeated, which is one of either session.
    assert!(seen == once || seen == repeated, "{seen:?}");
    let second = server.received("CallStatusEvent", |event| event.header("offhook-attempt") == "2").await;
    let all = server.calls("CallStatusEvent");
    assert!(all.iter().any(|event| {
        event.header("offhook-attempt") == "1" && event.header("offhook-delivery") == second.header("offhook-delivery")
    }));
}
