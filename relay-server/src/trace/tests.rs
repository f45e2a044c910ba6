use super::{
    CallTrace, Capture, Flow, TraceKey, TraceLimits, TraceStore, TracedCall, TracedMessage, TracedPeer, ladder,
    redacted,
};
use core::time::Duration;
use offhook_b2bua::call::{CallEvent, CallKey, SessionId};
use offhook_clock::Time;
use offhook_signaling::reason::EndReason;
use offhook_sip::transport::{FlowId, Hop, Source, Target, Transport};

const LIMITS: TraceLimits = TraceLimits { octets: 100_000, leg_octets: 10_000, keep: Duration::from_secs(60) };
const INVITE: &str = "INVITE sip:1002@example.org SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1\r\ni: abc@host\r\nCSeq: 2 INVITE\r\n\
    Proxy-Authorization: Digest username=\"alice\", realm=\"example.org\",\r\n nonce=\"secretnonce\", response=\"6629fae49393a053974\"\r\n\
    X-Auth-Token: topsecret\r\nIdentity: eyJhbGciOiJFUzI1NiJ9.eyJkZXN0Ijp7fX0.sigsig;info=<https://cert.example>\r\n\
    Contact: <sip:alice:geheim@192.0.2.1:5060>\r\n\
    Content-Type: application/sdp\r\n\r\n\
    v=0\r\nm=audio 4000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n\
    a=ice-ufrag:8hhY\r\na=ice-pwd:asd88fgpdd777uzjYhagZg\r\na=sendrecv\r\n";
const SECRETS: [&str; 8] = [
    "secretnonce",
    "6629fae49393a053974",
    "topsecret",
    "eyJkZXN0",
    "geheim",
    "d0Rmdmcm",
    "asd88fgpdd777uzjYhagZg",
    "hunter2",
];

fn at(millis: u64) -> Time {
    Time::EPOCH + Duration::from_millis(millis)
}

fn source() -> Source {
    let (local, remote) = ("192.0.2.1:5060".parse().unwrap(), "198.51.100.7:5060".parse().unwrap());
    Source { flow: FlowId(4), transport: Transport::Udp, local, remote }
}

fn message(peer: TracedPeer, text: &str) -> TracedMessage {
    let octets = text.as_bytes().into();
    TracedMessage { number: 1, at: at(0), flow: Flow::Sent, peer, received_on: None, octets, omitted: 0 }
}

#[test]
fn sip_message_has_the_key_of_its_call_id() {
    assert_eq!(TraceKey::of_sip(INVITE.as_bytes()), Some(TraceKey::Sip("abc@host".to_owned())));
    let response = b"SIP/2.0 180 Ringing\r\nCALL-ID : x\r\ncseq:1   INVITE\r\n\r\n";
    assert_eq!(TraceKey::of_sip(response), Some(TraceKey::Sip("x".to_owned())));
    for other in
        ["REGISTER sip:a SIP/2.0\r\nCall-ID: x\r\nCSeq: 1 REGISTER\r\n\r\n", "\r\n\r\n", "", "OPTIONS\nCSeq: 1 OPTIONS"]
    {
        assert_eq!(TraceKey::of_sip(other.as_bytes()), None, "{other}");
    }
    // A header field of the body is none of the message.
    assert_eq!(TraceKey::of_sip(b"INVITE x SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\nCall-ID: x\r\n"), None);
}

#[test]
fn frame_has_the_key_of_its_call() {
    let key = |text| TraceKey::of_frame(SessionId(7), text);
    let expected = Some(TraceKey::Client(SessionId(7), "a\"1".to_owned()));
    assert_eq!(key(r#"{"message":"call","data":[{"callId" : "a\"1","sdp":"x"}]}"#), expected);
    for none in [r#"{"message":"ping"}"#, r#"{"callId":5}"#, r#"{"callId":""}"#, r#"{"callId":"open"#] {
        assert_eq!(key(none), None, "{none}");
    }
}

#[test]
fn credentials_are_removed_from_sip() {
    let peer = TracedPeer::Sip(Transport::Udp, source().remote);
    let text = redacted(&message(peer, INVITE));
    assert!(SECRETS.iter().all(|secret| !text.contains(secret)), "{text}");
    for kept in [
        "INVITE sip:1002@example.org",
        "CSeq: 2 INVITE",
        "Proxy-Authorization: Digest [redacted]\r\n",
        "a=ice-ufrag:8hhY",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 [redacted]\r\n",
        "a=sendrecv\r\n",
        "<sip:alice:[redacted]@192.0.2.1:5060>",
    ] {
        assert!(text.contains(kept), "{kept} in {text}");
    }
}

#[test]
fn credentials_are_removed_from_signaling() {
    let frame = serde_json::json!({ "message": "call", "data": [{
        "callId": "a1", "sdp": INVITE, "sipPassword": "hunter2", "custom": "{\"authToken\":\"hunter2\"}",
        "headers": { "Authorization": "Bearer hunter2" }, "callee": "bob",
    }]});
    let text = redacted(&message(TracedPeer::Session(SessionId(1)), &frame.to_string()));
    assert!(SECRETS.iter().filter(|secret| !INVITE.contains(*secret)).all(|secret| !text.contains(secret)), "{text}");
    assert!(!text.contains("asd88fgpdd777uzjYhagZg") && !text.contains("d0Rmdmcm"), "{text}");
    assert!(text.contains("\"callee\": \"bob\"") && text.contains("a=sendrecv"), "{text}");
    let cut = TracedMessage { omitted: 9, ..message(TracedPeer::Session(SessionId(1)), "{\"authToken\":\"hunter2") };
    assert!(!redacted(&cut).contains("hunter2"));
}

/// A store with the messages of a call of session 7 through a server.
fn call() -> (TraceStore, TracedCall) {
    let store = TraceStore::new(LIMITS);
    let (page, dialog) = (TraceKey::Client(SessionId(7), "a1".to_owned()), TraceKey::Sip("abc@host".to_owned()));
    let placed = r#"{"message":"call","data":[{"callId":"a1"}]}"#;
    let ring = r#"{"message":"ring","data":[{"callId":"a1","status":"RING"}]}"#;
    let ringing = "SIP/2.0 180 Ringing\r\nCall-ID: abc@host\r\nCSeq: 2 INVITE\r\n\r\n";
    let target = Hop::Target(Target { transport: Transport::Udp, address: source().remote, host: None });
    store.record(page.clone(), &Capture::frame(SessionId(7), Flow::Received, placed, at(0)));
    store.record(dialog.clone(), &Capture::sent(&target, INVITE.as_bytes(), at(10)));
    store.record(dialog.clone(), &Capture::received(&source(), ringing.as_bytes(), at(1_510)));
    store.record(page.clone(), &Capture::frame(SessionId(7), Flow::Sent, ring, at(1_511)));
    store.record(dialog.clone(), &Capture::sent(&Hop::Flow(FlowId(4)), b"BYE sip:x SIP/2.0\r\n\r\n", at(2_000)));
    let (from, to) = ("alice".to_owned(), "1002".to_owned());
    let end = Some((EndReason::Busy, at(2_000)));
    (store, TracedCall { call: CallKey(12), from, to, keys: vec![page, dialog], placed_at: at(0), end })
}

#[test]
fn ladder_shows_each_message_between_its_lanes() {
    let (store, call) = call();
    let trace = CallTrace::new(call.clone(), store.messages(&call));
    let lanes: Vec<_> = trace.lanes.iter().map(|lane| lane.label.as_str()).collect();
    assert_eq!(lanes, ["session 7", "relay", "UDP 198.51.100.7:5060"]);
    let rows: Vec<_> = trace.rows.iter().map(|row| (row.from, row.to, row.summary.as_str())).collect();
    let expected = [
        (0, 1, "call"),
        (1, 2, "INVITE sip:1002@example.org"),
        (2, 1, "180 Ringing (INVITE)"),
        (1, 0, "ring RING"),
        (1, 2, "BYE sip:x"),
    ];
    assert_eq!(rows, expected);
    let text = ladder(&trace);
    let drawn: Vec<&str> = text.lines().take(14).collect();
    let expected = "\
Call 12 from alice to 1002, placed at 1970-01-01T00:00:00.000Z
Ended after 2.0 s: The callee is busy (busy).

            session 7                     relay                         UDP 198.51.100.7:5060
    0.000   | 1 call                      |                             |
            |---------------------------->|                             |
    0.010   |                             | 2 INVITE sip:1002@example.o…|
            |                             |---------------------------->|
    1.510   |                             | 3 180 Ringing (INVITE)      |
            |                             |<----------------------------|
    1.511   | 4 ring RING                 |                             |
            |<----------------------------|                             |
    2.000   |                             | 5 BYE sip:x                 |
            |                             |---------------------------->|";
    assert_eq!(drawn.join("\n"), expected, "{text}");
    assert!(text.contains("--- 2 1970-01-01T00:00:00.010Z relay -> UDP 198.51.100.7:5060\nINVITE sip:1002"), "{text}");
}

#[test]
fn memory_of_messages_is_bounded() {
    let store = TraceStore::new(LIMITS);
    let long = "x".repeat(30_000);
    for call in 0..1_000_u64 {
        let key = TraceKey::Client(SessionId(call), "a".to_owned());
        store.record(key, &Capture::frame(SessionId(call), Flow::Received, &long, at(call)));
    }
    let (buffers, by_use, octets) = store.size();
    assert!(octets <= LIMITS.octets && buffers == by_use && buffers >= 9, "{buffers} {by_use} {octets}");
    let one = TraceKey::Client(SessionId(1), "one".to_owned());
    for number in 0..500 {
        store.record(one.clone(), &Capture::frame(SessionId(1), Flow::Received, "short", at(number)));
    }
    let (_, call) = call();
    let (messages, removed) = store.messages(&TracedCall { keys: vec![one], ..call });
    assert!(messages.len() <= 200 && messages.len() as u64 + removed == 500, "{} {removed}", messages.len());
}

#[test]
fn trace_is_removed_some_time_after_the_end_of_its_call() {
    let (store, call) = call();
    let record = serde_json::json!({
        "call": 12, "scheme": "Proxied", "from": "alice", "to": "1002", "caller": "Browser", "callee": null,
        "callee_address": null, "codecs": [], "placed_at": at(0), "alerted_at": null, "answered_at": null, "caller_leg": 1,
        "callee_leg": null, "identities": { "1": { "Browser": { "session": 7, "call_id": "a1" } }, "2": { "Sip": { "call_id": "abc@host" } } },
        "legs": {}, "routes": {}, "sip_status": null, "recordings": [],
    });
    let record: offhook_b2bua::record::CallRecord = serde_json::from_value(record).unwrap();
    store.call_changed(&CallEvent::Looped, &record, at(2_000));
    let other = || Capture::frame(SessionId(9), Flow::Received, "{}", at(200_000));
    store.record(TraceKey::Client(SessionId(9), "b".to_owned()), &other());
    assert_eq!(store.messages(&call).0.len(), 5, "the call has not ended");
    store.call_changed(&CallEvent::Ended { reason: EndReason::Busy }, &record, at(200_000));
    assert_eq!(store.ended(CallKey(12)).map(|ended| ended.keys), Some(call.keys.clone()));
    for (seconds, messages) in [(250, 5), (270, 0)] {
        let later = Capture { at: at(seconds * 1_000), ..other() };
        store.record(TraceKey::Client(SessionId(9), "b".to_owned()), &later);
        assert_eq!(store.messages(&call).0.len(), messages, "{seconds} s");
        assert_eq!(store.ended(CallKey(12)).is_some(), messages > 0);
    }
}
