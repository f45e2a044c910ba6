use super::{CallRecord, CallRecords, CallScheme};
use crate::call::{CallEvent, CallKey, EndpointKind};
use offhook_clock::Time;
use offhook_media::command::LegKey;

const CALL: CallKey = CallKey(1);

fn routed(callee: u64, endpoint: EndpointKind) -> CallEvent {
    CallEvent::Routed { callee: LegKey(callee), endpoint, address: format!("user{callee}"), offer: None }
}

fn answered(callee: u64) -> CallEvent {
    CallEvent::Answered { caller: LegKey(1), callee: LegKey(callee), answer: None, codecs: Vec::new() }
}

/// The record of a browser's call after `events`.
fn record_after(events: &[CallEvent]) -> CallRecord {
    let mut records = CallRecords::default();
    let placed = CallEvent::Placed {
        caller: LegKey(1),
        endpoint: EndpointKind::Browser,
        from: "alice".to_owned(),
        to: "bob".to_owned(),
    };
    let placed = records.apply(CALL, &placed, Time::EPOCH).expect("a record");
    events.iter().filter_map(|event| records.apply(CALL, event, Time::EPOCH)).last().unwrap_or(placed)
}

#[test]
fn scheme_is_that_of_the_answering_branch() {
    let fork = [routed(2, EndpointKind::Browser), routed(3, EndpointKind::SipServer)];
    assert_eq!(record_after(&fork).scheme, CallScheme::Proxied);
    for (callee, scheme) in [(2, CallScheme::Local), (3, CallScheme::Proxied)] {
        let record = record_after(&[&fork[..], &[answered(callee)]].concat());
        assert_eq!((record.scheme, record.routes.len()), (scheme, 2));
        assert_eq!(record.callee_address, Some(format!("user{callee}")));
    }
}

#[test]
fn looped_call_stays_signaling_only() {
    let events = [routed(2, EndpointKind::SipServer), CallEvent::Looped, routed(3, EndpointKind::Browser), answered(3)];
    assert_eq!(record_after(&events).scheme, CallScheme::SignalingOnly);
}

#[test]
fn transfer_target_does_not_change_the_record() {
    let talk = [routed(2, EndpointKind::Browser), answered(2)];
    let transferred = [&talk[..], &[routed(3, EndpointKind::SipServer)]].concat();
    assert_eq!(record_after(&transferred), record_after(&talk));
}
