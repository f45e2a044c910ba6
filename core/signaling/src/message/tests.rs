//! Round-trip tests in both directions, and tests with frames as real clients send them.

use super::{
    Answer, CallId, CallMessage, CallObject, CallStatus, ClientMessage, ConnectionMessage, DataStatus, DtmfType, Json,
    ServerMessage, SipOptions, TransferStatus, UserData,
};
use crate::version::Extension;
use proptest::prelude::*;

fn text() -> impl Strategy<Value = String> {
    "\\PC{0,12}"
}

fn json() -> impl Strategy<Value = Json> {
    text().prop_map(|text| Json::from_valid(serde_json::json!({ "value": [text, 1, null] }).to_string()))
}

prop_compose! {
    fn sip_options()(login in proptest::option::of(text()), port in proptest::option::of("[0-9]{1,5}"), register in any::<Option<bool>>())
        -> SipOptions {
        SipOptions { login, port, register_required: register, ..SipOptions::default() }
    }
}

prop_compose! {
    fn connection()(app_key in text(), sip in sip_options(), custom in proptest::option::of(json()), ours in any::<bool>(),
        auth_token in proptest::option::of(text()), keep_alive in any::<Option<bool>>()) -> ConnectionMessage {
        ConnectionMessage {
            app_key, sip, custom, auth_token, keep_alive,
            media_providers: vec!["WebRTC".into()],
            client_version: "2.0".into(),
            offhook: ours.then(Extension::ours),
            ..ConnectionMessage::default()
        }
    }
}

prop_compose! {
    fn call()(id in text(), callee in text(), visible_name in proptest::option::of(text()), sdp in text(), custom in proptest::option::of(json()),
        has_video in any::<bool>(), sip_sdp in proptest::collection::vec(text(), 0..3),
        sip_headers in proptest::collection::vec(text(), 0..3)) -> CallMessage {
        CallMessage { call_id: CallId(id), callee, caller: None, visible_name, has_audio: true, has_video, sdp, sip_sdp, sip_headers, custom, local_media_info: None }
    }
}

fn client_message() -> impl Strategy<Value = ClientMessage> {
    let id = || text().prop_map(CallId);
    prop_oneof![
        connection().prop_map(|c| ClientMessage::Connection(Box::new(c))),
        Just(ClientMessage::Ping),
        Just(ClientMessage::Pong),
        call().prop_map(|c| ClientMessage::Call(Box::new(c))),
        (id(), text(), proptest::option::of(json())).prop_map(|(call_id, sdp, custom)| {
            let answer = Answer { call_id, sdp, callee: None, sip_sdp: vec![], custom, local_media_info: None };
            ClientMessage::Answer(Box::new(answer))
        }),
        id().prop_map(ClientMessage::Hangup),
        (id(), any::<bool>()).prop_map(|(call_id, for_transfer)| ClientMessage::Hold { call_id, for_transfer }),
        id().prop_map(ClientMessage::Unhold),
        (id(), "[0-9A-D*#]{1,4}").prop_map(|(call_id, digits)| ClientMessage::SendDtmf {
            call_id,
            kind: DtmfType::InfoRelay,
            digits
        }),
        (id(), text()).prop_map(|(call_id, target)| ClientMessage::Transfer { call_id, target }),
        (text(), json()).prop_map(|(operation_id, payload)| ClientMessage::SendData { operation_id, payload }),
        (text(), text()).prop_map(|(operation_id, token)| ClientMessage::RenewToken { operation_id, token }),
    ]
}

fn call_object() -> impl Strategy<Value = CallObject> {
    (text(), text(), any::<bool>(), proptest::option::of(json())).prop_map(|(id, name, incoming, custom)| CallObject {
        call_id: CallId(id),
        status: CallStatus::RingMedia,
        incoming,
        caller: name.clone(),
        callee: "bob".into(),
        visible_name: name,
        media_provider: "WebRTC".into(),
        has_audio: true,
        has_video: false,
        custom,
        sip_status: Some(180),
        info: None,
        end_reason: None,
    })
}

fn server_message() -> impl Strategy<Value = ServerMessage> {
    prop_oneof![
        Just(ServerMessage::Ping),
        Just(ServerMessage::Registered),
        connection().prop_map(|connection| ServerMessage::UserData(Box::new(UserData {
            connection,
            status: "ESTABLISHED".into(),
            demo: true
        }))),
        (text(), text()).prop_map(|(id, sdp)| ServerMessage::RemoteSdp { call_id: CallId(id), sdp }),
        call_object().prop_map(|call| ServerMessage::IncomingCall(Box::new(call))),
        call_object().prop_map(|call| ServerMessage::CallStatus(Box::new(call))),
        text().prop_map(|id| ServerMessage::Transfer { call_id: CallId(id), status: TransferStatus::Ringing }),
        json().prop_map(ServerMessage::Data),
        (text(), prop::char::range('0', '9'))
            .prop_map(|(id, digit)| ServerMessage::Dtmf { call_id: CallId(id), digit }),
        (text(), any::<bool>()).prop_map(|(id, held)| ServerMessage::Hold { call_id: CallId(id), held }),
        any::<u64>().prop_map(|expires_in| ServerMessage::TokenExpiring { expires_in }),
        (text(), proptest::option::of(any::<u64>()), proptest::option::of(text())).prop_map(
            |(operation_id, expires_in, info)| ServerMessage::TokenStatus {
                operation_id,
                status: DataStatus::Failed,
                expires_in,
                info
            }
        ),
    ]
}

proptest! {
    #[test]
    fn client_messages_round_trip(message in client_message()) {
        prop_assert_eq!(ClientMessage::parse(&message.to_json()).unwrap(), message);
    }

    #[test]
    fn server_messages_round_trip(message in server_message()) {
        prop_assert_eq!(ServerMessage::parse(&message.to_json()).unwrap(), Some(message));
    }

    #[test]
    fn arbitrary_text_does_not_panic(text in "\\PC{0,200}") {
        let _ = ClientMessage::parse(&text);
        let _ = ServerMessage::parse(&text);
    }
}

#[test]
fn message_without_content_has_data_array() {
    for message in [ServerMessage::Ping, ServerMessage::Pong, ServerMessage::Registered] {
        let value: serde_json::Value = serde_json::from_str(&message.to_json()).unwrap();
        assert_eq!(value["data"], serde_json::json!([null]));
    }
}

#[test]
fn port_callee_and_digit_accept_text_or_number() {
    for port in ["5060", "\"5060\""] {
        let frame = format!(r#"{{"message":"connection","data":[{{"sipLogin":"a","sipPort":{port}}}]}}"#);
        let ClientMessage::Connection(connection) = ClientMessage::parse(&frame).unwrap() else { panic!() };
        assert_eq!(connection.sip.port.as_deref(), Some("5060"));
    }
    for callee in ["1001", "\"1001\""] {
        let frame = format!(r#"{{"message":"call","data":[{{"callId":"x","callee":{callee},"sdp":"v=0"}}]}}"#);
        let ClientMessage::Call(call) = ClientMessage::parse(&frame).unwrap() else { panic!() };
        assert_eq!(call.callee, "1001");
    }
    for digit in ["5", "\"5\""] {
        let frame = format!(r#"{{"message":"sendDtmf","data":[{{"callId":"x","type":"RFC2833","dtmf":{digit}}}]}}"#);
        let ClientMessage::SendDtmf { digits, .. } = ClientMessage::parse(&frame).unwrap() else { panic!() };
        assert_eq!(digits, "5");
    }
}

#[test]
fn password_is_not_echoed() {
    let frame = r#"{"message":"connection","data":[{"sipLogin":"a","sipPassword":"secret"}]}"#;
    let ClientMessage::Connection(connection) = ClientMessage::parse(frame).unwrap() else { panic!() };
    assert_eq!(connection.sip.password.as_deref(), Some("secret"));
    let data = UserData { connection: *connection, status: "ESTABLISHED".into(), demo: false };
    assert!(!ServerMessage::UserData(Box::new(data)).to_json().contains("secret"));
}

#[test]
fn renewal_of_token_has_documented_frames() {
    let request = ClientMessage::RenewToken { operation_id: "o1".into(), token: "a.b.c".into() };
    assert_eq!(request.to_json(), r#"{"message":"offhookRenewToken","data":[{"operationId":"o1","token":"a.b.c"}]}"#);
    let notice = ServerMessage::TokenExpiring { expires_in: 60 };
    assert_eq!(notice.to_json(), r#"{"message":"offhookTokenExpiring","data":[{"expiresIn":60}]}"#);
    let status = |status, expires_in, info| {
        ServerMessage::TokenStatus { operation_id: "o1".into(), status, expires_in, info }.to_json()
    };
    assert_eq!(
        status(DataStatus::Accepted, Some(3600), None),
        r#"{"message":"offhookTokenStatus","data":[{"operationId":"o1","status":"ACCEPTED","expiresIn":3600}]}"#
    );
    assert_eq!(
        status(DataStatus::Failed, None, Some("expired".into())),
        r#"{"message":"offhookTokenStatus","data":[{"operationId":"o1","status":"FAILED","info":"expired"}]}"#
    );
}

#[test]
fn parse_error_describes_fault() {
    let error = |frame: &str| ClientMessage::parse(frame).unwrap_err().to_string();
    assert!(error("hello").starts_with("not a message: "));
    assert!(error(r#"{"message":"call","data":[{"callId":"x"}]}"#).contains("bad `call` message: missing field"));
    assert!(error(r#"{"message":"hangup"}"#).contains("bad `hangup` message"));
    assert!(matches!(
        ClientMessage::parse(r#"{"message":"publishStream","data":[{}]}"#),
        Ok(ClientMessage::Unsupported { name }) if name == "publishStream"
    ));
}
