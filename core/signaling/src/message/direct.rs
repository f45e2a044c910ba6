//! `offhookDirect`: two browsers of one call look for a way to each other, past the relay.

use super::{CallId, Json};

/// One step, in either direction (extension, feature `directMedia`). The relay passes `Offer`, `Answer` and `Candidate`
/// on to the other browser of the call as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Direct {
    /// The call, by the id of whoever sends or gets the message.
    pub call_id: CallId,
    /// Which attempt it belongs to: the relay numbers them, steps of another attempt mean nothing.
    pub attempt: u32,
    /// What happens.
    pub step: DirectStep,
}

/// What happens in an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectStep {
    /// From the relay: make an offer.
    Begin,
    /// An offer (RFC 8829) for a second peer connection, candidates follow.
    Offer(String),
    /// Its answer.
    Answer(String),
    /// An `RTCIceCandidateInit` of the W3C's WebRTC, §4.8.1.1 (trickle, RFC 8838).
    Candidate(Json),
    /// From a browser: its connection is up.
    Up,
    /// From the relay: both are up. Play what arrives there, stop sending to the relay.
    Switch,
    /// Over, or failed: back to the relay, close the second connection.
    End,
}

impl DirectStep {
    /// The name on the wire.
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

    /// From its name and what belongs to it; `None` for an unknown name, or when what belongs to it is missing.
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

    /// Its description, if it has one.
    #[must_use]
    pub fn sdp(&self) -> Option<&str> {
        match self {
            Self::Offer(sdp) | Self::Answer(sdp) => Some(sdp),
            Self::Begin | Self::Candidate(_) | Self::Up | Self::Switch | Self::End => None,
        }
    }

    /// Its candidate, if it has one.
    #[must_use]
    pub const fn candidate(&self) -> Option<&Json> {
        match self {
            Self::Candidate(candidate) => Some(candidate),
            Self::Begin | Self::Offer(_) | Self::Answer(_) | Self::Up | Self::Switch | Self::End => None,
        }
    }
}
