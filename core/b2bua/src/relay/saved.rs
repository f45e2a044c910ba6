//! Saving a relay and restoring it in another process, where the calls in progress continue.

use super::Relay;
use super::state::RelayState;
use crate::config::Config;
use core::fmt;
use offhook_clock::Time;
use offhook_media::seal::{Sealed, SealingKey};
use offhook_secret::InClear;
use rand_core::Rng;
use serde::{Deserialize, Serialize};

/// The version of the state's structure; it increases with every change of the structure.
const SCHEMA: u32 = 2;

/// The names of the sealed parts, each of which can be opened only under its name.
const CHECK: &str = "relay key check";
const STATE: &str = "relay state";

/// A [`Relay`] in saved form: its whole state is sealed, because it contains passwords, tokens, and ICE and SRTP keys.
/// The configuration is not part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedRelay {
    schema: u32,
    /// A sealed empty text. If it cannot be opened, the key is wrong.
    check: Sealed,
    state: Sealed,
}

/// The reason why a relay cannot be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreError {
    /// It was saved with another schema.
    OtherSchema {
        /// The version of that schema.
        found: u32,
    },
    /// It was saved under another key.
    WrongKey,
    /// It was changed after it had been saved.
    Damaged,
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherSchema { found } => write!(
                f,
                "the saved state has schema {found}, this program reads schema {SCHEMA}; start with the program that saved it, or without saved state"
            ),
            Self::WrongKey => {
                f.write_str("the saved state was saved under another key; start with that key, or without saved state")
            }
            Self::Damaged => f.write_str("the saved state is damaged; start without saved state"),
        }
    }
}

impl core::error::Error for RestoreError {}

impl SavedRelay {
    /// Decrypts the state.
    pub(super) fn open(&self, key: &SealingKey) -> Result<RelayState, RestoreError> {
        if self.schema != SCHEMA {
            return Err(RestoreError::OtherSchema { found: self.schema });
        }
        key.open(&self.check, CHECK).map_err(|_| RestoreError::WrongKey)?;
        let state = key.open(&self.state, STATE).map_err(|_| RestoreError::Damaged)?;
        serde_json::from_slice(&state).map_err(|_| RestoreError::Damaged)
    }
}

impl Relay {
    /// Saves the state. The shell must have polled all outputs before ([`Relay::poll_output`]). `rng` must never be
    /// seeded with the same value again.
    #[must_use]
    pub fn save(&self, key: &SealingKey, rng: &mut impl Rng) -> SavedRelay {
        #[expect(clippy::expect_used, reason = "every map with structured keys is saved as a list of pairs")]
        let state = serde_json::to_vec(&InClear(&self.state())).expect("a state without unsupported keys");
        SavedRelay { schema: SCHEMA, check: key.seal(&[], CHECK, rng), state: key.seal(&state, STATE, rng) }
    }

    /// Creates a relay that continues from a saved one. `config` may differ from the configuration before: a trunk with
    /// other settings is registered again, and a worker whose ports have changed starts with all of them free.
    ///
    /// # Errors
    ///
    /// If it was saved with another schema or under another key, or if it is damaged.
    pub fn restore(config: Config, saved: &SavedRelay, key: &SealingKey, now: Time) -> Result<Self, RestoreError> {
        Ok(Self::continue_from(config, saved.open(key)?, now))
    }
}

#[cfg(test)]
mod tests;
