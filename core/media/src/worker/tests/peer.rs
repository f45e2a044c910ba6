//! SIP peers that use WebRTC, whose legs can be described repeatedly.

use super::{ALICE, BOB, Browser, Scene, address, audio, credentials};
use crate::command::{Command, Event, PeerRtcp, RemoteTransport, RemoteWebRtc, Silence, Stream, WebRtcEndpoint};
use crate::rtcp::write;
use crate::seal::SealingKey;
use crate::socket::PortId;
use crate::transport::dtls::DtlsSettings;
use crate::worker::{DtlsVersions, SavedWorker, Worker};
use core::time::Duration;
use offhook_sdp::direction::Direction;
use offhook_sdp::webrtc::{DtlsSetup, Section};

fn section(direction: Direction) -> Section {
    Section { direction, extensions: Vec::new(), ..audio(111, 110, (4, "0"), 1) }
}

impl Scene {
    /// Sets or replaces the description of Alice, a SIP peer.
    fn describe(&mut self, sections: Vec<Section>, rtcp: PeerRtcp, silence: Silence) {
        let setup = if self.alice.is_active { DtlsSetup::Active } else { DtlsSetup::Passive };
        let (ice, fingerprint) = (credentials("peer"), self.alice.fingerprint());
        let remote = RemoteWebRtc { ice, fingerprint, setup, rtcp, endpoint: WebRtcEndpoint::SipPeer };
        let streams = sections.into_iter().zip(1000..).map(|(remote, local_ssrc)| {
            let received = remote.payloads.clone();
            Stream { remote, received, local_ssrc }
        });
        let streams = streams.collect();
        let transport = RemoteTransport::WebRtc(remote);
        self.worker.handle_command(Command::Connect { leg: ALICE, transport, streams, silence }, self.now);
    }

    /// A call between Alice, a SIP peer, and Bob, a browser.
    fn with_peer(rtcp: PeerRtcp) -> Self {
        let mut scene = Self::new();
        scene.alice.check(true);
        scene.bob.check(true);
        scene.exchange();
        scene.describe(vec![section(Direction::SendRecv)], rtcp, Silence::EndsLeg);
        scene.connect(BOB, Self::sections().1);
        scene.run(Duration::from_millis(100));
        assert!(scene.events.contains(&Event::LegConnected { leg: ALICE }));
        scene.bridge();
        scene
    }

    /// Another endpoint takes the peer's place.
    fn replace_peer(&mut self) {
        let settings = DtlsSettings::new(super::identity(), DtlsVersions::Only12, super::clock_base(), self.now);
        let (relay, ice) = (self.worker.config().identity.fingerprint(), credentials("ra"));
        self.alice = Browser::new(address("203.0.113.9:999"), self.alice.relay, ice, relay, settings, self.now);
    }

    fn peer_sends(&mut self, sequence: u16) {
        self.alice.send_rtp((111, sequence, u32::from(sequence) * 960, 77), &[], b"voice");
        self.exchange();
    }

    fn browser_sends(&mut self, sequence: u16) {
        self.bob.send_rtp((109, sequence, u32::from(sequence) * 960, 88), &[], b"voice");
        self.exchange();
    }

    /// Both send one packet; returns the sequence numbers that the peer and the browser received.
    fn both_send(&mut self, sequence: u16) -> (Vec<u16>, Vec<u16>) {
        self.peer_sends(sequence);
        self.browser_sends(sequence);
        let numbers = |browser: &mut Browser| browser.take_rtp().iter().map(|(header, _)| header.sequence).collect();
        (numbers(&mut self.alice), numbers(&mut self.bob))
    }
}

#[test]
fn new_description_changes_only_streams() {
    let mut scene = Scene::with_peer(PeerRtcp::Muxed);
    let (to_peer, to_browser) = scene.both_send(1);
    assert_eq!((to_peer.len(), to_browser.len()), (1, 1));
    scene.describe(vec![section(Direction::SendOnly)], PeerRtcp::Muxed, Silence::EndsLeg);
    let (none, some) = scene.both_send(2);
    assert_eq!((none.len(), some), (0, vec![to_browser[0].wrapping_add(1)]), "the peer holds the call");
    scene.describe(vec![section(Direction::SendRecv)], PeerRtcp::Muxed, Silence::EndsLeg);
    let (again, _) = scene.both_send(3);
    assert_eq!(again, [to_peer[0].wrapping_add(1)], "sequence numbers continue without a new handshake");
    assert_eq!(scene.worker.counters().legs_connected, 2);
}

#[test]
fn ice_restart_keeps_media() {
    let mut scene = Scene::with_peer(PeerRtcp::Muxed);
    scene.both_send(1);
    scene.worker.handle_command(Command::RestartIce { leg: ALICE, ice: credentials("new") }, scene.now);
    scene.describe(vec![section(Direction::SendRecv)], PeerRtcp::Muxed, Silence::EndsLeg);
    let (to_peer, to_browser) = scene.both_send(2);
    assert_eq!((to_peer.len(), to_browser.len()), (1, 1), "on the previous pair");
    // The old user name is unknown; the new one belongs to the same leg, from another address.
    let before = scene.worker.counters().dropped.bad_credentials;
    scene.alice.check(true);
    scene.exchange();
    assert_eq!(scene.worker.counters().dropped.bad_credentials, before + 1);
    scene.alice.address = address("203.0.113.9:999");
    scene.alice.rename(credentials("new"));
    scene.alice.check(true);
    scene.exchange();
    let (to_peer, to_browser) = scene.both_send(3);
    assert_eq!((to_peer.len(), to_browser.len()), (1, 1), "on the new pair with the same keys");
    assert_eq!(scene.worker.counters().legs_connected, 2);
    // The user name of another leg is rejected.
    let before = scene.worker.counters().dropped.bad_command;
    scene.worker.handle_command(Command::RestartIce { leg: ALICE, ice: credentials("rb") }, scene.now);
    assert_eq!(scene.worker.counters().dropped.bad_command, before + 1);
    scene.worker.handle_command(Command::Close { leg: ALICE }, scene.now);
    scene.worker.handle_command(Command::Close { leg: BOB }, scene.now);
    assert!(scene.worker.fragments.is_empty() && scene.worker.pairs.is_empty());
}

#[test]
fn changed_certificate_starts_new_handshake() {
    let mut scene = Scene::with_peer(PeerRtcp::Muxed);
    scene.both_send(1);
    scene.replace_peer();
    scene.alice.check(true);
    scene.exchange();
    scene.describe(vec![section(Direction::SendRecv)], PeerRtcp::Muxed, Silence::EndsLeg);
    scene.run(Duration::from_millis(2000));
    assert!(scene.alice.has_keys());
    assert_eq!(scene.worker.counters().legs_connected, 3);
    let (to_peer, to_browser) = scene.both_send(2);
    assert_eq!((to_peer.len(), to_browser.len()), (1, 1));
}

#[test]
fn checked_pair_is_used_without_nomination() {
    for (is_active, checks_first) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut scene = Scene::new();
        if !is_active {
            scene.alice.be_passive(scene.now);
        }
        if checks_first {
            scene.alice.check(false);
            scene.exchange();
        }
        scene.describe(vec![section(Direction::SendRecv)], PeerRtcp::Muxed, Silence::EndsLeg);
        scene.alice.check(false);
        scene.run(Duration::from_millis(100));
        assert!(scene.events.contains(&Event::LegConnected { leg: ALICE }), "{is_active} {checks_first}");
    }
}

#[test]
fn rtcp_is_sent_only_if_supported() {
    for (rtcp, is_supported) in [(PeerRtcp::Muxed, true), (PeerRtcp::Absent, false)] {
        let mut scene = Scene::with_peer(rtcp);
        for sequence in 1..200 {
            scene.both_send(sequence);
            scene.run(Duration::from_millis(20));
        }
        assert_eq!(scene.alice.take_report_blocks().is_empty(), !is_supported, "{rtcp:?}");
    }
}

#[test]
fn silence_ends_leg_of_sending_peer() {
    for (direction, silence, dies) in [
        (Direction::SendRecv, Silence::EndsLeg, true),
        (Direction::RecvOnly, Silence::EndsLeg, false),
        (Direction::SendRecv, Silence::Tolerated, false),
    ] {
        let mut scene = Scene::with_peer(PeerRtcp::Muxed);
        scene.describe(vec![section(direction)], PeerRtcp::Muxed, silence);
        for _ in 0..40 {
            scene.bob.check(false);
            scene.run(Duration::from_secs(1));
        }
        assert_eq!(scene.events.contains(&Event::LegDead { leg: ALICE }), dies, "{direction:?}, {silence:?}");
    }
}

#[test]
fn restored_leg_accepts_new_description() {
    let mut scene = Scene::with_peer(PeerRtcp::Muxed);
    let (before, _) = scene.both_send(1);
    let config = scene.worker.config().clone();
    let key = SealingKey::new([3; 32]);
    let worker = core::mem::replace(&mut scene.worker, Worker::new(config.clone(), [8; 32], scene.now));
    let saved: SavedWorker = serde_json::from_str(&serde_json::to_string(&worker.save(&key)).unwrap()).unwrap();
    scene.worker = Worker::restore(saved, &config, &key, [9; 32], scene.now).unwrap();
    scene.describe(vec![section(Direction::SendRecv)], PeerRtcp::Muxed, Silence::EndsLeg);
    let (after, _) = scene.both_send(2);
    assert_eq!(after, [before[0].wrapping_add(1)]);
    assert_eq!(scene.worker.counters().legs_connected, 0, "no new handshake");
}

#[test]
fn rejected_section_receives_no_packets() {
    let mut scene = Scene::with_peer(PeerRtcp::Muxed);
    // The first of two sections is rejected and has the payload type of the second.
    let gone = Section { rejected: true, direction: Direction::Inactive, ..section(Direction::SendRecv) };
    scene.describe(vec![gone, section(Direction::SendRecv)], PeerRtcp::Muxed, Silence::EndsLeg);
    scene.alice.send_rtp((111, 5, 960, 78), &[], b"voice");
    scene.exchange();
    assert_eq!(scene.bob.take_rtp().len(), 1);
}

#[test]
fn second_description_of_browser_is_rejected() {
    let mut scene = Scene::bridged_call();
    let before = scene.worker.counters().dropped.bad_command;
    scene.describe(vec![section(Direction::SendRecv)], PeerRtcp::Muxed, Silence::EndsLeg);
    assert_eq!(scene.worker.counters().dropped.bad_command, before + 1);
}

#[test]
fn peer_may_change_ssrc_without_limit() {
    let mut scene = Scene::with_peer(PeerRtcp::Muxed);
    for ssrc in 100..200 {
        scene.alice.send_rtp((111, 1, 960, ssrc), &[], b"music");
        scene.run(Duration::from_millis(20));
        assert_eq!(scene.bob.take_rtp().len(), 1, "{ssrc}");
    }
    assert_eq!(scene.worker.legs[&ALICE].source_count(), 32);
}

#[test]
fn announced_ssrcs_replace_oldest_sources() {
    let mut scene = Scene::with_peer(PeerRtcp::Muxed);
    for ssrc in 100..140 {
        scene.alice.send_rtp((111, 1, 960, ssrc), &[], b"music");
        scene.run(Duration::from_millis(20));
    }
    scene.bob.take_rtp();
    // Both sections have the payload type; without an announced SSRC the packets would belong to the first one.
    let announced = Section { ssrcs: vec![1, 2], ..section(Direction::SendRecv) };
    scene.describe(vec![section(Direction::SendRecv), announced], PeerRtcp::Muxed, Silence::EndsLeg);
    assert_eq!(scene.worker.legs[&ALICE].source_count(), 32);
    for (ssrc, is_received) in [(1, false), (2, false), (139, true), (50, true)] {
        scene.run(Duration::from_millis(20));
        scene.alice.send_rtp((111, 2, 1920, ssrc), &[], b"voice");
        scene.exchange();
        assert_eq!(scene.bob.take_rtp().len(), usize::from(is_received), "{ssrc}: Bob has one section only");
    }
}

#[test]
fn bye_removes_source_of_sip_peer_only() {
    let mut scene = Scene::with_peer(PeerRtcp::Muxed);
    scene.both_send(1);
    let count = |scene: &Scene| [ALICE, BOB].map(|leg| scene.worker.legs[&leg].source_count());
    assert_eq!(count(&scene), [1, 1]);
    for (browser, ssrc) in [(&mut scene.alice, 77), (&mut scene.bob, 88)] {
        let mut compound = Vec::new();
        write::receiver_report(ssrc, &[], &mut compound);
        write::goodbye(ssrc, &mut compound);
        browser.send_rtcp(compound);
    }
    scene.exchange();
    assert_eq!(count(&scene), [0, 1]);
    let (_, to_browser) = scene.both_send(2);
    assert_eq!(to_browser.len(), 1, "the source is accepted again");
}

#[test]
fn peer_without_nomination_is_reached_after_restart() {
    for nominates in [true, false] {
        let mut scene = Scene::new();
        scene.alice.check(nominates);
        scene.bob.check(true);
        scene.exchange();
        scene.describe(vec![section(Direction::SendRecv)], PeerRtcp::Muxed, Silence::EndsLeg);
        scene.connect(BOB, Scene::sections().1);
        scene.run(Duration::from_millis(100));
        scene.bridge();
        scene.worker.handle_command(Command::RestartIce { leg: ALICE, ice: credentials("new") }, scene.now);
        scene.alice.rename(credentials("new"));
        let (to_peer, _) = scene.both_send(1);
        assert_eq!(to_peer.len(), 1, "on the previous pair until another is checked");
        let before = scene.alice.address;
        // A new address, then the previous one, which was checked last.
        for (sequence, address) in [(2, address("203.0.113.9:999")), (3, before)] {
            scene.alice.address = address;
            scene.alice.check(false);
            scene.exchange();
            let (to_peer, to_browser) = scene.both_send(sequence);
            assert_eq!((to_peer.len(), to_browser.len()), (1, 1), "{address}");
        }
        assert_eq!(scene.worker.counters().legs_connected, 2);
    }
}

#[test]
fn browser_keeps_nominated_pair_after_restart() {
    let mut scene = Scene::bridged_call();
    scene.worker.handle_command(Command::RestartIce { leg: ALICE, ice: credentials("new") }, scene.now);
    scene.alice.rename(credentials("new"));
    let before = core::mem::replace(&mut scene.alice.address, address("203.0.113.9:999"));
    scene.alice.check(false);
    scene.exchange();
    scene.alice.address = before;
    let (to_alice, _) = scene.both_send(1);
    assert_eq!(to_alice.len(), 1);
}

#[test]
fn new_endpoint_connects_without_nomination() {
    for checks_first in [true, false] {
        let mut scene = Scene::with_peer(PeerRtcp::Muxed);
        scene.both_send(1);
        scene.replace_peer();
        // Until then the relay may send to the previous endpoint.
        scene.sockets.insert(PortId::at(99), scene.alice.relay);
        if checks_first {
            scene.alice.check(false);
            scene.exchange();
        }
        scene.describe(vec![section(Direction::SendRecv)], PeerRtcp::Muxed, Silence::EndsLeg);
        if !checks_first {
            scene.alice.check(false);
        }
        scene.run(Duration::from_millis(2000));
        assert_eq!(scene.worker.counters().legs_connected, 3, "{checks_first}");
        let (to_peer, to_browser) = scene.both_send(2);
        assert_eq!((to_peer.len(), to_browser.len()), (1, 1), "{checks_first}");
    }
}
