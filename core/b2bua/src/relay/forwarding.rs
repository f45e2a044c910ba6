//! Permissions to forward calls, by a REFER of a SIP peer (RFC 3515) or by a redirect of a phone (RFC 3261 §21.3). They
//! prevent forwarding to arbitrary numbers at the operator's cost.
//!
//! The peer of a call through an account of the operator can be any telephone. Such a call may only be forwarded to the
//! numbers in `[sip] forward_to`; a called phone may also redirect it to users of the relay. Calls of registered phones
//! and of pages may be forwarded to any target that these may call.

use super::Relay;
use super::routing::{Source, Target};
use crate::address::Address;

impl Relay {
    /// Returns whether the SIP peer of an established call may transfer it to `target`.
    pub(super) fn may_refer(&self, source: &Source, target: &Address) -> bool {
        match source {
            Source::Unknown => false,
            Source::Account(account) if self.accounts.is_operators(*account) => self.may_forward_to(target),
            // Calls at a page's own account are charged to that account. Phones may call the target themselves.
            Source::Account(_) | Source::Phone(_) | Source::Session(_) | Source::Application(_) => true,
        }
    }

    /// Returns whether the SIP peer of two established calls may join them. The dialog tags in its REFER prove that
    /// both calls are its own.
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

    /// Returns the address to call for a transfer or redirect target. For a call through an account of the operator, it
    /// is only the user part of the target, so that the account's server is called.
    pub(super) fn dialed(&self, source: &Source, target: &Address) -> Address {
        match source {
            Source::Account(account) if self.accounts.is_operators(*account) => {
                Address::of_login(target.login().clone())
            }
            Source::Account(_) | Source::Phone(_) | Source::Session(_) | Source::Application(_) | Source::Unknown => {
                target.clone()
            }
        }
    }
}
