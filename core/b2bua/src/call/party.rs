//! One side of a call: the browser as a correspondent, and its leg.

use offhook_media::command::LegKey;
use offhook_sdp::webrtc::{Description, IceCredentials, Section};
use offhook_signaling::message::{CallId, CallObject, CallStatus, Json};
use offhook_signaling::reason::EndReason;
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

    /// That one and the other one.
    pub fn split(self, leg: LegId) -> (T, T) {
        match leg {
            LegId::A => (self.a, self.b),
            LegId::B => (self.b, self.a),
        }
    }
}

/// A browser that takes part in a call, and how the call looks from there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// The browser's session.
    pub session: SessionId,
    /// The call's id in that session.
    pub call_id: CallId,
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
    /// The page understands `offhookDtmf`.
    pub dtmf_events: bool,
    /// The page understands `endReason`.
    pub end_reasons: bool,
    /// The page can exchange media with another one itself.
    pub direct_media: bool,
}

/// A [`Json`] that can be saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JsonText(pub Json);

impl Party {
    /// The call object of a status message to this browser.
    #[must_use]
    pub fn object(&self, status: CallStatus, has_video: bool) -> CallObject {
        CallObject {
            call_id: self.call_id.clone(),
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
    pub fn ended(&self, status: CallStatus, reason: EndReason, has_video: bool) -> CallObject {
        CallObject {
            sip_status: Some(reason.sip_status()),
            info: Some(reason.info().to_owned()),
            end_reason: self.end_reasons.then_some(reason),
            ..self.object(status, has_video)
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
    /// The browser.
    pub party: Party,
    /// Its description: what it can do.
    pub description: Description,
    /// Its negotiated streams, as it wrote them.
    pub streams: Vec<Section>,
}

/// The caller of a call that nobody has answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The browser.
    pub party: Party,
    /// Its offer.
    pub offer: Description,
}

/// What a fresh leg needs that is not to be guessed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegSecrets {
    /// The relay's ICE credentials for the leg.
    pub ice: IceCredentials,
    /// Where the SSRCs of its streams begin.
    pub first_ssrc: u32,
}
