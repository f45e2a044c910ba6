//! The state of a user agent without its configuration, for snapshots.

use super::context::layer_settings;
use super::{UserAgent, UserAgentSettings, registrar_settings};
use serde::{Deserialize, Serialize};

/// The state of a user agent, without its settings and without the outputs that were not polled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserAgentState(UserAgent);

impl UserAgent {
    /// Returns a copy of the state.
    #[must_use]
    pub fn state(&self) -> UserAgentState {
        let mut agent = self.clone();
        agent.configure(UserAgentSettings::empty());
        UserAgentState(agent)
    }

    /// Creates a user agent that continues from a state. `settings` may differ from the earlier settings.
    #[must_use]
    pub fn restore(settings: UserAgentSettings, UserAgentState(mut agent): UserAgentState) -> Self {
        agent.configure(settings);
        agent
    }

    fn configure(&mut self, settings: UserAgentSettings) {
        self.context.layer.configure(layer_settings(&settings));
        self.registrations.configure(settings.keep_alive);
        self.registrar.configure(registrar_settings(&settings));
        self.context.settings = settings;
    }
}
