//! Tests of logins, feature negotiation and access to SIP servers.

use crate::{HIGH, LOW, establish_call};
use offhook_signaling::message::{ClientMessage, ConnectionMessage, ServerMessage, SipOptions};
use offhook_signaling::reason::EndReason;
use offhook_signaling::version::{Extension, feature};
use offhook_tests::browser::{Browser, connection};
use offhook_tests::peer::{Habits, Sound};
use offhook_tests::relay::{Relay, hash_password};
use tokio::net::UdpSocket;

pub(crate) fn with_password(login: &str, password: &str) -> ConnectionMessage {
    let hello = connection(login);
    ConnectionMessage { sip: SipOptions { password: Some(password.to_owned()), ..hello.sip.clone() }, ..hello }
}

#[tokio::test]
async fn account_login_requires_right_password() {
    let accounts = [("alice", "correct horse"), ("bob", "battery staple")];
    let set: Vec<String> =
        accounts.iter().map(|(login, word)| format!("accounts.{login}={}", hash_password(word))).collect();
    let set: Vec<&str> = set.iter().map(String::as_str).collect();
    let mut relay = Relay::start_as(&["--listen", "127.0.0.1:0", "--no-tls", "--media-address", "127.0.0.1"], &set);
    for (login, password) in
        [("alice", "battery staple"), ("alice", ""), ("carol", "correct horse"), ("Alice", "correct horse")]
    {
        let refused = Browser::knock(&relay, with_password(login, password), Habits::default()).await.refused().await;
        assert_eq!(refused, "wrong login or password", "{login} with {password}");
    }
    let mut alice = Browser::connect(&relay, with_password("alice", "correct horse"), Habits::default()).await;
    let (mut bob, user_data) = Browser::introduce(&relay, with_password("bob", "battery staple")).await;
    assert_eq!(user_data.connection.sip.password, None, "a password is never sent back");
    let (at_alice, at_bob) = establish_call(&mut alice, &mut bob, Sound::Tone(LOW), Sound::Tone(HIGH)).await;
    at_alice.peer.receives_tone(HIGH).await;
    at_bob.peer.receives_tone(LOW).await;
    relay.assert_alive();
}

#[tokio::test]
async fn wrong_token_is_refused() {
    let relay = Relay::start();
    let alice = Browser::sign_in(&relay, "alice").await;
    let mut wrong = alice.token().to_owned();
    let last = wrong.pop().expect("a token");
    wrong.push(if last == '0' { '1' } else { '0' });
    let hello = ConnectionMessage { auth_token: Some(wrong), ..connection("") };
    let guess = Browser::knock(&relay, hello, Habits::default()).await;
    assert!(guess.is_closed().await.contains("the token is unknown or expired"));
}

#[tokio::test]
async fn call_to_own_login_rings_other_session() {
    let relay = Relay::start();
    let mut alice = Browser::sign_in(&relay, "alice").await;
    let alone = alice.call("alice", Sound::Tone(LOW)).await;
    assert_eq!(alice.over(&alone.id).await.sip_status, Some(486));
    let mut elsewhere = Browser::sign_in(&relay, "alice").await;
    let (here, there) = establish_call(&mut alice, &mut elsewhere, Sound::Tone(LOW), Sound::Tone(HIGH)).await;
    here.peer.receives_tone(HIGH).await;
    there.peer.receives_tone(LOW).await;
}

#[tokio::test]
async fn extensions_are_used_only_if_announced() {
    let relay = Relay::start();
    let with = |features: &[&str], version| {
        let features = features.iter().map(|name| (*name).to_owned()).collect();
        Some(Extension { version, features })
    };
    let announced = with(&[feature::DTMF_EVENTS, feature::END_REASONS, "telepathy"], 1);
    let (mut alice, user_data) =
        Browser::introduce(&relay, ConnectionMessage { offhook: announced, ..connection("alice") }).await;
    assert_eq!(user_data.connection.offhook, with(&[feature::DTMF_EVENTS, feature::END_REASONS], 1));
    // A client with a newer version gets the relay's version; the stock SDK announces nothing.
    let future = with(&[feature::END_REASONS], 99);
    let (_future, user_data) =
        Browser::introduce(&relay, ConnectionMessage { offhook: future, ..connection("carol") }).await;
    assert_eq!(user_data.connection.offhook, with(&[feature::END_REASONS], 1));
    let (mut bob, user_data) = Browser::introduce(&relay, connection("bob")).await;
    assert_eq!(user_data.connection.offhook, None);

    let (at_alice, at_bob) = establish_call(&mut alice, &mut bob, Sound::Tone(LOW), Sound::Tone(HIGH)).await;
    alice.send_dtmf(&at_alice.id, "1");
    at_bob.peer.receives_digits("1").await;
    bob.send_dtmf(&at_bob.id, "7");
    let digit = alice.expect("offhookDtmf", |message| match message {
        ServerMessage::Dtmf { call_id, digit } if *call_id == at_alice.id => Some(*digit),
        _ => None,
    });
    assert_eq!(digit.await, '7');
    bob.send(&ClientMessage::Hangup(at_bob.id.clone()));
    assert_eq!(alice.over(&at_alice.id).await.end_reason, Some(EndReason::HungUp));
    assert_eq!(bob.over(&at_bob.id).await.end_reason, None);
    assert!(!bob.has_received(|message| matches!(message, ServerMessage::Dtmf { .. })));
}

/// A UDP socket that no configuration lists.
async fn unlisted() -> UdpSocket {
    UdpSocket::bind("127.0.0.9:0").await.expect("a socket")
}

#[tokio::test]
async fn clients_reach_listed_servers_only() {
    let relay = Relay::start_with_sip(&["sip.private_networks=false"]);
    let unlisted = unlisted().await;
    let host = unlisted.local_addr().expect("bound").to_string();
    let listed = Some("127.0.0.1".to_owned());
    let options = [
        SipOptions { domain: listed.clone(), proxy: Some(host.clone()), ..SipOptions::default() },
        SipOptions {
            domain: listed.clone(),
            outbound_proxy: listed,
            proxy: Some(host.clone()),
            ..SipOptions::default()
        },
        SipOptions { domain: Some(host.clone()), ..SipOptions::default() },
    ];
    for (number, options) in options.into_iter().enumerate() {
        let hello = connection(&format!("mallory{number}"));
        let sip = SipOptions { login: hello.sip.login.clone(), ..options };
        let (mut page, _) = Browser::introduce(&relay, ConnectionMessage { sip, ..hello }).await;
        let call = page.call(&format!("sip:victim@{host}"), Sound::Tone(LOW)).await;
        assert_eq!(page.over(&call.id).await.sip_status, Some(404), "{number}");
    }
    // Loopback keeps the order, so earlier datagrams have arrived before the mark.
    let mark = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    mark.send_to(b"mark", unlisted.local_addr().expect("bound")).await.expect("sent");
    let mut first = [0; 4];
    unlisted.recv_from(&mut first).await.expect("received");
    assert_eq!(&first, b"mark", "no SIP came before it");
}
