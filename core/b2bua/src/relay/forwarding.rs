//! Forwarding of calls at the cost of an operator's account: REFER by the peer of such a call (RFC 3515), and redirects
//! of phones that it alerts (RFC 3261 §21.3).
//!
//! The peer of a call through a trunk can be any telephone. It may forward the call to the numbers in `[sip]
//! forward_to`; only a called phone may redirect it to users of the relay. Registered phones and pages are users, and
//! may forward a call to any target that they may call.

use super::Relay;
use super::routing::{Source, Target};
use crate::address::Address;

impl Relay {
    /// Returns whether the SIP peer of an established call may transfer it to `target`.
    pub(super) fn may_refer(&self, source: &Source, target: &Address) -> bool {
        match source {
            Source::Unknown => false,
            Source::Account(account) if self.accounts.is_operators(*account) => self.may_forward_to(target),
            // The page's own account is charged, and a phone may call the target itself.
            Source::Account(_) | Source::Phone(_) | Source::Session(_) => true,
        }
    }

    /// Returns whether the SIP peer of two established calls, which has proved by their tags that they are its own, may
    /// join them.
    pub(super) fn may_join(&self, source: &Source, other: &Source) -> bool {
        let is_operators =
            |source: &Source| matches!(source, Source::Account(account) if self.accounts.is_operators(*account));
        let is_unknown = *source == Source::Unknown || *other == Source::Unknown;
        !is_unknown && (source == other || !is_operators(source) && !is_operators(other))
    }

    /// Returns whether a call from `source` may be redirected to `targets`.
    pub(super) fn may_redirect(&self, source: &Source, contact: &Address, targets: &[Target]) -> bool {
        let leaves = targets.iter().any(|target| matches!(target, Target::Uri { .. }));
        !leaves || self.may_refer(source, contact)
    }

    fn may_forward_to(&self, target: &Address) -> bool {
        let user = &target.login().0;
        self.config.sip.iter().flat_map(|config| &config.forward_to).any(|pattern| pattern.matches(user))
    }

    /// Returns the address to call for a transfer or redirect target: at an operator's account only the number, at the
    /// account's server.
    pub(super) fn dialed(&self, source: &Source, target: &Address) -> Address {
        match source {
            Source::Account(account) if self.accounts.is_operators(*account) => {
                Address::of_login(target.login().clone())
            }
            Source::Account(_) | Source::Phone(_) | Source::Session(_) | Source::Unknown => target.clone(),
        }
    }
}
