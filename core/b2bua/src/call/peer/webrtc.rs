//! WebRTC transport of a SIP endpoint's media: ICE and DTLS-SRTP at the worker's shared port, as for a browser.

use super::MAX_SECTIONS;
use crate::config::Srtp;
use offhook_media::command::{
    Command, LegKey, LocalTransport, PeerRtcp, RemoteTransport, RemoteWebRtc, WebRtcEndpoint,
};
use offhook_sdp::section::Section;
use offhook_sdp::sip::{Dtls, Ice, RtpProfile, Security, SharedTransport, SipDescription, SipSection};
use offhook_sdp::webrtc::{DtlsSetup, Fingerprint, IceCredentials};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The relay's side of a WebRTC transport, and the negotiated peer's side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebRtcPath {
    ice: IceCredentials,
    fingerprint: Fingerprint,
    candidates: Vec<SocketAddr>,
    /// The relay's CNAME in RTCP. The worker derives the same value from the first ICE credentials.
    cname: String,
    /// The transport in the peer's latest description.
    agreed: Option<RemoteWebRtc>,
}

impl WebRtcPath {
    /// Creates the relay's side of the transport, before any description.
    #[must_use]
    pub fn new(ice: IceCredentials, fingerprint: Fingerprint, candidates: Vec<SocketAddr>) -> Self {
        let cname = ice.ufrag.clone();
        Self { ice, fingerprint, candidates, cname, agreed: None }
    }

    /// Returns whether a description contains the relay's ICE credentials.
    pub(super) fn has_credentials_of(&self, description: &SipDescription) -> bool {
        let mut named = description.sections.iter().filter_map(|section| section.ice.as_ref());
        named.any(|ice| ice.credentials == self.ice)
    }

    /// Returns the relay's side of the transport.
    pub(super) fn local(&self) -> LocalTransport {
        LocalTransport::WebRtc { ice: self.ice.clone() }
    }

    /// Returns the encryption of each section of a peer's description; `None` for a section that is not supported.
    pub(super) fn security_of(description: &SipDescription, srtp: Srtp) -> Vec<Option<Security>> {
        let shared = description.shared_transport().ok().flatten().filter(|_| srtp != Srtp::Off);
        let of_section = |index| {
            let shared = shared.as_ref().filter(|shared| index < MAX_SECTIONS && description.shares(shared, index))?;
            Some(Security::Dtls(shared.dtls))
        };
        (0..description.sections.len()).map(of_section).collect()
    }

    /// Returns whether a description of the peer restarts ICE (RFC 8839 §4.4.1.1.1).
    pub(super) fn is_restarted_by(&self, description: &SipDescription) -> bool {
        let (Some(agreed), Ok(Some(shared))) = (&self.agreed, description.shared_transport()) else { return false };
        agreed.ice != shared.ice
    }

    /// Applies the credentials of an ICE restart, and returns the command for the worker.
    pub(super) fn restart(&mut self, leg: LegKey, ice: IceCredentials) -> Command {
        self.ice = ice.clone();
        Command::RestartIce { leg, ice }
    }

    /// Applies the transport of a description that is in force from now on.
    pub(super) fn apply_remote(&mut self, description: &SipDescription) {
        let Ok(Some(SharedTransport { ice, dtls: Dtls { fingerprint, setup }, rtcp_mux, .. })) =
            description.shared_transport()
        else {
            // The description has no section with a usable transport, so the transport does not change.
            return;
        };
        // The same fingerprint continues the DTLS association, and with it the roles (RFC 8842 §5.5). In a new one, a
        // peer that permits both roles becomes the client.
        let setup = match self.agreed.as_ref().filter(|before| before.fingerprint == fingerprint) {
            Some(before) => before.setup,
            None if setup == DtlsSetup::Passive => DtlsSetup::Passive,
            None => DtlsSetup::Active,
        };
        let rtcp = if rtcp_mux { PeerRtcp::Muxed } else { PeerRtcp::Absent };
        let endpoint = WebRtcEndpoint::SipPeer;
        self.agreed = Some(RemoteWebRtc { ice, fingerprint, setup, rtcp, endpoint });
    }

    /// Returns the relay's DTLS role in an answer.
    const fn answered_setup(&self) -> DtlsSetup {
        match &self.agreed {
            Some(RemoteWebRtc { setup: DtlsSetup::Passive, .. }) => DtlsSetup::Active,
            Some(_) | None => DtlsSetup::Passive,
        }
    }

    /// Returns one section of the relay's description. It contains the SSRC for peers that cannot identify the stream
    /// by the payload type alone.
    fn section(&self, mut section: Section, ssrc: Option<u32>, profile: RtpProfile, setup: DtlsSetup) -> SipSection {
        let address = self.candidates.first().copied().unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 9));
        let ice = Ice { credentials: self.ice.clone(), lite: true, candidates: self.candidates.clone() };
        let dtls = Dtls { fingerprint: self.fingerprint, setup };
        section.ssrcs = ssrc.filter(|_| section.direction.sends()).into_iter().collect();
        let cname = Some(self.cname.clone());
        SipSection { ice: Some(ice), dtls: Some(dtls), cname, ..SipSection::new(section, profile, address) }
    }

    /// Returns one section of an answer to `remote`.
    pub(super) fn answered(&self, section: Section, ssrc: Option<u32>, remote: &SipSection) -> SipSection {
        let made = self.section(section, ssrc, remote.profile.clone(), self.answered_setup());
        SipSection { rtcp_mux: remote.rtcp_mux || remote.bundle_only, ..made }
    }

    /// Returns one section of an offer. Until the peer has accepted the bundle, the sections after the first are
    /// bundle-only, because a peer that does not bundle would expect a second transport there (RFC 8843 §7.2).
    pub(super) fn offered(
        &self,
        (index, ssrc): (usize, Option<u32>),
        section: Section,
        before: Option<&SipSection>,
        is_bundled: bool,
    ) -> SipSection {
        let profile = before.map_or(RtpProfile::UdpTlsSavpf, |before| before.profile.clone());
        let made = self.section(section, ssrc, profile, DtlsSetup::ActPass);
        SipSection { rtcp_mux: true, bundle_only: index > 0 && !is_bundled, ..made }
    }

    /// Returns the peer's side of the transport; `None` if the peer has not sent a description yet.
    pub(super) fn remote(&self) -> Option<RemoteTransport> {
        self.agreed.clone().map(RemoteTransport::WebRtc)
    }
}
