//! A simulated browser: ICE checks, a DTLS endpoint and SRTP.

use crate::ice::stun;
use crate::rtcp::packet::{Compound, Feedback, word};
use crate::rtcp::write;
use crate::rtp::packet::Header;
use crate::transport::demux::{Protocol, classify};
use crate::transport::dtls::{DtlsOutput, DtlsSettings, DtlsTransport};
use crate::transport::srtp::{DtlsRole, Inbound, Outbound};
use offhook_clock::Time;
use offhook_sdp::webrtc::{Fingerprint, IceCredentials};
use std::collections::VecDeque;
use std::net::SocketAddr;

/// The SSRC of its RTCP packets.
const OWN: u32 = 4242;

pub(super) struct Browser {
    pub(super) address: SocketAddr,
    pub(super) relay: SocketAddr,
    pub(super) outgoing: VecDeque<Vec<u8>>,
    pub(super) is_active: bool,
    pub(super) received_close_notify: bool,
    /// The fingerprint in its description, if it differs from its own.
    pub(super) claimed: Option<Fingerprint>,
    own: Fingerprint,
    of_relay: Fingerprint,
    ice: IceCredentials,
    settings: DtlsSettings,
    dtls: DtlsTransport,
    srtp: Option<Box<(Inbound, Outbound)>>,
    rtp: Vec<(Header, Vec<u8>)>,
    rtcp: Vec<Vec<u8>>,
    transaction: u8,
}

impl Browser {
    pub(super) fn new(
        address: SocketAddr,
        relay: SocketAddr,
        ice: IceCredentials,
        of_relay: Fingerprint,
        settings: DtlsSettings,
        now: Time,
    ) -> Self {
        let own = settings.fingerprint();
        let dtls = DtlsTransport::new(&settings, DtlsRole::Client, of_relay, now);
        Self {
            address,
            relay,
            outgoing: VecDeque::new(),
            is_active: true,
            received_close_notify: false,
            claimed: None,
            own,
            of_relay,
            ice,
            settings,
            dtls,
            srtp: None,
            rtp: Vec::new(),
            rtcp: Vec::new(),
            transaction: 0,
        }
    }

    pub(super) fn be_passive(&mut self, now: Time) {
        self.is_active = false;
        self.dtls = DtlsTransport::new(&self.settings, DtlsRole::Server, self.of_relay, now);
    }

    /// Sets the credentials for further checks.
    pub(super) fn rename(&mut self, ice: IceCredentials) {
        self.ice = ice;
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.claimed.unwrap_or(self.own)
    }

    pub(super) fn check(&mut self, nominate: bool) {
        let password = self.ice.pwd.clone();
        self.check_with(&password, nominate);
    }

    pub(super) fn check_with(&mut self, password: &str, nominate: bool) {
        self.transaction += 1;
        let mut check = Vec::new();
        let username = format!("{}:browser", self.ice.ufrag);
        stun::write_check(&[self.transaction; 12], &username, password, nominate, &mut check);
        self.outgoing.push_back(check);
    }

    pub(super) fn receive(&mut self, datagram: &[u8], now: Time) {
        let mut packet = datagram.to_vec();
        match classify(&packet).unwrap() {
            // A browser starts DTLS when its check is answered.
            Protocol::Stun => assert!(packet[0] == 1, "a response"),
            Protocol::Dtls => self.dtls.handle_packet(&packet, now),
            Protocol::Rtp => {
                let header = Header::parse(&packet).unwrap();
                let inbound = &mut self.srtp.as_mut().unwrap().0;
                if let Ok(length) = inbound.unprotect_rtp(&mut packet, &header) {
                    packet.truncate(length);
                    self.rtp.push((header, packet));
                }
            }
            Protocol::Rtcp => {
                let length = self.srtp.as_mut().unwrap().0.unprotect_rtcp(&mut packet).unwrap();
                packet.truncate(length);
                self.rtcp.push(packet);
            }
        }
        self.drain();
    }

    pub(super) fn protocol_version(&self) -> Option<dimpl::ProtocolVersion> {
        self.dtls.protocol_version()
    }

    pub(super) const fn has_keys(&self) -> bool {
        self.srtp.is_some()
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        self.dtls.poll_timeout()
    }

    pub(super) fn handle_timeout(&mut self, now: Time) {
        if self.dtls.poll_timeout().is_some_and(|due| due <= now) {
            self.dtls.handle_timeout(now);
        }
        self.drain();
    }

    fn drain(&mut self) {
        let mut buffer = Vec::new();
        while let Some(output) = self.dtls.poll(&mut buffer) {
            match output {
                DtlsOutput::Transmit => self.outgoing.push_back(core::mem::take(&mut buffer)),
                DtlsOutput::Connected(srtp) => self.srtp = Some(srtp),
                DtlsOutput::Closed => self.received_close_notify = true,
                DtlsOutput::Failed(_) => {}
            }
        }
    }

    pub(super) fn send_rtp(
        &mut self,
        (payload_type, sequence, timestamp, ssrc): (u8, u16, u32, u32),
        elements: &[(u8, &[u8])],
        payload: &[u8],
    ) {
        let mut header = Header::new(payload_type, sequence, timestamp, ssrc);
        let mut packet = Vec::new();
        header.write(elements, &mut packet);
        packet.extend_from_slice(payload);
        self.srtp.as_mut().unwrap().1.protect_rtp(&mut packet, &header).unwrap();
        self.outgoing.push_back(packet);
    }

    pub(super) fn send_rtcp(&mut self, mut packet: Vec<u8>) {
        self.srtp.as_mut().unwrap().1.protect_rtcp(&mut packet).unwrap();
        self.outgoing.push_back(packet);
    }

    pub(super) fn send_feedback(&mut self, kind: u8, format: u8, media: u32, control: &[u8]) {
        let mut packet = Vec::new();
        write::receiver_report(OWN, &[], &mut packet);
        let words = u16::try_from(2 + control.len() / 4).unwrap();
        packet.extend([0x80 | format, kind]);
        packet.extend(words.to_be_bytes());
        packet.extend(OWN.to_be_bytes());
        packet.extend(media.to_be_bytes());
        packet.extend_from_slice(control);
        self.send_rtcp(packet);
    }

    pub(super) fn send_sender_report(&mut self, ssrc: u32, ntp: u64, timestamp: u32) {
        let mut packet = Vec::new();
        let figures = write::SenderFigures { ssrc, ntp, timestamp, packets: 9, octets: 9 };
        write::sender_report(&figures, &[], &mut packet);
        self.send_rtcp(packet);
    }

    pub(super) fn take_rtp(&mut self) -> Vec<(Header, Vec<u8>)> {
        core::mem::take(&mut self.rtp)
    }

    fn take_chunks<T>(&mut self, kind: u8, read: impl Fn(u8, &[u8]) -> Option<T>) -> Vec<T> {
        let mut taken = Vec::new();
        for packet in &self.rtcp {
            assert!([200, 201].contains(&packet[1]), "a compound begins with a report");
            assert!(Compound::new(packet).any(|chunk| chunk.kind == 202), "and has a CNAME");
            let chunks = Compound::new(packet).filter(|chunk| chunk.kind == kind);
            taken.extend(chunks.filter_map(|chunk| read(chunk.count, chunk.body)));
        }
        taken
    }

    pub(super) fn take_feedback(&mut self, kind: u8, format: u8) -> Vec<(u32, Vec<u8>)> {
        let taken = self.take_chunks(kind, |count, body| {
            let feedback = Feedback::parse(body)?;
            (count == format).then(|| (feedback.media, feedback.control.to_vec()))
        });
        self.rtcp.retain(|packet| !Compound::new(packet).any(|chunk| chunk.kind == kind && chunk.count == format));
        taken
    }

    pub(super) fn take_report_blocks(&mut self) -> Vec<Vec<u8>> {
        self.take_chunks(201, |count, body| (count > 0).then(|| body[4..].to_vec()))
    }

    pub(super) fn take_sender_reports(&mut self) -> Vec<(u32, u64, u32, u32, u32)> {
        self.take_chunks(200, |_, body| {
            let ntp = u64::from(word(body, 4)?) << 32 | u64::from(word(body, 8)?);
            Some((word(body, 0)?, ntp, word(body, 12)?, word(body, 16)?, word(body, 20)?))
        })
    }
}
