//! Lockouts after failed logins.
//!
//! Failures are counted for each (source, login) and for each source. When a count exceeds the number of free failures, further
//! attempts are refused for a time that doubles with each failure. Failures expire one by one. Failures are never counted for a
//! login alone, so that an attacker at another address cannot lock a user out. A login that has succeeded from a source before is
//! exempt from the lockout of that source, because the attacker may share the user's NAT.

use crate::{RateLimit, Recent, SourceNetwork};
use core::time::Duration;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Conditions and durations of lockouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowance {
    /// Failures without a lockout.
    pub free: u32,
    /// Duration of the first lockout, after one more failure; it doubles with each further failure.
    pub first: Duration,
    /// Maximum duration of a lockout.
    pub longest: Duration,
    /// Interval at which one failure expires.
    pub forget_one: Duration,
    /// Number of attempts admitted by [`Lockouts::admits`] during one lockout, evenly spaced and at most one a second.
    pub admitted: u32,
}

/// The allowances of sources and logins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// For one login from one source.
    pub login: Allowance,
    /// For one login from a source from which it has succeeded before.
    pub known_login: Allowance,
    /// For all logins from one source together.
    pub source: Allowance,
}

impl Default for Policy {
    /// The default values do not affect a user who mistypes a password. A program that tries passwords for one login is limited to
    /// about one attempt in five minutes after a quarter of an hour.
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        let first = Duration::from_secs(1);
        let login = Allowance { free: 10, first, longest: minutes(60), forget_one: minutes(5), admitted: 12 };
        Self {
            login,
            known_login: Allowance { longest: Duration::from_secs(2), ..login },
            source: Allowance { free: 60, first, longest: minutes(15), forget_one: minutes(1), admitted: 30 },
        }
    }
}

/// Maximum number of sources with counted failures.
const MAX_SOURCES: usize = 4_096;
/// Maximum number of logins counted for one source.
const MAX_LOGINS: usize = 32;
/// Maximum number of stored (source, login) pairs that have succeeded.
const MAX_KNOWN: usize = 16_384;
/// Maximum number of attempts per second of a known login that [`Lockouts::admits`] admits during a lockout.
const KNOWN_RATE: u32 = 10;
/// Minimum time between two attempts of unknown logins that [`Lockouts::admits`] admits during a lockout.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// Number of attempts of one known (source, login) pair that take precedence at once; see [`Lockouts::has_precedence`].
const PRECEDENCE_BURST: u32 = 5;
/// The time, in seconds, after which a pair may take precedence once more.
const PRECEDENCE_PERIOD: u32 = 2;
/// Maximum number of octets of a login, or of an answer, that are stored.
const MAX_TEXT: usize = 128;
/// Number of wrong answers stored for one login, so that a repetition counts once.
const MAX_ANSWERS: usize = 4;

/// Counter of failures, which expire one by one, and the lockout that they cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Failures {
    count: u32,
    /// The time from which the expiration of failures is computed.
    since: Time,
    locked_until: Time,
    /// The time from which [`Lockouts::admits`] admits an attempt of an unknown login during a lockout.
    admitted_from: Time,
    /// The time between two such attempts.
    pause: Duration,
    /// Limits the attempts of a known login that [`Lockouts::admits`] admits during a lockout.
    of_known: RateLimit,
}

impl Failures {
    const fn new(now: Time) -> Self {
        let of_known = RateLimit::new(KNOWN_RATE, KNOWN_RATE, now);
        let pause = SHORTEST_PAUSE;
        Self { count: 0, since: now, locked_until: Time::EPOCH, admitted_from: Time::EPOCH, pause, of_known }
    }

    /// The number of failures that have not expired.
    fn count(&self, allowance: &Allowance, now: Time) -> u32 {
        self.count.saturating_sub(self.forgotten(allowance, now))
    }

    fn forgotten(&self, allowance: &Allowance, now: Time) -> u32 {
        let each = allowance.forget_one.as_micros().max(1);
        u32::try_from(now.since(self.since).as_micros() / each).unwrap_or(u32::MAX)
    }

    fn add(&mut self, allowance: &Allowance, now: Time) {
        let forgotten = self.forgotten(allowance, now);
        self.since = if forgotten >= self.count { now } else { self.since + allowance.forget_one * forgotten };
        self.count = self.count.saturating_sub(forgotten).saturating_add(1);
        self.pause = SHORTEST_PAUSE;
        if let Some(doublings) = self.count.checked_sub(allowance.free).and_then(|over| over.checked_sub(1)) {
            let times = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
            let lockout = allowance.first.saturating_mul(times).min(allowance.longest);
            self.locked_until = now + lockout;
            self.pause = (lockout / allowance.admitted.max(1)).max(SHORTEST_PAUSE);
            self.admitted_from = now + self.pause;
        }
    }

    /// The remaining duration of the lockout.
    fn remaining(&self, now: Time) -> Option<Duration> {
        Some(self.locked_until.since(now)).filter(|remaining| !remaining.is_zero())
    }
}

/// The failures of one login from one source, and its last wrong answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Login {
    failures: Failures,
    /// The last wrong answers, oldest first.
    answers: Vec<String>,
}

/// The failures of one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    failures: Failures,
    logins: BTreeMap<String, Login>,
}

/// Failed logins and the resulting lockouts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lockouts {
    policy: Policy,
    sources: Recent<SourceNetwork, Record>,
    /// Pairs that have succeeded, with the limit of their precedence.
    known: Recent<(SourceNetwork, String), RateLimit>,
}

impl Lockouts {
    /// Creates an instance without failures.
    #[must_use]
    pub const fn new(policy: Policy) -> Self {
        Self { policy, sources: Recent::new(MAX_SOURCES), known: Recent::new(MAX_KNOWN) }
    }

    /// Returns the remaining duration of the lockout of this login; `None` if there is none.
    #[must_use]
    pub fn remaining(&self, source: SourceNetwork, login: &str, now: Time) -> Option<Duration> {
        let record = self.sources.get(&source)?;
        let of_login = record.logins.get(short(login)).and_then(|login| login.failures.remaining(now));
        let of_source = record.failures.remaining(now).filter(|_| !self.is_known(source, login));
        of_login.max(of_source)
    }

    /// Whether an attempt may be verified even if its login or source is locked out. This is for credentials that cost little to
    /// verify. During a lockout, a known login is admitted at a limited rate. All other logins from one source share one budget, so
    /// that the number of admitted attempts does not grow with the number of logins.
    pub fn admits(&mut self, source: SourceNetwork, login: &str, now: Time) -> bool {
        let login = short(login);
        let is_known = self.is_known(source, login);
        let Some(record) = self.sources.get_mut(&source) else { return true };
        let mut of_login = record.logins.get_mut(login).map(|login| &mut login.failures);
        if is_known {
            let locked = of_login.filter(|failures| failures.remaining(now).is_some());
            return locked.is_none_or(|failures| failures.of_known.take(now));
        }
        let counted = [Some(&mut record.failures), of_login.take()];
        if counted.iter().flatten().all(|failures| failures.remaining(now).is_none()) {
            return true;
        }
        let is_admitted = counted.iter().flatten().all(|failures| failures.admitted_from <= now);
        if is_admitted {
            counted.into_iter().flatten().for_each(|failures| failures.admitted_from = now + failures.pause);
        }
        is_admitted
    }

    /// Whether an attempt of a login that has succeeded from this source before takes precedence over other attempts, so that
    /// attackers do not delay a returning user. The number of such attempts is limited, so that a program that logs in repeatedly
    /// loses its precedence.
    #[must_use]
    pub fn has_precedence(&self, source: SourceNetwork, login: &str, now: Time) -> bool {
        self.known.get(&(source, short(login).to_owned())).is_some_and(|limit| limit.has_token(now))
    }

    /// Counts an attempt that took precedence.
    pub fn take_precedence(&mut self, source: SourceNetwork, login: &str, now: Time) {
        if let Some(limit) = self.known.get_mut(&(source, short(login).to_owned())) {
            limit.take(now);
        }
    }

    /// Counts a failed attempt, and returns the number of failures of its source that have not expired.
    pub fn fail(&mut self, source: SourceNetwork, login: &str, now: Time) -> u32 {
        let (policy, login) = (self.policy, short(login));
        let of_login = if self.is_known(source, login) { policy.known_login } else { policy.login };
        let new = || Record { failures: Failures::new(now), logins: BTreeMap::new() };
        let record = self.sources.entry(&source, new);
        record.failures.add(&policy.source, now);
        if !record.logins.contains_key(login) && record.logins.len() >= MAX_LOGINS {
            // The login with the fewest failures is removed. This helps no attacker: a source that tries many logins is locked out
            // itself.
            let fewest = |(_, login): &(&String, &Login)| login.failures.count(&policy.login, now);
            let least = record.logins.iter().min_by_key(fewest).map(|(name, _)| name.clone());
            least.and_then(|least| record.logins.remove(&least));
        }
        let new = || Login { failures: Failures::new(now), answers: Vec::new() };
        record.logins.entry(login.to_owned()).or_insert_with(new).failures.add(&of_login, now);
        record.failures.count(&policy.source, now)
    }

    /// Counts a failed attempt of an unknown login, such as an invalid token, for its source only.
    pub fn fail_source(&mut self, source: SourceNetwork, now: Time) {
        let new = || Record { failures: Failures::new(now), logins: BTreeMap::new() };
        self.sources.entry(&source, new).failures.add(&self.policy.source, now);
    }

    /// Counts a failed attempt unless the same answer to the same challenge has failed before. Returns whether it was counted.
    pub fn fail_with(&mut self, source: SourceNetwork, login: &str, answer: &str, now: Time) -> bool {
        let (login, answer) = (short(login), short(answer));
        let of_login = self.sources.get(&source).and_then(|record| record.logins.get(login));
        if of_login.is_some_and(|login| login.answers.iter().any(|known| known == answer)) {
            return false;
        }
        self.fail(source, login, now);
        if let Some(login) = self.sources.get_mut(&source).and_then(|record| record.logins.get_mut(login)) {
            if login.answers.len() >= MAX_ANSWERS {
                login.answers.remove(0);
            }
            login.answers.push(answer.to_owned());
        }
        true
    }

    /// Records a successful attempt: the login is known from now on, and its failures are removed. The failures of its source
    /// remain.
    pub fn succeed(&mut self, source: SourceNetwork, login: &str) {
        let login = short(login);
        let new = || RateLimit::one_in(PRECEDENCE_PERIOD, PRECEDENCE_BURST, Time::EPOCH);
        self.known.entry(&(source, login.to_owned()), new);
        if let Some(record) = self.sources.get_mut(&source) {
            record.logins.remove(login);
        }
    }

    /// Whether this login has succeeded from this source before.
    #[must_use]
    pub fn is_known(&self, source: SourceNetwork, login: &str) -> bool {
        self.known.get(&(source, short(login).to_owned())).is_some()
    }

    /// Whether any login has succeeded from this source before.
    #[must_use]
    pub fn is_known_source(&self, source: SourceNetwork) -> bool {
        let next = self.known.first_from(&(source, String::new()));
        next.is_some_and(|(of, _)| *of == source)
    }

    /// Returns the number of failures of a source that have not expired.
    #[must_use]
    pub fn failures(&self, source: SourceNetwork, now: Time) -> u32 {
        self.sources.get(&source).map_or(0, |record| record.failures.count(&self.policy.source, now))
    }

    /// Returns the number of failures of a login from a source that have not expired.
    #[must_use]
    pub fn failures_of(&self, source: SourceNetwork, login: &str, now: Time) -> u32 {
        let login = self.sources.get(&source).and_then(|record| record.logins.get(short(login)));
        login.map_or(0, |login| login.failures.count(&self.policy.login, now))
    }
}

/// Truncates a text to at most [`MAX_TEXT`] octets, to bound the memory for text from peers.
fn short(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or(text)
}

#[cfg(test)]
mod tests;
