//! The parties that are phones of this registrar, by the domain and by the address that a request comes from.
//!
//! Where the operator named no domain, phones may register for any name that leads to the relay. Such a name is kept with the
//! binding and ends with it, and a user has few of them, so that no phone decides for long, or for many names, how requests
//! of others are judged.

use super::{Binding, Registrar};
use crate::message::Host;
use crate::user_agent::destinations::spelling;
use crate::user_agent::io::BindingId;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The domains that one user's bindings may add: a name for phones inside a network, and one for phones outside.
const MOST_DOMAINS_PER_USER: usize = 2;

impl Registrar {
    /// The host is one of the domains in the configuration.
    #[must_use]
    pub fn is_configured(&self, host: &Host) -> bool {
        self.settings.domains.contains(host)
    }

    /// A phone is registered for a domain of this name, which is not in the configuration.
    #[must_use]
    pub fn has_learned(&self, host: &Host) -> bool {
        let Some(name) = spelling(host) else { return false };
        let first = (name, BindingId(0));
        self.learned.range(&first..).next().is_some_and(|(domain, _)| *domain == first.0)
    }

    /// A phone is registered from this address.
    #[must_use]
    pub fn has_phone_at(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.sources.range((address, BindingId(0))..).next().is_some_and(|(source, _)| *source == address)
    }

    /// The name by which a domain that a phone registers for can be learned, if it can.
    pub(super) fn learnable(&self, host: &Host) -> Option<String> {
        let name = spelling(host).filter(|name| !self.settings.other_servers.contains(name))?;
        (self.settings.any_domain && !self.is_configured(host)).then_some(name)
    }

    /// Notes domain and address of a binding that is made. Its domain is dropped where the user's other bindings have as many
    /// as they may.
    pub(super) fn learn(&mut self, id: BindingId, user: &str, binding: &mut Binding) {
        let others: BTreeSet<String> =
            self.bindings_of(user).filter_map(|(_, binding)| binding.domain.clone()).collect();
        binding.domain =
            binding.domain.take().filter(|name| others.contains(name) || others.len() < MOST_DOMAINS_PER_USER);
        self.learned.extend(binding.domain.clone().map(|name| (name, id)));
        self.sources.insert((binding.registered_from.to_canonical(), id));
    }

    /// Forgets domain and address of a binding that is gone.
    pub(super) fn unlearn(&mut self, id: BindingId, binding: &Binding) {
        if let Some(name) = &binding.domain {
            self.learned.remove(&(name.clone(), id));
        }
        self.sources.remove(&(binding.registered_from.to_canonical(), id));
    }
}
