//! Tests of message order, limits and keep-alive of one socket, in virtual time.

use super::{Connection, Input, Limits, Output, close_code};
use crate::message::{ClientMessage, ServerMessage};
use core::time::Duration;
use offhook_clock::Time;

const LIMITS: Limits = Limits {
    connection_timeout: Duration::from_secs(10),
    ping_interval: Duration::from_secs(5),
    ping_probes: 3,
    max_frame: 1000,
    message_rate: 10,
    message_burst: 20,
};
const HELLO: &str = r#"{"message":"connection","data":[{"sipLogin":"alice"}]}"#;
const HANGUP: &str = r#"{"message":"hangup","data":[{"callId":"x"}]}"#;

fn outputs(connection: &mut Connection) -> Vec<Output> {
    core::iter::from_fn(|| connection.poll_output()).collect()
}

fn open() -> Connection {
    let mut connection = Connection::new(LIMITS, Time::EPOCH);
    connection.handle_input(&Input::Text(HELLO), Time::EPOCH);
    assert!(matches!(outputs(&mut connection)[..], [Output::Deliver(ClientMessage::Connection(_))]));
    connection.handle_input(&Input::Accepted, Time::EPOCH);
    connection
}

fn close_code_of(connection: &mut Connection) -> Option<u16> {
    outputs(connection).into_iter().find_map(|output| match output {
        Output::Close { code, .. } => Some(code),
        _ => None,
    })
}

#[test]
fn message_before_session_is_refused() {
    let mut connection = Connection::new(LIMITS, Time::EPOCH);
    connection.handle_input(&Input::Text(HANGUP), Time::EPOCH);
    let [Output::Send(ServerMessage::Fail { info, .. })] = &outputs(&mut connection)[..] else { panic!() };
    assert!(info.contains("wait for `getUserData`"));
}

#[test]
fn second_connection_message_is_refused() {
    let mut connection = open();
    connection.handle_input(&Input::Text(HELLO), Time::EPOCH);
    assert!(matches!(outputs(&mut connection)[..], [Output::Send(ServerMessage::Fail { .. })]));
}

#[test]
fn socket_without_connection_message_is_closed() {
    let mut connection = Connection::new(LIMITS, Time::EPOCH);
    let deadline = connection.poll_timeout().unwrap();
    connection.handle_timeout(deadline);
    assert_eq!(close_code_of(&mut connection), Some(close_code::POLICY));
    assert_eq!(connection.poll_timeout(), None);
}

#[test]
fn unanswered_pings_close_socket() {
    let mut connection = open();
    for round in 0..10 {
        let at = connection.poll_timeout().unwrap();
        connection.handle_timeout(at);
        assert_eq!(outputs(&mut connection), [Output::Send(ServerMessage::Ping)], "round {round}");
        connection.handle_input(&Input::Text(r#"{"message":"pong","data":[null]}"#), at);
        assert_eq!(outputs(&mut connection), [Output::Pong]);
    }
    for _ in 0..LIMITS.ping_probes {
        connection.handle_timeout(connection.poll_timeout().unwrap());
        assert_eq!(outputs(&mut connection), [Output::Send(ServerMessage::Ping)]);
    }
    connection.handle_timeout(connection.poll_timeout().unwrap());
    assert_eq!(close_code_of(&mut connection), Some(close_code::POLICY));
}

#[test]
fn message_flood_closes_socket() {
    let mut connection = open();
    for step in 0..200 {
        connection.handle_input(&Input::Text(HANGUP), Time::EPOCH + Duration::from_millis(100) * step);
    }
    assert_eq!(close_code_of(&mut connection), None);
    let mut connection = open();
    for _ in 0..21 {
        connection.handle_input(&Input::Text(HANGUP), Time::EPOCH);
    }
    assert_eq!(close_code_of(&mut connection), Some(close_code::POLICY));
}

#[test]
fn binary_or_oversized_frame_closes_socket() {
    let mut connection = open();
    connection.handle_input(&Input::Binary(4), Time::EPOCH);
    assert_eq!(close_code_of(&mut connection), Some(close_code::UNSUPPORTED_DATA));
    let mut connection = open();
    connection.handle_input(&Input::Text(&"x".repeat(1001)), Time::EPOCH);
    assert_eq!(close_code_of(&mut connection), Some(close_code::TOO_BIG));
}

#[test]
fn repeated_malformed_frames_close_socket() {
    let mut connection = open();
    for step in 0..20 {
        connection.handle_input(&Input::Text("{"), Time::EPOCH + Duration::from_secs(step));
        assert!(matches!(outputs(&mut connection)[..], [Output::Send(ServerMessage::Fail { .. })]));
    }
    connection.handle_input(&Input::Text("{"), Time::EPOCH + Duration::from_secs(20));
    assert_eq!(close_code_of(&mut connection), Some(close_code::POLICY));
}

#[test]
fn ping_before_connection_is_answered() {
    let mut connection = Connection::new(LIMITS, Time::EPOCH);
    connection.handle_input(&Input::Text(r#"{"message":"ping","data":[null]}"#), Time::EPOCH);
    assert_eq!(outputs(&mut connection), [Output::Send(ServerMessage::Pong)]);
}
