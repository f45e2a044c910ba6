//! Lookup of users in the SIP configuration: users of phones, and logins with a number at the trunk.

use crate::config::{Config, LoginName, Numbering};
use std::collections::{BTreeMap, BTreeSet};

/// Lookup tables that are derived from the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ConfiguredUsers {
    /// The number format of the trunk.
    numbering: Option<Numbering>,
    /// The logins with a number at the trunk, by [`Numbering::canonical`] number.
    by_number: BTreeMap<String, LoginName>,
    phone_users: BTreeSet<LoginName>,
}

impl ConfiguredUsers {
    pub(super) fn new(config: &Config) -> Self {
        let Some(sip) = config.sip.as_deref() else { return Self::default() };
        let numbers = sip.trunk.iter().flat_map(|trunk| {
            trunk.numbers.iter().map(|(login, number)| (trunk.numbering.canonical(number), login.clone()))
        });
        let phone_users = sip.user_agent.phones.iter().map(|phone| LoginName(phone.user.clone()));
        Self {
            numbering: sip.trunk.as_ref().map(|trunk| trunk.numbering.clone()),
            by_number: numbers.collect(),
            phone_users: phone_users.collect(),
        }
    }

    /// Returns the login with this number at the trunk.
    pub(super) fn with_number(&self, number: &str) -> Option<&LoginName> {
        self.by_number.get(&self.numbering.as_ref()?.canonical(number))
    }

    /// Returns whether a login has a phone in the configuration.
    pub(super) fn has_phone(&self, login: &LoginName) -> bool {
        self.phone_users.contains(login)
    }
}
