//! Accessors common to all events of the user agent.

use super::io::{Body, Event, InviteId};

impl Event {
    /// Returns the call of the event, if it has one.
    #[must_use]
    pub const fn invite(&self) -> Option<InviteId> {
        match self {
            Self::Registered { .. }
            | Self::RegistrationFailed { .. }
            | Self::Unregistered { .. }
            | Self::PhoneBound { .. }
            | Self::PhoneUnbound { .. }
            | Self::Offense { .. } => None,
            Self::Incoming { invite, .. }
            | Self::SourceChanged { invite, .. }
            | Self::Progress { invite, .. }
            | Self::Answered { invite, .. }
            | Self::OfferAnswered { invite, .. }
            | Self::OfferRefused { invite, .. }
            | Self::Offer { invite, .. }
            | Self::Ended { invite, .. }
            | Self::Refer { invite, .. }
            | Self::ReferProgress { invite, .. }
            | Self::Info { invite, .. } => Some(*invite),
        }
    }

    /// Returns the session description of the event, if it has one.
    #[must_use]
    pub fn description(&self) -> Option<&Body> {
        match self {
            Self::Incoming { request, .. } => request.offer.as_ref(),
            Self::Progress { body, .. } | Self::Answered { body, .. } | Self::Offer { body, .. } => body.as_ref(),
            Self::OfferAnswered { body, .. } => Some(body),
            _ => None,
        }
    }

    /// Returns the session description for modification; see [`Self::description`].
    pub fn description_mut(&mut self) -> Option<&mut Body> {
        match self {
            Self::Incoming { request, .. } => request.offer.as_mut(),
            Self::Progress { body, .. } | Self::Answered { body, .. } | Self::Offer { body, .. } => body.as_mut(),
            Self::OfferAnswered { body, .. } => Some(body),
            _ => None,
        }
    }
}
