//! Bridges between legs of two workers.

use super::phone::{OTHER, PHONE, camera, connect, kinds, local, remote, rtp_packet, ssrc, stream, telephone};
use super::{clock_base, identity};
use crate::command::{BridgeId, Command, Event, LegKey, LocalTransport, Silence, WorkerId};
use crate::crossing::Crossing;
use crate::rtcp::packet::{BYE, PSFB};
use crate::rtp::packet::Header;
use crate::seal::SealingKey;
use crate::worker::{Output, SavedWorker, Worker, WorkerConfig};
use core::time::Duration;
use offhook_clock::Time;
use offhook_sdp::webrtc::Section;
use proptest::prelude::{any, prop};
use proptest::{prop_assert_eq, proptest};
use std::collections::VecDeque;
use std::net::SocketAddr;

const LEGS: [LegKey; 2] = [PHONE, OTHER];

/// Two workers with a leg each, and the messages in transit between them.
struct Two {
    workers: [Worker; 2],
    now: Time,
    /// Messages to each worker.
    in_transit: [VecDeque<Crossing>; 2],
    /// The datagrams that were sent to the peer of each leg, with their destination.
    received: [Vec<(SocketAddr, Vec<u8>)>; 2],
    events: Vec<Event>,
}

impl Two {
    fn new(sections: [Section; 2]) -> Self {
        let now = Time::from_micros(1_700_000_000_000_000);
        let config = |id| WorkerConfig { id, ..WorkerConfig::new(identity(), clock_base()) };
        let workers = [0, 1].map(|id| Worker::new(config(WorkerId(id)), [7; 32], now));
        let mut two =
            Self { workers, now, in_transit: Default::default(), received: Default::default(), events: Vec::new() };
        for (side, section) in sections.into_iter().enumerate() {
            let leg = LEGS[side];
            let cname = format!("phone-{side}");
            two.order(
                side,
                Command::Open { leg, transport: LocalTransport::Rtp { sections: vec![local(leg, 0)], cname } },
            );
            two.describe(side, section);
        }
        two
    }

    fn describe(&mut self, side: usize, section: Section) {
        let streams = vec![stream(LEGS[side], 0, section)];
        let silence = Silence::Tolerated;
        self.order(side, connect(LEGS[side], streams, None, silence));
    }

    fn order(&mut self, side: usize, command: Command) {
        self.workers[side].handle_command(command, self.now);
        self.drain(side);
    }

    fn bridge_one(&mut self, side: usize, bridge: u64) {
        let (leg, partner, bridge) = (LEGS[side], LEGS[1 - side], BridgeId(bridge));
        let worker = WorkerId(u16::try_from(1 - side).unwrap());
        self.order(side, Command::BridgeAcross { leg, partner, worker, bridge });
    }

    fn bridge(&mut self, bridge: u64) {
        self.bridge_one(0, bridge);
        self.bridge_one(1, bridge);
        self.settle();
    }

    fn drain(&mut self, side: usize) {
        while let Some(output) = self.workers[side].poll_output() {
            match output {
                Output::Cross(crossing) => {
                    assert_eq!(crossing.worker(), WorkerId(u16::try_from(1 - side).unwrap()));
                    self.in_transit[1 - side].push_back(crossing);
                }
                Output::Transmit { remote, payload, .. } => self.received[side].push((remote, payload)),
                Output::Event(Event::LegReports(_)) => {}
                Output::Event(event) => self.events.push(event),
                Output::Bind { .. } | Output::Unbind { .. } => {}
            }
        }
    }

    /// Delivers the oldest message to a worker, if there is one.
    fn deliver(&mut self, side: usize) -> bool {
        let Some(crossing) = self.in_transit[side].pop_front() else { return false };
        self.workers[side].handle_crossing(crossing, self.now);
        self.drain(side);
        true
    }

    fn settle(&mut self) {
        while self.deliver(0) || self.deliver(1) {}
    }

    fn arrives(&mut self, side: usize, mut datagram: Vec<u8>) {
        let to = self.workers[side].local(local(LEGS[side], 0).rtp);
        self.workers[side].handle_datagram(to, remote(LEGS[side], 0).rtp, &mut datagram, self.now);
        self.drain(side);
        self.settle();
    }

    fn wait(&mut self, duration: Duration) {
        self.now = self.now + duration;
        for side in [0, 1] {
            self.workers[side].handle_timeout(self.now);
            self.drain(side);
        }
        self.settle();
    }

    /// RTP that was sent to the peer of a leg since the last call: header and payload.
    fn take_rtp(&mut self, side: usize) -> Vec<(Header, Vec<u8>)> {
        let received = core::mem::take(&mut self.received[side]);
        let rtp = received.into_iter().filter(|(to, packet)| {
            assert!(to.ip() == remote(LEGS[side], 0).rtp.ip());
            !(192..=223).contains(&packet[1])
        });
        let read = |(_, packet): (SocketAddr, Vec<u8>)| {
            let header = Header::parse(&packet).unwrap();
            (header, packet[header.length..].to_vec())
        };
        rtp.map(read).collect()
    }

    /// Both peers send a packet; returns the number that arrives at each.
    fn exchange(&mut self, sequence: u16) -> [usize; 2] {
        for side in [0, 1] {
            let payload = [u8::try_from(side).unwrap(); 160];
            self.arrives(side, rtp_packet((0, sequence, u32::from(sequence) * 160, 5), &payload));
        }
        [0, 1].map(|side| self.take_rtp(side).len())
    }
}

fn telephones() -> Two {
    Two::new([telephone(), telephone()])
}

#[test]
fn bridge_across_workers_forwards_rtp_both_ways() {
    let mut two = telephones();
    two.bridge(1);
    for sequence in 1..4 {
        two.arrives(0, rtp_packet((0, sequence, u32::from(sequence) * 160, 5), &[7; 160]));
        two.arrives(1, rtp_packet((8, sequence, u32::from(sequence) * 160, 6), &[8; 160]));
    }
    let [to_first, to_second] = [0, 1].map(|side| two.take_rtp(side));
    for (received, (leg, payload_type, octet)) in [(to_first, (PHONE, 8, 8)), (to_second, (OTHER, 0, 7))] {
        assert_eq!(received.len(), 3);
        for (n, (header, payload)) in (0..).zip(&received) {
            assert_eq!((header.payload_type, header.ssrc), (payload_type, ssrc(leg, 0)));
            assert_eq!(header.sequence, received[0].0.sequence.wrapping_add(n));
            assert_eq!(payload, &[octet; 160]);
        }
    }
}

#[test]
fn bridge_across_workers_transcodes_g711() {
    let only = |number| {
        let mut section = telephone();
        section.payloads.retain(|payload| payload.number == number);
        section
    };
    let mut two = Two::new([only(0), only(8)]);
    two.bridge(1);
    two.arrives(0, rtp_packet((0, 1, 160, 5), &[0xff; 160]));
    let received = two.take_rtp(1);
    assert_eq!((received[0].0.payload_type, received[0].1.as_slice()), (8, &[0xd5; 160][..]));
}

#[test]
fn unbridge_of_one_leg_stops_both_directions() {
    for side in [0, 1] {
        let mut two = telephones();
        two.bridge(1);
        assert_eq!(two.exchange(1), [1, 1]);
        two.order(side, Command::Unbridge { leg: LEGS[side] });
        two.settle();
        assert_eq!(two.exchange(2), [0, 0]);
        two.bridge(2);
        assert_eq!(two.exchange(3), [1, 1], "media continue after a hold");
    }
}

#[test]
fn close_of_one_leg_unbridges_the_other() {
    let mut two = telephones();
    two.bridge(1);
    assert_eq!(two.exchange(1), [1, 1]);
    two.order(0, Command::Close { leg: PHONE });
    two.settle();
    assert_eq!(two.workers[1].legs[&OTHER].partner, None);
    let kinds: Vec<u8> = two.received[0].iter().flat_map(|(_, packet)| kinds(packet)).collect();
    assert!(kinds.contains(&BYE), "{kinds:?}");
}

#[test]
fn bridge_to_closed_leg_unbridges_the_other() {
    let mut two = telephones();
    two.order(1, Command::Close { leg: OTHER });
    two.bridge(1);
    assert_eq!(two.workers[0].legs[&PHONE].partner, None);
}

#[test]
fn new_description_updates_leg_on_other_worker() {
    let mut two = telephones();
    two.bridge(1);
    let mut section = telephone();
    section.payloads[0].number = 100;
    two.describe(1, section);
    two.settle();
    two.arrives(1, rtp_packet((100, 1, 160, 6), &[7; 160]));
    two.arrives(0, rtp_packet((0, 1, 160, 5), &[8; 160]));
    assert_eq!(two.take_rtp(0)[0].0.payload_type, 0);
    assert_eq!(two.take_rtp(1)[0].0.payload_type, 100);
}

#[test]
fn repeated_bridge_keeps_sequence_numbers() {
    let mut two = telephones();
    two.bridge(1);
    two.arrives(0, rtp_packet((0, 1, 160, 5), &[1; 160]));
    let before = two.take_rtp(1)[0].0;
    two.bridge(2);
    two.arrives(0, rtp_packet((0, 2, 320, 5), &[1; 160]));
    let after = two.take_rtp(1)[0].0;
    assert_eq!(
        (after.sequence, after.timestamp),
        (before.sequence.wrapping_add(1), before.timestamp.wrapping_add(160))
    );
    assert!(!after.marker, "the same stream continues");
}

#[test]
fn bridge_within_worker_replaces_bridge_across() {
    let mut two = telephones();
    two.bridge(1);
    let third = LegKey(5);
    two.order(
        0,
        Command::Open {
            leg: third,
            transport: LocalTransport::Rtp { sections: vec![local(third, 0)], cname: "third".to_owned() },
        },
    );
    let streams = vec![stream(third, 0, telephone())];
    let silence = Silence::Tolerated;
    two.order(0, connect(third, streams, None, silence));
    two.order(0, Command::Bridge { a: PHONE, b: third });
    two.settle();
    assert_eq!(two.workers[1].legs[&OTHER].partner, None);
    assert_eq!(two.workers[0].legs[&PHONE].partner_key(), Some(third));
}

#[test]
fn digit_with_other_clock_rate_is_regenerated_across() {
    let mut wideband = telephone();
    wideband.payloads[2].codec.clock_rate = 48_000;
    let mut two = Two::new([wideband, telephone()]);
    two.bridge(1);
    two.arrives(0, rtp_packet((96, 1, 160, 5), &[5, 10, 0, 160]));
    assert_eq!(two.events, [Event::DtmfReceived { leg: PHONE, digit: '5' }]);
    two.wait(Duration::from_millis(20));
    let digits = two.take_rtp(1);
    assert!(digits.iter().all(|(header, payload)| header.payload_type == 96 && payload[0] == 5) && !digits.is_empty());
}

#[test]
fn key_frame_requests_and_rtcp_cross_workers() {
    let feedback = &["nack pli"];
    let mut two = Two::new([camera(feedback), camera(feedback)]);
    two.bridge(1);
    // The first packet of a video source: a key frame is requested from it.
    two.arrives(0, rtp_packet((99, 1, 3000, 5), &[0x10, 0x01]));
    two.wait(Duration::from_secs(1));
    two.received = Default::default();
    two.wait(Duration::from_secs(1));
    // A key frame ends the requests.
    two.arrives(0, rtp_packet((99, 2, 6000, 5), &[0x10, 0x00]));
    two.received = Default::default();
    two.wait(Duration::from_secs(3));
    let asked = |two: &Two| two.received[0].iter().any(|(_, packet)| kinds(packet).contains(&PSFB));
    assert!(!asked(&two));
    // The receiver reports a lost picture.
    let mut picture_loss = Vec::new();
    crate::rtcp::write::receiver_report(9, &[], &mut picture_loss);
    crate::rtcp::write::picture_loss(9, ssrc(OTHER, 0), &mut picture_loss);
    let to = two.workers[1].local(local(OTHER, 0).rtcp);
    let from = super::phone::rtcp_of(remote(OTHER, 0));
    two.workers[1].handle_datagram(to, from, &mut picture_loss, two.now);
    two.drain(1);
    two.settle();
    assert!(asked(&two), "the sender's worker requests a key frame");
    // The receiver sends INFO picture_fast_update (RFC 5168).
    two.arrives(0, rtp_packet((99, 3, 9000, 5), &[0x10, 0x00]));
    two.wait(Duration::from_secs(1));
    two.received = Default::default();
    two.order(1, Command::RequestKeyFrame { leg: OTHER });
    two.settle();
    assert!(asked(&two));
}

proptest! {
    /// Commands to one worker arrive in order, and so do messages from one worker to the other, but these four queues
    /// are served in any order. The last commands determine the final state.
    #[test]
    fn final_state_is_independent_of_message_order(
        holds in prop::collection::vec(prop::option::of(0..2_usize), 1..6),
        turns in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut two = telephones();
        let mut commands: [VecDeque<Option<u64>>; 2] = Default::default();
        for (bridge, held_by) in (1..).zip(&holds) {
            commands[0].push_back(Some(bridge));
            commands[1].push_back(Some(bridge));
            if let Some(side) = held_by {
                commands[*side].push_back(None);
            }
        }
        let turns = turns.into_iter().chain([0, 1].into_iter().cycle().take(40));
        for turn in turns {
            let side = usize::from(turn & 1);
            if turn & 2 != 0 {
                two.deliver(side);
                continue;
            }
            match commands[side].pop_front() {
                Some(Some(bridge)) => two.bridge_one(side, bridge),
                Some(None) => two.order(side, Command::Unbridge { leg: LEGS[side] }),
                None => {}
            }
        }
        two.settle();
        let expected = if holds.last() == Some(&None) { [1, 1] } else { [0, 0] };
        prop_assert_eq!(two.exchange(1), expected);
        let bridged = [0, 1].map(|side| two.workers[side].legs[&LEGS[side]].partner.is_some());
        prop_assert_eq!(bridged, expected.map(|count| count == 1));
    }
}

#[test]
fn bridge_across_workers_is_restored() {
    for order in [[0, 1], [1, 0]] {
        let mut two = telephones();
        two.bridge(1);
        assert_eq!(two.exchange(1), [1, 1]);
        let key = SealingKey::new([3; 32]);
        for side in order {
            let config = two.workers[side].config().clone();
            let spare = Worker::new(config.clone(), [1; 32], two.now);
            let saved = core::mem::replace(&mut two.workers[side], spare).save(&key);
            let saved: SavedWorker = serde_json::from_str(&serde_json::to_string(&saved).unwrap()).unwrap();
            two.workers[side] = Worker::restore(saved, &config, &key, [9; 32], two.now).unwrap();
            two.drain(side);
        }
        two.settle();
        assert_eq!(two.exchange(2), [1, 1], "{order:?}");
        // The restored bridge can be ended.
        two.order(0, Command::Unbridge { leg: LEGS[0] });
        two.settle();
        assert_eq!(two.exchange(3), [0, 0]);
    }
}
