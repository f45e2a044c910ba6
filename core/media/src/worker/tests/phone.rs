//! Simulated SIP phones: addresses, ports and SRTP keys.

use super::{Scene, payload};
use crate::command::{
    Command, LegKey, LocalRtp, LocalTransport, MasterKey, MkiPair, RemoteRtp, RemoteSection, RemoteTransport, RtcpPath,
    SdesKeys, Silence, Stream,
};
use crate::rtcp::packet::Compound;
use crate::rtp::packet::Header;
use crate::transport::srtp::{Inbound, Outbound, Profile};
use offhook_sdp::codec::{MediaKind, Payload};
use offhook_sdp::direction::Direction;
use offhook_sdp::webrtc::Section;
use std::net::{IpAddr, SocketAddr};

pub(super) const PHONE: LegKey = LegKey(3);
pub(super) const OTHER: LegKey = LegKey(4);

/// A datagram to a SIP peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Datagram {
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) payload: Vec<u8>,
}

/// The relay's addresses for a section of a leg.
pub(super) fn local(leg: LegKey, section: u16) -> LocalRtp {
    let port = 30_000 + u16::try_from(leg.0).unwrap() * 100 + section * 2;
    let on = |port| SocketAddr::from(([192, 0, 2, 1], port));
    LocalRtp { rtp: on(port), rtcp: on(port + 1) }
}

/// The addresses in the description of a leg's peer.
pub(super) fn remote(leg: LegKey, section: u16) -> RemoteRtp {
    let port = 4000 + section * 2;
    let on = |port| SocketAddr::from(([198, 51, 100, 100 + u8::try_from(leg.0).unwrap()], port));
    RemoteRtp { rtp: on(port), rtcp: RtcpPath::Separate(on(port + 1)) }
}

pub(super) fn rtcp_of(remote: RemoteRtp) -> SocketAddr {
    match remote.rtcp {
        RtcpPath::Muxed => remote.rtp,
        RtcpPath::Separate(rtcp) => rtcp,
    }
}

/// The SSRC with which the relay sends.
pub(super) fn ssrc(leg: LegKey, section: u16) -> u32 {
    u32::try_from(leg.0).unwrap() * 1000 + u32::from(section)
}

pub(super) fn section(kind: MediaKind, payloads: Vec<Payload>) -> Section {
    let direction = Direction::SendRecv;
    Section { kind, mid: String::new(), direction, rejected: false, payloads, extensions: vec![], ssrcs: vec![] }
}

/// G.711 and telephone-event.
pub(super) fn telephone() -> Section {
    section(
        MediaKind::Audio,
        vec![
            payload(0, "PCMU", 8000, 1, &[]),
            payload(8, "PCMA", 8000, 1, &[]),
            payload(96, "telephone-event", 8000, 1, &[]),
        ],
    )
}

pub(super) fn camera(feedback: &[&str]) -> Section {
    section(MediaKind::Video, vec![payload(99, "VP8", 90_000, 1, feedback)])
}

/// A negotiated section of a phone, with the phone's address and keys.
#[derive(Clone)]
pub(super) struct PhoneStream {
    pub(super) stream: Stream,
    pub(super) remote: Option<RemoteRtp>,
    pub(super) srtp: Option<SdesKeys>,
}

/// A negotiated section of a leg.
pub(super) fn stream(leg: LegKey, number: u16, section: Section) -> PhoneStream {
    let received = section.payloads.clone();
    let stream = Stream { remote: section, received, local_ssrc: ssrc(leg, number) };
    PhoneStream { stream, remote: Some(remote(leg, number)), srtp: None }
}

/// The command with the description of a phone.
pub(super) fn connect(leg: LegKey, streams: Vec<PhoneStream>, signaling: Option<IpAddr>, silence: Silence) -> Command {
    let (streams, sections) = streams
        .into_iter()
        .map(|PhoneStream { stream, remote, srtp }| (stream, RemoteSection { address: remote, srtp }))
        .unzip();
    Command::Connect { leg, transport: RemoteTransport::Rtp { sections, signaling }, streams, silence }
}

/// Payload type, sequence number, timestamp and SSRC of an RTP packet.
pub(super) type Numbers = (u8, u16, u32, u32);

pub(super) fn rtp_packet((payload_type, sequence, timestamp, ssrc): Numbers, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    Header::new(payload_type, sequence, timestamp, ssrc).write(&[], &mut packet);
    packet.extend_from_slice(payload);
    packet
}

/// Keys for a suite, local and remote.
pub(super) fn keys(suite: Profile, seed: u8) -> SdesKeys {
    let (key, salt) = suite.lengths();
    let secret = |first: u8| MasterKey((0..key + salt).map(|n| first.wrapping_add(u8::try_from(n).unwrap())).collect());
    SdesKeys { suite, local: secret(seed), remote: secret(seed.wrapping_add(100)), mki: MkiPair::default() }
}

/// The peer's SRTP contexts for these keys.
pub(super) fn contexts(keys: &SdesKeys) -> (Inbound, Outbound) {
    let split = |secret: &MasterKey| {
        let (key, salt) = secret.0.split_at(keys.suite.lengths().0);
        (key.to_vec(), salt.to_vec())
    };
    let (local, remote) = (split(&keys.local), split(&keys.remote));
    let inbound = Inbound::new(keys.suite, &local.0, &local.1).unwrap();
    (inbound, Outbound::new(keys.suite, &remote.0, &remote.1).unwrap())
}

/// The public address of a phone behind a NAT, from which it also sends its SIP messages.
pub(super) fn nat() -> SocketAddr {
    super::address("203.0.113.5:61234")
}

impl Scene {
    pub(super) fn order(&mut self, command: Command) {
        self.worker.handle_command(command, self.now);
        self.exchange();
    }

    pub(super) fn open_phone(&mut self, leg: LegKey, sections: u16) {
        let sections = (0..sections).map(|section| local(leg, section)).collect();
        let transport = LocalTransport::Rtp { sections, cname: format!("phone-{}", leg.0) };
        self.order(Command::Open { leg, transport });
    }

    pub(super) fn connect_phone(&mut self, leg: LegKey, streams: Vec<PhoneStream>) {
        self.order(connect(leg, streams, Some(nat().ip()), Silence::EndsLeg));
    }

    /// Opens and connects the leg of a phone with these sections.
    pub(super) fn phone(&mut self, leg: LegKey, sections: Vec<Section>) {
        self.open_phone(leg, u16::try_from(sections.len()).unwrap());
        let streams = sections.into_iter().zip(0..).map(|(section, number)| stream(leg, number, section));
        self.connect_phone(leg, streams.collect());
    }

    /// A call between Alice's browser and a phone.
    pub(super) fn phone_call(of_alice: Vec<Section>, of_phone: Vec<Section>) -> Self {
        let mut scene = Self::new();
        scene.alice.check(true);
        scene.exchange();
        scene.connect(super::ALICE, of_alice);
        scene.exchange();
        scene.phone(PHONE, of_phone);
        scene.order(Command::Bridge { a: super::ALICE, b: PHONE });
        scene.events.clear();
        scene
    }

    /// Delivers a datagram to one of the relay's addresses.
    pub(super) fn arrives(&mut self, from: SocketAddr, to: SocketAddr, mut datagram: Vec<u8>) {
        let to = self.worker.local(to);
        self.worker.handle_datagram(to, from, &mut datagram, self.now);
        self.exchange();
    }

    /// The peer of a leg sends plain RTP from its described address.
    pub(super) fn phone_sends(&mut self, leg: LegKey, section: u16, numbers: Numbers, payload: &[u8]) {
        let packet = rtp_packet(numbers, payload);
        self.arrives(remote(leg, section).rtp, local(leg, section).rtp, packet);
    }

    /// Plain RTP that was sent in a section since the last call, with its destination.
    pub(super) fn take_rtp_of(&mut self, leg: LegKey, section: u16) -> Vec<(Header, Vec<u8>, SocketAddr)> {
        let is_rtp = |d: &Datagram| d.local == local(leg, section).rtp && !(192..=223).contains(&d.payload[1]);
        let (taken, rest) = core::mem::take(&mut self.outside).into_iter().partition(is_rtp);
        self.outside = rest;
        let read = |d: Datagram| (Header::parse(&d.payload).unwrap(), d.payload, d.remote);
        Vec::into_iter(taken).map(read).collect()
    }

    /// Compound RTCP packets that were sent from one of the relay's addresses, with their destination.
    pub(super) fn take_rtcp_from(&mut self, local: SocketAddr) -> Vec<(Vec<u8>, SocketAddr)> {
        let is_rtcp = |d: &Datagram| d.local == local && (192..=223).contains(&d.payload[1]);
        let (taken, rest) = core::mem::take(&mut self.outside).into_iter().partition(is_rtcp);
        self.outside = rest;
        Vec::into_iter(taken).map(|d: Datagram| (d.payload, d.remote)).collect()
    }
}

/// The packet types in a compound packet.
pub(super) fn kinds(compound: &[u8]) -> Vec<u8> {
    Compound::new(compound).map(|chunk| chunk.kind).collect()
}
