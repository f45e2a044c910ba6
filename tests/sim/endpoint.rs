//! Simulated media endpoints: the peer connections of a browser (ICE, DTLS-SRTP) and the RTP sessions of phones.
//!
//! Each endpoint sends its number as the payload of its packets, and records whose packets it received.

use crate::browser::{Media, OFFER};
use core::time::Duration;
use offhook_clock::Time;
use offhook_media::ice::stun;
use offhook_media::identity::DtlsIdentity;
use offhook_media::rtp::packet::{Header, payload};
use offhook_media::transport::demux::{Protocol, classify};
use offhook_media::transport::dtls::{DtlsOutput, DtlsSettings, DtlsTransport};
use offhook_media::transport::srtp::{DtlsRole, Inbound, Outbound};
use offhook_media::worker::DtlsVersions;
use offhook_sdp::webrtc::{DtlsSetup, Fingerprint, IceCredentials, WebRtcDescription};
use offhook_signaling::message::CallId;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

/// The payload type of PCMU.
const PCMU: u8 = 0;
/// Octets of 20 ms of PCMU.
const OCTETS: usize = 160;

/// A UDP datagram on the network.
#[derive(Clone, Debug)]
pub(crate) struct Datagram {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) octets: Vec<u8>,
}

/// The packets that an endpoint sends, and the newest packets that it received from each other one.
#[derive(Debug)]
pub(crate) struct Stream {
    /// The endpoint's number: its SSRC, and the content of its packets.
    number: u32,
    sequence: u16,
    timestamp: u32,
    pub(crate) received: BTreeMap<u32, Time>,
}

impl Stream {
    fn new(number: u32) -> Self {
        Self { number, sequence: 0, timestamp: 0, received: BTreeMap::new() }
    }

    pub(crate) const fn number(&self) -> u32 {
        self.number
    }

    fn packet(&mut self) -> (Header, Vec<u8>) {
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(8000);
        let mut header = Header::new(PCMU, self.sequence, self.timestamp, self.number);
        let mut packet = Vec::new();
        header.write(&[], &mut packet);
        packet.extend(self.number.to_be_bytes().into_iter().cycle().take(OCTETS));
        (header, packet)
    }

    fn receive(&mut self, header: &Header, packet: &[u8], now: Time) {
        if let Some(number) = payload(packet, header).and_then(<[u8]>::first_chunk) {
            self.received.insert(u32::from_be_bytes(*number), now);
        }
    }

    /// Returns whether packets of the other endpoint arrived within the last `period`.
    pub(crate) fn has_received(&self, other: u32, period: Duration, now: Time) -> bool {
        self.received.get(&other).is_some_and(|at| now.since(*at) <= period)
    }
}

/// A peer connection of a browser.
pub(crate) struct PeerConnection {
    pub(crate) stream: Stream,
    address: SocketAddr,
    ice: IceCredentials,
    remote: Option<Remote>,
    checks: u8,
    pub(crate) outgoing: Vec<Datagram>,
}

/// The relay's side of a peer connection.
struct Remote {
    address: SocketAddr,
    ice: IceCredentials,
    dtls: DtlsTransport,
    srtp: Option<Box<(Inbound, Outbound)>>,
    /// A check was answered, so that DTLS may begin.
    is_checked: bool,
}

impl PeerConnection {
    fn connect(&mut self, description: &WebRtcDescription, role: DtlsRole, settings: &DtlsSettings, now: Time) {
        let transport = &description.transport;
        let Some(address) = transport.candidates.first().copied() else { return };
        let dtls = DtlsTransport::new(settings, role, transport.fingerprint, now);
        let ice = transport.ice.clone();
        self.remote = Some(Remote { address, ice, dtls, srtp: None, is_checked: false });
        self.check();
    }

    fn check(&mut self) {
        self.checks = self.checks.wrapping_add(1);
        let Some(remote) = &self.remote else { return };
        let mut octets = Vec::new();
        let username = format!("{}:{}", remote.ice.ufrag, self.ice.ufrag);
        stun::write_check(&[self.checks; 12], &username, &remote.ice.pwd, true, &mut octets);
        self.outgoing.push(Datagram { from: self.address, to: remote.address, octets });
    }

    /// Sends a consent check, and a packet if the keys are established.
    fn tick(&mut self) {
        self.check();
        let Some(Remote { address, srtp: Some(srtp), .. }) = &mut self.remote else { return };
        let (header, mut octets) = self.stream.packet();
        if srtp.1.protect_rtp(&mut octets, &header).is_ok() {
            self.outgoing.push(Datagram { from: self.address, to: *address, octets });
        }
    }

    fn receive(&mut self, mut octets: Vec<u8>, now: Time) {
        let Some(remote) = &mut self.remote else { return };
        match classify(&octets) {
            Some(Protocol::Stun) => remote.is_checked = true,
            Some(Protocol::Dtls) => remote.dtls.handle_packet(&octets, now),
            Some(Protocol::Rtp) => {
                if let (Some(srtp), Some(header)) = (&mut remote.srtp, Header::parse(&octets))
                    && let Ok(length) = srtp.0.unprotect_rtp(&mut octets, &header)
                {
                    octets.truncate(length);
                    self.stream.receive(&header, &octets, now);
                }
            }
            Some(Protocol::Rtcp) | None => {}
        }
        self.drain();
    }

    fn timeout(&mut self, now: Time) {
        if let Some(remote) = &mut self.remote
            && remote.dtls.poll_timeout().is_some_and(|at| at <= now)
        {
            remote.dtls.handle_timeout(now);
        }
        self.drain();
    }

    fn drain(&mut self) {
        let Some(remote) = self.remote.as_mut().filter(|remote| remote.is_checked) else { return };
        let mut buffer = Vec::new();
        while let Some(output) = remote.dtls.poll(&mut buffer) {
            match output {
                DtlsOutput::Transmit => {
                    let octets = core::mem::take(&mut buffer);
                    self.outgoing.push(Datagram { from: self.address, to: remote.address, octets });
                }
                DtlsOutput::Connected(srtp) => remote.srtp = Some(srtp),
                DtlsOutput::Failed(_) | DtlsOutput::Closed => {}
            }
        }
    }
}

/// The peer connections of one browser.
pub(crate) struct PeerConnections {
    settings: DtlsSettings,
    fingerprint: Fingerprint,
    /// The number of the next peer connection; no other browser uses the same numbers.
    next: u32,
    pub(crate) open: BTreeMap<CallId, PeerConnection>,
}

impl PeerConnections {
    /// The numbers of the peer connections begin at `first`.
    pub(crate) fn new(first: u32, identity: DtlsIdentity, instant: Instant) -> Self {
        let fingerprint = identity.fingerprint();
        let settings = DtlsSettings::new(identity, DtlsVersions::Only12, instant, Time::EPOCH);
        Self { settings, fingerprint, next: first, open: BTreeMap::new() }
    }

    /// Creates a peer connection; returns its description.
    fn create(&mut self, id: &CallId, setup: &str) -> String {
        self.next += 1;
        let number = self.next;
        let fragment = ufrag(number);
        let ice = IceCredentials { ufrag: fragment.clone(), pwd: "abcdefghijklmnopqrstuvwx".to_owned() };
        let [_, _, high, low] = number.to_be_bytes();
        let address = SocketAddr::from(([203, 0, high, low], 40_000));
        let connection =
            PeerConnection { stream: Stream::new(number), address, ice, remote: None, checks: 0, outgoing: Vec::new() };
        self.open.insert(id.clone(), connection);
        let fingerprint = hex(self.fingerprint.octets());
        let lines = OFFER.lines().map(|line| match line.split_once(':') {
            Some(("a=fingerprint", _)) => format!("a=fingerprint:sha-256 {fingerprint}\r\n"),
            Some(("a=ice-ufrag", _)) => format!("a=ice-ufrag:{fragment}\r\n"),
            Some(("a=setup", _)) => format!("a=setup:{setup}\r\n"),
            _ => format!("{line}\r\n"),
        });
        lines.collect()
    }

    /// Takes the datagrams that are to be sent.
    pub(crate) fn take_outgoing(&mut self) -> Vec<Datagram> {
        self.open.values_mut().flat_map(|connection| core::mem::take(&mut connection.outgoing)).collect()
    }

    pub(crate) fn has_address(&self, address: SocketAddr) -> bool {
        self.open.values().any(|connection| connection.address == address)
    }

    pub(crate) fn receive(&mut self, datagram: Datagram, now: Time) {
        if let Some(connection) = self.open.values_mut().find(|connection| connection.address == datagram.to) {
            connection.receive(datagram.octets, now);
        }
    }

    pub(crate) fn tick(&mut self) {
        self.open.values_mut().for_each(PeerConnection::tick);
    }

    pub(crate) fn timeout(&mut self, now: Time) {
        self.open.values_mut().for_each(|connection| connection.timeout(now));
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02X}")).collect::<Vec<_>>().join(":")
}

/// The user name fragment of the peer connection with this number.
fn ufrag(number: u32) -> String {
    format!("browser{number}")
}

/// The number of the peer connection with this user name fragment.
pub(crate) fn number_of(ufrag: &str) -> Option<u32> {
    ufrag.strip_prefix("browser")?.parse().ok()
}

impl Media for PeerConnections {
    fn offer(&mut self, id: &CallId, _: Time) -> String {
        self.create(id, "actpass")
    }

    fn answer(&mut self, id: &CallId, offer: &str, now: Time) -> String {
        let answer = self.create(id, "active");
        let offer = WebRtcDescription::parse(offer).expect("an offer of the relay");
        if let Some(connection) = self.open.get_mut(id) {
            connection.connect(&offer, DtlsRole::Client, &self.settings, now);
        }
        answer
    }

    fn apply(&mut self, id: &CallId, answer: &str, now: Time) {
        let answer = WebRtcDescription::parse(answer).expect("an answer of the relay");
        let is_client = answer.transport.setup == DtlsSetup::Active;
        let role = if is_client { DtlsRole::Server } else { DtlsRole::Client };
        if let Some(connection) = self.open.get_mut(id) {
            connection.connect(&answer, role, &self.settings, now);
        }
    }

    fn close(&mut self, id: &CallId) {
        self.open.remove(id);
    }
}

/// The RTP session of a phone.
#[derive(Debug)]
pub(crate) struct PhoneMedia {
    pub(crate) number: u32,
    pub(crate) stream: Stream,
    pub(crate) address: SocketAddr,
    /// The relay's address in its newest description.
    pub(crate) remote: Option<SocketAddr>,
    /// The phone's newest description puts the call on hold.
    pub(crate) is_held: bool,
}

impl PhoneMedia {
    pub(crate) fn new(number: u32) -> Self {
        let port = 4000 + 2 * u16::try_from(number % 20_000).unwrap_or(0);
        let address = SocketAddr::from(([198, 51, 100, 7], port));
        Self { number, stream: Stream::new(number), address, remote: None, is_held: false }
    }

    /// Returns the phone's description.
    pub(crate) fn description(&self, version: u64) -> String {
        let (host, port) = (self.address.ip(), self.address.port());
        let direction = if self.is_held { "inactive" } else { "sendrecv" };
        format!(
            "v=0\r\no=phone {} {version} IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na={direction}\r\n",
            self.number
        )
    }

    /// Returns the packet of this second, if the phone sends.
    pub(crate) fn tick(&mut self) -> Option<Datagram> {
        let to = self.remote.filter(|_| !self.is_held)?;
        Some(Datagram { from: self.address, to, octets: self.stream.packet().1 })
    }

    pub(crate) fn receive(&mut self, octets: &[u8], now: Time) {
        if let (Some(Protocol::Rtp), Some(header)) = (classify(octets), Header::parse(octets)) {
            self.stream.receive(&header, octets, now);
        }
    }
}
