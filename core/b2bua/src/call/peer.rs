//! The SIP endpoint's side of a call: its dialog, and what the two session descriptions say.

mod descriptions;
mod webrtc;

pub(in crate::call) use descriptions::TheirAnswer;
pub use descriptions::{NAME_WITHOUT_ADDRESS, TheirOffer, sdp_body, sdp_text};
pub use webrtc::WebRtcPath;

use super::negotiation::ice_credentials;
use crate::config::{RtpAddress, Srtp};
use offhook_media::command::{
    Command, LegKey, LocalRtp, MasterKey, MkiPair, PeerStream, RemoteRtp, RtcpPath, RtpStream, SdesKeys, Silence,
    Stream,
};
use offhook_media::ports::PortPair;
use offhook_media::transport::srtp::Profile as SrtpProfile;
use offhook_sdp::direction::Direction;
use offhook_sdp::offer_answer::sip::as_sent;
use offhook_sdp::section::Section;
use offhook_sdp::sip::{
    Description, ExtraLine, Mki, Profile, Security, Session, SipSection, SrtpPolicy, Suite, refuse_plain_alternatives,
};
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io::{AccountId, Branch, InviteId, OutboundInvite};
use rand_chacha::ChaCha20Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// How far a dialog is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dialog {
    /// To be called; only the offer is missing.
    Planned(Box<OutboundInvite>),
    /// Called, and not answered.
    Outbound,
    /// It calls, and is not answered.
    Inbound,
    /// Answered.
    Confirmed,
    /// Gone: the user agent says no more, and wants no order.
    Over,
}

/// An offer of the relay that is not answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pending {
    offered: Vec<Section>,
    pub(super) purpose: Purpose,
    /// The hold that it asks for.
    pub(super) held: bool,
}

/// What an offer of the relay is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Purpose {
    /// The call itself: without an answer there is none.
    First,
    /// Hold or its end, of which a page waits to hear.
    Hold,
    /// The other side changed, or the peer asked for an offer; nobody waits.
    Change,
}

/// The most media sections of a SIP leg; further ones are refused.
pub const MAX_SECTIONS: usize = 4;

/// Early dialogs of one call whose descriptions are remembered.
const MAX_BRANCHES: usize = 16;

/// A SIP endpoint's side of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// The call of the user agent.
    pub invite: InviteId,
    /// The account that it is called through, or called.
    pub account: Option<AccountId>,
    /// The URI of whom is called, or calls.
    pub uri: String,
    /// How far it is.
    pub dialog: Dialog,
    /// The relay's RTP ports, one for each media section; none where the media go a browser's way.
    pub ports: Vec<PortPair>,
    /// By what the relay knows the INVITE when it comes back.
    pub mark: Option<String>,
    path: Path,
    address: RtpAddress,
    /// The address that its SIP messages come from.
    pub(super) source: Option<IpAddr>,
    srtp: Srtp,
    cname: String,
    first_ssrc: u32,
    /// Further lines of a page for the relay's descriptions.
    pub(super) extra: Vec<ExtraLine>,
    /// What the relay said.
    session: Session,
    /// What the peer said last.
    remote: Option<Description>,
    /// What protects each section.
    security: Vec<Security>,
    /// Its offer, until that is answered.
    pub offer: Option<Box<TheirOffer>>,
    /// The descriptions of early dialogs.
    early: BTreeMap<Branch, String>,
    /// The one among them that is in force as an offer of the peer's, answered by the relay (RFC 3311).
    changed: Option<String>,
    pub(super) pending: Option<Pending>,
    /// Another offer is due once the one under way is answered.
    pub(super) is_offer_due: bool,
    /// The peer agreed to be on hold.
    pub(super) held: bool,
}

/// How its media travel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Path {
    /// RTP or SDES-SRTP, at ports of its own.
    Rtp,
    /// ICE and DTLS: it is WebRTC itself.
    WebRtc(Box<WebRtcPath>),
}

/// What a fresh [`Peer`] is made of.
#[derive(Clone, Debug)]
pub struct PeerSetup {
    /// The call of the user agent.
    pub invite: InviteId,
    /// The account that it is called through, or called.
    pub account: Option<AccountId>,
    /// The URI of whom is called, or calls.
    pub uri: String,
    /// How it begins.
    pub dialog: Dialog,
    /// The relay's RTP ports.
    pub ports: Vec<PortPair>,
    /// By what the relay knows the INVITE when it comes back.
    pub mark: Option<String>,
    /// How its media travel.
    pub path: Path,
    /// Where the ports are.
    pub address: RtpAddress,
    /// The address that its SIP messages come from, where one has come.
    pub source: Option<IpAddr>,
    /// Whether and how media are encrypted.
    pub srtp: Srtp,
    /// The page's lines for the relay's descriptions.
    pub extra: Vec<ExtraLine>,
    /// The session's number in `o=`.
    pub session_id: u64,
    /// Its name in RTCP, and where the SSRCs of its streams begin.
    pub cname: String,
    /// See `cname`.
    pub first_ssrc: u32,
}

impl Peer {
    /// A peer to which nothing was said.
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
            session: Session::new(session_id, address.advertised),
            remote: None,
            security: Vec::new(),
            offer: None,
            early: BTreeMap::new(),
            changed: None,
            pending: None,
            is_offer_due: false,
            held: false,
        }
    }

    /// Takes the address that its SIP messages come from; the next order to the worker names it.
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

    /// Opens its ports, or lets its checks in.
    pub(super) fn open(&self, leg: LegKey) -> Command {
        if let Path::WebRtc(path) = &self.path {
            return path.open(leg);
        }
        let sections: Vec<LocalRtp> = self.ports.iter().map(|pair| pair.on(self.address.local)).collect();
        Command::OpenRtpLeg { leg, sections, cname: self.cname.clone() }
    }

    /// The SSRCs of its sections.
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

    fn said(&self) -> &[SipSection] {
        self.session.last().map_or(&[], |description| &description.sections)
    }

    /// What the relay said last.
    pub(super) fn last(&self) -> Option<String> {
        self.session.last().map(Description::to_string)
    }

    /// The media of what the relay said last, in their places.
    pub(super) fn current(&self) -> Vec<Section> {
        self.said().iter().map(|section| section.section.clone()).collect()
    }

    /// One section of the relay's description, received by RTP.
    fn local(&self, index: usize, section: Section, profile: Profile) -> SipSection {
        let Some(pair) = self.ports.get(index) else {
            let nowhere = SocketAddr::new(self.address.advertised, 0);
            return SipSection::new(Section { rejected: true, ..section }, profile, nowhere);
        };
        let mut made = SipSection::new(section, profile, pair.on(self.address.advertised).rtp);
        made.rtcp_mux = true;
        made
    }

    /// One section of an offer.
    fn offered(&self, index: usize, section: Section, random: &mut ChaCha20Rng) -> SipSection {
        let before = self.said().get(index);
        if let Path::WebRtc(path) = &self.path {
            let mid = before.map(|before| &before.section.mid);
            let is_bundled = self.remote.as_ref().zip(mid).is_some_and(|(remote, mid)| remote.bundle.contains(mid));
            return path.offered((index, self.ssrc(index)), section, before, is_bundled);
        }
        // A profile stays for the session, and so does a key that is in use (RFC 4568 §7.1.4).
        let (profile, crypto) = match (before, self.security.get(index)) {
            (Some(before), Some(security @ Security::Sdes { .. })) => (before.profile.clone(), security.crypto()),
            (Some(before), _) => (before.profile.clone(), before.crypto.clone()),
            (None, _) => self.offered_protection().offer(&[], random),
        };
        SipSection { crypto, ..self.local(index, section, profile) }
    }

    /// One section of an answer.
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

    /// Makes an offer of `offered`, whose answer goes to [`Peer::hear_answer`].
    pub(super) fn make_offer(
        &mut self,
        offered: Vec<Section>,
        purpose: Purpose,
        held: bool,
        random: &mut ChaCha20Rng,
    ) -> String {
        let sections = offered.iter().enumerate();
        let sections = sections.map(|(index, section)| self.offered(index, section.clone(), random)).collect();
        let sections = self.with_extra(sections);
        let text = self.session.offer(sections).to_string();
        self.pending = Some(Pending { offered, purpose, held });
        text
    }

    /// Looks at what the peer answered to the relay's offer; [`Peer::take_answer`] makes it valid.
    pub(super) fn hear_answer(&self, text: &str) -> Result<TheirAnswer, EndReason> {
        let description = Description::parse(text).map_err(|_| EndReason::BadSessionDescription)?;
        let Some(Pending { offered, .. }) = &self.pending else { return Err(EndReason::BadSessionDescription) };
        if self.changed.as_deref() == Some(text) {
            return Ok(self.in_force(description, offered.clone()));
        }
        let mut media = description.media();
        let mut security = Vec::new();
        let by_dtls = self.weigh_dtls(&description);
        let pairs = media.iter_mut().zip(&description.sections).zip(self.said()).enumerate();
        for (index, ((section, theirs), ours)) in pairs {
            let answered = match &by_dtls {
                Some(by_dtls) => by_dtls.get(index).cloned().flatten(),
                None => self.policy().answered(ours, theirs),
            };
            section.rejected |= answered.is_none();
            security.push(answered.unwrap_or(Security::Plain));
        }
        Ok(TheirAnswer { description, security, offered: offered.clone(), media })
    }

    /// What the peer changed since it answered, and the relay has agreed to.
    fn in_force(&self, description: Description, offered: Vec<Section>) -> TheirAnswer {
        let mut media = description.media();
        for (section, ours) in media.iter_mut().zip(self.said()) {
            section.rejected |= ours.section.rejected;
        }
        TheirAnswer { description, security: self.security.clone(), offered, media }
    }

    /// From now on the answer is what counts. (An offer that made early dialogs is answered once in each.)
    pub(super) fn take_answer(
        &mut self,
        leg: LegKey,
        answer: TheirAnswer,
        streams: &[Section],
        silence: Silence,
    ) -> Command {
        if self.remote.as_ref() != Some(&answer.description) {
            self.changed = None;
        }
        self.agree(answer.description);
        self.security = answer.security;
        self.connect(leg, &answer.offered, streams, silence)
    }

    /// Accepts whatever is offered, at a port where nobody listens (discard, RFC 863): media will go another way.
    pub fn mirror(&mut self, offer: Description, random: &mut ChaCha20Rng) {
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
        // What is said is remembered.
        let _ = self.session.answer(&offer, sections);
        self.remote = Some(offer);
    }

    /// The number of the relay's session in the descriptions it wrote.
    pub(super) fn session_id(&self) -> Option<u64> {
        self.session.last().map(|description| description.origin.session_id)
    }

    /// Whether the relay's ICE credentials for this leg stand in a description.
    pub(super) fn has_ice_of(&self, description: &Description) -> bool {
        matches!(&self.path, Path::WebRtc(path) if path.is_named_in(description))
    }

    /// Whether a description has the address that the relay said last: many a server gives it a session of its own, and
    /// leaves the addresses.
    pub(super) fn is_at(&self, description: &Description) -> bool {
        let address = |description: &Description| description.sections.first()?.connection.address();
        let ours = self.session.last().and_then(address);
        ours.is_some() && ours == address(description)
    }

    /// The order for streams that stay as they are, now that silence ends the leg.
    pub(super) fn reconnect(&self, leg: LegKey, streams: &[Section]) -> Command {
        self.connect(leg, &self.current(), streams, Silence::EndsLeg)
    }

    /// What DTLS protects of a description, where the media go that way.
    fn weigh_dtls(&self, description: &Description) -> Option<Vec<Option<Security>>> {
        matches!(self.path, Path::WebRtc(_)).then(|| WebRtcPath::weigh(description, self.srtp))
    }

    /// From now on a description of the peer counts.
    fn agree(&mut self, description: Description) {
        if let Path::WebRtc(path) = &mut self.path {
            path.agree(&description);
        }
        self.remote = Some(description);
    }

    /// Weighs an offer of the peer; answering makes it valid.
    pub fn hear_offer(&self, description: Description, random: &mut ChaCha20Rng) -> TheirOffer {
        if let (Path::WebRtc(path), Some(security)) = (&self.path, self.weigh_dtls(&description)) {
            let restart = path.is_restarted_by(&description).then(|| ice_credentials(random));
            return TheirOffer { description, security, restart };
        }
        let security = description.sections.iter().enumerate().map(|(index, section)| {
            let known = self.said().get(index).and_then(|said| said.crypto.first());
            let security = self.ports.get(index).and_then(|_| self.policy().answer(section, known, random));
            security.filter(|security| !matches!(security, Security::Dtls(_)))
        });
        let mut security: Vec<Option<Security>> = security.collect();
        refuse_plain_alternatives(&description.sections, &mut security);
        TheirOffer { description, security, restart: None }
    }

    /// Answers an offer: `answer` has a section for each of it, `streams` those in use as the peer sees them. The worker's
    /// orders, and the answer's text.
    pub(super) fn answer(
        &mut self,
        leg: LegKey,
        offer: TheirOffer,
        answer: &[Section],
        streams: &[Section],
        silence: Silence,
    ) -> (Vec<Command>, String) {
        let TheirOffer { description, security, restart } = offer;
        let mut commands = Vec::new();
        if let (Path::WebRtc(path), Some(ice)) = (&mut self.path, restart) {
            commands.push(path.restart(leg, ice));
        }
        self.agree(description.clone());
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

    /// The worker's order for the streams in use. `sections` are those of the descriptions, in order; a stream is known by
    /// its `mid` there.
    fn connect(&self, leg: LegKey, sections: &[Section], streams: &[Section], silence: Silence) -> Command {
        if let Path::WebRtc(path) = &self.path {
            // Before it has described itself, it is nowhere.
            let connect = path.connect(leg, self.peer_streams(sections, streams), silence);
            return connect.unwrap_or(Command::Unbridge { leg });
        }
        let remote = self.remote.as_ref().map_or(&[][..], |remote| &remote.sections);
        let made = sections.iter().zip(self.ssrcs()).enumerate().map(|(index, (section, local_ssrc))| {
            let stream = streams.iter().find(|stream| stream.mid == section.mid);
            let used = stream.zip(remote.get(index));
            let Some((stream, theirs)) = used else {
                let resting = Section { rejected: true, direction: Direction::Inactive, ..section.clone() };
                let stream = Stream { remote: resting, local_ssrc };
                return RtpStream { stream, received: Vec::new(), remote: None, srtp: None };
            };
            let ours = self.said().get(index);
            let is_muxed = theirs.rtcp_mux && ours.is_some_and(|ours| ours.rtcp_mux);
            let remote = theirs.connection.address().map(|rtp| {
                let separate = || RtcpPath::Separate(theirs.rtcp_address(false).unwrap_or(rtp));
                RemoteRtp { rtp, rtcp: if is_muxed { RtcpPath::Muxed } else { separate() } }
            });
            let srtp = self.security.get(index).and_then(sdes_keys);
            let received = ours.map_or_else(|| stream.clone(), |ours| as_sent(&ours.section, stream)).payloads;
            RtpStream { stream: Stream { remote: stream.clone(), local_ssrc }, received, remote, srtp }
        });
        Command::ConnectRtpLeg { leg, streams: made.collect(), signaling: self.source, silence }
    }

    /// The same where the media go a browser's way.
    fn peer_streams(&self, sections: &[Section], streams: &[Section]) -> Vec<PeerStream> {
        let made = sections.iter().zip(self.ssrcs()).enumerate().map(|(index, (section, local_ssrc))| {
            let Some(stream) = streams.iter().find(|stream| stream.mid == section.mid) else {
                let remote = Section { rejected: true, direction: Direction::Inactive, ..section.clone() };
                return PeerStream { stream: Stream { remote, local_ssrc }, received: Vec::new() };
            };
            let ours = self.said().get(index);
            let received = ours.map_or_else(|| stream.clone(), |ours| as_sent(&ours.section, stream)).payloads;
            PeerStream { stream: Stream { remote: stream.clone(), local_ssrc }, received }
        });
        made.collect()
    }

    /// Remembers what an early dialog said.
    pub(super) fn remember(&mut self, branch: Branch, text: &str) {
        if self.early.len() < MAX_BRANCHES || self.early.contains_key(&branch) {
            self.early.insert(branch, text.to_owned());
        }
    }

    /// An early dialog said something else, which was answered.
    pub(super) fn change_early(&mut self, branch: Branch, text: &str) {
        self.remember(branch, text);
        self.changed = Some(text.to_owned());
    }

    /// More than one of the early dialogs has said something.
    pub(super) fn is_forked(&self) -> bool {
        self.early.len() > 1
    }

    /// What the latest of the early dialogs said.
    pub(super) fn latest_early(&self) -> Option<String> {
        self.early.last_key_value().map(|(_, text)| text.clone())
    }

    /// The answer of the dialog that was confirmed: what came with the 200, or before it.
    pub(super) fn final_answer(&mut self, branch: Branch, text: Option<String>) -> Option<String> {
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
