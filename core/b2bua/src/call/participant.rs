//! Participants of a call: browsers, SIP endpoints and the application, and their legs.

use super::CallEvent;
use super::hold::Hold;
use super::peer::Peer;
use crate::address::Address;
use offhook_media::command::{Command, LegKey};
use offhook_media::ports::PortPair;
use offhook_sdp::codec::MediaKind;
use offhook_sdp::direction::Direction;
use offhook_sdp::section::Section;
use offhook_sdp::webrtc::{IceCredentials, WebRtcDescription};
use offhook_signaling::message::{CallId, Json};
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io::{AccountId, InviteId};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Identifier of the client session of a browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId(pub u64);

/// A side of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LegId {
    /// The side of the caller, or of the participant that replaced it.
    A,
    /// The side of the callee, or of the participant that replaced it.
    B,
}

impl LegId {
    /// Returns the other side.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// One value for each leg.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerLeg<T> {
    /// The value of the caller's side.
    pub a: T,
    /// The value of the callee's side.
    pub b: T,
}

impl<T> PerLeg<T> {
    /// Creates a pair from the value of the side `leg` and the value of the other side.
    pub fn new(leg: LegId, own: T, other: T) -> Self {
        match leg {
            LegId::A => Self { a: own, b: other },
            LegId::B => Self { a: other, b: own },
        }
    }

    /// Returns the value of a side.
    pub const fn get(&self, leg: LegId) -> &T {
        match leg {
            LegId::A => &self.a,
            LegId::B => &self.b,
        }
    }

    /// Returns the value of a side, mutably.
    pub const fn get_mut(&mut self, leg: LegId) -> &mut T {
        match leg {
            LegId::A => &mut self.a,
            LegId::B => &mut self.b,
        }
    }

    /// Returns the value of the side `leg` and the value of the other side, mutably.
    pub const fn both_mut(&mut self, leg: LegId) -> (&mut T, &mut T) {
        match leg {
            LegId::A => (&mut self.a, &mut self.b),
            LegId::B => (&mut self.b, &mut self.a),
        }
    }

    /// Splits the pair into the value of the side `leg` and the value of the other side.
    pub fn split(self, leg: LegId) -> (T, T) {
        match leg {
            LegId::A => (self.a, self.b),
            LegId::B => (self.b, self.a),
        }
    }
}

/// A participant of a call, and the call as presented to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// The media leg.
    pub leg: LegKey,
    /// The login of a browser, or the URI of a SIP endpoint.
    pub address: String,
    /// The participant received the call.
    pub incoming: bool,
    /// The caller, as shown to the participant.
    pub caller: Address,
    /// The callee, as shown to the participant.
    pub callee: Address,
    /// The caller's display name.
    pub visible_name: String,
    /// The application data of the caller's page.
    pub custom: Option<JsonText>,
    /// The caller's identity is withheld from SIP endpoints (RFC 3323).
    pub anonymous: bool,
    /// The protocol of the participant.
    pub side: Side,
}

/// The protocol of a participant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Side {
    /// A browser: signaling over the WebSocket of its session, media by WebRTC.
    Browser(Browser),
    /// A SIP endpoint: media by RTP or WebRTC.
    Sip(Box<Peer>),
    /// The application, which has placed the call by a command. It has no leg at a media worker.
    Application(Application),
}

/// The kind of endpoint at a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndpointKind {
    /// A browser of this relay.
    Browser,
    /// A SIP endpoint without a server in between: a registered phone, or an unknown source.
    SipEndpoint,
    /// A SIP server, for a call through an account at it.
    SipServer,
    /// The application.
    Application,
}

impl core::fmt::Display for EndpointKind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Browser => "browser",
            Self::SipEndpoint => "sip-endpoint",
            Self::SipServer => "sip-server",
            Self::Application => "application",
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
    /// Its offer, until it is answered.
    pub offer: Option<Box<WebRtcDescription>>,
}

/// The application's side of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    /// The identifier of the call, unique among the calls of the application.
    pub call_id: CallId,
    /// The account through which the application calls; `None` for users of the relay and the trunk.
    pub account: Option<AccountId>,
}

/// A [`Json`] that can be serialized.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JsonText(pub Json);

/// The end of a call or leg: the reason and, if known, a more specific SIP status with a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The reason.
    pub reason: EndReason,
    /// The SIP status and reason phrase that a SIP peer sent, or those for a transport failure.
    pub status_line: Option<(u16, String)>,
}

impl From<EndReason> for End {
    fn from(reason: EndReason) -> Self {
        Self { reason, status_line: None }
    }
}

impl End {
    /// Returns whether the end applies to all devices of the callee: the user rejected the call, or the status is 6xx
    /// (RFC 3261 §21.6). Any other failure applies to one device.
    #[must_use]
    pub fn is_for_all(&self) -> bool {
        self.reason == EndReason::Rejected || self.status_line.as_ref().is_some_and(|(status, _)| *status >= 600)
    }

    /// Returns the SIP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status_line.as_ref().map_or_else(|| self.reason.sip_status(), |(status, _)| *status)
    }

    /// Returns the text for users.
    #[must_use]
    pub fn info(&self) -> String {
        let status_line = self.status_line.as_ref().map(|(_, text)| text.as_str()).filter(|text| !text.is_empty());
        status_line.unwrap_or_else(|| self.reason.info()).to_owned()
    }
}

/// Resources of the leg of a SIP endpoint, which are released with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipResources {
    /// The INVITE session of the user agent.
    pub invite: InviteId,
    /// Its RTP ports.
    pub ports: Vec<PortPair>,
    /// The mark in the INVITE, by which a looped call is recognized.
    pub mark: Option<String>,
}

impl Participant {
    /// Returns the event that reports that this participant has placed a call.
    #[must_use]
    pub fn placed(&self) -> CallEvent {
        let (from, to) = (self.caller.to_string(), self.callee.to_string());
        CallEvent::Placed { caller: self.leg, endpoint: self.endpoint(), from, to }
    }

    /// Returns the kind of the endpoint.
    #[must_use]
    pub fn endpoint(&self) -> EndpointKind {
        match &self.side {
            Side::Browser(_) => EndpointKind::Browser,
            Side::Sip(peer) if peer.account().is_none() => EndpointKind::SipEndpoint,
            Side::Sip(_) => EndpointKind::SipServer,
            Side::Application(_) => EndpointKind::Application,
        }
    }

    /// Returns the browser, if the participant is one.
    #[must_use]
    pub const fn browser(&self) -> Option<&Browser> {
        match &self.side {
            Side::Browser(browser) => Some(browser),
            Side::Sip(_) | Side::Application(_) => None,
        }
    }

    /// Returns the application, if the participant is the application.
    #[must_use]
    pub const fn application(&self) -> Option<&Application> {
        match &self.side {
            Side::Application(application) => Some(application),
            Side::Browser(_) | Side::Sip(_) => None,
        }
    }

    /// Returns whether the participant has a leg at a media worker. Only the application has none.
    #[must_use]
    pub const fn has_media(&self) -> bool {
        self.application().is_none()
    }

    /// Returns the SIP endpoint, if the participant is one.
    #[must_use]
    pub fn peer(&self) -> Option<&Peer> {
        match &self.side {
            Side::Browser(_) | Side::Application(_) => None,
            Side::Sip(peer) => Some(peer),
        }
    }

    /// Returns the SIP endpoint, if the participant is one, mutably.
    pub(super) fn peer_mut(&mut self) -> Option<&mut Peer> {
        match &mut self.side {
            Side::Browser(_) | Side::Application(_) => None,
            Side::Sip(peer) => Some(peer),
        }
    }

    /// Returns the command that connects the streams of a SIP endpoint again, so that silence ends the leg from now on.
    pub(super) fn reconnect(&self, streams: &[Section]) -> Option<Command> {
        Some(self.peer()?.reconnect(self.leg, streams))
    }

    /// Returns whether the participant is the browser of that session.
    #[must_use]
    pub fn is_of(&self, session: SessionId) -> bool {
        self.browser().is_some_and(|browser| browser.session == session)
    }

    /// Returns the streams within which the relay makes offers and answers to a SIP endpoint at the other leg. `streams`
    /// are those of this participant.
    ///
    /// The direction of a SIP endpoint is not a limit: the bridge applies it, and the endpoint may change it at any time
    /// (RFC 3264 §8.4). If two endpoints on hold limited each other, neither could resume. A browser keeps its direction.
    pub(super) fn streams_for_other<'a>(&self, streams: &'a [Section]) -> Cow<'a, [Section]> {
        if self.browser().is_some() {
            return Cow::Borrowed(streams);
        }
        let both_ways = |stream: &Section| Section { direction: Direction::SendRecv, ..stream.clone() };
        streams.iter().map(both_ways).collect()
    }

    /// Returns the resources of a SIP endpoint's leg.
    #[must_use]
    pub fn sip_resources(&self) -> Option<SipResources> {
        let peer = self.peer()?;
        Some(SipResources { invite: peer.invite(), ports: peer.ports().to_vec(), mark: peer.mark().cloned() })
    }
}

/// A callee that is alerted and has not answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fork {
    /// The callee.
    pub participant: Participant,
    /// The relay's offer to it.
    pub offered: Vec<Section>,
    /// The SSRC announced for each section of that offer.
    pub ssrcs: Vec<u32>,
}

/// A participant whose media are negotiated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// The participant.
    pub participant: Participant,
    /// The negotiated streams, as in the participant's own description. If its INVITE contained no offer, they are
    /// empty until its ACK contains the answer.
    pub streams: Vec<Section>,
    /// The hold state.
    pub(super) hold: Hold,
}

impl Leg {
    /// Creates a leg without any hold.
    pub(super) fn new(participant: Participant, streams: Vec<Section>) -> Self {
        Self { participant, streams, hold: Hold::default() }
    }

    /// Returns its audio stream, if it is in use.
    pub(super) fn audio(&self) -> Option<&Section> {
        self.streams.iter().find(|stream| stream.kind == MediaKind::Audio && !stream.rejected)
    }

    /// Returns the streams within which the relay makes offers and answers to a SIP endpoint at the other leg.
    pub(super) fn streams_for_other(&self) -> Cow<'_, [Section]> {
        self.participant.streams_for_other(&self.streams)
    }
}

/// The caller of an unanswered call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The caller.
    pub participant: Participant,
    /// The media of the caller's offer; `None` if the INVITE of a SIP caller contains no offer (RFC 3261 §13.2.1).
    pub offer: Option<Vec<Section>>,
    /// The progress that was reported to the caller.
    pub alerting: Alerting,
}

impl Caller {
    /// Returns the caller's early media, if there are any.
    #[must_use]
    pub const fn early(&self) -> Option<&EarlyMedia> {
        match &self.alerting {
            Alerting::EarlyMedia(early) => Some(early),
            Alerting::None | Alerting::Reported => None,
        }
    }
}

/// The progress that was reported to the caller of an unanswered call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Alerting {
    /// No alerting was reported.
    None,
    /// The alerting of a callee was reported.
    Reported,
    /// The caller received an answer, with which it exchanges early media.
    EarlyMedia(EarlyMedia),
}

/// The media of a caller before the call is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlyMedia {
    /// The caller's streams according to the answer that it received.
    pub answered: Vec<Section>,
    /// The streams of the callee that sends early media.
    pub received: Vec<Section>,
    /// The caller is bridged with that callee; false after the callee was redirected.
    pub is_bridged: bool,
}

/// Values of a new leg that must be unpredictable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegSecrets {
    /// The relay's ICE credentials for the leg.
    pub ice: IceCredentials,
    /// The first of the relay's consecutive SSRCs on the leg.
    pub first_ssrc: u32,
}
