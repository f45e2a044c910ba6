//! The parts of an INVITE that may contain the called number.

use crate::message::{Headers, NameAddr, Request, Uri};
use serde::{Deserialize, Serialize};

/// A part of an INVITE that may contain the called number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CalledNumberSource {
    /// The Request-URI (RFC 3261 §8.2.2.1).
    RequestUri,
    /// `P-Called-Party-ID` (RFC 7315 §4.2).
    CalledPartyId,
    /// `To`.
    To,
}

impl CalledNumberSource {
    /// All parts, in the default order of preference.
    pub const ALL: [Self; 3] = [Self::RequestUri, Self::CalledPartyId, Self::To];

    /// Returns the user part of the URI in this part of a request. `None` if it is absent or empty.
    pub(super) fn user(self, request: &Request) -> Option<String> {
        let uri = match self {
            Self::RequestUri => request.uri.clone(),
            Self::CalledPartyId => called_party(&request.headers)?,
            Self::To => request.headers.to().ok()?.uri,
        };
        uri.user().filter(|user| !user.is_empty()).map(|user| user.into_owned())
    }
}

/// Returns the URI in `P-Called-Party-ID`.
pub(super) fn called_party(headers: &Headers) -> Option<Uri> {
    let address: NameAddr = headers.get("P-Called-Party-ID")?.parse().ok()?;
    Some(address.uri)
}
