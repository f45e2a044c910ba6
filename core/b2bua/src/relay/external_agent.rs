//! Interface of a [`Relay`] without a SIP user agent of its own: the embedding program executes the commands for the
//! user agent and passes its events to the relay.

use super::Relay;
use super::clients::Clients;
use offhook_clock::Time;
use offhook_sip::user_agent::io::{Command, Event};

impl Relay {
    /// Handles an event of the external user agent of a relay that was created with [`Relay::with_external_agent`].
    pub fn handle_agent_event(&mut self, event: Event, now: Time) {
        self.handle_event(event, now);
        self.close_expired(now);
        self.reserve_ports(now);
    }

    /// Returns the next command for the external user agent.
    pub fn poll_agent_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// Returns whether nothing of earlier sessions and calls is left: no socket, account, call, leg, index entry or
    /// port, no event that waits for a host name to be resolved, and no open routing question.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.calls.is_empty()
            && self.clients == Clients::default()
            && self.accounts.is_empty()
            && self.presenter.is_empty()
            && self.records.is_empty()
            && self.workers.is_idle()
            && self.media_names.is_empty()
            && self.questions.is_empty()
            && self.guards.is_empty()
    }
}
