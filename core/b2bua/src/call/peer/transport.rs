//! The media transport of a SIP endpoint's leg: RTP at separate ports, or WebRTC at the worker's shared port.

use super::descriptions::Descriptions;
use super::webrtc::WebRtcPath;
use crate::config::RtpAddress;
use offhook_media::command::{
    Command, LegKey, LocalTransport, MasterKey, MkiPair, RemoteRtp, RemoteSection, RemoteTransport, RtcpPath, SdesKeys,
};
use offhook_media::ports::PortPair;
use offhook_media::transport::srtp::Profile as SrtpProfile;
use offhook_sdp::section::Section;
use offhook_sdp::sip::{Mki, RtpProfile, Security, SipSection, Suite};
use rand_chacha::ChaCha20Rng;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// The maximum number of media sections of a SIP leg. Further ones are refused.
pub const MAX_SECTIONS: usize = 4;

/// The transport of a SIP endpoint's media, and the relay's side of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MediaTransport {
    pub(super) path: Path,
    /// The relay's RTP ports, one pair for each media section; empty if the media use WebRTC.
    pub(super) ports: Vec<PortPair>,
    /// The relay's address of those ports.
    pub(super) address: RtpAddress,
    /// The relay's CNAME in RTCP.
    pub(super) cname: String,
    pub(super) first_ssrc: u32,
}

/// The kind of transport of a SIP endpoint's media.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Path {
    /// RTP or SDES-SRTP, at ports that only this leg uses.
    Rtp,
    /// WebRTC: ICE and DTLS-SRTP, at the worker's shared port.
    WebRtc(Box<WebRtcPath>),
}

impl MediaTransport {
    /// Returns the worker's command that opens the RTP ports of the leg or, for WebRTC, permits ICE checks.
    pub(super) fn open(&self, leg: LegKey) -> Command {
        let transport = match &self.path {
            Path::WebRtc(path) => path.local(),
            Path::Rtp => {
                let sections = self.ports.iter().map(|pair| pair.on(self.address.local)).collect();
                LocalTransport::Rtp { sections, cname: self.cname.clone() }
            }
        };
        Command::Open { leg, transport }
    }

    /// Returns the relay's SSRCs, one for each media section.
    pub(super) fn ssrcs(&self) -> Vec<u32> {
        let sections = match &self.path {
            Path::Rtp => self.ports.len(),
            Path::WebRtc(_) => MAX_SECTIONS,
        };
        (self.first_ssrc..).take(sections).collect()
    }

    fn ssrc(&self, index: usize) -> Option<u32> {
        self.ssrcs().get(index).copied()
    }

    /// Returns one section of the relay's description, for media by RTP. A section without a port pair is rejected.
    fn local(&self, index: usize, section: Section, profile: RtpProfile) -> SipSection {
        let Some(pair) = self.ports.get(index) else {
            let nowhere = SocketAddr::new(self.address.advertised, 0);
            return SipSection::new(Section { rejected: true, ..section }, profile, nowhere);
        };
        let mut made = SipSection::new(section, profile, pair.on(self.address.advertised).rtp);
        made.rtcp_mux = true;
        made
    }

    /// Returns one section of an offer.
    pub(super) fn offered(
        &self,
        index: usize,
        section: Section,
        descriptions: &Descriptions,
        random: &mut ChaCha20Rng,
    ) -> SipSection {
        let before = descriptions.local_sections().get(index);
        if let Path::WebRtc(path) = &self.path {
            let mid = before.map(|before| &before.section.mid);
            let is_bundled =
                descriptions.remote.as_ref().zip(mid).is_some_and(|(remote, mid)| remote.bundle.contains(mid));
            return path.offered((index, self.ssrc(index)), section, before, is_bundled);
        }
        // Later offers repeat the profile, and a key that is in use (RFC 4568 §7.1.4).
        let (profile, crypto) = match (before, descriptions.security.get(index)) {
            (Some(before), Some(security @ Security::Sdes { .. })) => (before.profile.clone(), security.crypto()),
            (Some(before), _) => (before.profile.clone(), before.crypto.clone()),
            (None, _) => descriptions.offered_policy().offer(&[], random),
        };
        SipSection { crypto, ..self.local(index, section, profile) }
    }

    /// Returns one section of an answer.
    pub(super) fn answered(
        &self,
        index: usize,
        section: Section,
        remote: &SipSection,
        security: Option<&Security>,
    ) -> SipSection {
        if let Path::WebRtc(path) = &self.path {
            return path.answered(section, self.ssrc(index), remote);
        }
        SipSection {
            crypto: security.map(Security::crypto).unwrap_or_default(),
            rtcp_mux: remote.rtcp_mux,
            ..self.local(index, section, remote.profile.clone())
        }
    }

    /// Returns the peer's side of the transport, for the sections that are in use; `None` if a WebRTC peer has not sent
    /// a description yet. `source` is the source address of the peer's SIP messages.
    pub(super) fn remote(
        &self,
        descriptions: &Descriptions,
        source: Option<IpAddr>,
        used: &[Option<&Section>],
    ) -> Option<RemoteTransport> {
        match &self.path {
            Path::WebRtc(path) => path.remote(),
            Path::Rtp => Some(Self::remote_rtp(descriptions, source, used)),
        }
    }

    /// Returns the peer's addresses and keys for the sections that are in use.
    fn remote_rtp(descriptions: &Descriptions, source: Option<IpAddr>, used: &[Option<&Section>]) -> RemoteTransport {
        let remote = descriptions.remote.as_ref().map_or(&[][..], |remote| &remote.sections);
        let section = |(index, used): (usize, &Option<&Section>)| {
            let Some(remote) = remote.get(index).filter(|_| used.is_some()) else {
                return RemoteSection { address: None, srtp: None };
            };
            let local = descriptions.local_sections().get(index);
            let is_muxed = remote.rtcp_mux && local.is_some_and(|local| local.rtcp_mux);
            let address = remote.connection.address().map(|rtp| {
                let separate = || RtcpPath::Separate(remote.rtcp_address(false).unwrap_or(rtp));
                RemoteRtp { rtp, rtcp: if is_muxed { RtcpPath::Muxed } else { separate() } }
            });
            RemoteSection { address, srtp: descriptions.security.get(index).and_then(sdes_keys) }
        };
        let sections = used.iter().enumerate().map(section).collect();
        RemoteTransport::Rtp { sections, signaling: source }
    }
}

fn sdes_keys(security: &Security) -> Option<SdesKeys> {
    let Security::Sdes { local, remote } = security else { return None };
    let suite = match local.suite {
        Suite::AeadAes128Gcm => SrtpProfile::AeadAes128Gcm,
        Suite::AeadAes256Gcm => SrtpProfile::AeadAes256Gcm,
        Suite::AesCm128HmacSha1Tag80 => SrtpProfile::AesCm128HmacSha1,
        Suite::AesCm128HmacSha1Tag32 => SrtpProfile::AesCm128HmacSha1Short,
    };
    let octets = |mki: Option<Mki>| mki.map(Mki::octets).unwrap_or_default();
    let mki = MkiPair { local: octets(local.mki), remote: octets(remote.mki) };
    Some(SdesKeys { suite, local: MasterKey(local.key.0.clone()), remote: MasterKey(remote.key.0.clone()), mki })
}
