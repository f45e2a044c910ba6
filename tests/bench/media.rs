//! Measures the CPU time for forwarding one packet in the media worker, without sockets and threads.
#![expect(clippy::print_stdout, reason = "a benchmark prints to its terminal")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use core::time::Duration;
use offhook_clock::Time;
use offhook_media::command::{
    Command, LegKey, LocalRtp, LocalTransport, MasterKey, MkiPair, PeerRtcp, RemoteRtp, RemoteSection, RemoteTransport,
    RemoteWebRtc, RtcpPath, SdesKeys, Silence, Stream, WebRtcEndpoint,
};
use offhook_media::ice::stun;
use offhook_media::identity::DtlsIdentity;
use offhook_media::rtp::packet::Header;
use offhook_media::socket::Local;
use offhook_media::transport::dtls::{DtlsOutput, DtlsSettings, DtlsTransport};
use offhook_media::transport::srtp::{DtlsRole, Outbound, Profile};
use offhook_media::worker::{DtlsVersions, Output, Worker, WorkerConfig};
use offhook_sdp::codec::{Codec, MediaKind, Payload};
use offhook_sdp::direction::Direction;
use offhook_sdp::webrtc::{DtlsSetup, IceCredentials, Section};
use std::net::SocketAddr;
use std::time::Instant;

/// Number of rounds, which are so short that most of them are not interrupted.
const ROUNDS: usize = 201;
const PACKETS: u16 = 200;
/// 20 ms of G.711.
const OCTETS: usize = 160;

#[derive(Clone, Copy)]
enum End {
    Browser,
    Rtp { law: u8 },
    Sdes(Profile),
}

const PCMU: End = End::Rtp { law: 0 };
const PCMA: End = End::Rtp { law: 8 };
const SDES_CM: End = End::Sdes(Profile::AesCm128HmacSha1);
const SDES_GCM: End = End::Sdes(Profile::AeadAes128Gcm);

fn main() {
    println!("one packet of {OCTETS} octets of G.711, median of {ROUNDS} rounds of {PACKETS}");
    let rows = [
        ("RTP to RTP", PCMU, PCMU),
        ("RTP to RTP in the other law", PCMU, PCMA),
        ("browser to RTP", End::Browser, PCMU),
        ("RTP to browser", PCMU, End::Browser),
        ("browser to SDES, AES_CM_128_HMAC_SHA1_80", End::Browser, SDES_CM),
        ("SDES, AES_CM_128_HMAC_SHA1_80 to browser", SDES_CM, End::Browser),
        ("browser to SDES, AEAD_AES_128_GCM", End::Browser, SDES_GCM),
        ("SDES, AEAD_AES_128_GCM to browser", SDES_GCM, End::Browser),
        ("browser to browser", End::Browser, End::Browser),
    ];
    // An argument selects rows, e.g. for a profiler.
    let only = std::env::args().nth(1).unwrap_or_default();
    for (name, from, to) in rows.into_iter().filter(|(name, ..)| name.contains(&only)) {
        match Scene::new(from, to).and_then(|mut scene| scene.median()) {
            Some(cost) => println!("{name:44} {cost:6.0} ns"),
            None => println!("{name:44} failed"),
        }
    }
}

/// The sending peer: its SRTP context and the addresses of both ends.
struct Sender {
    outbound: Option<Outbound>,
    own: SocketAddr,
    /// The relay's socket.
    local: Local,
    payload_type: u8,
}

struct Scene {
    worker: Worker,
    now: Time,
    sender: Sender,
    sequence: u16,
    timestamp: u32,
}

fn address(host: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, host], port))
}

fn identity() -> Option<DtlsIdentity> {
    let key = rcgen::KeyPair::generate().ok()?;
    let certificate = rcgen::CertificateParams::new(Vec::new()).ok()?.self_signed(&key).ok()?;
    DtlsIdentity::from_der(certificate.der(), &key.serialize_der()).ok()
}

fn section(law: Option<u8>) -> Section {
    let payloads = [(0, "PCMU"), (8, "PCMA")].into_iter().filter(|(number, _)| law.is_none_or(|law| law == *number));
    let codec = |name: &str| Codec { name: name.to_owned(), clock_rate: 8000, channels: 1, fmtp: None };
    let payloads = payloads.map(|(number, name)| Payload { number, codec: codec(name), feedback: Vec::new() });
    Section {
        kind: MediaKind::Audio,
        mid: "0".to_owned(),
        direction: Direction::SendRecv,
        rejected: false,
        payloads: payloads.collect(),
        extensions: Vec::new(),
        ssrcs: Vec::new(),
    }
}

impl Scene {
    fn new(from: End, to: End) -> Option<Self> {
        let (instant, now) = (Instant::now(), Time::from_micros(1_700_000_000_000_000));
        let mut worker = Worker::new(WorkerConfig::new(identity()?, instant), [7; 32], now);
        let sender = open(&mut worker, from, 1, instant, now)?;
        open(&mut worker, to, 2, instant, now)?;
        worker.handle_command(Command::Bridge { a: LegKey(1), b: LegKey(2) }, now);
        while worker.poll_output().is_some() {}
        Some(Self { worker, now, sender, sequence: 0, timestamp: 0 })
    }

    /// Returns the packets of one round as received from the network.
    fn packets(&mut self) -> Option<Vec<Vec<u8>>> {
        let mut packets = Vec::new();
        for _ in 0..PACKETS {
            self.sequence = self.sequence.wrapping_add(1);
            self.timestamp = self.timestamp.wrapping_add(160);
            let mut header = Header::new(self.sender.payload_type, self.sequence, self.timestamp, 77);
            let mut packet = Vec::with_capacity(OCTETS + 64);
            header.write(&[], &mut packet);
            packet.extend([0x55; OCTETS]);
            if let Some(outbound) = &mut self.sender.outbound {
                outbound.protect_rtp(&mut packet, &header).ok()?;
            }
            packets.push(packet);
        }
        Some(packets)
    }

    /// Returns the median nanoseconds per packet; `None` if a packet was not forwarded.
    fn median(&mut self) -> Option<f64> {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let mut packets = self.packets()?;
            let mut forwarded = 0;
            let begun = Instant::now();
            for packet in &mut packets {
                self.now = self.now + Duration::from_millis(20);
                self.worker.handle_datagram(self.sender.local, self.sender.own, packet, self.now);
                while let Some(output) = self.worker.poll_output() {
                    if let Output::Transmit { payload, .. } = output {
                        forwarded += 1;
                        self.worker.recycle(payload);
                    }
                }
            }
            rounds.push(begun.elapsed().as_secs_f64() * 1e9 / f64::from(PACKETS));
            if forwarded != PACKETS {
                return None;
            }
        }
        rounds.sort_by(f64::total_cmp);
        rounds.get(ROUNDS / 2).copied()
    }
}

/// Establishes a leg and returns its sending peer.
fn open(worker: &mut Worker, end: End, number: u8, instant: Instant, now: Time) -> Option<Sender> {
    match end {
        End::Browser => open_browser(worker, number, instant, now),
        End::Rtp { law } => open_phone(worker, number, Some(law), None, now),
        End::Sdes(profile) => open_phone(worker, number, None, Some(profile), now),
    }
}

fn open_phone(worker: &mut Worker, number: u8, law: Option<u8>, profile: Option<Profile>, now: Time) -> Option<Sender> {
    let (leg, own) = (LegKey(u64::from(number)), address(100 + number, 4000));
    let port = 30_000 + u16::from(number) * 2;
    let local = LocalRtp { rtp: address(1, port), rtcp: address(1, port + 1) };
    worker.handle_command(
        Command::Open { leg, transport: LocalTransport::Rtp { sections: vec![local], cname: "phone".to_owned() } },
        now,
    );
    let secret = |profile: Profile, octet| {
        let (key, salt) = profile.lengths();
        (vec![octet; key], vec![octet; salt])
    };
    let srtp = profile.map(|suite| {
        let master = |octet| MasterKey(<[Vec<u8>; 2]>::from(secret(suite, octet)).concat());
        SdesKeys { suite, local: master(1), remote: master(2), mki: MkiPair::default() }
    });
    let remote = section(law);
    let streams = vec![Stream { received: remote.payloads.clone(), remote, local_ssrc: u32::from(number) }];
    let remote = RemoteRtp { rtp: own, rtcp: RtcpPath::Muxed };
    let sections = vec![RemoteSection { address: Some(remote), srtp }];
    let transport = RemoteTransport::Rtp { sections, signaling: None };
    worker.handle_command(Command::Connect { leg, transport, streams, silence: Silence::Tolerated }, now);
    let outbound = match profile {
        Some(profile) => {
            let (key, salt) = secret(profile, 2);
            Some(Outbound::new(profile, &key, &salt).ok()?)
        }
        None => None,
    };
    let local = worker.local(local.rtp);
    Some(Sender { outbound, own, local, payload_type: law.unwrap_or(0) })
}

fn open_browser(worker: &mut Worker, number: u8, instant: Instant, now: Time) -> Option<Sender> {
    let (leg, own, relay) = (LegKey(u64::from(number)), address(100 + number, 4000), address(1, 5000));
    let local = Local::Shared(relay);
    let identity = identity()?;
    let ice = |ufrag: String| IceCredentials { ufrag, pwd: "a password of 24 octets.".to_owned() };
    let name = format!("relay{number}");
    worker.handle_command(Command::Open { leg, transport: LocalTransport::WebRtc { ice: ice(name.clone()) } }, now);
    let mut check = Vec::new();
    stun::write_check(&[number; 12], &format!("{name}:browser"), &ice(String::new()).pwd, true, &mut check);
    worker.handle_datagram(local, own, &mut check, now);
    let (fingerprint, of_relay) = (identity.fingerprint(), worker.config().identity.fingerprint());
    let remote = RemoteWebRtc {
        ice: ice("browser".to_owned()),
        fingerprint,
        setup: DtlsSetup::Active,
        rtcp: PeerRtcp::Muxed,
        endpoint: WebRtcEndpoint::Browser,
    };
    let transport = RemoteTransport::WebRtc(remote);
    let remote = section(None);
    let streams = vec![Stream { received: remote.payloads.clone(), remote, local_ssrc: u32::from(number) }];
    worker.handle_command(Command::Connect { leg, transport, streams, silence: Silence::EndsLeg }, now);
    let settings = DtlsSettings::new(identity, DtlsVersions::Only12, instant, now);
    let mut dtls = DtlsTransport::new(&settings, DtlsRole::Client, of_relay, now);
    let mut keys = None;
    // The flights of a DTLS handshake without losses.
    for _ in 0..20 {
        let mut buffer = Vec::new();
        while let Some(output) = dtls.poll(&mut buffer) {
            match output {
                DtlsOutput::Transmit => {
                    worker.handle_datagram(local, own, &mut core::mem::take(&mut buffer), now);
                }
                DtlsOutput::Connected(srtp) => keys = Some(*srtp),
                DtlsOutput::Failed(_) | DtlsOutput::Closed => return None,
            }
        }
        while let Some(output) = worker.poll_output() {
            if let Output::Transmit { payload, remote, .. } = output
                && remote == own
                && payload.first().is_some_and(|octet| (20..64).contains(octet))
            {
                dtls.handle_packet(&payload, now);
            }
        }
    }
    let (_, outbound) = keys?;
    Some(Sender { outbound: Some(outbound), own, local, payload_type: 0 })
}
