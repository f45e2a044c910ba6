//! SIP legs: forwarding of RTP, addresses, keys, hold and timeouts.

use super::super::Output;
use super::phone::{
    OTHER, PHONE, camera, connect, contexts, keys, local, nat, remote, rtp_packet, section, ssrc, stream, telephone,
};
use super::{ALICE, Scene, address, audio, payload, video};
use crate::command::{Command, Event, LocalTransport, RemoteRtp, RtcpPath, Silence, TransportFailure};
use crate::ports::PortPool;
use crate::rtp::packet::{Header, payload as payload_of};
use crate::transport::latch::Latching;
use crate::transport::srtp::Profile;
use crate::worker::WorkerConfig;
use core::time::Duration;
use offhook_clock::Time;
use offhook_sdp::codec::MediaKind;
use offhook_sdp::direction::Direction;
use offhook_sdp::webrtc::Section;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

const STEP: Duration = Duration::from_millis(20);

fn alices() -> Vec<Section> {
    let mut section = audio(111, 110, (4, "0"), 1);
    section.payloads.push(payload(8, "PCMA", 8000, 1, &[]));
    section.payloads.push(payload(126, "telephone-event", 8000, 1, &[]));
    vec![section]
}

fn phone_call() -> Scene {
    Scene::phone_call(alices(), vec![telephone()])
}

/// Packets that Alice received: sequence number, timestamp, marker, payload type.
fn received(scene: &mut Scene) -> Vec<(u16, u32, bool, u8)> {
    let received = scene.alice.take_rtp();
    received.iter().map(|(h, _)| (h.sequence, h.timestamp, h.marker, h.payload_type)).collect()
}

#[test]
fn rtp_is_forwarded_between_browser_and_phone() {
    let mut scene = phone_call();
    for n in 0..3_u16 {
        scene.alice.send_rtp((0, 9 + n, 160 * u32::from(n), 77), &[(1, &[0x85])], b"voice");
        scene.phone_sends(PHONE, 0, (0, 65_534_u16.wrapping_add(n), 160 * u32::from(n), 5), b"answer");
        scene.run(STEP);
    }
    let of_phone = scene.take_rtp_of(PHONE, 0);
    assert_eq!(of_phone.len(), 3);
    for (n, (header, packet, to)) in of_phone.iter().enumerate() {
        let n16 = u16::try_from(n).unwrap();
        assert_eq!((header.payload_type, header.ssrc, *to), (0, ssrc(PHONE, 0), remote(PHONE, 0).rtp));
        assert_eq!(header.sequence, of_phone[0].0.sequence.wrapping_add(n16));
        assert_eq!(header.timestamp, of_phone[0].0.timestamp.wrapping_add(160 * u32::from(n16)));
        assert_eq!((header.marker, header.extension), (n == 0, None), "no header extension is sent to a SIP peer");
        assert_eq!(payload_of(packet, header).unwrap(), b"voice");
    }
    let of_alice = received(&mut scene);
    let (sequence, timestamp, ..) = of_alice[0];
    let expected =
        [0, 1, 2_u16].map(|n| (sequence.wrapping_add(n), timestamp.wrapping_add(160 * u32::from(n)), n == 0, 0));
    assert_eq!(of_alice, expected);
}

#[test]
fn packet_length_is_kept_between_phones() {
    let mut scene = Scene::new();
    scene.phone(PHONE, vec![telephone()]);
    let numbers = section(MediaKind::Audio, vec![payload(8, "PCMA", 8000, 1, &[]), payload(98, "PCMU", 8000, 1, &[])]);
    scene.phone(OTHER, vec![numbers]);
    scene.order(Command::Bridge { a: PHONE, b: OTHER });
    scene.phone_sends(PHONE, 0, (0, 1, 160, 5), &[1; 160]);
    scene.phone_sends(OTHER, 0, (98, 1, 240, 5), &[2; 240]);
    scene.phone_sends(OTHER, 0, (8, 2, 480, 5), &[3; 240]);
    let got = |scene: &mut Scene, leg| {
        let got = scene.take_rtp_of(leg, 0);
        got.iter().map(|(h, p, _)| (h.payload_type, p.len() - 12, p[12])).collect::<Vec<_>>()
    };
    assert_eq!(got(&mut scene, OTHER), [(98, 160, 1)]);
    assert_eq!(got(&mut scene, PHONE), [(0, 240, 2), (8, 240, 3)]);
}

#[test]
fn every_suite_protects_both_directions() {
    for suite in [Profile::AesCm128HmacSha1, Profile::AesCm128HmacSha1Short, Profile::AeadAes128Gcm] {
        let mut scene = phone_call();
        let keys = keys(suite, 7);
        let (mut inbound, mut outbound) = contexts(&keys);
        let mut secure = stream(PHONE, 0, telephone());
        secure.srtp = Some(keys);
        scene.connect_phone(PHONE, vec![secure.clone()]);
        for n in 0..4_u16 {
            let mut packet = rtp_packet((0, 65_533_u16.wrapping_add(n), 0, 5), b"answer");
            let header = Header::parse(&packet).unwrap();
            outbound.protect_rtp(&mut packet, &header).unwrap();
            scene.arrives(remote(PHONE, 0).rtp, local(PHONE, 0).rtp, packet.clone());
            scene.arrives(remote(PHONE, 0).rtp, local(PHONE, 0).rtp, packet);
            scene.alice.send_rtp((0, n, 0, 77), &[], b"voice");
            scene.exchange();
            // A repeated description keeps the contexts.
            scene.connect_phone(PHONE, vec![secure.clone()]);
        }
        assert_eq!(received(&mut scene).len(), 4, "{suite:?}");
        assert_eq!(scene.worker.counters().dropped.replayed, 4);
        let sent = scene.take_rtp_of(PHONE, 0);
        assert_eq!(sent.len(), 4);
        for (header, mut packet, _) in sent {
            let length = inbound.unprotect_rtp(&mut packet, &header).unwrap();
            assert_eq!(packet[header.length..length], *b"voice");
        }
        scene.phone_sends(PHONE, 0, (0, 50, 0, 5), b"plain, long enough for a tag");
        assert_eq!((received(&mut scene).len(), scene.worker.counters().dropped.unauthentic), (0, 1));
    }
}

#[test]
fn new_keys_are_applied_and_bad_keys_fail() {
    let mut scene = phone_call();
    let mut secure = stream(PHONE, 0, telephone());
    for seed in [1, 2] {
        let keys = keys(Profile::AesCm128HmacSha1, seed);
        let (mut inbound, mut outbound) = contexts(&keys);
        secure.srtp = Some(keys);
        scene.connect_phone(PHONE, vec![secure.clone()]);
        let mut packet = rtp_packet((0, u16::from(seed), 0, 5), b"answer");
        let header = Header::parse(&packet).unwrap();
        outbound.protect_rtp(&mut packet, &header).unwrap();
        scene.arrives(remote(PHONE, 0).rtp, local(PHONE, 0).rtp, packet);
        scene.alice.send_rtp((0, u16::from(seed), 0, 77), &[], b"voice");
        scene.exchange();
        assert_eq!(received(&mut scene).len(), 1);
        let (header, mut packet, _) = scene.take_rtp_of(PHONE, 0).pop().unwrap();
        inbound.unprotect_rtp(&mut packet, &header).unwrap();
    }
    secure.srtp.as_mut().unwrap().remote.0.pop();
    scene.connect_phone(PHONE, vec![secure]);
    assert_eq!(scene.events, [Event::LegFailed { leg: PHONE, failure: TransportFailure::BadKeys }]);
    assert!(scene.sockets.is_empty());
}

#[test]
fn reused_key_continues_its_packet_indexes() {
    let plain = stream(PHONE, 0, telephone());
    let mut resting = plain.clone();
    resting.remote = None;
    for between in [plain, resting] {
        let mut scene = phone_call();
        let keys = keys(Profile::AeadAes128Gcm, 1);
        let (mut inbound, _) = contexts(&keys);
        let mut secure = stream(PHONE, 0, telephone());
        secure.srtp = Some(keys);
        let mut indices = Vec::new();
        for _ in 0..2 {
            scene.connect_phone(PHONE, vec![secure.clone()]);
            scene.run(Duration::from_secs(6));
            for (mut report, _) in scene.take_rtcp_from(local(PHONE, 0).rtcp) {
                indices.push(report[report.len() - 4..].to_vec());
                inbound.unprotect_rtcp(&mut report).expect("an unused index");
            }
            scene.connect_phone(PHONE, vec![between.clone()]);
            scene.alice.check(false);
        }
        assert!(indices.len() > 1, "{indices:?}");
    }
}

#[test]
fn address_and_codec_change_keep_outgoing_stream() {
    let mut scene = phone_call();
    scene.phone_sends(PHONE, 0, (0, 1, 160, 5), b"a");
    scene.run(STEP);
    let moved = RemoteRtp { rtp: address("203.0.113.50:6000"), rtcp: RtcpPath::Muxed };
    let mut only_pcma = telephone();
    only_pcma.payloads.remove(0);
    let mut again = stream(PHONE, 0, only_pcma);
    again.remote = Some(moved);
    scene.connect_phone(PHONE, vec![again]);
    scene.arrives(moved.rtp, local(PHONE, 0).rtp, rtp_packet((8, 2, 320, 5), b"b"));
    scene.run(STEP);
    scene.arrives(moved.rtp, local(PHONE, 0).rtp, rtp_packet((8, 3, 480, 5), b"c"));
    // A late packet from the previous address is not accepted.
    scene.phone_sends(PHONE, 0, (8, 4, 640, 5), b"late");
    let of_alice = received(&mut scene);
    let (sequence, timestamp, ..) = of_alice[0];
    let place = |n: u16| (sequence.wrapping_add(n), timestamp.wrapping_add(160 * u32::from(n)));
    assert_eq!(of_alice[1..], [1, 2].map(|n| (place(n).0, place(n).1, false, 8)));
    scene.alice.send_rtp((8, 1, 0, 77), &[], b"voice");
    scene.exchange();
    let sent = scene.take_rtp_of(PHONE, 0);
    assert_eq!((sent.len(), sent[0].2), (1, moved.rtp));
}

#[test]
fn ssrc_change_and_restart_keep_outgoing_stream() {
    let mut scene = phone_call();
    let packets = [(1, 160, 5), (2, 320, 5), (40_000, 99_999, 6), (40_001, 100_159, 6), (7, 5_000_000, 6)];
    for (sequence, timestamp, ssrc) in packets {
        scene.phone_sends(PHONE, 0, (0, sequence, timestamp, ssrc), b"x");
        scene.run(STEP);
    }
    scene.phone_sends(PHONE, 0, (0, 8, 5_000_160, 6), b"x");
    scene.run(STEP);
    // The SSRC and sequence numbers continue, but the timestamp jumps.
    scene.phone_sends(PHONE, 0, (0, 9, 9_000_000, 6), b"x");
    let of_alice = received(&mut scene);
    let (sequence, timestamp, ..) = of_alice[0];
    // The first packet after a jump of the sequence number is dropped (RFC 3550 Appendix A.1).
    let numbers: Vec<u16> = of_alice.iter().map(|packet| packet.0.wrapping_sub(sequence)).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
    let times: Vec<u32> = of_alice.iter().map(|packet| packet.1.wrapping_sub(timestamp)).collect();
    assert_eq!(times, [0, 160, 320, 480, 800, 960]);
    let markers: Vec<bool> = of_alice.iter().map(|packet| packet.2).collect();
    assert_eq!(markers, [true, false, true, false, true, true]);
}

#[test]
fn sections_share_ssrc_and_ssrc_changes_without_limit() {
    let of_alice = || vec![audio(111, 110, (4, "0"), 1), video(100, 78)];
    let mut scene = Scene::phone_call(of_alice(), vec![telephone(), camera(&[])]);
    scene.phone_sends(PHONE, 0, (0, 1, 160, 5), b"sound");
    scene.phone_sends(PHONE, 1, (99, 1, 160, 5), b"picture");
    let kinds: Vec<(u32, u8)> = scene.alice.take_rtp().iter().map(|(h, _)| (h.ssrc, h.payload_type)).collect();
    assert_eq!(kinds, [(1000, 0), (1001, 100)]);
    for ssrc in 100..400 {
        scene.run(STEP);
        scene.phone_sends(PHONE, 0, (0, 1, 160, ssrc), b"sound");
        assert_eq!(scene.alice.take_rtp().len(), 1, "SSRC {ssrc}");
    }
}

#[test]
fn hold_stops_media_and_suspends_timeout() {
    for direction in [Direction::SendOnly, Direction::Inactive] {
        let mut scene = phone_call();
        let mut held = stream(PHONE, 0, telephone());
        held.stream.remote.direction = direction;
        scene.connect_phone(PHONE, vec![held]);
        scene.alice.send_rtp((0, 1, 0, 77), &[], b"voice");
        scene.exchange();
        assert_eq!(scene.take_rtp_of(PHONE, 0).len(), 0, "{direction:?}");
        scene.phone_sends(PHONE, 0, (0, 1, 160, 5), b"music");
        assert_eq!(received(&mut scene).len(), usize::from(direction.sends()));
    }
    let mut scene = phone_call();
    let mut held = stream(PHONE, 0, telephone());
    held.stream.remote.direction = Direction::Inactive;
    scene.connect_phone(PHONE, vec![held.clone()]);
    for _ in 0..12 {
        scene.alice.check(false);
        scene.run(Duration::from_secs(10));
    }
    assert_eq!(scene.events, []);
    let sent = scene.take_rtcp_from(local(PHONE, 0).rtcp);
    assert_eq!(sent.len(), 24, "RTCP continues (RFC 3264 §8.4)");
    held.remote = None;
    held.stream.remote.direction = Direction::SendRecv;
    scene.connect_phone(PHONE, vec![held]);
    scene.alice.send_rtp((0, 2, 160, 77), &[], b"voice");
    scene.alice.check(false);
    scene.run(Duration::from_secs(29));
    scene.alice.check(false);
    scene.run(Duration::from_secs(20));
    assert_eq!((scene.events.len(), scene.outside.len()), (0, 0), "0.0.0.0 is a hold, without an address for RTCP");
    scene.connect_phone(PHONE, vec![stream(PHONE, 0, telephone())]);
    scene.alice.send_rtp((0, 3, 320, 77), &[], b"back");
    scene.exchange();
    assert_eq!(scene.take_rtp_of(PHONE, 0).len(), 1);
    scene.alice.check(false);
    scene.run(Duration::from_secs(29));
    scene.alice.check(false);
    scene.run(Duration::from_secs(2));
    assert_eq!(scene.events, [Event::LegDead { leg: PHONE }]);
}

#[test]
fn silent_rtp_leg_ends_after_ten_minutes() {
    let defaults = WorkerConfig::new(super::identity(), super::clock_base());
    for (timeout, direction, is_dead) in [
        (defaults.rtp_timeout, Direction::SendRecv, true),
        (defaults.rtp_timeout, Direction::SendOnly, false),
        (None, Direction::SendRecv, false),
    ] {
        let mut scene = Scene::new();
        scene.worker.config.rtp_timeout = timeout;
        let mut section = telephone();
        section.direction = direction;
        scene.phone(PHONE, vec![section]);
        scene.run(Duration::from_secs(599));
        assert_eq!(scene.events, []);
        scene.run(Duration::from_secs(2));
        assert_eq!(!scene.events.is_empty(), is_dead, "{timeout:?} {direction:?}");
    }
}

#[test]
fn ringing_peer_may_be_silent_and_rtcp_counts() {
    let mut scene = Scene::new();
    scene.open_phone(PHONE, 1);
    let streams = vec![stream(PHONE, 0, telephone())];
    let silence = Silence::Tolerated;
    scene.order(connect(PHONE, streams.clone(), None, silence));
    scene.run(Duration::from_secs(180));
    assert_eq!(scene.events, []);
    scene.connect_phone(PHONE, streams);
    for _ in 0..4 {
        scene.run(Duration::from_secs(20));
        let mut report = Vec::new();
        crate::rtcp::write::receiver_report(5, &[], &mut report);
        let from = super::phone::rtcp_of(remote(PHONE, 0));
        scene.arrives(from, local(PHONE, 0).rtcp, report);
    }
    assert_eq!(scene.events, []);
    scene.run(Duration::from_secs(31));
    assert_eq!(scene.events, [Event::LegDead { leg: PHONE }]);
    assert!(scene.sockets.is_empty());
    assert_eq!((scene.worker.ports.len(), scene.worker.wakes.len()), (0, 0));
}

#[test]
fn phone_behind_nat_is_followed_and_attacker_not() {
    let mut scene = phone_call();
    let (nat, attacker) = (nat(), address("192.0.2.66:5555"));
    for n in 0..10_u16 {
        scene.arrives(attacker, local(PHONE, 0).rtp, rtp_packet((0, n, 160 * u32::from(n), 77), b"theft"));
        scene.arrives(nat, local(PHONE, 0).rtp, rtp_packet((77, n, 160 * u32::from(n), 5), b"unknown type"));
        scene.arrives(nat, local(PHONE, 0).rtp, rtp_packet((0, n, 160 * u32::from(n), 5), b"a"));
        scene.run(STEP);
    }
    assert_eq!(received(&mut scene).len(), 9);
    let dropped = scene.worker.counters().dropped;
    // Packets with an unknown payload type are counted differently once the address is accepted.
    assert_eq!((dropped.foreign_address, dropped.on_probation, dropped.unknown_stream), (10 + 2, 1, 8));
    scene.alice.send_rtp((0, 1, 0, 77), &[], b"voice");
    scene.exchange();
    assert_eq!(scene.take_rtp_of(PHONE, 0)[0].2, nat);
}

#[test]
fn packets_on_probation_keep_leg_alive() {
    let mut scene = phone_call();
    let nat = nat();
    for n in 0..5_u16 {
        scene.run(Duration::from_secs(20));
        // A new SSRC for each packet, so that the probation never ends.
        scene.arrives(nat, local(PHONE, 0).rtp, rtp_packet((0, n, 0, u32::from(n)), b"a"));
        scene.alice.send_rtp((0, n, 0, 77), &[], b"voice");
        scene.exchange();
    }
    assert_eq!(scene.events, []);
    scene.run(Duration::from_secs(31));
    assert!(scene.events.contains(&Event::LegDead { leg: PHONE }));
}

#[test]
fn latching_never_ignores_other_addresses() {
    let mut scene = Scene::new();
    scene.worker.config.latch.latching = Latching::Never;
    scene.phone(PHONE, vec![telephone()]);
    scene.phone(OTHER, vec![telephone()]);
    scene.order(Command::Bridge { a: PHONE, b: OTHER });
    for n in 0..20_u16 {
        let packet = rtp_packet((0, n, 160 * u32::from(n), 5), b"a");
        scene.arrives(address("203.0.113.5:61234"), local(PHONE, 0).rtp, packet);
    }
    assert_eq!(scene.take_rtp_of(OTHER, 0).len(), 0);
}

#[test]
fn authenticated_packet_moves_media_at_once() {
    let mut scene = phone_call();
    let keys = keys(Profile::AeadAes128Gcm, 7);
    let (_, mut outbound) = contexts(&keys);
    let mut secure = stream(PHONE, 0, telephone());
    secure.srtp = Some(keys);
    scene.connect_phone(PHONE, vec![secure]);
    let nat = nat();
    let mut packet = rtp_packet((0, 9, 0, 5), b"answer");
    let header = Header::parse(&packet).unwrap();
    outbound.protect_rtp(&mut packet, &header).unwrap();
    scene.arrives(nat, local(PHONE, 0).rtp, packet.clone());
    // A copy from another address does not move the media.
    scene.arrives(address("192.0.2.66:5555"), local(PHONE, 0).rtp, packet);
    scene.alice.send_rtp((0, 1, 0, 77), &[], b"voice");
    scene.exchange();
    assert_eq!(received(&mut scene).len(), 1);
    assert_eq!(scene.take_rtp_of(PHONE, 0)[0].2, nat);
}

#[test]
fn bind_failure_ends_leg_and_frees_ports() {
    let mut scene = Scene::new();
    scene.open_phone(PHONE, 2);
    assert_eq!(scene.sockets.len(), 4);
    scene.worker.handle_bind_failure(local(PHONE, 1).rtp, scene.now);
    scene.worker.handle_bind_failure(local(PHONE, 1).rtcp, scene.now);
    scene.exchange();
    assert_eq!(scene.events, [Event::LegFailed { leg: PHONE, failure: TransportFailure::NoPort }]);
    assert!(scene.sockets.is_empty());
    assert!(!scene.worker.legs.contains(PHONE));
}

/// The addresses of `Unbind` outputs; panics at any other output except a final report.
fn unbound(outputs: &[Output]) -> Vec<SocketAddr> {
    let unbound = outputs.iter().filter_map(|output| match output {
        Output::Unbind { local, .. } => Some(*local),
        Output::Event(Event::LegReports(_)) => None,
        other => panic!("{other:?}"),
    });
    unbound.collect()
}

#[test]
fn reserved_ports_are_bound_before_leg_opens() {
    let mut worker = Scene::new().worker;
    let pool = &mut PortPool::new(30_300, 30_305, Duration::ZERO);
    let pairs = pool.to_reserve(3, Time::EPOCH);
    let addresses: [IpAddr; 2] = [local(PHONE, 0).rtp.ip(), "2001:db8::1".parse().unwrap()];
    let reserve = Command::ReservePorts { pairs: pairs.clone(), addresses: addresses.to_vec() };
    worker.handle_command(reserve, Time::EPOCH);
    let (mut bound, mut report) = (BTreeSet::new(), None);
    while let Some(output) = worker.poll_output() {
        match output {
            // Another program uses one port of the second pair.
            Output::Bind { local, .. } if local == pairs[1].on(addresses[1]).rtcp => {
                worker.handle_bind_failure(local, Time::EPOCH);
            }
            Output::Bind { local, .. } => assert!(bound.insert(local)),
            Output::Unbind { local, .. } => drop(bound.remove(&local)),
            Output::Event(event) => report = Some(event),
            Output::Transmit { .. } | Output::Cross(_) => panic!("nothing must be sent"),
        }
    }
    let expected = Event::PortsReserved { ready: vec![pairs[0], pairs[2]], in_use: vec![pairs[1]] };
    assert_eq!(report, Some(expected));
    assert_eq!(bound.len(), 8);

    let section = pairs[0].on(addresses[0]);
    let open =
        Command::Open { leg: PHONE, transport: LocalTransport::Rtp { sections: vec![section], cname: String::new() } };
    worker.handle_command(open, Time::EPOCH);
    let outputs: Vec<Output> = core::iter::from_fn(|| worker.poll_output()).collect();
    let other = pairs[0].on(addresses[1]);
    assert_eq!(unbound(&outputs), [other.rtp, other.rtcp]);
    worker.handle_command(Command::Close { leg: PHONE }, Time::EPOCH);
    let outputs: Vec<Output> = core::iter::from_fn(|| worker.poll_output()).collect();
    assert_eq!(unbound(&outputs), [section.rtp, section.rtcp]);
}

#[test]
fn invalid_commands_change_nothing() {
    let mut scene = Scene::new();
    scene.open_phone(PHONE, 1);
    scene.open_phone(PHONE, 1);
    let cname = String::new;
    let twice = vec![local(OTHER, 0), local(OTHER, 0)];
    scene.order(Command::Open { leg: OTHER, transport: LocalTransport::Rtp { sections: twice, cname: cname() } });
    scene.order(Command::Open {
        leg: OTHER,
        transport: LocalTransport::Rtp { sections: vec![local(PHONE, 0)], cname: cname() },
    });
    scene.order(Command::Open { leg: OTHER, transport: LocalTransport::Rtp { sections: vec![], cname: cname() } });
    scene.connect_phone(OTHER, vec![stream(OTHER, 0, telephone())]);
    scene.connect_phone(PHONE, vec![]);
    scene.connect_phone(PHONE, vec![stream(PHONE, 0, telephone()), stream(PHONE, 1, telephone())]);
    scene.connect_phone(ALICE, vec![stream(ALICE, 0, telephone())]);
    scene.connect(PHONE, alices());
    scene.order(Command::RequestKeyFrame { leg: OTHER });
    assert_eq!(scene.worker.counters().dropped.bad_command, 10);
    assert_eq!((scene.sockets.len(), scene.worker.legs[&PHONE].phase_name()), (2, "RTP open"));
}

#[test]
fn comfort_noise_is_forwarded_or_leaves_no_gap() {
    let with_noise = |mut section: Section| {
        section.payloads.push(payload(13, "CN", 8000, 1, &[]));
        section
    };
    for is_known in [true, false] {
        let of_alice = alices().into_iter().map(|s| if is_known { with_noise(s) } else { s }).collect();
        let mut scene = Scene::phone_call(of_alice, vec![with_noise(telephone())]);
        for (n, payload_type) in [(1_u16, 0), (2, 0), (3, 13), (4, 13), (5, 0)] {
            scene.phone_sends(PHONE, 0, (payload_type, n, 160 * u32::from(n), 5), b"x");
            scene.run(STEP);
        }
        let of_alice = received(&mut scene);
        let (sequence, timestamp, ..) = of_alice[0];
        let seen: Vec<(u16, u32, u8)> =
            of_alice.iter().map(|p| (p.0.wrapping_sub(sequence), p.1.wrapping_sub(timestamp), p.3)).collect();
        if is_known {
            assert_eq!(seen, [(0, 0, 0), (1, 160, 0), (2, 320, 13), (3, 480, 13), (4, 640, 0)]);
        } else {
            assert_eq!(seen, [(0, 0, 0), (1, 160, 0), (2, 640, 0)], "time advances without a gap");
        }
    }
}

#[test]
fn digits_use_clock_rate_of_speech() {
    let mut scene = phone_call();
    scene.alice.send_rtp((0, 1, 0, 77), &[], b"a");
    scene.order(Command::SendDtmf { leg: PHONE, digits: "7".to_owned() });
    scene.run(Duration::from_millis(200));
    let sent: Vec<_> = scene.take_rtp_of(PHONE, 0).into_iter().filter(|(h, ..)| h.payload_type == 96).collect();
    assert_eq!(sent.len(), 7);
    assert!(sent.iter().all(|(header, ..)| header.timestamp == sent[0].0.timestamp));
    assert_eq!(sent[6].1[12..], [7, 0x80 | 10, 0x03, 0x20], "800 units of 8 kHz are 100 ms");
    // A digit of 4 s, with one timestamp in all packets, then speech in real time.
    scene.phone_sends(PHONE, 0, (0, 1, 160, 5), b"x");
    scene.run(STEP);
    for n in 0..80_u16 {
        let duration = u16::to_be_bytes((n + 1) * 400);
        scene.phone_sends(PHONE, 0, (96, 2 + n, 320, 5), &[11, 10, duration[0], duration[1]]);
        scene.run(Duration::from_millis(50));
    }
    scene.phone_sends(PHONE, 0, (0, 82, 320 + 32_000, 5), b"x");
    assert_eq!(scene.events, [Event::DtmfReceived { leg: PHONE, digit: '#' }]);
    let of_alice = received(&mut scene);
    assert_eq!(of_alice.len(), 82);
    assert!(of_alice[1..81].iter().all(|packet| (packet.1, packet.3) == (of_alice[1].1, 126)));
    assert_eq!(of_alice[81].1.wrapping_sub(of_alice[1].1), 32_000);
    assert_eq!(of_alice[81].0.wrapping_sub(of_alice[0].0), 81);
}

#[test]
fn digits_are_dropped_on_hold() {
    let mut scene = phone_call();
    scene.order(Command::SendDtmf { leg: PHONE, digits: "123".to_owned() });
    let mut held = stream(PHONE, 0, telephone());
    held.remote = None;
    scene.connect_phone(PHONE, vec![held]);
    scene.worker.handle_timeout(scene.now);
    scene.outside.clear();
    scene.run(Duration::from_secs(1));
    assert_eq!(scene.take_rtp_of(PHONE, 0).len(), 0);
    assert!(scene.worker.poll_timeout().is_none_or(|due| due > scene.now));
}

#[test]
fn muxed_rtcp_uses_rtp_port() {
    let mut scene = phone_call();
    let mut muxed = stream(PHONE, 0, telephone());
    muxed.remote = Some(RemoteRtp { rtcp: RtcpPath::Muxed, ..remote(PHONE, 0) });
    scene.connect_phone(PHONE, vec![muxed]);
    scene.run(Duration::from_secs(6));
    let sent = scene.take_rtcp_from(local(PHONE, 0).rtp);
    assert_eq!((sent.len(), sent[0].1), (1, remote(PHONE, 0).rtp));
    let mut report = Vec::new();
    crate::rtcp::write::receiver_report(5, &[], &mut report);
    let before = scene.worker.counters().rx_rtcp;
    scene.arrives(remote(PHONE, 0).rtp, local(PHONE, 0).rtp, report.clone());
    scene.arrives(address("192.0.2.66:5555"), local(PHONE, 0).rtp, report);
    assert_eq!(scene.worker.counters().rx_rtcp - before, 1);
}
