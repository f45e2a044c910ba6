//! One side of a call: a browser or a SIP endpoint as a correspondent, and its leg.

use super::peer::Peer;
use offhook_media::command::{Command, LegKey};
use offhook_media::ports::PortPair;
use offhook_sdp::section::Section;
use offhook_sdp::webrtc::{Description, IceCredentials};
use offhook_signaling::message::{CallId, CallObject, CallStatus, Json};
use offhook_signaling::reason::EndReason;
use offhook_signaling::version::{Extension, feature};
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

/// A browser's side of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Browser {
    /// The browser's session.
    pub session: SessionId,
    /// The call's id in that session.
    pub call_id: CallId,
    /// What the page can do beyond the stock protocol.
    pub features: Extension,
    /// The page was told that the other side holds it.
    pub held: bool,
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

/// What leads from the outside to a party; given back when it leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A call id of a session.
    Browser {
        /// The session.
        session: SessionId,
        /// The id there.
        call_id: CallId,
    },
    /// A call of the user agent, and ports.
    Sip {
        /// The call.
        invite: InviteId,
        /// Its RTP ports.
        ports: Vec<PortPair>,
        /// The mark of the INVITE.
        mark: Option<String>,
    },
}

impl Party {
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

    /// What leads here.
    #[must_use]
    pub fn place(&self) -> Place {
        match &self.side {
            Side::Browser(Browser { session, call_id, .. }) => {
                Place::Browser { session: *session, call_id: call_id.clone() }
            }
            Side::Sip(peer) => Place::Sip { invite: peer.invite, ports: peer.ports.clone(), mark: peer.mark.clone() },
        }
    }

    /// The call object of a status message to this browser.
    #[must_use]
    pub fn object(&self, call_id: CallId, status: CallStatus, has_video: bool) -> CallObject {
        CallObject {
            call_id,
            status,
            incoming: self.incoming,
            caller: self.caller.clone(),
            callee: self.callee.clone(),
            visible_name: self.visible_name.clone(),
            media_provider: "WebRTC".to_owned(),
            has_audio: true,
            has_video,
            custom: self.custom.as_ref().map(|custom| custom.0.clone()),
            sip_status: None,
            info: None,
            end_reason: None,
        }
    }

    /// The call object of the last status message to this browser.
    #[must_use]
    pub fn ended(&self, browser: &Browser, status: CallStatus, end: &End, has_video: bool) -> CallObject {
        CallObject {
            sip_status: Some(end.status()),
            info: Some(end.info()),
            end_reason: browser.features.has(feature::END_REASONS).then_some(end.reason),
            ..self.object(browser.call_id.clone(), status, has_video)
        }
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
    /// Its streams, once it was answered for early media.
    pub early: Option<Vec<Section>>,
    /// Whom it heard before somebody answered is gone: whoever comes next has to be joined with it.
    pub parted: bool,
    /// The streams of whom it hears before somebody answers.
    pub hears: Vec<Section>,
    /// It was told that somebody is being alerted.
    pub rang: bool,
}

/// What a fresh leg needs that is not to be guessed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegSecrets {
    /// The relay's ICE credentials for the leg.
    pub ice: IceCredentials,
    /// Where the SSRCs of its streams begin.
    pub first_ssrc: u32,
}
