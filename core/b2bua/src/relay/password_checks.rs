//! Queue of password checks: a few run at a time, the others wait. The order prevents one source from delaying others.
//!
//! ```text
//!  submit ──> waiting ──> running ──> finished
//!     │          │ locked out meanwhile, or dropped from a full queue
//!     └──────────┴──> refused
//! ```
//!
//! A check takes tens of milliseconds of CPU time, so the number of waiting checks is limited. The next check to run is
//! that of the source with the fewest failures and running checks. Logins that have succeeded from their source before
//! have priority, at a limited rate. After each check with priority, a login without a success has priority, so that
//! one valid login does not block the others. When the queue is full, a check of the source with the most waiting
//! checks is dropped.

use crate::config::LoginName;
use crate::io::{ConnectionId, RequestId};
use core::time::Duration;
use offhook_clock::Time;
use offhook_limits::SourceNetwork;
use offhook_limits::lockout::{Lockouts, Policy};
use offhook_signaling::message::ConnectionMessage;
use offhook_sip::auth::Secret;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The maximum number of waiting checks. It is limited because each contains a `connection` message.
const MAX_WAITING: usize = 256;

/// A `connection` whose password is to be checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attempt {
    pub(super) connection: ConnectionId,
    pub(super) address: IpAddr,
    pub(super) login: LoginName,
    pub(super) password: Secret,
    pub(super) hello: ConnectionMessage,
}

impl Attempt {
    const fn source(&self) -> SourceNetwork {
        SourceNetwork::of(self.address)
    }
}

/// A running check. If its connection is closed, the check continues, and its result is counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Running {
    address: IpAddr,
    login: LoginName,
    /// The waiting connection; `None` if it is closed.
    waiter: Option<(ConnectionId, ConnectionMessage)>,
}

/// The next step, which the relay executes.
#[derive(Debug)]
pub(super) enum Step {
    /// Verify this password.
    Verify { request: RequestId, login: LoginName, password: Secret },
    /// The attempt's login or source is locked out.
    Refuse { attempt: Box<Attempt>, remaining: Duration },
}

/// The result of a check.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) address: IpAddr,
    pub(super) login: LoginName,
    /// The waiting connection; `None` if it is closed.
    pub(super) waiter: Option<(ConnectionId, ConnectionMessage)>,
}

/// All checks of a relay, and the lockouts that their failures lead to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PasswordChecks {
    waiting: BTreeMap<RequestId, Attempt>,
    running: BTreeMap<RequestId, Running>,
    /// The check that started last had priority. The next one is that of a login without a success from its source.
    is_turn_of_new: bool,
    lockouts: Lockouts,
}

/// The order of waiting checks, lowest first: whether it is without priority, failures and running checks of the
/// source, failures of the login from the source, age.
type Rank = (bool, usize, u32, RequestId);

impl PasswordChecks {
    /// Creates an empty queue.
    pub(super) fn new() -> Self {
        let lockouts = Lockouts::new(Policy::default());
        Self { waiting: BTreeMap::new(), running: BTreeMap::new(), is_turn_of_new: false, lockouts }
    }

    /// Adds an attempt. If the queue is full, returns the attempt that is dropped.
    pub(super) fn submit(&mut self, request: RequestId, attempt: Attempt, now: Time) -> Option<Attempt> {
        self.waiting.insert(request, attempt);
        if self.waiting.len() <= MAX_WAITING {
            return None;
        }
        let mut sizes: BTreeMap<SourceNetwork, usize> = BTreeMap::new();
        for attempt in self.waiting.values() {
            *sizes.entry(attempt.source()).or_default() += 1;
        }
        let size = |attempt: &Attempt| sizes.get(&attempt.source()).copied();
        let last = self.waiting.iter().max_by_key(|(id, attempt)| (size(attempt), self.rank(**id, attempt, now)));
        let last = last.map(|(id, _)| *id)?;
        self.waiting.remove(&last)
    }

    /// Returns the next check to run or to refuse; `None` if no check waits, or if `at_a_time` checks are running and
    /// none is to be refused.
    pub(super) fn next(&mut self, at_a_time: usize, now: Time) -> Option<Step> {
        let is_locked = |attempt: &Attempt| self.lockouts.remaining(attempt.source(), &attempt.login.0, now);
        if let Some((id, remaining)) = self.waiting.iter().find_map(|(id, attempt)| Some((*id, is_locked(attempt)?))) {
            let attempt = Box::new(self.waiting.remove(&id)?);
            return Some(Step::Refuse { attempt, remaining });
        }
        if self.running.len() >= at_a_time {
            return None;
        }
        let first = self.waiting.iter().min_by_key(|(id, attempt)| self.rank(**id, attempt, now));
        let request = first.map(|(id, _)| *id)?;
        let attempt = self.waiting.remove(&request)?;
        self.is_turn_of_new = !self.is_turn_of_new && self.goes_ahead(&attempt, now);
        self.lockouts.take_precedence(attempt.source(), &attempt.login.0, now);
        let Attempt { connection, address, login, password, hello } = attempt;
        let running = Running { address, login: login.clone(), waiter: Some((connection, hello)) };
        self.running.insert(request, running);
        Some(Step::Verify { request, login, password })
    }

    fn rank(&self, id: RequestId, attempt: &Attempt, now: Time) -> Rank {
        let (source, login) = (attempt.source(), attempt.login.0.as_str());
        let running = self.running.values().filter(|running| SourceNetwork::of(running.address) == source).count();
        let failures = usize::try_from(self.lockouts.failures(source, now)).unwrap_or(usize::MAX);
        let is_its_turn = if self.is_turn_of_new { !self.is_known(attempt) } else { self.goes_ahead(attempt, now) };
        (!is_its_turn, failures.saturating_add(running), self.lockouts.failures_of(source, login, now), id)
    }

    fn goes_ahead(&self, attempt: &Attempt, now: Time) -> bool {
        self.lockouts.has_precedence(attempt.source(), &attempt.login.0, now)
    }

    /// Returns whether the login has succeeded from its source before.
    pub(super) fn is_known(&self, attempt: &Attempt) -> bool {
        self.lockouts.is_known(attempt.source(), &attempt.login.0)
    }

    /// Ends a running check; returns `None` if it is unknown.
    pub(super) fn finish(&mut self, request: RequestId, matches: bool, now: Time) -> Option<Finished> {
        let Running { address, login, waiter } = self.running.remove(&request)?;
        self.count(address, &login.0, matches, now);
        Some(Finished { address, login, waiter })
    }

    /// Returns the remaining lockout of a login that a SIP server verifies; `None` if there is no lockout.
    pub(super) fn lockout(&self, address: IpAddr, login: &LoginName, now: Time) -> Option<Duration> {
        self.lockouts.remaining(SourceNetwork::of(address), &login.0, now)
    }

    /// Counts a login that a SIP server has accepted or rejected.
    pub(super) fn count(&mut self, address: IpAddr, login: &str, matches: bool, now: Time) {
        if matches {
            self.lockouts.succeed(SourceNetwork::of(address), login);
        } else {
            self.lockouts.fail(SourceNetwork::of(address), login, now);
        }
    }

    /// Counts a failed login by a token for its source.
    pub(super) fn count_source(&mut self, address: IpAddr, now: Time) {
        self.lockouts.fail_source(SourceNetwork::of(address), now);
    }

    /// Returns the connections whose login with this name is being checked.
    pub(super) fn connections_of(&self, login: &LoginName) -> Vec<ConnectionId> {
        let checks = self.running.values().filter(|running| running.login == *login);
        checks.filter_map(|running| Some(running.waiter.as_ref()?.0)).collect()
    }

    /// Removes the waiting check of a connection that is closed. A running check continues without the connection.
    pub(super) fn forget(&mut self, connection: ConnectionId) {
        self.waiting.retain(|_, attempt| attempt.connection != connection);
        for running in self.running.values_mut() {
            running.waiter.take_if(|(waiter, _)| *waiter == connection);
        }
    }
}

#[cfg(test)]
mod tests;
