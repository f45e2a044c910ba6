//! The trace of a call: its SIP and signaling messages, without credentials.

use crate::api::is_problem;
use crate::sip::account;
use offhook_tests::browser::Browser;
use offhook_tests::peer::{Habits, Sound};
use offhook_tests::relay::Relay;
use offhook_tests::rest::RestClient;
use offhook_tests::sipp::{Run, Sipp, own_address};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Returns the response to GET, with its header section.
async fn raw(relay: &Relay, path: &str, headers: &str) -> String {
    let address = relay.printed("api http://").await;
    let address = address.split('/').next().expect("an address");
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.expect("a request is sent");
    let mut response = String::new();
    stream.read_to_string(&mut response).await.expect("text");
    response
}

fn texts<'a>(trace: &'a Value, member: &str) -> Vec<&'a str> {
    let messages = trace.get("messages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    messages.iter().filter_map(|message| message.get(member)?.as_str()).collect()
}

#[tokio::test]
async fn trace_of_call_with_phone_has_both_protocols() {
    let (relay, own) = (Relay::start_with_sip(&[]), own_address());
    let api = RestClient::of(&relay).await;
    let run = Run { own: Some(own), ..Run::default() }.with("rtp_port", 40_000);
    let mut phone = Sipp::start("uas-answer", run).await;
    let mut alice = Browser::connect(&relay, account("1001", own, false), Habits::default()).await;
    let call = alice.call("9001", Sound::Tone(0.0)).await;
    phone.passes_by("ringing").await;
    let answered = phone.reaches("answered").await;
    alice.established(&call).await;
    let calls = api.get("/api/v1/calls").await.body;
    let id = calls.pointer("/items/0/id").and_then(Value::as_str).expect("a call").to_owned();
    let live = api.get(&format!("/api/v1/calls/{id}/trace")).await.body;
    assert_eq!((live.get("endedAt"), live.get("removed")), (Some(&Value::Null), Some(&Value::from(0))), "{live}");
    assert!(texts(&live, "summary").contains(&"180 Ringing (INVITE)"), "{live}");
    phone.go(&answered).await;
    alice.hang_up(&call.id);
    alice.over(&call.id).await;
    phone.passes().await;
    relay.logs("call ended").await;
    let trace = api.get(&format!("/api/v1/calls/{id}/trace")).await.body;
    let summaries = texts(&trace, "summary");
    let first = format!("INVITE sip:9001@{own}");
    let expected =
        ["call", &*first, "180 Ringing (INVITE)", "ring RING", "200 OK (INVITE)", "talk ESTABLISHED", "ACK", "BYE"];
    let mut rest = summaries.iter();
    for start in expected {
        assert!(rest.any(|summary| summary.starts_with(start)), "{start} in this order: {summaries:?}");
    }
    assert_eq!(trace.get("endReason").and_then(Value::as_str), Some("hungUp"));
    let lanes = trace.get("lanes").and_then(Value::as_array).expect("lanes");
    assert_eq!((lanes.len(), lanes.get(1)), (3, Some(&Value::from("relay"))), "{lanes:?}");
    let all = texts(&trace, "text").concat();
    assert!(all.contains("a=ice-ufrag:") && all.contains("a=ice-pwd:[redacted]"), "{all}");
    let token = relay.printed("api-token ").await;
    let headers = format!("Authorization: Bearer {token}\r\n");
    for (path, more) in [("trace", "Accept: text/plain\r\n"), ("trace.txt", "")] {
        let ladder = raw(&relay, &format!("/api/v1/calls/{id}/{path}"), &format!("{headers}{more}")).await;
        assert!(ladder.contains("content-type: text/plain; charset=utf-8"), "{ladder}");
        assert!(ladder.contains(": Normal call clearing (hungUp).") && ladder.contains("-->|"), "{ladder}");
    }
    is_problem(
        &RestClient::anonymous(&relay).await.get(&format!("/api/v1/calls/{id}/trace")).await,
        401,
        "unauthorized",
    );
    is_problem(&api.get("/api/v1/calls/99999/trace").await, 404, "unknownCall");
}

#[tokio::test]
async fn trace_of_local_call_has_both_browsers_and_its_page_is_confined() {
    let relay = Relay::start();
    let api = RestClient::of(&relay).await;
    let mut call = crate::EstablishedCall::begin(&relay).await;
    let calls = api.get("/api/v1/calls").await.body;
    let id = calls.pointer("/items/0/id").and_then(Value::as_str).expect("a call").to_owned();
    call.alice.hang_up(&call.at_alice.id);
    call.bob.over(&call.at_bob.id).await;
    relay.logs("call ended").await;
    let trace = api.get(&format!("/api/v1/calls/{id}/trace")).await.body;
    let lanes = trace.get("lanes").and_then(Value::as_array).expect("lanes");
    assert!(lanes.len() == 3 && texts(&trace, "protocol").iter().all(|protocol| *protocol == "signaling"), "{trace}");
    let page = raw(&relay, "/api/trace", "").await;
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("default-src 'none'"), "{page}");
    for file in ["trace.js", "trace.css"] {
        assert!(page.contains(file) && raw(&relay, &format!("/api/{file}"), "").await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn refused_call_has_a_trace_unless_traces_are_off() {
    let off = Relay::start_with(&["trace.enabled=false"]);
    is_problem(&RestClient::of(&off).await.get("/api/v1/calls/1/trace").await, 404, "noTrace");
    let relay = Relay::start();
    let api = RestClient::of(&relay).await;
    let mut alice = Browser::sign_in(&relay, "alice").await;
    let call = alice.call("nobody", Sound::Tone(0.0)).await;
    alice.over(&call.id).await;
    relay.logs("call ended").await;
    let log = relay.log();
    let id = log.split_whitespace().find_map(|word| word.strip_prefix("call=")).expect("the call id");
    let trace = api.get(&format!("/api/v1/calls/{id}/trace")).await.body;
    assert_eq!(texts(&trace, "summary").first(), Some(&"call PENDING"), "{trace}");
    let outcome = trace.get("outcome").and_then(Value::as_str);
    assert!(outcome.is_some_and(|outcome| outcome.contains("No such user here (notFound)")), "{trace}");
}
