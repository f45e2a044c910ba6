//! The SIP endpoint's side of a call: its dialog, and the offer/answer state of both descriptions.

mod descriptions;
mod webrtc;

pub(in crate::call) use descriptions::RemoteAnswer;
pub use descriptions::{NAME_WITHOUT_ADDRESS, RemoteOffer, sdp_body, sdp_text};
pub use webrtc::WebRtcPath;

use super::negotiation::ice_credentials;
use crate::config::{RtpAddress, Srtp};
use offhook_media::command::{
    Command, LegKey, LocalTransport, MasterKey, MkiPair, RemoteRtp, RemoteSection, RemoteTransport, RtcpPath, SdesKeys,
    Silence, Stream,
};
use offhook_media::ports::PortPair;
use offhook_media::transport::srtp::Profile as SrtpProfile;
use offhook_sdp::direction::Direction;
use offhook_sdp::offer_answer::sip::as_sent;
use offhook_sdp::section::Section;
use offhook_sdp::sip::{
    ExtraLine, LocalDescriptions, Mki, RtpProfile, Security, SipDescription, SipSection, SrtpPolicy, Suite,
    refuse_plain_alternatives,
};
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io::{AccountId, Branch, InviteId, OutboundInvite};
use rand_chacha::ChaCha20Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// The state of a dialog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeerDialog {
    /// The INVITE is prepared, except for the offer.
    Planned(Box<OutboundInvite>),
    /// An outbound INVITE without a final response.
    Outbound,
    /// An inbound INVITE without a final response.
    Inbound,
    /// The INVITE was accepted.
    Confirmed,
    /// The dialog is over: the user agent sends no more events and expects no more commands.
    Over,
}

/// A pending offer of the relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pending {
    offered: Vec<Section>,
    pub(super) purpose: Purpose,
    /// Another offer is to be sent when this one is answered.
    pub(super) is_next_due: bool,
}

/// The purpose of an offer of the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Purpose {
    /// The call itself, which fails without an answer.
    First,
    /// Hold or its end, whose result a browser waits for.
    Hold,
    /// A change of the other side, or an offer that the peer requested; no browser waits for it.
    Change,
}

/// The most media sections of a SIP leg; further ones are refused.
pub const MAX_SECTIONS: usize = 4;

/// The number of early dialogs of one call whose descriptions are stored.
const MAX_BRANCHES: usize = 16;

/// A SIP endpoint's side of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// The INVITE session of the user agent.
    pub invite: InviteId,
    /// The account of the call, outbound or inbound.
    pub account: Option<AccountId>,
    /// The URI of the peer.
    pub uri: String,
    /// The state of the dialog.
    pub dialog: PeerDialog,
    /// The relay's RTP ports, one for each media section; none if the media use WebRTC.
    pub ports: Vec<PortPair>,
    /// The mark in the INVITE, by which a looped call is recognized.
    pub mark: Option<String>,
    path: Path,
    address: RtpAddress,
    /// The source address of its SIP messages.
    pub(super) source: Option<IpAddr>,
    srtp: Srtp,
    cname: String,
    first_ssrc: u32,
    /// Additional lines of a page for the relay's descriptions.
    pub(super) extra: Vec<ExtraLine>,
    /// The relay's descriptions.
    session: LocalDescriptions,
    /// The latest description of the peer.
    remote: Option<SipDescription>,
    /// The encryption of each section.
    security: Vec<Security>,
    /// Its offer, until it is answered.
    pub offer: Option<Box<RemoteOffer>>,
    /// The descriptions of early dialogs.
    early: BTreeMap<Branch, String>,
    /// The early description that is in force as an offer of the peer, which the relay answered (RFC 3311).
    changed: Option<String>,
    pub(super) pending: Option<Pending>,
}

/// The transport of its media.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Path {
    /// RTP or SDES-SRTP, at ports of its own.
    Rtp,
    /// WebRTC: ICE and DTLS-SRTP.
    WebRtc(Box<WebRtcPath>),
}

/// The parameters of a new [`Peer`].
#[derive(Clone, Debug)]
pub struct PeerSetup {
    /// The INVITE session of the user agent.
    pub invite: InviteId,
    /// The account of the call, outbound or inbound.
    pub account: Option<AccountId>,
    /// The URI of the peer.
    pub uri: String,
    /// The first state of the dialog.
    pub dialog: PeerDialog,
    /// The relay's RTP ports.
    pub ports: Vec<PortPair>,
    /// The mark in the INVITE, by which a looped call is recognized.
    pub mark: Option<String>,
    /// The transport of its media.
    pub path: Path,
    /// The address of the ports.
    pub address: RtpAddress,
    /// The source address of its SIP messages, if one has been received.
    pub source: Option<IpAddr>,
    /// The encryption policy for its media.
    pub srtp: Srtp,
    /// The page's lines for the relay's descriptions.
    pub extra: Vec<ExtraLine>,
    /// The session id in `o=`.
    pub session_id: u64,
    /// Its CNAME in RTCP.
    pub cname: String,
    /// The first of the SSRCs of its streams.
    pub first_ssrc: u32,
}

impl Peer {
    /// Creates a peer without any description.
    #[must_use]
    pub fn new(setup: PeerSetup) -> Self {
        let PeerSetup {
            invite,
            account,
            uri,
            dialog,
            ports,
            mark,
            path,
            address,
            source,
            srtp,
            extra,
            session_id,
            cname,
            first_ssrc,
        } = setup;
        Self {
            invite,
            account,
            uri,
            dialog,
            ports,
            mark,
            path,
            address,
            source,
            srtp,
            cname,
            first_ssrc,
            extra,
            session: LocalDescriptions::new(session_id, address.advertised),
            remote: None,
            security: Vec::new(),
            offer: None,
            early: BTreeMap::new(),
            changed: None,
            pending: None,
        }
    }

    /// Stores the source address of its SIP messages, which the next command to the worker contains.
    pub(super) const fn set_source(&mut self, source: IpAddr) {
        self.source = Some(source);
    }

    const fn policy(&self) -> SrtpPolicy {
        match self.srtp {
            Srtp::Off => SrtpPolicy::Off,
            Srtp::Accepted | Srtp::Offered => SrtpPolicy::Offer,
            Srtp::Required => SrtpPolicy::Require,
        }
    }

    const fn offered_protection(&self) -> SrtpPolicy {
        match self.srtp {
            Srtp::Off | Srtp::Accepted => SrtpPolicy::Off,
            Srtp::Offered => SrtpPolicy::Offer,
            Srtp::Required => SrtpPolicy::Require,
        }
    }

    /// Returns the command that opens its ports or permits its ICE checks.
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

    /// Returns the SSRCs of its sections.
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

    fn local_sections(&self) -> &[SipSection] {
        self.session.last().map_or(&[], |description| &description.sections)
    }

    /// Returns the relay's latest description.
    pub(super) fn last(&self) -> Option<String> {
        self.session.last().map(SipDescription::to_string)
    }

    /// Returns the media of the relay's latest description, in the same order.
    pub(super) fn current(&self) -> Vec<Section> {
        self.local_sections().iter().map(|section| section.section.clone()).collect()
    }

    /// Returns one section of the relay's description, for media by RTP.
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
    fn offered(&self, index: usize, section: Section, random: &mut ChaCha20Rng) -> SipSection {
        let before = self.local_sections().get(index);
        if let Path::WebRtc(path) = &self.path {
            let mid = before.map(|before| &before.section.mid);
            let is_bundled = self.remote.as_ref().zip(mid).is_some_and(|(remote, mid)| remote.bundle.contains(mid));
            return path.offered((index, self.ssrc(index)), section, before, is_bundled);
        }
        // The profile is kept for the whole session, and so is a key that is in use (RFC 4568 §7.1.4).
        let (profile, crypto) = match (before, self.security.get(index)) {
            (Some(before), Some(security @ Security::Sdes { .. })) => (before.profile.clone(), security.crypto()),
            (Some(before), _) => (before.profile.clone(), before.crypto.clone()),
            (None, _) => self.offered_protection().offer(&[], random),
        };
        SipSection { crypto, ..self.local(index, section, profile) }
    }

    /// Returns one section of an answer.
    fn answered(&self, index: usize, section: Section, theirs: &SipSection, security: Option<&Security>) -> SipSection {
        if let Path::WebRtc(path) = &self.path {
            return path.answered(section, self.ssrc(index), theirs);
        }
        SipSection {
            crypto: security.map(Security::crypto).unwrap_or_default(),
            rtcp_mux: theirs.rtcp_mux,
            ..self.local(index, section, theirs.profile.clone())
        }
    }

    /// Adds the page's lines.
    fn with_extra(&self, mut sections: Vec<SipSection>) -> Vec<SipSection> {
        if let Some(first) = sections.first_mut() {
            first.extra.clone_from(&self.extra);
        }
        sections
    }

    /// Creates an offer of `offered`; its answer is passed to [`Peer::check_answer`].
    pub(super) fn make_offer(&mut self, offered: Vec<Section>, purpose: Purpose, random: &mut ChaCha20Rng) -> String {
        let sections = offered.iter().enumerate();
        let sections = sections.map(|(index, section)| self.offered(index, section.clone(), random)).collect();
        let sections = self.with_extra(sections);
        let text = self.session.offer(sections).to_string();
        self.pending = Some(Pending { offered, purpose, is_next_due: false });
        text
    }

    /// Parses and checks the peer's answer to the relay's offer; [`Peer::apply_answer`] puts it into force.
    pub(super) fn check_answer(&self, text: &str) -> Result<RemoteAnswer, EndReason> {
        let description = SipDescription::parse(text).map_err(|_| EndReason::BadSessionDescription)?;
        let Some(Pending { offered, .. }) = &self.pending else { return Err(EndReason::BadSessionDescription) };
        if self.changed.as_deref() == Some(text) {
            return Ok(self.in_force(description, offered.clone()));
        }
        let mut media = description.media();
        let mut security = Vec::new();
        let by_dtls = self.dtls_security(&description);
        let pairs = media.iter_mut().zip(&description.sections).zip(self.local_sections()).enumerate();
        for (index, ((section, theirs), ours)) in pairs {
            let answered = match &by_dtls {
                Some(by_dtls) => by_dtls.get(index).cloned().flatten(),
                None => self.policy().answered(ours, theirs),
            };
            section.rejected |= answered.is_none();
            security.push(answered.unwrap_or(Security::Plain));
        }
        Ok(RemoteAnswer { description, security, offered: offered.clone(), media })
    }

    /// Returns the answer with the change that the peer made later and the relay accepted.
    fn in_force(&self, description: SipDescription, offered: Vec<Section>) -> RemoteAnswer {
        let mut media = description.media();
        for (section, ours) in media.iter_mut().zip(self.local_sections()) {
            section.rejected |= ours.section.rejected;
        }
        RemoteAnswer { description, security: self.security.clone(), offered, media }
    }

    /// Puts an answer into force. (An offer that created early dialogs is answered once in each.)
    pub(super) fn apply_answer(
        &mut self,
        leg: LegKey,
        answer: RemoteAnswer,
        streams: &[Section],
        silence: Silence,
    ) -> Command {
        if self.remote.as_ref() != Some(&answer.description) {
            self.changed = None;
        }
        self.apply_remote(answer.description);
        self.security = answer.security;
        self.connect(leg, &answer.offered, streams, silence)
    }

    /// Accepts every section of an offer at the discard port (RFC 863), because the media will be bridged elsewhere.
    pub fn accept_at_discard_port(&mut self, offer: SipDescription, random: &mut ChaCha20Rng) {
        let policy = self.policy();
        let sections = offer.sections.iter().map(|theirs| {
            let security = policy.answer(theirs, None, random);
            let section = Section { direction: theirs.section.direction.reversed(), ..theirs.section.clone() };
            let section = Section { rejected: security.is_none() || section.rejected, ..section };
            SipSection {
                crypto: security.map(|security| security.crypto()).unwrap_or_default(),
                ..SipSection::new(section, theirs.profile.clone(), SocketAddr::new(self.address.advertised, 9))
            }
        });
        let sections = sections.collect();
        // The session stores the answer.
        let _ = self.session.answer(&offer, sections);
        self.remote = Some(offer);
    }

    /// Returns the `o=` session id of the relay's descriptions.
    pub(super) fn session_id(&self) -> Option<u64> {
        self.session.last().map(|description| description.origin.session_id)
    }

    /// Returns whether a description contains the relay's ICE credentials of this leg.
    pub(super) fn has_ice_of(&self, description: &SipDescription) -> bool {
        matches!(&self.path, Path::WebRtc(path) if path.has_credentials_of(description))
    }

    /// Returns whether a description has the address of the relay's latest one: many servers replace the session id and
    /// keep the addresses.
    pub(super) fn has_address_of(&self, description: &SipDescription) -> bool {
        let address = |description: &SipDescription| description.sections.first()?.connection.address();
        let ours = self.session.last().and_then(address);
        ours.is_some() && ours == address(description)
    }

    /// Returns the command for unchanged streams whose silence ends the leg from now on.
    pub(super) fn reconnect(&self, leg: LegKey, streams: &[Section]) -> Command {
        self.connect(leg, &self.current(), streams, Silence::EndsLeg)
    }

    /// Returns the encryption of a description's sections if the media use DTLS.
    fn dtls_security(&self, description: &SipDescription) -> Option<Vec<Option<Security>>> {
        matches!(self.path, Path::WebRtc(_)).then(|| WebRtcPath::security_of(description, self.srtp))
    }

    /// Puts a description of the peer into force.
    fn apply_remote(&mut self, description: SipDescription) {
        if let Path::WebRtc(path) = &mut self.path {
            path.apply_remote(&description);
        }
        self.remote = Some(description);
    }

    /// Checks an offer of the peer; answering puts it into force.
    pub fn check_offer(&self, description: SipDescription, random: &mut ChaCha20Rng) -> RemoteOffer {
        if let (Path::WebRtc(path), Some(security)) = (&self.path, self.dtls_security(&description)) {
            let restart = path.is_restarted_by(&description).then(|| ice_credentials(random));
            return RemoteOffer { description, security, restart };
        }
        let security = description.sections.iter().enumerate().map(|(index, section)| {
            let known = self.local_sections().get(index).and_then(|local| local.crypto.first());
            let security = self.ports.get(index).and_then(|_| self.policy().answer(section, known, random));
            security.filter(|security| !matches!(security, Security::Dtls(_)))
        });
        let mut security: Vec<Option<Security>> = security.collect();
        refuse_plain_alternatives(&description.sections, &mut security);
        RemoteOffer { description, security, restart: None }
    }

    /// Answers an offer: `answer` has a section for each of the offer's, `streams` those in use as the peer describes
    /// them. Returns the commands for the worker, and the text of the answer.
    pub(super) fn answer(
        &mut self,
        leg: LegKey,
        offer: RemoteOffer,
        answer: &[Section],
        streams: &[Section],
        silence: Silence,
    ) -> (Vec<Command>, String) {
        let RemoteOffer { description, security, restart } = offer;
        let mut commands = Vec::new();
        if let (Path::WebRtc(path), Some(ice)) = (&mut self.path, restart) {
            commands.push(path.restart(leg, ice));
        }
        self.apply_remote(description.clone());
        let pairs = answer.iter().zip(&description.sections).zip(&security).enumerate();
        let sections = pairs.map(|(index, ((section, theirs), security))| {
            self.answered(index, section.clone(), theirs, security.as_ref())
        });
        let sections = self.with_extra(sections.collect());
        let text = self.session.answer(&description, sections).to_string();
        self.security = security.into_iter().map(|security| security.unwrap_or(Security::Plain)).collect();
        commands.push(self.connect(leg, answer, streams, silence));
        (commands, text)
    }

    /// Returns the worker's command for the streams in use. `sections` are those of the descriptions, in order; a
    /// stream is identified by its `mid` there.
    fn connect(&self, leg: LegKey, sections: &[Section], streams: &[Section], silence: Silence) -> Command {
        let ssrcs = self.ssrcs();
        let sections = sections.get(..ssrcs.len()).unwrap_or(sections);
        let described = self.remote.as_ref().map_or(0, |remote| remote.sections.len());
        let used: Vec<Option<&Section>> = sections
            .iter()
            .enumerate()
            .map(|(index, section)| streams.iter().find(|stream| index < described && stream.mid == section.mid))
            .collect();
        let transport = match &self.path {
            Path::WebRtc(path) => path.remote(),
            Path::Rtp => Some(self.remote_rtp(&used)),
        };
        let streams = sections.iter().zip(ssrcs).zip(&used).enumerate();
        let streams = streams
            .map(|(index, ((section, local_ssrc), used))| match used {
                Some(stream) => {
                    let ours = self.local_sections().get(index);
                    let received = ours.map_or_else(|| (*stream).clone(), |ours| as_sent(&ours.section, stream));
                    Stream { remote: (*stream).clone(), received: received.payloads, local_ssrc }
                }
                None => {
                    let remote = Section { rejected: true, direction: Direction::Inactive, ..section.clone() };
                    Stream { remote, received: Vec::new(), local_ssrc }
                }
            })
            .collect();
        // Without a description of the peer there is no address to connect to.
        transport.map_or(Command::Unbridge { leg }, |transport| Command::Connect { leg, transport, streams, silence })
    }

    /// Returns the peer's addresses and keys for the sections that are in use.
    fn remote_rtp(&self, used: &[Option<&Section>]) -> RemoteTransport {
        let remote = self.remote.as_ref().map_or(&[][..], |remote| &remote.sections);
        let section = |(index, used): (usize, &Option<&Section>)| {
            let Some(theirs) = remote.get(index).filter(|_| used.is_some()) else {
                return RemoteSection { address: None, srtp: None };
            };
            let ours = self.local_sections().get(index);
            let is_muxed = theirs.rtcp_mux && ours.is_some_and(|ours| ours.rtcp_mux);
            let address = theirs.connection.address().map(|rtp| {
                let separate = || RtcpPath::Separate(theirs.rtcp_address(false).unwrap_or(rtp));
                RemoteRtp { rtp, rtcp: if is_muxed { RtcpPath::Muxed } else { separate() } }
            });
            RemoteSection { address, srtp: self.security.get(index).and_then(sdes_keys) }
        };
        let sections = used.iter().enumerate().map(section).collect();
        RemoteTransport::Rtp { sections, signaling: self.source }
    }

    /// Stores the description of an early dialog.
    pub(super) fn store_early(&mut self, branch: Branch, text: &str) {
        if self.early.len() < MAX_BRANCHES || self.early.contains_key(&branch) {
            self.early.insert(branch, text.to_owned());
        }
    }

    /// Stores another description of an early dialog, which the relay has answered.
    pub(super) fn change_early(&mut self, branch: Branch, text: &str) {
        self.store_early(branch, text);
        self.changed = Some(text.to_owned());
    }

    /// Returns whether more than one early dialog has a description.
    pub(super) fn is_forked(&self) -> bool {
        self.early.len() > 1
    }

    /// Returns the latest description of the early dialogs.
    pub(super) fn latest_early(&self) -> Option<String> {
        self.early.last_key_value().map(|(_, text)| text.clone())
    }

    /// Confirms the dialog of a 2xx; returns the answer, in the 2xx or a provisional response.
    pub(super) fn confirm(&mut self, branch: Branch, text: Option<String>) -> Option<String> {
        self.dialog = PeerDialog::Confirmed;
        self.final_answer(branch, text)
    }

    /// Returns the answer of the confirmed dialog, in the 200 or a provisional response.
    fn final_answer(&mut self, branch: Branch, text: Option<String>) -> Option<String> {
        let early = core::mem::take(&mut self.early).remove(&branch);
        text.or(early)
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
