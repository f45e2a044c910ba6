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
    // The first argument selects rows, for example for a profiler; the second is the number of calls.
    let only = std::env::args().nth(1).unwrap_or_default();
    let calls = std::env::args().nth(2).and_then(|calls| calls.parse().ok()).unwrap_or(1);
    println!(
        "one packet of {OCTETS} octets of G.711, median and minimum of {ROUNDS} rounds of {PACKETS}, {calls} call(s)"
    );
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
    for (name, from, to) in rows.into_iter().filter(|(name, ..)| name.contains(&only)) {
        match Scene::new(from, to, calls).and_then(|mut scene| scene.measure()) {
            Some((median, minimum)) => println!("{name:44} {median:6.0} ns {minimum:6.0} ns"),
            None => println!("{name:44} failed"),
        }
    }
}

/// The sending peer: its SRTP context, the addresses of both ends, and its next packet.
struct Sender {
    outbound: Option<Outbound>,
    own: SocketAddr,
    /// The relay's socket.
    local: Local,
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
}

struct Scene {
    worker: Worker,
    now: Time,
    /// One of each call. They send in turn.
    senders: Vec<Sender>,
    next: usize,
}

const RELAY: [u8; 4] = [192, 0, 2, 1];

/// The address of the peer of a leg.
fn peer_of(leg: u16) -> SocketAddr {
    let [high, low] = leg.to_be_bytes();
    SocketAddr::from(([198, 18, high, low], 4000))
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
    fn new(from: End, to: End, calls: u16) -> Option<Self> {
        let (instant, now) = (Instant::now(), Time::from_micros(1_700_000_000_000_000));
        let mut worker = Worker::new(WorkerConfig::new(identity()?, instant), [7; 32], now);
        let mut senders = Vec::new();
        for call in 0..calls {
            let (a, b) = (2 * call + 1, 2 * call + 2);
            senders.push(open(&mut worker, from, a, instant, now)?);
            open(&mut worker, to, b, instant, now)?;
            worker.handle_command(Command::Bridge { a: LegKey(a.into()), b: LegKey(b.into()) }, now);
            while worker.poll_output().is_some() {}
        }
        Some(Self { worker, now, senders, next: 0 })
    }

    /// Returns the packets of one round as received from the network, with the indexes of their senders.
    fn packets(&mut self) -> Option<Vec<(usize, Vec<u8>)>> {
        let mut packets = Vec::new();
        for _ in 0..PACKETS {
            let index = self.next;
            self.next = (index + 1) % self.senders.len();
            let sender = self.senders.get_mut(index)?;
            sender.sequence = sender.sequence.wrapping_add(1);
            sender.timestamp = sender.timestamp.wrapping_add(160);
            let mut header = Header::new(sender.payload_type, sender.sequence, sender.timestamp, 77);
            let mut packet = Vec::with_capacity(OCTETS + 64);
            header.write(&[], &mut packet);
            packet.extend([0x55; OCTETS]);
            if let Some(outbound) = &mut sender.outbound {
                outbound.protect_rtp(&mut packet, &header).ok()?;
            }
            packets.push((index, packet));
        }
        Some(packets)
    }

    /// Returns the median and the minimum nanoseconds per packet; `None` if a packet was not forwarded.
    fn measure(&mut self) -> Option<(f64, f64)> {
        let mut rounds = Vec::new();
        let interval = Duration::from_millis(20) / u32::try_from(self.senders.len()).ok()?;
        for _ in 0..ROUNDS {
            let mut packets = self.packets()?;
            let mut forwarded = 0;
            let begun = Instant::now();
            for (index, packet) in &mut packets {
                let sender = self.senders.get(*index)?;
                self.now = self.now + interval;
                self.worker.handle_datagram(sender.local, sender.own, packet, self.now);
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
        Some((rounds.get(ROUNDS / 2).copied()?, rounds.first().copied()?))
    }
}

/// Establishes a leg and returns its sending peer.
fn open(worker: &mut Worker, end: End, number: u16, instant: Instant, now: Time) -> Option<Sender> {
    match end {
        End::Browser => open_browser(worker, number, instant, now),
        End::Rtp { law } => open_phone(worker, number, Some(law), None, now),
        End::Sdes(profile) => open_phone(worker, number, None, Some(profile), now),
    }
}

fn open_phone(
    worker: &mut Worker,
    number: u16,
    law: Option<u8>,
    profile: Option<Profile>,
    now: Time,
) -> Option<Sender> {
    let (leg, own) = (LegKey(u64::from(number)), peer_of(number));
    let port = 30_000 + number * 2;
    let local = LocalRtp { rtp: (RELAY, port).into(), rtcp: (RELAY, port + 1).into() };
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
    Some(Sender { outbound, own, local, payload_type: law.unwrap_or(0), sequence: 0, timestamp: 0 })
}

fn open_browser(worker: &mut Worker, number: u16, instant: Instant, now: Time) -> Option<Sender> {
    let (leg, own) = (LegKey(u64::from(number)), peer_of(number));
    let local = Local::Shared((RELAY, 5000).into());
    let identity = identity()?;
    let ice = |ufrag: String| IceCredentials { ufrag, pwd: "a password of 24 octets.".to_owned() };
    let name = format!("relay{number}");
    worker.handle_command(Command::Open { leg, transport: LocalTransport::WebRtc { ice: ice(name.clone()) } }, now);
    let mut transaction = [0; 12];
    transaction[..2].copy_from_slice(&number.to_be_bytes());
    let mut check = Vec::new();
    stun::write_check(&transaction, &format!("{name}:browser"), &ice(String::new()).pwd, true, &mut check);
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
    Some(Sender { outbound: Some(outbound), own, local, payload_type: 0, sequence: 0, timestamp: 0 })
}
