//! Recognition of phones by the domain in a request and by its source address.
//!
//! If the operator configured no domain, phones may register for any name that resolves to the relay. Such a name is
//! stored with the binding and removed with it, and a user can add only a few of them, which limits the influence of a
//! phone on the classification of other requests.

use super::{Binding, Registrar};
use crate::message::Host;
use crate::user_agent::destinations::spelling;
use crate::user_agent::io::BindingId;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The maximum number of domains that the bindings of one user may add: one name for phones inside a network, and one
/// for phones outside.
const MAX_DOMAINS_PER_USER: usize = 2;

impl Registrar {
    /// Returns whether the host is one of the configured domains.
    #[must_use]
    pub fn is_configured(&self, host: &Host) -> bool {
        self.settings.domains.contains(host)
    }

    /// Returns whether a phone is registered for this domain, which is not a configured one.
    #[must_use]
    pub fn has_learned(&self, host: &Host) -> bool {
        let Some(name) = spelling(host) else { return false };
        let first = (name, BindingId(0));
        self.learned.range(&first..).next().is_some_and(|(domain, _)| *domain == first.0)
    }

    /// Returns whether a phone is registered from this address.
    #[must_use]
    pub fn has_phone_at(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.sources.range((address, BindingId(0))..).next().is_some_and(|(source, _)| *source == address)
    }

    /// Returns the name to store for the domain that a phone registers for, if the domain can be learned.
    pub(super) fn learnable(&self, host: &Host) -> Option<String> {
        let name = spelling(host).filter(|name| !self.settings.other_servers.contains(name))?;
        (self.settings.any_domain && !self.is_configured(host)).then_some(name)
    }

    /// Stores the domain and address of a new binding. The domain is dropped if the user's other bindings have already
    /// added the maximum number.
    pub(super) fn store_domain(&mut self, id: BindingId, user: &str, binding: &mut Binding) {
        let others: BTreeSet<String> =
            self.bindings_of(user).filter_map(|(_, binding)| binding.domain.clone()).collect();
        binding.domain =
            binding.domain.take().filter(|name| others.contains(name) || others.len() < MAX_DOMAINS_PER_USER);
        self.learned.extend(binding.domain.clone().map(|name| (name, id)));
        self.sources.insert((binding.registered_from.to_canonical(), id));
    }

    /// Removes the domain and address of a binding that has ended.
    pub(super) fn remove_domain(&mut self, id: BindingId, binding: &Binding) {
        if let Some(name) = &binding.domain {
            self.learned.remove(&(name.clone(), id));
        }
        self.sources.remove(&(binding.registered_from.to_canonical(), id));
    }
}
