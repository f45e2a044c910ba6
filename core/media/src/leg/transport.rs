//! The transport of a leg: WebRTC, or RTP with one session per section.

use super::webrtc::WebRtc;
use crate::command::{LocalRtp, RtpStream, Silence};
use crate::io::Io;
use crate::rtp::packet::Header;
use crate::socket::SectionPorts;
use crate::transport::latch::LatchRules;
use crate::transport::rtp::{RtpSession, SendPath};
use crate::transport::srtp::BadKeyLength;
use core::time::Duration;
use offhook_clock::Time;
use std::net::IpAddr;

/// The shortest interval between key frame requests by signaling: an INFO transaction is costly and is retransmitted
/// itself.
const LEAST_ASKING: Duration = Duration::from_secs(1);

/// A leg's transport.
#[derive(Debug)]
pub(super) enum Transport {
    /// A WebRTC transport, to a browser or a SIP peer.
    WebRtc(Box<WebRtc>),
    /// RTP or SDES-SRTP to a SIP peer.
    Rtp(RtpTransport),
}

impl Transport {
    pub(super) const fn is_connected(&self) -> bool {
        match self {
            Self::WebRtc(webrtc) => webrtc.is_connected(),
            Self::Rtp(rtp) => rtp.is_connected,
        }
    }

    /// Whether it is a SIP peer's. A SIP peer may change its SSRC at any time, for example with its music on hold; a
    /// browser announces its SSRCs.
    pub(super) const fn is_of_sip_peer(&self) -> bool {
        match self {
            Self::WebRtc(webrtc) => webrtc.peer.is_some(),
            Self::Rtp(_) => true,
        }
    }

    /// The socket, address and context for sending RTP of a stream.
    pub(super) fn rtp_path(&mut self, stream: usize) -> Option<SendPath<'_>> {
        match self {
            Self::WebRtc(webrtc) => webrtc.path(),
            Self::Rtp(rtp) => rtp.session(stream)?.rtp_path(),
        }
    }

    /// The socket, address and context for sending RTCP of a stream.
    pub(super) fn rtcp_path(&mut self, stream: usize) -> Option<SendPath<'_>> {
        match self {
            Self::WebRtc(webrtc) => webrtc.rtcp_path(),
            Self::Rtp(rtp) => rtp.session(stream)?.rtcp_path(),
        }
    }

    /// Counts a packet that cannot be sent.
    pub(super) const fn count_unsendable(&self, io: &mut Io) {
        match self {
            Self::WebRtc(_) => io.counters.dropped.no_keys += 1,
            Self::Rtp(_) => io.counters.dropped.not_negotiated += 1,
        }
    }
}

/// The RTP transport of a SIP leg: one session per media section.
#[derive(Debug)]
pub(super) struct RtpTransport {
    pub(super) sessions: Vec<RtpSession>,
    pub(super) is_connected: bool,
    pub(super) silence: Silence,
    /// The time of the last key frame request by signaling.
    asked_at: Option<Time>,
}

impl RtpTransport {
    pub(super) fn new(sections: &[LocalRtp], ports: &[SectionPorts], rules: LatchRules) -> Self {
        let sections = sections.iter().zip(ports);
        let sessions = sections.map(|(local, ports)| RtpSession::new(*local, *ports, rules)).collect();
        Self { sessions, is_connected: false, silence: Silence::Tolerated, asked_at: None }
    }

    pub(super) const fn restored(sessions: Vec<RtpSession>, is_connected: bool, silence: Silence) -> Self {
        Self { sessions, is_connected, silence, asked_at: None }
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

    /// Sets the peer's addresses and keys; sections without a stream become inactive.
    pub(super) fn connect(
        &mut self,
        streams: &[RtpStream],
        signaling: Option<IpAddr>,
        silence: Silence,
        now: Time,
    ) -> Result<(), BadKeyLength> {
        let mut streams = streams.iter();
        for session in &mut self.sessions {
            match streams.next() {
                Some(stream) => session.connect(stream.remote, stream.srtp.as_ref(), signaling, now)?,
                None => session.rest(),
            }
        }
        self.silence = silence;
        self.is_connected = true;
        Ok(())
    }

    /// Whether the leg ends if an expected peer is silent. A peer whose description has no address is on hold.
    pub(super) fn ends_by_silence(&self) -> bool {
        self.is_connected && self.silence == Silence::EndsLeg && self.sessions.iter().any(RtpSession::is_reachable)
    }

    /// Whether a key frame may be requested by signaling now; if so, records the request.
    pub(super) fn may_request_key_frame(&mut self, now: Time) -> bool {
        let is_too_soon = self.asked_at.is_some_and(|asked_at| now.since(asked_at) < LEAST_ASKING);
        if !is_too_soon {
            self.asked_at = Some(now);
        }
        !is_too_soon
    }
}

/// Protects a packet and sends it.
pub(super) fn send_rtp(path: SendPath<'_>, header: &Header, mut buffer: Vec<u8>, io: &mut Io) {
    let is_protected = path.srtp.is_none_or(|srtp| srtp.protect_rtp(&mut buffer, header).is_ok());
    if is_protected {
        io.counters.tx_rtp += 1;
        io.transmit(path.local, path.remote, buffer);
    } else {
        io.recycle(buffer);
    }
}

/// Protects a compound RTCP packet and sends it.
pub(super) fn send_rtcp(path: SendPath<'_>, mut buffer: Vec<u8>, io: &mut Io) {
    let is_protected = path.srtp.is_none_or(|srtp| srtp.protect_rtcp(&mut buffer).is_ok());
    if is_protected {
        io.counters.tx_rtcp += 1;
        io.transmit(path.local, path.remote, buffer);
    } else {
        io.recycle(buffer);
    }
}
