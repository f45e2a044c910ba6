//! Tests of the session and call machines in virtual time: transition tables and individual behaviors.

use super::call::{self, CallDirection, ClientCall, Details, LocalDescription};
use super::direct;
use super::session::{self, Session, Timers};
use super::{ReceivedMessage, Status, StatusReport};
use crate::message::{CallId, ClientMessage, DirectStep, DtmfType, TransferStatus};
use core::time::Duration;
use offhook_clock::Time;

const NOW: Time = Time::EPOCH;

fn id() -> CallId {
    CallId::from("c1")
}

fn status(status: Status) -> call::Input {
    call::Input::Status { status, info: None, end_reason: None }
}

fn described() -> call::Input {
    call::Input::Described(Box::new(LocalDescription {
        sdp: "made".to_owned(),
        has_audio: true,
        has_video: false,
        local_media_info: None,
        details: Details { callee: Some("bob".to_owned()), ..Details::default() },
    }))
}

/// Returns a short name of an output.
fn name(output: &call::Output) -> String {
    match output {
        call::Output::Refuse(misuse) => format!("refuse {misuse:?}"),
        call::Output::GetUserMedia { video_possible } => format!("capture video={video_possible}"),
        call::Output::ReleaseMedia => "release".to_owned(),
        call::Output::CreateOffer => "offer".to_owned(),
        call::Output::CreateAnswer { .. } => "answer".to_owned(),
        call::Output::ApplyRemote(_) => "apply".to_owned(),
        call::Output::CloseMedia => "close".to_owned(),
        call::Output::Send(message) => format!("send {}", message.name()),
        call::Output::Forget { unanswered } => format!("forget{}", if *unanswered { " unanswered" } else { "" }),
        call::Output::Emit(status) => format!("emit {status}"),
        call::Output::EmitDtmf(digit) => format!("digit {digit}"),
        call::Output::EmitFarHold(held) => format!("held {held}"),
        call::Output::EmitTransfer(status) => format!("transfer {}", status.name()),
        call::Output::Direct(output) => format!("direct {output:?}"),
    }
}

fn feed(call: &mut ClientCall, input: call::Input) -> Vec<String> {
    call.handle_input(input, NOW);
    core::iter::from_fn(|| call.poll_output()).map(|output| name(&output)).collect()
}

fn outgoing(inputs: impl IntoIterator<Item = call::Input>) -> ClientCall {
    reach(CallDirection::Outgoing, inputs)
}

fn incoming(inputs: impl IntoIterator<Item = call::Input>) -> ClientCall {
    reach(CallDirection::Incoming { offer: Some("m=audio".to_owned()) }, inputs)
}

fn reach(direction: CallDirection, inputs: impl IntoIterator<Item = call::Input>) -> ClientCall {
    let mut call = ClientCall::new(id(), direction);
    for input in inputs {
        feed(&mut call, input);
    }
    call
}

fn call_states() -> Vec<(&'static str, ClientCall)> {
    use call::Input::{Answer, Dial, MediaGranted};
    vec![
        ("out new", outgoing([])),
        ("out capturing", outgoing([Dial])),
        ("out negotiating", outgoing([Dial, MediaGranted])),
        ("out called", outgoing([Dial, MediaGranted, described()])),
        ("out ring", outgoing([Dial, MediaGranted, described(), status(Status::Ring)])),
        ("out established", outgoing([Dial, MediaGranted, described(), status(Status::Established)])),
        ("out finished", outgoing([Dial, MediaGranted, described(), status(Status::Finish)])),
        ("in new", incoming([])),
        ("in ring", incoming([status(Status::Ring)])),
        ("in capturing", incoming([status(Status::Ring), Answer])),
        ("in answered", incoming([status(Status::Ring), Answer, MediaGranted, described()])),
        ("in failed", incoming([call::Input::HangUp])),
    ]
}

fn call_inputs() -> Vec<(&'static str, call::Input)> {
    use call::Input;
    vec![
        ("dial", Input::Dial),
        ("answer", Input::Answer),
        ("hangUp", Input::HangUp),
        ("hold", Input::Hold { for_transfer: false }),
        ("unhold", Input::Unhold),
        ("transferTo", Input::TransferTo("x".to_owned())),
        ("sendDtmf", Input::SendDtmf { kind: DtmfType::Info, digits: "1".to_owned() }),
        ("granted", Input::MediaGranted),
        ("failed", Input::MediaFailed("no".to_owned())),
        ("described", described()),
        ("remoteSdp", Input::RemoteSdp("answer".to_owned())),
        ("RING", status(Status::Ring)),
        ("FINISH", status(Status::Finish)),
        ("transfer", Input::Transfer(TransferStatus::Pending)),
        ("dtmf", Input::DtmfReceived('5')),
        ("far hold", Input::FarHold(true)),
        ("lost", Input::SessionLost),
        ("direct", Input::Direct(direct::Input::Received { attempt: 1, step: DirectStep::Begin })),
    ]
}

fn session_output_name(output: &session::Output) -> String {
    match output {
        session::Output::SendConnection => "send connection".to_owned(),
        session::Output::Send(message) => format!("send {}", message.name()),
        session::Output::CloseSocket => "close".to_owned(),
        session::Output::Emit(status) => format!("emit {}", status.name()),
        session::Output::Notify(notice) => format!("notify {}", notice.name()),
        session::Output::Remove => "remove".to_owned(),
        session::Output::IncomingCall { offer, .. } => format!("incoming offer={}", offer.is_some()),
        session::Output::ToCall { .. } => "toCall".to_owned(),
        session::Output::Settle { accepted, .. } => format!("settle {accepted}"),
    }
}

fn feed_session(session: &mut Session, input: session::Input) -> Vec<String> {
    session.handle_input(input, NOW);
    drain(session)
}

fn drain(session: &mut Session) -> Vec<String> {
    core::iter::from_fn(|| session.poll_output()).map(|output| session_output_name(&output)).collect()
}

fn receive(message: ReceivedMessage) -> session::Input {
    session::Input::Received { message, listening: true }
}

fn report(status: Status) -> session::Input {
    let report = StatusReport { call_id: id(), status, info: None, end_reason: None };
    receive(ReceivedMessage::CallStatus(report))
}

fn user_data() -> session::Input {
    receive(ReceivedMessage::UserData { login: Some("alice".to_owned()) })
}

fn session_states() -> Vec<(&'static str, Session)> {
    use session::Input::{SocketClosed, SocketFailed, SocketOpened};
    let path = |inputs: Vec<session::Input>| {
        let mut session = Session::new(Timers::default(), NOW);
        for input in inputs {
            feed_session(&mut session, input);
        }
        session
    };
    vec![
        ("PENDING", path(vec![])),
        ("CONNECTED", path(vec![SocketOpened])),
        ("ESTABLISHED", path(vec![SocketOpened, user_data()])),
        ("REGISTERED", path(vec![SocketOpened, user_data(), receive(ReceivedMessage::Registered)])),
        ("DISCONNECTED", path(vec![SocketOpened, SocketClosed])),
        ("FAILED", path(vec![SocketFailed])),
    ]
}

fn session_inputs() -> Vec<(&'static str, session::Input)> {
    use session::Input;
    let settle = ReceivedMessage::DataStatus { operation_id: "o".to_owned(), accepted: true };
    vec![
        ("opened", Input::SocketOpened),
        ("closed", Input::SocketClosed),
        ("failed", Input::SocketFailed),
        ("send", Input::Send(ClientMessage::Unhold(id()))),
        ("disconnect", Input::Disconnect),
        ("callCreated", Input::CallCreated(id())),
        ("callForgotten", Input::CallForgotten { call_id: id(), unanswered: true }),
        ("ping", receive(ReceivedMessage::Ping)),
        ("userData", user_data()),
        ("registered", receive(ReceivedMessage::Registered)),
        ("remoteSdp", receive(ReceivedMessage::RemoteSdp { call_id: id(), sdp: "o".to_owned() })),
        ("incomingCall", receive(ReceivedMessage::IncomingCall { call_id: id() })),
        ("callStatus", report(Status::Ring)),
        ("transfer", receive(ReceivedMessage::Transfer { call_id: id(), status: TransferStatus::Pending })),
        ("dtmf", receive(ReceivedMessage::Dtmf { call_id: id(), digit: '1' })),
        ("far hold", receive(ReceivedMessage::Hold { call_id: id(), held: true })),
        ("fail", receive(ReceivedMessage::Fail)),
        ("data", receive(ReceivedMessage::Data)),
        ("debug", receive(ReceivedMessage::SessionDebug)),
        ("dataStatus", receive(settle)),
        ("unknown", receive(ReceivedMessage::Ignored)),
    ]
}

fn line(state: &str, input: &str, after: &str, did: &[String]) -> String {
    format!("{state} + {input} -> {after}: {}\n", did.join(", "))
}

#[test]
fn call_transitions_match_table() {
    let mut table = String::new();
    for (state, call) in call_states() {
        for (input, value) in call_inputs() {
            let mut call = call.clone();
            let did = feed(&mut call, value);
            table += &line(state, input, call.status().name(), &did);
        }
    }
    assert_eq!(table, include_str!("call_table.txt"));
}

#[test]
fn session_transitions_match_table() {
    let mut table = String::new();
    for (state, session) in session_states() {
        for (input, value) in session_inputs() {
            let mut session = session.clone();
            let did = feed_session(&mut session, value);
            table += &line(state, input, session.status().name(), &did);
        }
    }
    assert_eq!(table, include_str!("session_table.txt"));
}

#[test]
fn second_terminal_status_is_not_delivered() {
    let mut session = established();
    feed_session(&mut session, session::Input::CallCreated(id()));
    assert_eq!(feed_session(&mut session, report(Status::Busy)), ["toCall"]);
    assert_eq!(feed_session(&mut session, report(Status::Finish)), Vec::<String>::new());
}

#[test]
fn ended_call_beside_another_releases_media() {
    let mut session = established();
    feed_session(&mut session, session::Input::CallCreated(id()));
    feed_session(&mut session, session::Input::CallCreated(CallId::from("c2")));
    let ended = session::Output::ToCall { call_id: id(), input: status(Status::Finish) };
    session.handle_input(report(Status::Finish), NOW);
    assert_eq!(session.poll_output(), Some(ended));
    let mut call = outgoing([call::Input::Dial, call::Input::MediaGranted, described()]);
    assert_eq!(feed(&mut call, status(Status::Finish)), ["close", "forget", "emit FINISH"]);
}

#[test]
fn lost_session_releases_media_of_calls() {
    let mut session = established();
    feed_session(&mut session, session::Input::CallCreated(id()));
    feed_session(&mut session, session::Input::CallCreated(CallId::from("c2")));
    let lost = feed_session(&mut session, session::Input::SocketClosed);
    assert_eq!(lost, ["remove", "toCall", "toCall", "emit DISCONNECTED"]);
    let mut call = outgoing([call::Input::Dial, call::Input::MediaGranted, described(), status(Status::Established)]);
    assert_eq!(feed(&mut call, call::Input::SessionLost), ["close", "forget"]);
    assert_eq!(call.status(), &Status::Established);
}

#[test]
fn failed_peer_connection_fails_call_and_hangs_up() {
    use call::Input::{Answer, Dial, MediaFailed, MediaGranted};
    let negotiating = outgoing([Dial, MediaGranted]);
    let called = outgoing([Dial, MediaGranted, described(), status(Status::Ring)]);
    let answering = incoming([status(Status::Ring), Answer, MediaGranted]);
    for mut call in [negotiating, called, answering] {
        let did = feed(&mut call, MediaFailed("no connection".to_owned()));
        assert_eq!(did, ["close", "forget", "emit FAILED", "send hangup"]);
        assert_eq!((call.info(), call.error_info()), (Some("Local error"), Some("no connection")));
    }
}

#[test]
fn refused_microphone_rejects_incoming_call() {
    let mut call = incoming([status(Status::Ring), call::Input::Answer]);
    let did = feed(&mut call, call::Input::MediaFailed("no microphone".to_owned()));
    assert_eq!(did, ["forget", "emit FAILED", "send hangup"]);
}

#[test]
fn call_hung_up_before_trying_sends_hangup_later() {
    let mut session = established();
    feed_session(&mut session, session::Input::CallCreated(id()));
    feed_session(&mut session, session::Input::CallForgotten { call_id: id(), unanswered: true });
    assert_eq!(feed_session(&mut session, report(Status::Trying)), ["send hangup"]);
    assert_eq!(feed_session(&mut session, report(Status::Ring)), Vec::<String>::new());
}

#[test]
fn answer_without_offer_is_refused() {
    let mut call = reach(CallDirection::Incoming { offer: None }, []);
    assert_eq!(feed(&mut call, call::Input::Answer), ["refuse NoRemoteSdp"]);
    assert_eq!(call.status(), &Status::Pending);
}

#[test]
fn early_remote_answer_is_applied_after_offer() {
    let mut call = outgoing([call::Input::Dial, call::Input::MediaGranted]);
    assert!(feed(&mut call, call::Input::RemoteSdp("early".to_owned())).is_empty());
    assert_eq!(feed(&mut call, described()), ["send call", "apply"]);
}

#[test]
fn early_offer_is_delivered_with_incoming_call() {
    let mut session = established();
    feed_session(&mut session, receive(ReceivedMessage::RemoteSdp { call_id: id(), sdp: "o".to_owned() }));
    assert_eq!(
        feed_session(&mut session, receive(ReceivedMessage::IncomingCall { call_id: id() })),
        ["incoming offer=true"]
    );
}

#[test]
fn incoming_call_without_handler_is_dropped() {
    let mut session = established();
    let message = ReceivedMessage::IncomingCall { call_id: id() };
    assert!(feed_session(&mut session, session::Input::Received { message, listening: false }).is_empty());
    assert_eq!(session.ignored(), 1);
}

#[test]
fn connect_timeout_fails_session() {
    let timers = Timers { connect_timeout: Duration::from_secs(3), ..Timers::default() };
    let mut session = Session::new(timers, NOW);
    assert_eq!(session.poll_timeout(), Some(NOW + Duration::from_secs(3)));
    session.handle_timeout(NOW + Duration::from_secs(2));
    assert!(drain(&mut session).is_empty());
    session.handle_timeout(NOW + Duration::from_secs(3));
    assert_eq!(drain(&mut session), ["close", "remove", "emit FAILED"]);
    assert!(feed_session(&mut session, session::Input::SocketClosed).is_empty());
}

#[test]
fn missing_messages_fail_session() {
    let probes_interval = Duration::from_secs(1);
    let mut session = Session::new(Timers { probes_interval, receive_probes: 2, ..Timers::default() }, NOW);
    feed_session(&mut session, session::Input::SocketOpened);
    session.handle_timeout(NOW + probes_interval);
    feed_session(&mut session, receive(ReceivedMessage::Ignored));
    session.handle_timeout(NOW + probes_interval * 2);
    assert!(drain(&mut session).is_empty());
    session.handle_timeout(NOW + probes_interval * 3);
    assert_eq!(drain(&mut session), ["remove", "emit FAILED", "close"]);
    assert_eq!(session.poll_timeout(), None);
}

#[test]
fn ping_is_sent_at_interval() {
    let ping_interval = Duration::from_secs(5);
    let mut session = Session::new(Timers { ping_interval, ..Timers::default() }, NOW);
    feed_session(&mut session, session::Input::SocketOpened);
    session.handle_timeout(NOW + ping_interval);
    assert_eq!(drain(&mut session), ["send ping"]);
    assert_eq!(session.poll_timeout(), Some(NOW + ping_interval * 2));
}

#[test]
fn info_of_terminal_status_is_kept() {
    let mut call = outgoing([call::Input::Dial, call::Input::MediaGranted, described()]);
    let (info, end_reason) = (Some("Nobody".to_owned()), Some("noAnswer".to_owned()));
    feed(&mut call, call::Input::Status { status: Status::Failed, info, end_reason });
    assert_eq!((call.server_info(), call.end_reason(), call.info()), (Some("Nobody"), Some("noAnswer"), None));
}

#[cfg(feature = "json")]
#[test]
fn serialized_machines_round_trip() {
    for (state, call) in call_states() {
        let text = serde_json::to_string(&call).unwrap();
        assert_eq!(serde_json::from_str::<ClientCall>(&text).unwrap(), call, "{state}");
    }
    for (state, session) in session_states() {
        let text = serde_json::to_string(&session).unwrap();
        assert_eq!(serde_json::from_str::<Session>(&text).unwrap(), session, "{state}");
    }
}

fn established() -> Session {
    let mut session = Session::new(Timers::default(), NOW);
    feed_session(&mut session, session::Input::SocketOpened);
    feed_session(&mut session, user_data());
    session
}
