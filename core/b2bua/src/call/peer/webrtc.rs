//! The media of a SIP endpoint that is WebRTC itself: they go the way of a browser's, by the worker's one port.

use super::MAX_SECTIONS;
use crate::config::Srtp;
use offhook_media::command::{Command, LegKey, PeerRtcp, PeerStream, RemoteTransport, Silence};
use offhook_sdp::section::Section;
use offhook_sdp::sip::{Description, Dtls, Ice, Profile, Security, SharedTransport, SipSection};
use offhook_sdp::webrtc::{Fingerprint, IceCredentials, Setup};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The relay's side of such a leg, and what is agreed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebRtcPath {
    ice: IceCredentials,
    fingerprint: Fingerprint,
    candidates: Vec<SocketAddr>,
    /// Of the leg, in RTCP: the worker names it by its first credentials.
    cname: String,
    agreed: Option<Agreed>,
}

/// What the peer said of its transport.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Agreed {
    remote: RemoteTransport,
    rtcp_mux: bool,
}

impl WebRtcPath {
    /// The relay's side, of which nothing was said.
    #[must_use]
    pub fn new(ice: IceCredentials, fingerprint: Fingerprint, candidates: Vec<SocketAddr>) -> Self {
        let cname = ice.ufrag.clone();
        Self { ice, fingerprint, candidates, cname, agreed: None }
    }

    /// Whether its credentials are those of a description.
    pub(super) fn is_named_in(&self, description: &Description) -> bool {
        let mut named = description.sections.iter().filter_map(|section| section.ice.as_ref());
        named.any(|ice| ice.credentials == self.ice)
    }

    pub(super) fn open(&self, leg: LegKey) -> Command {
        Command::OpenLeg { leg, ice: self.ice.clone() }
    }

    /// What each section of a description of the peer is protected by; none where it cannot be had.
    pub(super) fn weigh(description: &Description, srtp: Srtp) -> Vec<Option<Security>> {
        let shared = description.shared_transport().ok().flatten().filter(|_| srtp != Srtp::Off);
        let of_section = |index| {
            let shared = shared.as_ref().filter(|shared| index < MAX_SECTIONS && description.shares(shared, index))?;
            Some(Security::Dtls(shared.dtls))
        };
        (0..description.sections.len()).map(of_section).collect()
    }

    /// Whether a description of the peer begins ICE anew (RFC 8839 §4.4.1.1.1).
    pub(super) fn is_restarted_by(&self, description: &Description) -> bool {
        let (Some(agreed), Ok(Some(shared))) = (&self.agreed, description.shared_transport()) else { return false };
        agreed.remote.ice != shared.ice
    }

    /// Takes the credentials of an ICE restart: the order for the worker.
    pub(super) fn restart(&mut self, leg: LegKey, ice: IceCredentials) -> Command {
        self.ice = ice.clone();
        Command::RestartIce { leg, ice }
    }

    /// Takes the transport of a description that counts from now on.
    pub(super) fn agree(&mut self, description: &Description) {
        let Ok(Some(SharedTransport { ice, dtls: Dtls { fingerprint, setup }, rtcp_mux, .. })) =
            description.shared_transport()
        else {
            // No media at all for now: the transport stays.
            return;
        };
        let before = self.agreed.as_ref().map(|agreed| &agreed.remote);
        // The roles stay with the association (RFC 8842 §5.5); who may be either becomes the client.
        let setup = match before.filter(|before| before.fingerprint == fingerprint) {
            Some(before) => before.setup,
            None if setup == Setup::Passive => Setup::Passive,
            None => Setup::Active,
        };
        self.agreed = Some(Agreed { remote: RemoteTransport { ice, fingerprint, setup }, rtcp_mux });
    }

    /// The relay's role in an answer.
    const fn answered_setup(&self) -> Setup {
        match &self.agreed {
            Some(Agreed { remote: RemoteTransport { setup: Setup::Passive, .. }, .. }) => Setup::Active,
            Some(_) | None => Setup::Passive,
        }
    }

    /// One section of the relay's description. The SSRC tells a peer whose stream it is: PT alone does not, to all.
    fn section(&self, mut section: Section, ssrc: Option<u32>, profile: Profile, setup: Setup) -> SipSection {
        let address = self.candidates.first().copied().unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 9));
        let ice = Ice { credentials: self.ice.clone(), lite: true, candidates: self.candidates.clone() };
        let dtls = Dtls { fingerprint: self.fingerprint, setup };
        section.ssrcs = ssrc.filter(|_| section.direction.sends()).into_iter().collect();
        let cname = Some(self.cname.clone());
        SipSection { ice: Some(ice), dtls: Some(dtls), cname, ..SipSection::new(section, profile, address) }
    }

    /// One section of an answer to `theirs`.
    pub(super) fn answered(&self, section: Section, ssrc: Option<u32>, theirs: &SipSection) -> SipSection {
        let made = self.section(section, ssrc, theirs.profile.clone(), self.answered_setup());
        SipSection { rtcp_mux: theirs.rtcp_mux || theirs.bundle_only, ..made }
    }

    /// One section of an offer. Until the peer has bundled it, a section beyond the first has no address: who does not
    /// bundle would look for a second transport there (RFC 8843 §7.2).
    pub(super) fn offered(
        &self,
        (index, ssrc): (usize, Option<u32>),
        section: Section,
        before: Option<&SipSection>,
        is_bundled: bool,
    ) -> SipSection {
        let profile = before.map_or(Profile::UdpTlsSavpf, |before| before.profile.clone());
        let made = self.section(section, ssrc, profile, Setup::ActPass);
        SipSection { rtcp_mux: true, bundle_only: index > 0 && !is_bundled, ..made }
    }

    /// The worker's order for the streams; none before the peer has described itself.
    pub(super) fn connect(&self, leg: LegKey, streams: Vec<PeerStream>, silence: Silence) -> Option<Command> {
        let Agreed { remote, rtcp_mux } = self.agreed.clone()?;
        let rtcp = if rtcp_mux { PeerRtcp::Muxed } else { PeerRtcp::Absent };
        Some(Command::ConnectPeerLeg { leg, remote, streams, rtcp, silence })
    }
}
