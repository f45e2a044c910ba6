//! Calls that are sent on at the cost of an operator's account: REFER by the peer of such a call (RFC 3515), and redirects of
//! phones that it rings (RFC 3261 §21.3).
//!
//! The peer of a call through a trunk is anybody in the telephone network. It may send the call on to the numbers that
//! `[sip] forward_to` lists; to users of the relay, only a phone that is called may. Phones that registered here and pages are
//! users, and send a call wherever they may call themselves.

use super::Relay;
use super::routing::{Source, Target};
use crate::address::address_of_record;
use offhook_sip::user_agent::io::AccountId;

impl Relay {
    /// Whether the SIP peer of an established call may transfer it to `target`.
    pub(super) fn may_refer(&self, source: &Source, target: &str) -> bool {
        match source {
            Source::Stranger => false,
            Source::Account(account) if self.is_operators(*account) => self.may_forward_to(target),
            // A page's own account pays, and a phone may call there itself.
            Source::Account(_) | Source::Phone(_) | Source::Session(_) => true,
        }
    }

    /// Whether the SIP peer of two established calls, which proved that they are its own by their tags, may join them.
    pub(super) fn may_join(&self, source: &Source, other: &Source) -> bool {
        let is_operators = |source: &Source| matches!(source, Source::Account(account) if self.is_operators(*account));
        let is_unknown = *source == Source::Stranger || *other == Source::Stranger;
        !is_unknown && (source == other || !is_operators(source) && !is_operators(other))
    }

    /// Whether a call that came in from `source` may be redirected to `targets`.
    pub(super) fn may_redirect(&self, source: &Source, contact: &str, targets: &[Target]) -> bool {
        let leaves = targets.iter().any(|target| matches!(target, Target::Uri { .. }));
        !leaves || self.may_refer(source, contact)
    }

    fn may_forward_to(&self, target: &str) -> bool {
        let user = address_of_record(target).0;
        self.config.sip.iter().flat_map(|config| &config.forward_to).any(|pattern| pattern.matches(&user))
    }

    /// The operator pays for the calls of this account: it is the trunk, or in the configuration.
    fn is_operators(&self, account: AccountId) -> bool {
        Some(account) == self.trunk || self.accounts.get(&account).is_some_and(|account| account.is_configured)
    }

    /// What is dialed for a transfer or redirect target: at an operator's account the number only, at the account's server.
    pub(super) fn dialed(&self, source: &Source, target: &str) -> String {
        match source {
            Source::Account(account) if self.is_operators(*account) => address_of_record(target).0,
            Source::Account(_) | Source::Phone(_) | Source::Session(_) | Source::Stranger => target.to_owned(),
        }
    }
}
