//! `offhookDirect`: negotiation of a direct media connection between the two browsers of a call.

use super::{CallId, Json};

/// One step of the negotiation, in either direction (extension, feature `directMedia`). The relay forwards `Offer`, `Answer`
/// and `Candidate` unchanged to the other browser of the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectMessage {
    /// The call, by its identifier in the browser that sends or receives this message.
    pub call_id: CallId,
    /// The number of the attempt, assigned by the relay. Steps of other attempts are ignored.
    pub attempt: u32,
    /// The step.
    pub step: DirectStep,
}

/// A step of an attempt to establish direct media.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectStep {
    /// From the relay: requests an offer.
    Begin,
    /// An offer (RFC 8829) for a second peer connection; candidates are trickled.
    Offer(String),
    /// The answer to the offer.
    Answer(String),
    /// An `RTCIceCandidateInit` (W3C WebRTC §4.8.1.1; trickle ICE, RFC 8838).
    Candidate(Json),
    /// From a browser: its direct connection is established.
    Up,
    /// From the relay: both connections are established. The browser plays the direct media and stops sending to the relay.
    Switch,
    /// The attempt failed or ended: the browser exchanges media through the relay and closes the second connection.
    End,
}

impl DirectStep {
    /// Returns the name on the wire.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Offer(_) => "offer",
            Self::Answer(_) => "answer",
            Self::Candidate(_) => "candidate",
            Self::Up => "up",
            Self::Switch => "switch",
            Self::End => "end",
        }
    }

    /// Creates a step from its name and content; `None` if the name is unknown or the content is missing.
    #[must_use]
    pub fn from_parts(name: &str, sdp: Option<String>, candidate: Option<Json>) -> Option<Self> {
        Some(match name {
            "begin" => Self::Begin,
            "offer" => Self::Offer(sdp?),
            "answer" => Self::Answer(sdp?),
            "candidate" => Self::Candidate(candidate?),
            "up" => Self::Up,
            "switch" => Self::Switch,
            "end" => Self::End,
            _ => return None,
        })
    }

    /// Returns the session description, if the step has one.
    #[must_use]
    pub fn sdp(&self) -> Option<&str> {
        match self {
            Self::Offer(sdp) | Self::Answer(sdp) => Some(sdp),
            Self::Begin | Self::Candidate(_) | Self::Up | Self::Switch | Self::End => None,
        }
    }

    /// Returns the candidate, if the step has one.
    #[must_use]
    pub const fn candidate(&self) -> Option<&Json> {
        match self {
            Self::Candidate(candidate) => Some(candidate),
            Self::Begin | Self::Offer(_) | Self::Answer(_) | Self::Up | Self::Switch | Self::End => None,
        }
    }
}
