//! RTP ports: each user's share, and ports that other programs use.

use super::sip_calls::{from_phone, gone, phone_sdp};
use super::{Bench, config, sip_config, with_sip};
use crate::config::{Config, PortRules};
use crate::io::Input;
use core::time::Duration;
use offhook_media::command::{Command as Media, Event as MediaEvent, LocalTransport};
use offhook_sip::user_agent::io::{Cause, Command, Event, Identity, InboundInvite, InviteId, Origin};
use std::net::IpAddr;

fn with_rules(rules: PortRules) -> Config {
    let mut sip = sip_config();
    sip.ports = rules;
    Config { sip: Some(Box::new(sip)), ..config() }
}

impl Bench {
    /// Places a call to a user of this number; returns whether it rings.
    fn rings(&mut self, number: u64, origin: Origin, source: IpAddr) -> bool {
        let uri: offhook_sip::message::Uri = format!("sip:bob{number}@relay.test").parse().unwrap();
        let request = InboundInvite {
            request_uri: uri.clone(),
            to: Identity { name: None, uri },
            source,
            ..from_phone(origin, Some(phone_sdp(4000, "sendrecv")))
        };
        let invite = InviteId::Inbound(number);
        self.sip(Event::Incoming { invite, request: Box::new(request) });
        match self.command() {
            Command::Ring { status: 180, .. } => true,
            Command::Reject { status: 503, .. } => false,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn user_with_many_calls_leaves_ports_to_others() {
    let host = |last: u8| IpAddr::from([192, 0, 2, last]);
    let network = |network: u16, host: u16| IpAddr::from([0x2001, 0xdb8, 0, network, 0, 0, 0, host]);
    let phone = |name: &str| Origin::Phone(name.to_owned());
    // Two callers each: the first places all its calls from the same or another address, the second is another user.
    let table = [
        ([phone("carol"), phone("dave")], [host(1), host(1), host(1)]),
        ([Origin::Unknown, Origin::Unknown], [host(1), host(1), host(2)]),
        ([Origin::Unknown, Origin::Unknown], [network(1, 1), network(1, 2), network(2, 1)]),
    ];
    for ([first, second], [one, same, other]) in table {
        let rules = PortRules { rest: Duration::ZERO, reserved: 0, per_user: 16 };
        let mut bench = Bench::new(with_rules(rules));
        for number in 0..12 {
            bench.login(&format!("bob{number}"));
        }
        let answers: Vec<bool> = (0..9).map(|call| bench.rings(call, first.clone(), one)).collect();
        assert_eq!(answers, [[true; 8].as_slice(), &[false]].concat(), "{first:?}");
        assert!(!bench.rings(9, first.clone(), same));
        assert!(bench.rings(10, second, other));
        bench.ended(InviteId::Inbound(0), Cause::Remote { reason: None });
        assert!(bench.rings(11, first, one), "a call that has ended gives its ports back");
        for call in 0..12 {
            bench.ended(InviteId::Inbound(call), Cause::Remote { reason: None });
        }
        bench.commands.clear();
        bench.assert_no_leak(&[]);
    }
}

#[test]
fn calls_use_reserved_port_pairs() {
    let rules = PortRules { rest: Duration::ZERO, reserved: 4, per_user: 128 };
    let mut bench = Bench::new(with_rules(rules));
    let (alice, _) = bench.login_sip("alice");
    let asked: Vec<_> = bench.media.drain(..).collect();
    let [Media::ReservePorts { pairs: first, .. }, Media::ReservePorts { pairs: second, .. }] = &asked[..] else {
        panic!("{asked:?}")
    };
    for pairs in [first, second] {
        let (in_use, ready) = (pairs[..3].to_vec(), pairs[3..].to_vec());
        bench.input(Input::Media(MediaEvent::PortsReserved { ready, in_use }));
    }
    bench.call(alice, "a1", "1002");
    bench.invited();
    let opened = bench.media.iter().find_map(|command| match command {
        Media::Open { transport: LocalTransport::Rtp { sections, .. }, .. } => Some(sections[0].rtp.port()),
        _ => None,
    });
    assert!([first[3].rtp(), second[3].rtp()].contains(&opened.unwrap()));
}

#[test]
fn relay_without_reserve_binds_no_ports_ahead() {
    let mut bench = Bench::new(with_sip());
    bench.login("bob");
    assert_eq!(bench.media, []);
}

#[test]
fn call_without_free_port_is_refused_with_503() {
    let mut config = with_sip();
    for worker in &mut config.sip.as_mut().unwrap().workers {
        worker.last_port = worker.first_port + 1;
    }
    let mut bench = Bench::new(config);
    let (alice, _) = bench.login_sip("alice");
    bench.call(alice, "a1", "1002");
    let (first, _) = bench.invited();
    // A session in a call keeps its worker.
    bench.call(alice, "a2", "1002");
    assert_eq!(bench.last_status(alice).sip_status, Some(503));
    assert!(bench.commands.is_empty());
    bench.call(alice, "a3", "1002");
    assert_eq!(bench.last_status(alice).sip_status, Some(503));
    bench.ended(first, gone());
    bench.relay.workers.restart_rotation();
    bench.call(alice, "a4", "1002");
    assert_eq!(bench.last_status(alice).sip_status, Some(503), "the port rests");
    bench.wait(Duration::from_secs(10));
    bench.relay.workers.restart_rotation();
    bench.call(alice, "a5", "1002");
    bench.invited();
}
