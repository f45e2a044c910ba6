//! The transport of a leg: WebRTC or RTP. Only this module and its two implementations depend on the kind of transport,
//! so that the rest of the leg is the same for browsers, WebRTC SIP peers and RTP.

use super::Rules;
use super::media::Arrival;
use super::rtp::RtpTransport;
use super::stream::MediaStream;
use super::webrtc::{TransportChange, WebRtc};
use crate::command::{LocalTransport, RemoteTransport, Silence, TransportFailure};
use crate::ice::agent::{LiteAgent, Pair};
use crate::io::Io;
use crate::rtp::packet::Header;
use crate::socket::SectionPorts;
use crate::transport::dtls::DtlsSettings;
use crate::transport::rtp::{PacketRejection, SendPath};
use core::time::Duration;
use offhook_clock::Time;
use offhook_sdp::webrtc::Section;

/// The interval of reports if the leg has no video: to a WebRTC peer, and to other peers (RFC 3550 §6.2).
const BUNDLED_INTERVAL: Duration = Duration::from_secs(2);
const SECTION_INTERVAL: Duration = Duration::from_secs(5);

/// A leg's transport.
#[derive(Debug)]
pub(super) enum Transport {
    /// ICE and DTLS-SRTP; all sections are bundled in one RTP session.
    WebRtc(Box<WebRtc>),
    /// RTP or SDES-SRTP, with one RTP session per section.
    Rtp(RtpTransport),
}

/// The reason why a description of the peer was not applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConnectError {
    /// It is for another kind of transport, has too many or no sections, or the peer may not send another description.
    NotAllowed,
    /// Its keys are unusable.
    Failed(TransportFailure),
}

impl Transport {
    /// Creates the transport and returns it with the CNAME of the leg. `ports` are the sockets for RTP.
    pub(super) fn open(local: LocalTransport, ports: &[SectionPorts], rules: &Rules) -> (Self, String) {
        match local {
            LocalTransport::WebRtc { ice } => {
                // The relay's descriptions contain the same CNAME.
                let cname = ice.ufrag.clone();
                (Self::WebRtc(Box::new(WebRtc::new(ice))), cname)
            }
            LocalTransport::Rtp { sections, cname } => {
                (Self::Rtp(RtpTransport::new(&sections, ports, rules.latch)), cname)
            }
        }
    }

    /// Applies a description of the peer with this number of streams.
    pub(super) fn connect(
        &mut self,
        remote: RemoteTransport,
        streams: usize,
        rules: &Rules,
        now: Time,
    ) -> Result<(), ConnectError> {
        match (self, remote) {
            (Self::WebRtc(webrtc), RemoteTransport::WebRtc(remote)) => {
                let is_allowed = webrtc.connect(remote, now + rules.connect);
                if is_allowed { Ok(()) } else { Err(ConnectError::NotAllowed) }
            }
            (Self::Rtp(rtp), RemoteTransport::Rtp { sections, signaling }) => {
                let is_allowed = !sections.is_empty() && sections.len() == streams && streams <= rtp.sections();
                if !is_allowed {
                    return Err(ConnectError::NotAllowed);
                }
                let connected = rtp.connect(&sections, signaling, now);
                connected.map_err(|_| ConnectError::Failed(TransportFailure::BadKeys))
            }
            (Self::WebRtc(_), RemoteTransport::Rtp { .. }) | (Self::Rtp(_), RemoteTransport::WebRtc(_)) => {
                Err(ConnectError::NotAllowed)
            }
        }
    }

    /// Removes from a section what does not apply to this transport: without bundling, a stream is identified by its
    /// session and not by announced SSRCs, and no header extensions are sent.
    pub(super) fn restrict(&self, section: &mut Section) {
        match self {
            Self::WebRtc(_) => {}
            Self::Rtp(_) => {
                section.extensions.clear();
                section.ssrcs.clear();
            }
        }
    }

    pub(super) const fn is_connected(&self) -> bool {
        match self {
            Self::WebRtc(webrtc) => webrtc.is_connected(),
            Self::Rtp(rtp) => rtp.is_connected,
        }
    }

    /// Whether all sections are bundled in one RTP session.
    pub(super) const fn is_bundled(&self) -> bool {
        matches!(self, Self::WebRtc(_))
    }

    /// The section whose packets arrive in this RTP session; `None` if the sections are bundled.
    pub(super) const fn section_of_session(&self, session: usize) -> Option<usize> {
        if self.is_bundled() { None } else { Some(session) }
    }

    /// Whether the peer keeps the SSRCs that it announced. Any other peer may change its SSRCs at any time, for example
    /// with its music on hold.
    pub(super) fn keeps_ssrcs(&self) -> bool {
        match self {
            Self::WebRtc(webrtc) => webrtc.remote().is_none_or(|remote| remote.endpoint.keeps_ssrcs()),
            Self::Rtp(_) => false,
        }
    }

    /// The ICE agent, if the transport uses ICE.
    pub(super) const fn agent(&self) -> Option<&LiteAgent> {
        match self {
            Self::WebRtc(webrtc) => Some(&webrtc.agent),
            Self::Rtp(_) => None,
        }
    }

    pub(super) const fn agent_mut(&mut self) -> Option<&mut LiteAgent> {
        match self {
            Self::WebRtc(webrtc) => Some(&mut webrtc.agent),
            Self::Rtp(_) => None,
        }
    }

    /// The address pairs that ICE has checked.
    pub(super) fn pairs(&self) -> &[Pair] {
        self.agent().map_or(&[], LiteAgent::pairs)
    }

    /// The sockets that belong to the leg, by section.
    pub(super) fn ports(&self) -> Vec<SectionPorts> {
        match self {
            Self::WebRtc(_) => Vec::new(),
            Self::Rtp(rtp) => rtp.ports(),
        }
    }

    #[cfg(test)]
    pub(super) const fn phase_name(&self) -> &'static str {
        match self {
            Self::WebRtc(webrtc) => webrtc.phase_name(),
            Self::Rtp(rtp) => rtp.phase_name(),
        }
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
        match self {
            Self::WebRtc(webrtc) => {
                let inbound = webrtc.inbound().ok_or(PacketRejection::NoKeys)?;
                inbound.unprotect_rtp(packet, header).map_err(PacketRejection::Srtp)
            }
            Self::Rtp(rtp) => rtp.open_rtp(arrival, packet, header, streams, now),
        }
    }

    /// Authenticates and decrypts a compound RTCP packet in place and returns its length without index and tag.
    pub(super) fn open_rtcp(
        &mut self,
        arrival: Arrival,
        packet: &mut [u8],
        now: Time,
    ) -> Result<usize, PacketRejection> {
        match self {
            Self::WebRtc(webrtc) => {
                let inbound = webrtc.inbound().ok_or(PacketRejection::NoKeys)?;
                inbound.unprotect_rtcp(packet).map_err(PacketRejection::Srtp)
            }
            Self::Rtp(rtp) => rtp.open_rtcp(arrival, packet, now),
        }
    }

    /// The socket, address and context for sending RTP of a stream.
    pub(super) fn rtp_path(&mut self, stream: usize) -> Option<SendPath<'_>> {
        match self {
            Self::WebRtc(webrtc) => webrtc.rtp_path(),
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

    /// The interval of reports if the leg has no video.
    pub(super) const fn audio_report_interval(&self) -> Duration {
        if self.is_bundled() { BUNDLED_INTERVAL } else { SECTION_INTERVAL }
    }

    /// Whether a key frame may be requested by signaling now; if so, records the request.
    pub(super) fn may_request_key_frame(&mut self, now: Time) -> bool {
        match self {
            Self::WebRtc(_) => false,
            Self::Rtp(rtp) => rtp.may_request_key_frame(now),
        }
    }

    /// The longest time that the leg may receive nothing; `None` for no limit.
    pub(super) fn silence_limit(&self, silence: Silence, streams: &[MediaStream], rules: &Rules) -> Option<Duration> {
        match self {
            Self::WebRtc(webrtc) => {
                let is_announced = streams.iter().any(MediaStream::is_announced);
                webrtc.ends_by_silence(silence, is_announced).then_some(rules.media)
            }
            Self::Rtp(rtp) => {
                let is_expected = rtp.ends_by_silence(silence) && streams.iter().any(MediaStream::is_expected);
                rules.rtp.filter(|_| is_expected)
            }
        }
    }

    /// Processes a DTLS datagram from a pair of this leg.
    pub(super) fn receive_dtls(&mut self, packet: &[u8], io: &mut Io, now: Time) {
        match self {
            Self::WebRtc(webrtc) => webrtc.receive_dtls(packet, io, now),
            Self::Rtp(_) => io.counters.dropped.unknown_protocol += 1,
        }
    }

    /// Advances the handshake; to be called after every input.
    pub(super) fn advance(&mut self, settings: &DtlsSettings, io: &mut Io, now: Time) -> Option<TransportChange> {
        match self {
            Self::WebRtc(webrtc) => webrtc.advance(settings, io, now),
            Self::Rtp(_) => None,
        }
    }

    /// Handles the timeouts that are due; returns the failure if the time to connect is over.
    pub(super) fn handle_timeout(&mut self, now: Time) -> Option<TransportFailure> {
        match self {
            Self::WebRtc(webrtc) => webrtc.handle_timeout(now),
            Self::Rtp(_) => None,
        }
    }

    /// The next deadline of the handshake.
    pub(super) fn poll_timeout(&self) -> Option<Time> {
        match self {
            Self::WebRtc(webrtc) => webrtc.poll_timeout(),
            Self::Rtp(_) => None,
        }
    }

    /// Sends a DTLS close_notify, because the leg is closed. Returns whether an RTCP BYE must be sent instead.
    pub(super) fn close(&mut self, io: &mut Io) -> bool {
        match self {
            Self::WebRtc(webrtc) => {
                webrtc.close(io);
                false
            }
            Self::Rtp(_) => true,
        }
    }

    /// Gives an interrupted handshake the full time to connect again.
    pub(super) fn prolong(&mut self, now: Time, connect: Duration) {
        match self {
            Self::WebRtc(webrtc) => webrtc.prolong(now, connect),
            Self::Rtp(_) => {}
        }
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
