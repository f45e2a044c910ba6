mod across;
mod audio;
mod browser;
mod g711;
mod graph;
mod muting;
mod payload_types;
mod peer;
mod phone;
mod playback;
mod quality;
mod recording;
mod rtp;
mod rtp_control;
mod rtp_table;
mod saved;
mod table;
mod transcoding;

use super::{DtlsVersions, Output, SavedWorker, Worker, WorkerConfig};
use crate::command::{
    Command, Event, LegKey, LegReport, LocalTransport, PeerRtcp, RemoteTransport, RemoteWebRtc, Silence, Stream,
    TransportFailure, WebRtcEndpoint,
};
use crate::graph::codec::tests::LinearCodecs;
use crate::identity::DtlsIdentity;
use crate::seal::SealingKey;
use crate::socket::{Local, PortId};
use crate::transport::dtls::DtlsSettings;
use browser::Browser;
use core::time::Duration;
use offhook_clock::Time;
use offhook_sdp::codec::{Codec, MediaKind, Payload};
use offhook_sdp::direction::Direction;
use offhook_sdp::webrtc::{DtlsSetup, Fingerprint, HeaderExtension, IceCredentials, Section};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

const ALICE: LegKey = LegKey(1);
const BOB: LegKey = LegKey(2);

fn clock_base() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "any instant can be the start of virtual time")]
    Instant::now()
}

pub(super) fn identity() -> DtlsIdentity {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap();
    DtlsIdentity::from_der(certificate.der(), &key.serialize_der()).unwrap()
}

fn payload(number: u8, name: &str, clock_rate: u32, channels: u8, feedback: &[&str]) -> Payload {
    Payload {
        number,
        codec: Codec { name: name.to_owned(), clock_rate, channels, fmtp: None },
        feedback: feedback.iter().map(|value| (*value).to_owned()).collect(),
    }
}

fn extension(id: u8, uri: &str) -> HeaderExtension {
    HeaderExtension { id, uri: uri.to_owned() }
}

const LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";

fn audio(opus: u8, event: u8, mid: (u8, &str), level: u8) -> Section {
    Section {
        kind: MediaKind::Audio,
        mid: mid.1.to_owned(),
        direction: Direction::SendRecv,
        rejected: false,
        payloads: vec![
            payload(opus, "opus", 48_000, 2, &[]),
            payload(0, "PCMU", 8_000, 1, &[]),
            payload(event, "telephone-event", 48_000, 1, &[]),
        ],
        extensions: vec![extension(mid.0, crate::rtp::extension::MID), extension(level, LEVEL)],
        ssrcs: vec![],
    }
}

fn video(number: u8, ssrc: u32) -> Section {
    Section {
        kind: MediaKind::Video,
        mid: "v".to_owned(),
        direction: Direction::SendRecv,
        rejected: false,
        payloads: vec![payload(number, "VP8", 90_000, 1, &["nack", "nack pli", "goog-remb", "transport-cc"])],
        extensions: vec![],
        ssrcs: vec![ssrc],
    }
}

/// Two browsers, the worker between them, and virtual time.
struct Scene {
    worker: Worker,
    now: Time,
    alice: Browser,
    bob: Browser,
    /// Datagrams to other addresses than the browsers', which are those of SIP peers.
    outside: Vec<phone::Datagram>,
    /// The sockets that the worker has bound.
    sockets: BTreeMap<PortId, SocketAddr>,
    /// Events other than reports.
    events: Vec<Event>,
    reports: Vec<LegReport>,
    recorded: audio::Recorded,
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn credentials(name: &str) -> IceCredentials {
    IceCredentials { ufrag: name.to_owned(), pwd: format!("{name}-password-of-22-chars") }
}

impl Scene {
    fn new() -> Self {
        Self::with_dtls(DtlsVersions::Only12)
    }

    fn with_dtls(dtls_versions: DtlsVersions) -> Self {
        let instant = clock_base();
        let now = Time::from_micros(1_700_000_000_000_000);
        let identity = identity();
        let relay = identity.fingerprint();
        let rtp_timeout = Some(Duration::from_secs(30));
        let (audio, recorded) = audio::test_audio();
        let codecs = std::sync::Arc::new(LinearCodecs);
        let config = WorkerConfig { dtls_versions, rtp_timeout, audio, codecs, ..WorkerConfig::new(identity, instant) };
        let worker = Worker::new(config, [7; 32], now);
        let server = address("192.0.2.1:5000");
        let browser = |address, name| {
            let settings = DtlsSettings::new(self::identity(), dtls_versions, instant, now);
            Browser::new(address, server, credentials(name), relay, settings, now)
        };
        let alice = browser(address("198.51.100.1:1000"), "ra");
        let bob = browser(address("198.51.100.2:2000"), "rb");
        let mut scene = Self {
            worker,
            now,
            alice,
            bob,
            outside: Vec::new(),
            sockets: BTreeMap::new(),
            events: Vec::new(),
            reports: Vec::new(),
            recorded,
        };
        for (leg, name) in [(ALICE, "ra"), (BOB, "rb")] {
            scene.worker.handle_command(
                Command::Open { leg, transport: LocalTransport::WebRtc { ice: credentials(name) } },
                now,
            );
        }
        scene
    }

    fn connect(&mut self, leg: LegKey, sections: Vec<Section>) {
        let browser = if leg == ALICE { &self.alice } else { &self.bob };
        let remote = RemoteWebRtc {
            ice: credentials("browser"),
            fingerprint: browser.fingerprint(),
            setup: if browser.is_active { DtlsSetup::Active } else { DtlsSetup::Passive },
            rtcp: PeerRtcp::Muxed,
            endpoint: WebRtcEndpoint::Browser,
        };
        let ssrc = u32::try_from(leg.0).unwrap() * 1000;
        let streams = sections.into_iter().zip(ssrc..).map(|(remote, local_ssrc)| Stream {
            received: remote.payloads.clone(),
            remote,
            local_ssrc,
        });
        let (streams, silence) = (streams.collect(), Silence::EndsLeg);
        let transport = RemoteTransport::WebRtc(remote);
        self.worker.handle_command(Command::Connect { leg, transport, streams, silence }, self.now);
    }

    fn connect_both(&mut self, of_alice: Vec<Section>, of_bob: Vec<Section>) {
        self.alice.check(true);
        self.bob.check(true);
        self.exchange();
        self.connect(ALICE, of_alice);
        self.connect(BOB, of_bob);
        self.run(Duration::from_millis(100));
        let connected = |leg| self.events.iter().filter(|e| **e == Event::LegConnected { leg }).count();
        assert_eq!((connected(ALICE), connected(BOB)), (1, 1), "{:?}", self.events);
    }

    fn bridge(&mut self) {
        self.worker.handle_command(Command::Bridge { a: ALICE, b: BOB }, self.now);
        self.exchange();
    }

    /// Delivers datagrams in both directions until there are none.
    fn exchange(&mut self) {
        loop {
            let mut is_quiet = true;
            for browser in [&mut self.alice, &mut self.bob] {
                while let Some(mut datagram) = browser.outgoing.pop_front() {
                    is_quiet = false;
                    let local = Local::Shared(browser.relay);
                    self.worker.handle_datagram(local, browser.address, &mut datagram, self.now);
                }
            }
            while let Some(output) = self.worker.poll_output() {
                is_quiet = false;
                match output {
                    Output::Event(Event::LegReports(reports)) => self.reports.extend(reports),
                    Output::Event(event) => self.events.push(event),
                    Output::Cross(crossing) => panic!("there is one worker: {crossing:?}"),
                    Output::Bind { port, local } => {
                        assert!(!self.sockets.values().any(|bound| *bound == local), "{local} is bound already");
                        assert_eq!(self.sockets.insert(port, local), None, "{port:?} is bound already");
                    }
                    Output::Unbind { port, local } => {
                        assert_eq!(self.sockets.remove(&port), Some(local), "{local} was not bound");
                    }
                    Output::Transmit { local, remote, payload } => {
                        let local = match local {
                            Local::Shared(address) => address,
                            Local::Port(port) => self.sockets[&port],
                        };
                        let browsers = [&mut self.alice, &mut self.bob];
                        let browser = browsers.into_iter().find(|browser| browser.address == remote);
                        match browser {
                            Some(browser) if local == browser.relay => browser.receive(&payload, self.now),
                            _ => {
                                assert!(self.sockets.values().any(|bound| *bound == local), "{local} is not bound");
                                self.outside.push(phone::Datagram { local, remote, payload: payload.clone() });
                            }
                        }
                        self.worker.recycle(payload);
                    }
                }
            }
            if is_quiet {
                break;
            }
        }
    }

    /// Advances time and handles all deadlines in order.
    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.exchange();
        loop {
            let browsers = offhook_clock::earliest(self.alice.poll_timeout(), self.bob.poll_timeout());
            let next = offhook_clock::earliest(self.worker.poll_timeout(), browsers);
            match next.filter(|next| *next <= end) {
                Some(next) => self.now = self.now.max(next),
                None => break,
            }
            self.worker.handle_timeout(self.now);
            self.alice.handle_timeout(self.now);
            self.bob.handle_timeout(self.now);
            self.exchange();
        }
        self.now = end;
    }

    fn sections() -> (Vec<Section>, Vec<Section>) {
        (vec![audio(111, 110, (4, "0"), 1)], vec![audio(109, 101, (3, "x"), 2)])
    }

    fn bridged_call() -> Self {
        let mut scene = Self::new();
        let (of_alice, of_bob) = Self::sections();
        scene.connect_both(of_alice, of_bob);
        scene.bridge();
        scene
    }
}

#[test]
fn audio_is_forwarded_with_numbers_of_receiving_leg() {
    let mut scene = Scene::bridged_call();
    for n in 0..5_u16 {
        scene.alice.send_rtp(
            (111, 65_533_u16.wrapping_add(n), 100 + u32::from(n) * 960, 77),
            &[(1, &[0x85])],
            b"voice",
        );
        scene.run(Duration::from_millis(20));
    }
    let received = scene.bob.take_rtp();
    assert_eq!(received.len(), 5);
    for (n, (header, packet)) in received.iter().enumerate() {
        let n16 = u16::try_from(n).unwrap();
        assert_eq!(header.payload_type, 109);
        assert_eq!(header.ssrc, 2000);
        assert_eq!(header.sequence, received[0].0.sequence.wrapping_add(n16));
        assert_eq!(header.timestamp, received[0].0.timestamp.wrapping_add(u32::from(n16) * 960));
        assert_eq!(header.marker, n == 0);
        assert_eq!(header.elements(packet).collect::<Vec<_>>(), [(3, &b"x"[..]), (2, &[0x85][..])]);
        assert_eq!(crate::rtp::packet::payload(packet, header).unwrap(), b"voice");
    }
    assert!(scene.alice.take_rtp().is_empty());
}

#[test]
fn sequence_and_time_continue_after_hold() {
    let mut scene = Scene::bridged_call();
    scene.alice.send_rtp((0, 10, 1000, 77), &[], b"before");
    scene.exchange();
    scene.worker.handle_command(Command::Unbridge { leg: BOB }, scene.now);
    scene.run(Duration::from_secs(1));
    scene.alice.send_rtp((0, 60, 9000, 77), &[], b"held");
    scene.run(Duration::from_secs(1));
    scene.bridge();
    scene.alice.send_rtp((0, 110, 17_000, 77), &[], b"after");
    scene.exchange();
    let received = scene.bob.take_rtp();
    let payloads: Vec<&[u8]> = received.iter().map(|(h, p)| crate::rtp::packet::payload(p, h).unwrap()).collect();
    assert_eq!(payloads, [b"before".as_slice(), b"after"]);
    assert_eq!(received[1].0.sequence, received[0].0.sequence.wrapping_add(1));
    assert_eq!(received[1].0.timestamp, received[0].0.timestamp.wrapping_add(16_000));
    assert!(received[1].0.marker);
}

#[test]
fn gap_is_kept_and_replay_is_dropped() {
    let mut scene = Scene::bridged_call();
    for sequence in [5, 8, 6] {
        scene.alice.send_rtp((111, sequence, u32::from(sequence) * 960, 77), &[], b"a");
    }
    let copy = scene.alice.outgoing.back().unwrap().clone();
    scene.alice.outgoing.push_back(copy);
    scene.exchange();
    let numbers: Vec<u16> = scene.bob.take_rtp().iter().map(|(header, _)| header.sequence).collect();
    assert_eq!(numbers, [numbers[0], numbers[0].wrapping_add(3), numbers[0].wrapping_add(1)]);
    assert_eq!(scene.worker.counters().dropped.replayed, 1);
}

#[test]
fn relay_connects_as_dtls_client() {
    let mut scene = Scene::new();
    scene.bob.be_passive(scene.now);
    let (of_alice, of_bob) = Scene::sections();
    scene.connect_both(of_alice, of_bob);
}

#[test]
fn dtls_1_3_is_used_if_offered() {
    let mut scene = Scene::with_dtls(DtlsVersions::UpTo13);
    let (of_alice, of_bob) = Scene::sections();
    scene.connect_both(of_alice, of_bob);
    scene.bridge();
    for browser in [&scene.alice, &scene.bob] {
        assert_eq!(browser.protocol_version(), Some(dimpl::ProtocolVersion::DTLS1_3));
    }
    scene.alice.send_rtp((111, 1, 960, 77), &[], b"a");
    scene.bob.send_rtp((109, 1, 960, 88), &[], b"b");
    scene.exchange();
    assert_eq!((scene.bob.take_rtp().len(), scene.alice.take_rtp().len()), (1, 1));
}

#[test]
fn handshake_before_description_connects() {
    let mut scene = Scene::new();
    scene.alice.check(true);
    scene.run(Duration::from_millis(50));
    assert!(scene.events.is_empty());
    let (of_alice, _) = Scene::sections();
    scene.connect(ALICE, of_alice);
    scene.run(Duration::from_millis(50));
    assert_eq!(scene.events, [Event::LegConnected { leg: ALICE }]);
}

#[test]
fn wrong_certificate_is_rejected() {
    let mut scene = Scene::new();
    scene.alice.check(true);
    scene.exchange();
    scene.alice.claimed = Some(Fingerprint::sha256([9; 32]));
    let (of_alice, _) = Scene::sections();
    scene.connect(ALICE, of_alice);
    scene.run(Duration::from_secs(1));
    let failure = TransportFailure::FingerprintMismatch;
    assert_eq!(scene.events, [Event::LegFailed { leg: ALICE, failure }]);
    assert_eq!(scene.worker.leg_count(), 1);
}

#[test]
fn fatal_alert_ends_handshake_at_once() {
    const HANDSHAKE_FAILURE: u8 = 40;
    let mut scene = Scene::new();
    scene.alice.check(true);
    scene.exchange();
    let mut alert = vec![21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, HANDSHAKE_FAILURE];
    let local = Local::Shared(address("192.0.2.1:5000"));
    scene.worker.handle_datagram(local, scene.alice.address, &mut alert, scene.now);
    let (of_alice, _) = Scene::sections();
    scene.connect(ALICE, of_alice);
    scene.run(Duration::from_secs(1));
    let failure = TransportFailure::DtlsError;
    assert_eq!(scene.events, [Event::LegFailed { leg: ALICE, failure }]);
}

#[test]
fn silence_before_or_after_connection_ends_leg() {
    let mut scene = Scene::new();
    let (of_alice, of_bob) = Scene::sections();
    scene.connect(BOB, of_bob);
    scene.alice.check(true);
    scene.exchange();
    scene.connect(ALICE, of_alice);
    scene.run(Duration::from_secs(16));
    let failure = TransportFailure::IceTimeout;
    assert_eq!(scene.events, [Event::LegConnected { leg: ALICE }, Event::LegFailed { leg: BOB, failure }]);
    scene.alice.check(false);
    scene.run(Duration::from_secs(29));
    assert_eq!(scene.worker.leg_count(), 1);
    scene.run(Duration::from_secs(2));
    assert_eq!(scene.events.last(), Some(&Event::LegDead { leg: ALICE }));
    assert_eq!(scene.worker.leg_count(), 0);
    assert_eq!(scene.worker.poll_timeout(), None);
}

#[test]
fn newly_nominated_address_is_used() {
    let mut scene = Scene::bridged_call();
    scene.bob.address = address("203.0.113.9:3333");
    scene.bob.check(true);
    scene.exchange();
    scene.alice.send_rtp((111, 1, 960, 77), &[], b"a");
    scene.exchange();
    assert_eq!(scene.bob.take_rtp().len(), 1);
}

#[test]
fn nominated_address_is_used_after_many_checks() {
    let mut scene = Scene::bridged_call();
    for port in 3000..3100 {
        scene.bob.address.set_port(port);
        scene.bob.check(false);
        scene.exchange();
    }
    scene.bob.address.set_port(4000);
    scene.bob.check(true);
    scene.exchange();
    scene.alice.send_rtp((111, 1, 960, 77), &[], b"a");
    scene.bob.send_rtp((109, 1, 960, 88), &[], b"b");
    scene.exchange();
    assert_eq!((scene.bob.take_rtp().len(), scene.alice.take_rtp().len()), (1, 1));
    assert_eq!(scene.worker.pairs.len(), 1 + 64, "one pair of Alice and the most pairs of Bob");
    scene.worker.handle_command(Command::Close { leg: BOB }, scene.now);
    assert_eq!(scene.worker.pairs.len(), 1);
}

#[test]
fn reassigned_address_stays_with_newer_leg() {
    let mut scene = Scene::bridged_call();
    scene.bob.address.set_port(3000);
    scene.bob.check(false);
    scene.exchange();
    let (shared, of_bob) = (scene.bob.address, scene.alice.address);
    scene.alice.address = shared;
    scene.bob.address = of_bob;
    scene.alice.check(true);
    scene.exchange();
    for port in 4000..4100 {
        scene.bob.address.set_port(port);
        scene.bob.check(false);
        scene.exchange();
    }
    let pair = crate::ice::agent::Pair { local: scene.alice.relay, remote: shared };
    assert_eq!(scene.worker.pairs.get(&pair), scene.worker.legs.index_of(ALICE));
}

#[test]
fn speech_is_dropped_while_digits_are_sent() {
    let mut scene = Scene::bridged_call();
    scene.alice.send_rtp((111, 1, 960, 77), &[], b"a");
    scene.exchange();
    let digits = "1#".to_owned();
    scene.worker.handle_command(Command::SendDtmf { leg: BOB, digits }, scene.now);
    scene.run(Duration::from_millis(40));
    scene.alice.send_rtp((111, 2, 1920, 77), &[], b"held back");
    scene.run(Duration::from_millis(300));
    scene.alice.send_rtp((111, 17, 17 * 960, 77), &[], b"b");
    scene.exchange();
    let received = scene.bob.take_rtp();
    let events: Vec<_> = received.iter().filter(|(header, _)| header.payload_type == 101).collect();
    assert_eq!(events.len(), 14);
    assert_eq!(received.len(), 16);
    for pair in received.windows(2) {
        assert_eq!(pair[1].0.sequence, pair[0].0.sequence.wrapping_add(1));
    }
    let bodies: Vec<&[u8]> = events.iter().map(|(h, p)| crate::rtp::packet::payload(p, h).unwrap()).collect();
    assert_eq!(bodies[0], [1, 10, 0x03, 0xc0]);
    assert_eq!(bodies[4..7], [[1, 0x8a, 0x12, 0xc0]; 3]);
    assert_eq!(bodies[7][0], 11);
    assert!(events[0].0.marker && !events[1].0.marker && events[7].0.marker);
    assert_eq!(events[0].0.timestamp, events[6].0.timestamp);
    assert_ne!(events[0].0.timestamp, events[7].0.timestamp);
}

#[test]
fn digit_of_browser_is_reported_once_and_forwarded() {
    let mut scene = Scene::bridged_call();
    for sequence in 1..4 {
        scene.alice.send_rtp((110, sequence, 960, 77), &[], &[5, 0x0a, 0, 160]);
    }
    scene.exchange();
    let digits = scene.events.iter().filter(|e| **e == Event::DtmfReceived { leg: ALICE, digit: '5' }).count();
    assert_eq!(digits, 1);
    assert!(scene.bob.take_rtp().iter().all(|(header, _)| header.payload_type == 101));
}

#[test]
fn digit_reports_are_rate_limited() {
    let mut scene = Scene::bridged_call();
    let send = |scene: &mut Scene, numbers: core::ops::Range<u16>| {
        for n in numbers {
            // Half of them come from another source: the limit applies to the leg.
            scene.alice.send_rtp((110, n, u32::from(n) * 960, 77 + u32::from(n % 2)), &[], &[5, 0x0a, 0, 160]);
        }
        scene.exchange();
        let is_digit = |event: &Event| matches!(event, Event::DtmfReceived { .. });
        let reported = scene.events.iter().filter(|event| is_digit(event)).count();
        scene.events.clear();
        (reported, scene.worker.counters().dropped.excess_digits)
    };
    assert_eq!(send(&mut scene, 0..100), (64, 36));
    scene.run(Duration::from_secs(1));
    assert_eq!(send(&mut scene, 100..150), (20, 66));
    scene.run(Duration::from_secs(10));
    assert_eq!(send(&mut scene, 150..151), (1, 66));
}

#[test]
fn video_feedback_is_translated_for_sender() {
    let mut scene = Scene::new();
    let (mut of_alice, mut of_bob) = Scene::sections();
    of_alice.push(video(96, 500));
    of_bob.push(video(120, 600));
    scene.connect_both(of_alice, of_bob);
    scene.bridge();
    assert_eq!(scene.alice.take_feedback(206, 1), [(500, vec![])], "a key frame is requested at once");
    scene.run(Duration::from_millis(600));
    assert_eq!(scene.alice.take_feedback(206, 1).len(), 1, "the request is repeated");
    for sequence in [1, 2, 4] {
        scene.alice.send_rtp((96, sequence, 3000, 500), &[], &[0x10, 0x00, 1]);
    }
    scene.run(Duration::from_secs(2));
    assert!(scene.alice.take_feedback(206, 1).is_empty(), "the key frame arrived");
    let received = scene.bob.take_rtp();
    let first = received[0].0.sequence;
    let [f0, f1] = first.to_be_bytes();
    // A packet that the relay has cached (the first) and one that it never received (the third).
    let sent_before = scene.worker.counters().tx_rtp;
    scene.bob.send_feedback(205, 1, 2001, &[f0, f1, 0, 0b10]);
    scene.exchange();
    assert_eq!(scene.worker.counters().tx_rtp, sent_before + 1, "the first packet is retransmitted from the cache");
    let again = scene.bob.take_rtp();
    assert_eq!(again.len(), 0, "the browser's replay protection drops the retransmission");
    assert_eq!(scene.alice.take_feedback(205, 1), [(500, vec![0, 3, 0, 0])]);
    scene.bob.send_feedback(205, 15, 2001, &[0, 1, 2, 3, 4, 5, 6, 7]);
    scene.exchange();
    assert_eq!(scene.alice.take_feedback(205, 15), [(500, vec![0, 1, 2, 3, 4, 5, 6, 7])]);
    let mut remb = b"REMB".to_vec();
    remb.extend([1, 0x0b, 0x12, 0x34, 0, 0, 0x07, 0xd1]);
    scene.bob.send_feedback(206, 15, 0, &remb);
    scene.exchange();
    let passed = [b"REMB".as_slice(), &[1, 0x0b, 0x12, 0x34], &500_u32.to_be_bytes()].concat();
    assert_eq!(scene.alice.take_feedback(206, 15), [(0, passed)]);
}

#[test]
fn reports_match_media_of_each_leg() {
    let mut scene = Scene::bridged_call();
    for sequence in [1, 2, 3, 5] {
        scene.alice.send_rtp((111, sequence, u32::from(sequence) * 960, 77), &[], b"abcd");
    }
    scene.alice.send_sender_report(77, 0x1111_2222_3333_4444, 9600);
    scene.run(Duration::from_millis(1950));
    let blocks = scene.alice.take_report_blocks();
    assert_eq!(blocks.len(), 1);
    assert_eq!(&blocks[0][..12], &[0, 0, 0, 77, 51, 0, 0, 1, 0, 0, 0, 5]);
    assert_eq!(&blocks[0][16..20], &[0x22, 0x22, 0x33, 0x33], "LSR");
    let received = scene.bob.take_rtp();
    let (ssrc, ntp, timestamp, packets, octets) = scene.bob.take_sender_reports()[0];
    assert_eq!((ssrc, ntp, packets, octets), (2000, 0x1111_2222_3333_4444, 4, 16));
    assert_eq!(timestamp, received[0].0.timestamp.wrapping_add(9600 - 960));
}

#[test]
fn close_sends_close_notify_and_frees_state() {
    let mut scene = Scene::bridged_call();
    scene.worker.handle_command(Command::Close { leg: ALICE }, scene.now);
    scene.exchange();
    assert!(scene.alice.received_close_notify);
    scene.worker.handle_command(Command::Close { leg: BOB }, scene.now);
    assert_eq!((scene.worker.leg_count(), scene.worker.poll_timeout()), (0, None));
    assert!(scene.worker.pairs.is_empty() && scene.worker.fragments.is_empty() && scene.worker.wakes.is_empty());
}
