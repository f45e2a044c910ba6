//! The events and records of calls, as the shell receives them.

use super::{Bench, config, with_sip};
use crate::call::{CallEvent, EndpointKind};
use crate::record::CallScheme;
use core::time::Duration;
use offhook_signaling::reason::EndReason;

/// The events that the log writes, with the scheme and the callee of their records.
fn milestones(bench: &mut Bench) -> Vec<(&'static str, CallScheme, Option<EndpointKind>)> {
    let events = core::mem::take(&mut bench.events).into_iter();
    let logged = events.filter_map(|(event, record)| {
        let name = match event {
            CallEvent::Placed { .. } => "placed",
            CallEvent::Answered { .. } => "answered",
            CallEvent::Ended { .. } => "ended",
            _ => return None,
        };
        Some((name, record.scheme, record.callee))
    });
    logged.collect()
}

#[test]
fn answered_call_is_reported_when_placed_answered_and_ended() {
    let mut bench = Bench::new(config());
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    bench.call(alice, "a1", "bob");
    let at_bob = bench.incoming(bob);
    assert_eq!(bench.relay.counts().legs, 2);
    bench.wait(Duration::from_secs(3));
    bench.answer(bob, &at_bob);
    bench.wait(Duration::from_secs(20));
    bench.hang_up(alice, "a1");
    assert_eq!(bench.relay.counts().legs, 0);
    let (event, record) = bench.events.last().cloned().unwrap();
    assert_eq!(event, CallEvent::Ended { reason: EndReason::HungUp });
    assert_eq!(record.setup_time(bench.now), Duration::from_secs(3));
    assert_eq!(record.duration(bench.now), Some(Duration::from_secs(20)));
    assert_eq!(record.codecs.first().map(String::as_str), Some("opus"));
    assert_eq!((record.from.as_str(), record.to.as_str()), ("alice", "bob"));
    assert_eq!(record.callee_address.as_deref(), Some("bob"));
    assert_eq!((record.alerted_at, record.sip_status), (Some(record.placed_at), Some(200)));
    let callee = Some(EndpointKind::Browser);
    let expected = [
        ("placed", CallScheme::Local, None),
        ("answered", CallScheme::Local, callee),
        ("ended", CallScheme::Local, callee),
    ];
    assert_eq!(milestones(&mut bench), expected);
    bench.assert_no_leak(&[]);
}

#[test]
fn refused_call_is_reported_without_an_answer() {
    let mut bench = Bench::new(config());
    let alice = bench.login("alice");
    bench.call(alice, "a1", "nobody");
    let (event, record) = bench.events.last().cloned().unwrap();
    assert_eq!(event, CallEvent::Ended { reason: EndReason::NotFound });
    assert_eq!(record.duration(bench.now), None);
    assert_eq!((record.to.as_str(), record.routes.len(), record.sip_status), ("nobody", 0, Some(404)));
    assert_eq!(milestones(&mut bench), [("placed", CallScheme::Local, None), ("ended", CallScheme::Local, None)]);
}

#[test]
fn ignored_input_is_counted() {
    let mut bench = Bench::new(with_sip());
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    bench.call(alice, "a1", "bob");
    bench.incoming(bob);
    let leg = bench.relay.calls.legs()[0];
    bench.media_event(offhook_media::command::Event::DtmfReceived { leg, digit: '1' });
    assert_eq!(bench.relay.counters().ignored_by_calls, 1);
}
