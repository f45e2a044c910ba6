//! The SIP side of the relay: what the user agent is told, and what becomes of what it tells.

use super::Relay;
use offhook_clock::Time;
use offhook_sip::user_agent::io::{Command, Event};

impl Relay {
    /// Orders something of the user agent, after what was ordered before.
    pub(super) fn command(&mut self, command: Command) {
        self.commands.push_back(command);
    }

    /// What the user agent is to do next; it is asked for after every input.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// The user agent tells something.
    pub fn handle_event(&mut self, event: Event, now: Time) {
        match event {
            Event::Registered { account, .. } => self.registered(account),
            Event::RegistrationFailed { account, failure, retry_at } => {
                self.registration_failed(account, &failure, retry_at, now);
            }
            _ => {}
        }
    }
}
