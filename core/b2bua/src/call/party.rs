//! One side of a call: a browser or a SIP endpoint as a correspondent, and its leg.

use super::peer::Peer;
use offhook_media::command::{Command, LegKey};
use offhook_media::ports::PortPair;
use offhook_sdp::section::Section;
use offhook_sdp::webrtc::{Description, IceCredentials};
use offhook_signaling::message::Json;
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io::InviteId;
use serde::{Deserialize, Serialize};

/// One signed-in browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId(pub u64);

/// Which of the two sides of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LegId {
    /// The caller's, or whoever took its place.
    A,
    /// The callee's, or whoever took its place.
    B,
}

impl LegId {
    /// The opposite side.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// What exists once per leg.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerLeg<T> {
    /// The caller's.
    pub a: T,
    /// The callee's.
    pub b: T,
}

impl<T> PerLeg<T> {
    /// One of the two.
    pub const fn get(&self, leg: LegId) -> &T {
        match leg {
            LegId::A => &self.a,
            LegId::B => &self.b,
        }
    }

    /// One of the two, to change it.
    pub const fn get_mut(&mut self, leg: LegId) -> &mut T {
        match leg {
            LegId::A => &mut self.a,
            LegId::B => &mut self.b,
        }
    }

    /// That one and the other one, to change them.
    pub const fn both_mut(&mut self, leg: LegId) -> (&mut T, &mut T) {
        match leg {
            LegId::A => (&mut self.a, &mut self.b),
            LegId::B => (&mut self.b, &mut self.a),
        }
    }

    /// That one and the other one.
    pub fn split(self, leg: LegId) -> (T, T) {
        match leg {
            LegId::A => (self.a, self.b),
            LegId::B => (self.b, self.a),
        }
    }
}

/// Somebody who takes part in a call, and how the call looks from there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// The media leg.
    pub leg: LegKey,
    /// The call came in there.
    pub incoming: bool,
    /// Who calls, as shown there.
    pub caller: String,
    /// Who is called, as shown there.
    pub callee: String,
    /// The caller's display name.
    pub visible_name: String,
    /// The caller's page's own value.
    pub custom: Option<JsonText>,
    /// The caller's name is withheld from SIP endpoints.
    pub anonymous: bool,
    /// What it speaks.
    pub side: Side,
}

/// What a party speaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Side {
    /// A page, over its session's socket; media by WebRTC.
    Browser(Browser),
    /// SIP; media by RTP.
    Sip(Box<Peer>),
}

/// The kind of endpoint at a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndpointKind {
    /// A browser of this relay.
    Browser,
    /// A SIP endpoint without a server between: a registered phone, or an unknown source.
    SipEndpoint,
    /// A SIP server, by an account.
    SipServer,
}

impl core::fmt::Display for EndpointKind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Browser => "browser",
            Self::SipEndpoint => "sip-endpoint",
            Self::SipServer => "sip-server",
        })
    }
}

/// A browser's side of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Browser {
    /// The browser's session.
    pub session: SessionId,
    /// It can exchange media with another browser directly.
    pub has_direct_media: bool,
    /// Its remote hold was reported.
    pub is_hold_reported: bool,
    /// Its offer, until that is answered.
    pub offer: Option<Box<Description>>,
}

/// A [`Json`] that can be saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JsonText(pub Json);

/// How a call ended: the reason and, where there is a more specific one, a SIP status with a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Why.
    pub reason: EndReason,
    /// SIP status and reason phrase of a SIP peer, or of a transport failure.
    pub said: Option<(u16, String)>,
}

impl From<EndReason> for End {
    fn from(reason: EndReason) -> Self {
        Self { reason, said: None }
    }
}

impl End {
    /// Whether it is a person's no, which counts for all devices (603, RFC 3261 §21.6); a device that fails is one less.
    #[must_use]
    pub fn is_for_all(&self) -> bool {
        self.reason == EndReason::Rejected || self.said.as_ref().is_some_and(|(status, _)| *status >= 600)
    }

    /// The SIP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.said.as_ref().map_or_else(|| self.reason.sip_status(), |(status, _)| *status)
    }

    /// The text for people.
    #[must_use]
    pub fn info(&self) -> String {
        let said = self.said.as_ref().map(|(_, text)| text.as_str()).filter(|text| !text.is_empty());
        said.unwrap_or_else(|| self.reason.info()).to_owned()
    }
}

/// What the leg of a SIP endpoint occupies; released when it leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipResources {
    /// The INVITE session of the user agent.
    pub invite: InviteId,
    /// Its RTP ports.
    pub ports: Vec<PortPair>,
    /// The mark of the INVITE.
    pub mark: Option<String>,
}

impl Party {
    /// The kind of the endpoint.
    #[must_use]
    pub fn endpoint(&self) -> EndpointKind {
        match &self.side {
            Side::Browser(_) => EndpointKind::Browser,
            Side::Sip(peer) if peer.account.is_none() => EndpointKind::SipEndpoint,
            Side::Sip(_) => EndpointKind::SipServer,
        }
    }

    /// The browser, if it is one.
    #[must_use]
    pub const fn browser(&self) -> Option<&Browser> {
        match &self.side {
            Side::Browser(browser) => Some(browser),
            Side::Sip(_) => None,
        }
    }

    /// The SIP endpoint, if it is one.
    #[must_use]
    pub fn peer(&self) -> Option<&Peer> {
        match &self.side {
            Side::Browser(_) => None,
            Side::Sip(peer) => Some(peer),
        }
    }

    /// The SIP endpoint, to change it.
    pub(super) fn peer_mut(&mut self) -> Option<&mut Peer> {
        match &mut self.side {
            Side::Browser(_) => None,
            Side::Sip(peer) => Some(peer),
        }
    }

    /// Its media from now on: silence ends the leg.
    pub(super) fn reconnect(&self, streams: &[Section]) -> Option<Command> {
        Some(self.peer()?.reconnect(self.leg, streams))
    }

    /// Whether it is that session's browser.
    #[must_use]
    pub fn is_of(&self, session: SessionId) -> bool {
        self.browser().is_some_and(|browser| browser.session == session)
    }

    /// What the leg of a SIP endpoint occupies.
    #[must_use]
    pub fn sip_resources(&self) -> Option<SipResources> {
        let peer = self.peer()?;
        Some(SipResources { invite: peer.invite, ports: peer.ports.clone(), mark: peer.mark.clone() })
    }
}

/// A party that was rung and has not answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fork {
    /// Who rings.
    pub party: Party,
    /// The relay's offer to it.
    pub offered: Vec<Section>,
    /// The SSRC announced for each section of that offer.
    pub ssrcs: Vec<u32>,
}

/// A party whose media is negotiated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// Who it is.
    pub party: Party,
    /// Its negotiated streams, as it wrote them; none yet of a caller without offer, until its ACK.
    pub streams: Vec<Section>,
}

/// The caller of a call that nobody has answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// Who it is.
    pub party: Party,
    /// The media of its offer; none of a SIP caller who wants one (RFC 3261 §13.2.1).
    pub offer: Option<Vec<Section>>,
    /// What it was informed of.
    pub alerting: Alerting,
}

impl Caller {
    /// Its early media, if there are any.
    #[must_use]
    pub const fn early(&self) -> Option<&EarlyMedia> {
        match &self.alerting {
            Alerting::EarlyMedia(early) => Some(early),
            Alerting::None | Alerting::Reported => None,
        }
    }
}

/// How far the caller of a call that is not answered was informed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Alerting {
    /// No callee is being alerted.
    None,
    /// A callee is being alerted.
    Reported,
    /// The caller was answered for early media.
    EarlyMedia(EarlyMedia),
}

/// The media of a caller before the call is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlyMedia {
    /// The caller's streams, as it was answered.
    pub answered: Vec<Section>,
    /// The streams of the callee that sends early media.
    pub received: Vec<Section>,
    /// The caller is bridged with that callee, which has not left.
    pub is_bridged: bool,
}

/// What a fresh leg needs that is not to be guessed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegSecrets {
    /// The relay's ICE credentials for the leg.
    pub ice: IceCredentials,
    /// Where the SSRCs of its streams begin.
    pub first_ssrc: u32,
}
