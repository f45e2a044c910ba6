//! The RTP transport of a leg: one session per media section.

use super::media::Arrival;
use super::stream::MediaStream;
use crate::command::{LocalRtp, RemoteSection, Silence};
use crate::rtp::packet::Header;
use crate::socket::SectionPorts;
use crate::transport::latch::LatchRules;
use crate::transport::rtp::{Component, PacketRejection, RtpSession};
use crate::transport::srtp::BadKeyLength;
use core::time::Duration;
use offhook_clock::Time;
use std::net::IpAddr;

/// The shortest interval between key frame requests by signaling. It is longer than with RTCP, because an INFO
/// transaction is costly and retransmits the request if it is lost.
const MIN_REQUEST_INTERVAL: Duration = Duration::from_secs(1);

/// The RTP transport of a leg.
#[derive(Debug)]
pub(super) struct RtpTransport {
    pub(super) sessions: Vec<RtpSession>,
    pub(super) is_connected: bool,
    /// The time of the last key frame request by signaling.
    requested_at: Option<Time>,
}

impl RtpTransport {
    pub(super) fn new(sections: &[LocalRtp], ports: &[SectionPorts], rules: LatchRules) -> Self {
        let sections = sections.iter().zip(ports);
        let sessions = sections.map(|(local, ports)| RtpSession::new(*local, *ports, rules)).collect();
        Self { sessions, is_connected: false, requested_at: None }
    }

    pub(super) const fn restored(sessions: Vec<RtpSession>, is_connected: bool) -> Self {
        Self { sessions, is_connected, requested_at: None }
    }

    #[cfg(test)]
    pub(super) const fn phase_name(&self) -> &'static str {
        if self.is_connected { "RTP connected" } else { "RTP open" }
    }

    pub(super) fn ports(&self) -> Vec<SectionPorts> {
        self.sessions.iter().map(RtpSession::ports).collect()
    }

    pub(super) const fn sections(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn session(&mut self, index: usize) -> Option<&mut RtpSession> {
        self.sessions.get_mut(index)
    }

    /// Sets the peer's addresses and keys; sessions without a section become inactive.
    pub(super) fn connect(
        &mut self,
        sections: &[RemoteSection],
        signaling: Option<IpAddr>,
        now: Time,
    ) -> Result<(), BadKeyLength> {
        let mut sections = sections.iter();
        for session in &mut self.sessions {
            match sections.next() {
                Some(section) => session.connect(section.address, section.srtp.as_ref(), signaling, now)?,
                None => session.deactivate(),
            }
        }
        self.is_connected = true;
        Ok(())
    }

    /// Authenticates and decrypts an RTP packet in place and returns its length without the tag.
    pub(super) fn open_rtp(
        &mut self,
        arrival: Arrival,
        packet: &mut [u8],
        header: &Header,
        streams: &[MediaStream],
        now: Time,
    ) -> Result<usize, PacketRejection> {
        if arrival.component != Component::Rtp {
            return Err(PacketRejection::ForeignAddress);
        }
        let stream = streams.get(arrival.session);
        let is_negotiated = || stream.is_some_and(|stream| stream.format(header.payload_type).is_some());
        let session = self.session(arrival.session).ok_or(PacketRejection::ForeignAddress)?;
        session.open_rtp(arrival.from, packet, header, is_negotiated, now)
    }

    /// Authenticates and decrypts a compound RTCP packet in place and returns its length without index and tag.
    pub(super) fn open_rtcp(
        &mut self,
        arrival: Arrival,
        packet: &mut [u8],
        now: Time,
    ) -> Result<usize, PacketRejection> {
        let session = self.session(arrival.session).ok_or(PacketRejection::ForeignAddress)?;
        session.open_rtcp(arrival.component, arrival.from, packet, now)
    }

    /// Whether the leg ends if its peer is silent although it is expected to send. A peer whose description has no
    /// address is on hold, and is not expected to send.
    pub(super) fn ends_by_silence(&self, silence: Silence) -> bool {
        self.is_connected && silence == Silence::EndsLeg && self.sessions.iter().any(RtpSession::is_reachable)
    }

    /// Whether a key frame may be requested by signaling now; if so, records the request.
    pub(super) fn may_request_key_frame(&mut self, now: Time) -> bool {
        let is_too_soon = self.requested_at.is_some_and(|at| now.since(at) < MIN_REQUEST_INTERVAL);
        if !is_too_soon {
            self.requested_at = Some(now);
        }
        !is_too_soon
    }
}
