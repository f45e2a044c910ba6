//! Calls between two browsers.

use super::{Bench, config, hello};
use crate::config::{AcceptedLogins, BusyStatus, CallWaiting, Config};
use crate::io::Input;
use core::time::Duration;
use offhook_media::command::{Command, Event, TransportFailure};
use offhook_signaling::message::{CallStatus, ClientMessage, ConnectionMessage, DtmfType, ServerMessage, SipOptions};
use offhook_signaling::reason::EndReason;

#[test]
fn call_is_answered_and_ended_by_either_side() {
    for caller_hangs_up in [true, false] {
        let mut bench = Bench::new(config());
        let (alice, bob) = (bench.login("alice"), bench.login("bob"));
        let id = bench.establish(alice, "a1", bob, "bob");
        assert_eq!(bench.bridges().len(), 1);
        if caller_hangs_up {
            bench.hang_up(alice, "a1");
        } else {
            bench.hang_up(bob, id.as_str());
        }
        for side in [alice, bob] {
            assert_eq!(bench.names(side), ["finish FINISH"]);
        }
        bench.hang_up(alice, "a1"); // late and harmless
        assert!(bench.names(alice).is_empty());
        bench.assert_no_leak(&[]);
    }
}

#[test]
fn callee_receives_caller_and_no_password() {
    let mut bench = Bench::new(config());
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    bench.call(alice, "a1", "sip:bob@example.test");
    let messages = bench.take(bob);
    let Some(ServerMessage::IncomingCall(call)) = messages.get(1) else { panic!() };
    assert_eq!((call.caller.as_str(), call.visible_name.as_str()), ("alice", "alice"));
    assert_eq!(call.callee, "sip:bob@example.test");
}

#[test]
fn first_answer_of_several_sessions_wins() {
    let mut bench = Bench::new(config());
    let (alice, desk, mobile) = (bench.login("alice"), bench.login("bob"), bench.login_extended("bob"));
    bench.call(alice, "a1", "bob");
    let (at_desk, _) = (bench.incoming(desk), bench.incoming(mobile));
    bench.answer(desk, &at_desk);
    assert_eq!(bench.names(desk), ["talk ESTABLISHED"]);
    let elsewhere = bench.last_status(mobile);
    assert_eq!((elsewhere.status, elsewhere.end_reason), (CallStatus::Finish, Some(EndReason::AnsweredElsewhere)));
    bench.hang_up(alice, "a1");
    bench.assert_no_leak(&[]);
}

#[test]
fn rejection_ends_call_on_all_devices() {
    let mut bench = Bench::new(config());
    let (alice, desk, mobile) = (bench.login("alice"), bench.login("bob"), bench.login("bob"));
    bench.call(alice, "a1", "bob");
    let id = bench.incoming(desk);
    bench.incoming(mobile);
    bench.hang_up(desk, id.as_str());
    let end = bench.last_status(alice);
    assert_eq!((end.status, end.sip_status), (CallStatus::Finish, Some(603)));
    assert_eq!(bench.names(desk), ["finish FINISH"]);
    assert_eq!(bench.names(mobile), ["finish FINISH"]);
    bench.assert_no_leak(&[]);
}

#[test]
fn caller_cancel_stops_ringing() {
    let mut bench = Bench::new(config());
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    bench.call(alice, "a1", "bob");
    let id = bench.incoming(bob);
    bench.hang_up(alice, "a1");
    assert_eq!(bench.names(alice).last().unwrap(), "finish FINISH");
    assert_eq!(bench.names(bob), ["finish FINISH"]);
    bench.answer(bob, &id); // crossed on the wire
    assert!(bench.names(bob).is_empty());
    bench.assert_no_leak(&[]);
}

#[test]
fn unanswered_call_ends_after_ring_timeout() {
    let mut bench = Bench::new(config());
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    bench.call(alice, "a1", "bob");
    bench.incoming(bob);
    bench.wait(Duration::from_secs(59));
    assert_eq!(bench.relay.counts().calls, 1);
    bench.wait(Duration::from_secs(1));
    assert_eq!(bench.last_status(alice).status, CallStatus::Failed);
    assert_eq!(bench.names(bob), ["finish FINISH"]);
    bench.assert_no_leak(&[]);
}

#[test]
fn unknown_and_offline_users_have_different_reasons() {
    let mut bench = Bench::new(Config { admission: AcceptedLogins::Accounts, ..config() });
    let alice = bench.connect(hello("alice"));
    let (request, login, _) = bench.checks.pop().unwrap();
    assert_eq!(login.0, "alice");
    bench.input(Input::PasswordVerified { request, matches: true });
    bench.call(alice, "a1", "carol");
    assert_eq!(bench.last_status(alice).sip_status, Some(480));
    bench.call(alice, "a2", "nobody");
    let end = bench.last_status(alice);
    assert_eq!((end.status, end.sip_status), (CallStatus::Failed, Some(404)));
    bench.assert_no_leak(&[]);
}

#[test]
fn wrong_password_is_reported_and_closes_socket() {
    let mut bench = Bench::new(Config { admission: AcceptedLogins::Accounts, ..config() });
    let mallory = bench.connect(hello("alice"));
    let (request, ..) = bench.checks.pop().unwrap();
    bench.input(Input::PasswordVerified { request, matches: false });
    assert_eq!(bench.names(mallory), ["fail"]);
    assert_eq!(bench.closed[&mallory].0, 1008);
    assert_eq!(bench.relay.counts().sessions, 0);
}

#[test]
fn busy_callee_rings_only_with_call_waiting() {
    let mut bench = Bench::new(Config { call_waiting: CallWaiting::Busy, ..config() });
    let (alice, bob, carol) = (bench.login("alice"), bench.login("bob"), bench.login("carol"));
    bench.establish(alice, "a1", bob, "bob");
    bench.call(carol, "c1", "bob");
    assert_eq!(bench.names(carol), ["notifyTryingResponse TRYING", "busy", "finish FAILED"]);
    assert!(bench.names(bob).is_empty());

    let mut bench = Bench::new(Config { busy_status: BusyStatus::Busy, call_waiting: CallWaiting::Busy, ..config() });
    let (alice, bob, carol) = (bench.login("alice"), bench.login("bob"), bench.login("carol"));
    bench.establish(alice, "a1", bob, "bob");
    bench.call(carol, "c1", "bob");
    assert_eq!(bench.names(carol), ["notifyTryingResponse TRYING", "finish BUSY"]);

    let mut bench = Bench::new(config());
    let (alice, bob, carol) = (bench.login("alice"), bench.login("bob"), bench.login("carol"));
    let first = bench.establish(alice, "a1", bob, "bob");
    let second = bench.establish(carol, "c1", bob, "bob");
    assert_ne!(first, second);
    bench.hang_up(bob, first.as_str());
    assert_eq!(bench.relay.counts().calls, 1);
    bench.hang_up(bob, second.as_str());
    bench.assert_no_leak(&[]);
}

#[test]
fn call_to_own_login_rings_other_browsers() {
    let mut bench = Bench::new(config());
    let desk = bench.login("alice");
    bench.call(desk, "a1", "alice");
    assert_eq!(bench.last_status(desk).sip_status, Some(486));
    let mobile = bench.login("alice");
    bench.establish(desk, "a2", mobile, "alice");
    bench.hang_up(desk, "a2");
    bench.assert_no_leak(&[]);
}

#[test]
fn hold_and_resume_work_from_both_sides() {
    let mut bench = Bench::new(config());
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    let id = bench.establish(alice, "a1", bob, "bob");
    bench.send(alice, &ClientMessage::Hold { call_id: "a1".into(), for_transfer: false });
    assert_eq!(bench.names(alice), ["hold HOLD"]);
    bench.send(bob, &ClientMessage::Hold { call_id: id.clone(), for_transfer: false });
    assert_eq!(bench.names(bob), ["hold HOLD"]);
    bench.send(alice, &ClientMessage::Unhold("a1".into()));
    assert_eq!(bench.names(alice), ["talk ESTABLISHED"]);
    assert_eq!(bench.bridges().len(), 1, "bob still has alice on hold");
    bench.send(bob, &ClientMessage::Unhold(id));
    assert_eq!(bench.bridges().len(), 2);
}

#[test]
fn digits_are_sent_as_events_and_media() {
    let mut bench = Bench::new(config());
    let (alice, bob) = (bench.login("alice"), bench.login_extended("bob"));
    bench.establish(alice, "a1", bob, "bob");
    let digits = |digits: &str| ClientMessage::SendDtmf {
        call_id: "a1".into(),
        kind: DtmfType::Rfc2833,
        digits: digits.to_owned(),
    };
    bench.send(alice, &digits("1#"));
    assert_eq!(bench.names(bob), ["offhookDtmf", "offhookDtmf"]);
    assert!(bench.media.iter().any(|c| matches!(c, Command::SendDtmf { digits, .. } if digits == "1#")));
    bench.send(alice, &digits("x"));
    assert_eq!(bench.names(alice), ["fail"]);
    assert!(bench.names(bob).is_empty());
}

#[test]
fn lost_media_end_call_with_side_in_reason() {
    let mut bench = Bench::new(config());
    let (alice, bob) = (bench.login_extended("alice"), bench.login_extended("bob"));
    bench.establish(alice, "a1", bob, "bob");
    let (a, _) = bench.bridges()[0];
    bench.media_event(Event::LegDead { leg: a });
    for side in [alice, bob] {
        let end = bench.last_status(side);
        assert_eq!((end.status, end.end_reason), (CallStatus::Failed, Some(EndReason::CallerMediaLost)));
        assert!(end.info.unwrap().contains("from the caller"));
    }
    bench.assert_no_leak(&[a]);
    bench.establish(alice, "a2", bob, "bob");
    let (_, b) = bench.bridges()[1];
    bench.media_event(Event::LegDead { leg: b });
    assert_eq!(bench.last_status(alice).end_reason, Some(EndReason::CalleeMediaLost));
}

#[test]
fn failed_transport_ends_call_with_its_reason() {
    let texts = [
        (TransportFailure::IceTimeout, "Failed by ICE error: "),
        (TransportFailure::DtlsTimeout, "Failed by DTLS error: "),
        (TransportFailure::DtlsError, "Failed by DTLS error: "),
        (TransportFailure::FingerprintMismatch, "Failed by DTLS fingerprint error: "),
        (TransportFailure::NoPort, "Failed by error: "),
        (TransportFailure::BadKeys, "Failed by error: "),
    ];
    for (failure, prefix) in texts {
        let mut bench = Bench::new(config());
        let (alice, bob) = (bench.login_extended("alice"), bench.login_extended("bob"));
        bench.establish(alice, "a1", bob, "bob");
        let (_, b) = bench.bridges()[0];
        bench.media_event(Event::LegFailed { leg: b, failure });
        for side in [alice, bob] {
            let end = bench.last_status(side);
            assert_eq!((end.status, end.end_reason), (CallStatus::Failed, Some(EndReason::MediaSetupFailed)));
            assert_eq!(end.sip_status, Some(488));
            let info = end.info.unwrap();
            assert!(info.starts_with(prefix) && info.contains("callee"), "{info}");
            assert_eq!(info.contains("RSA"), failure == TransportFailure::DtlsError, "{info}");
        }
        bench.assert_no_leak(&[b]);
    }
}

#[test]
fn invalid_session_description_fails_the_call() {
    let mut bench = Bench::new(config());
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    let ClientMessage::Call(mut call) = super::call_message("a1", "bob") else { panic!() };
    call.sdp = "hello".into();
    bench.send(alice, &ClientMessage::Call(call));
    assert_eq!(bench.last_status(alice).sip_status, Some(488));
    assert!(bench.names(bob).is_empty());
    bench.assert_no_leak(&[]);
}

#[test]
fn lost_socket_ends_calls_and_token_resumes_session() {
    let mut bench = Bench::new(config());
    let bob = bench.login("bob");
    let alice = bench.connect(ConnectionMessage { keep_alive: Some(true), ..hello("alice") });
    let Some(ServerMessage::UserData(data)) = bench.take(alice).into_iter().next() else { panic!() };
    let token = data.connection.auth_token.unwrap();
    bench.establish(alice, "a1", bob, "bob");
    bench.input(Input::Disconnected { connection: alice });
    assert_eq!(bench.names(bob), ["finish FINISH"]);
    bench.assert_no_leak(&[]);
    bench.wait(Duration::from_secs(30));

    let back =
        ConnectionMessage { auth_token: Some(token.clone()), keep_alive: Some(true), ..ConnectionMessage::default() };
    let alice = bench.connect(back.clone());
    let messages = bench.take(alice);
    let [ServerMessage::UserData(data), ServerMessage::Registered] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!(data.connection.sip.login.as_deref(), Some("alice"));
    let next = data.connection.auth_token.clone();
    bench.establish(bob, "b1", alice, "alice");

    bench.input(Input::Disconnected { connection: alice });
    bench.wait(Duration::from_secs(60));
    let late = bench.connect(ConnectionMessage { auth_token: next, ..back });
    assert_eq!(bench.closed[&late].0, 1008);
    assert_eq!(bench.relay.counts().sessions, 1);
}

#[test]
fn token_is_void_once_its_successor_has_arrived() {
    let mut bench = Bench::new(config());
    let token = |bench: &mut Bench, page| match bench.take(page).into_iter().next() {
        Some(ServerMessage::UserData(data)) => data.connection.auth_token,
        other => panic!("not signed in: {other:?}"),
    };
    let back = |token: &Option<String>| ConnectionMessage {
        auth_token: token.clone(),
        keep_alive: Some(true),
        ..ConnectionMessage::default()
    };
    let first = bench.connect(ConnectionMessage { keep_alive: Some(true), ..hello("alice") });
    let one = token(&mut bench, first);

    // The socket is lost before `getUserData` arrives: the page has received the first token only.
    let lost = bench.connect(back(&one));
    let two = token(&mut bench, lost);
    let second = bench.connect(back(&one));
    let three = token(&mut bench, second);
    assert!(one != two && two != three && one != three);
    let stale = bench.connect(back(&two));
    assert_eq!(bench.closed[&stale].0, 1008, "a token that was not received is void");

    bench.send(second, &ClientMessage::Pong);
    let thief = bench.connect(back(&one));
    assert_eq!(bench.closed[&thief].0, 1008);
    assert!(!bench.closed.contains_key(&second), "its page goes on");
    let third = bench.connect(back(&three));
    assert_eq!(bench.names(third), ["getUserData", "registered"]);
}

#[test]
fn token_works_while_old_socket_is_open() {
    let mut bench = Bench::new(config());
    let old = bench.connect(hello("alice"));
    let Some(ServerMessage::UserData(data)) = bench.take(old).into_iter().next() else { panic!() };
    let new =
        bench.connect(ConnectionMessage { auth_token: data.connection.auth_token, ..ConnectionMessage::default() });
    assert_eq!(bench.names(new), ["getUserData", "registered"]);
    assert_eq!(bench.closed[&old].0, 1000);
    assert_eq!(bench.relay.counts().sessions, 1);
}

#[test]
fn session_without_registration_calls_and_is_called() {
    let mut bench = Bench::new(config());
    let bob = bench.login("bob");
    let sip = SipOptions { register_required: Some(false), ..hello("alice").sip };
    let alice = bench.connect(ConnectionMessage { sip, ..hello("alice") });
    assert_eq!(bench.names(alice), ["getUserData"]);
    bench.establish(alice, "a1", bob, "bob");
    bench.hang_up(alice, "a1");
    assert_eq!(bench.names(alice), ["finish FINISH"], "no message reports a registration");
    bench.names(bob);
    bench.establish(bob, "b1", alice, "alice");
}

#[test]
fn shutdown_ends_calls_and_sockets() {
    let mut bench = Bench::new(config());
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    bench.establish(alice, "a1", bob, "bob");
    bench.input(Input::Shutdown);
    assert_eq!(bench.names(alice), ["finish FINISH"]);
    assert_eq!(bench.closed[&bob].0, 1001);
    bench.assert_no_leak(&[]);
}

#[test]
fn restored_relay_continues_its_call() {
    let mut bench = Bench::new(config());
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    bench.establish(alice, "a1", bob, "bob");
    bench.reload();
    bench.hang_up(alice, "a1");
    assert_eq!(bench.names(bob), ["finish FINISH"]);
    bench.assert_no_leak(&[]);
}

#[test]
fn rate_of_digits_is_limited() {
    let mut bench = Bench::new(config());
    let (alice, bob) = (bench.login("alice"), bench.login_extended("bob"));
    bench.establish(alice, "a1", bob, "bob");
    let mut send = |count: usize| {
        let digits = "1".repeat(count);
        bench.send(alice, &ClientMessage::SendDtmf { call_id: "a1".into(), kind: DtmfType::Rfc2833, digits });
        (bench.names(alice).len(), bench.names(bob).len())
    };
    assert_eq!(send(300), (1, 0));
    assert_eq!(send(64), (0, 64));
    assert_eq!(send(16), (1, 0));
}

#[test]
fn disconnected_sessions_make_room_for_new_ones() {
    let mut bench = Bench::new(config());
    for _ in 0..20 {
        let alice = bench.connect(ConnectionMessage { keep_alive: Some(true), ..hello("alice") });
        assert_eq!(bench.names(alice), ["getUserData", "registered"]);
        bench.input(Input::Disconnected { connection: alice });
    }
    assert_eq!(bench.relay.counts().sessions, config().max_sessions_per_login);
    let anonymous = bench.connect(ConnectionMessage { keep_alive: Some(true), ..ConnectionMessage::default() });
    assert_eq!(bench.names(anonymous), ["getUserData"]);
    bench.input(Input::Disconnected { connection: anonymous });
    assert_eq!(bench.relay.counts().sessions, config().max_sessions_per_login, "strangers are not kept");
}

#[test]
fn unverified_logins_do_not_accumulate() {
    let mut bench = Bench::new(Config { admission: AcceptedLogins::Accounts, ..config() });
    let long = SipOptions { password: Some("x".repeat(2000)), ..hello("alice").sip };
    let mallory = bench.connect(ConnectionMessage { sip: long, ..hello("alice") });
    assert_eq!(bench.closed[&mallory].0, 1008);
    let sockets: Vec<_> = (0..1_000).map(|_| bench.connect(hello("alice"))).collect();
    let waiting = sockets.iter().filter(|socket| !bench.closed.contains_key(socket)).count();
    assert_eq!((bench.checks.len(), waiting), (2, 2 + 256));
    let unreachable = bench.connect(hello("sip:bob@example.test"));
    assert_eq!(bench.names(unreachable), ["fail"]);
}
