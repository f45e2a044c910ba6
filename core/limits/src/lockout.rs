//! Throttling of failed logins.
//!
//! Failures are counted for each (source, login) and for each source. When a count exceeds its free failures, further
//! attempts are refused for a time that doubles with each failure; failures are forgotten one by one. Nothing is counted
//! for a login alone, so that no attacker can lock a user out who comes from another address. A login that has succeeded
//! from a source before is exempt from that source's lockout, because the attacker may share the user's NAT.

use crate::{RateLimit, Recent, Source};
use core::time::Duration;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// When lockouts begin, and how long they last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowance {
    /// Failures without a lockout.
    pub free: u32,
    /// Lockout after one failure more; it doubles with each further one.
    pub first: Duration,
    /// The longest lockout.
    pub longest: Duration,
    /// How often one failure is forgotten.
    pub forget_one: Duration,
    /// Attempts that [`Lockouts::admits`] during one lockout, evenly spaced and at most one a second.
    pub admitted: u32,
}

/// The allowances of sources and logins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Of one login from one source.
    pub login: Allowance,
    /// Of one login from a source that it has succeeded from before.
    pub known_login: Allowance,
    /// Of all logins from one source together.
    pub source: Allowance,
}

impl Default for Policy {
    /// A person who mistypes a password is never locked out; a program is down to one attempt at a login in five minutes
    /// after a quarter of an hour.
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

/// Sources whose failures are counted at a time.
const MAX_SOURCES: usize = 4_096;
/// Logins counted for one source at a time.
const MAX_LOGINS: usize = 32;
/// (source, login) pairs remembered because they have succeeded.
const MAX_KNOWN: usize = 16_384;
/// Attempts a second of a known login that [`Lockouts::admits`] during a lockout.
const KNOWN_RATE: u32 = 10;
/// The shortest time between two attempts of logins that are not known and that [`Lockouts::admits`] during a lockout.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// Logins of one known (source, login) pair that take precedence at once; see [`Lockouts::has_precedence`].
const PRECEDENCE_BURST: u32 = 5;
/// The time, in seconds, in which a pair may take precedence once more.
const PRECEDENCE_PERIOD: u32 = 2;
/// Octets of a login, or of an answer, that are remembered.
const MAX_TEXT: usize = 128;
/// Wrong answers remembered for one login, so that a repetition counts once.
const MAX_ANSWERS: usize = 4;

/// Failures that are forgotten one by one, and the lockout they lead to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Failures {
    count: u32,
    /// When the oldest of `count` begins to be forgotten.
    since: Time,
    locked_until: Time,
    /// From when on [`Lockouts::admits`] an attempt during a lockout, if its login is not known.
    admitted_from: Time,
    /// The time between two of them.
    pause: Duration,
    /// Attempts of a known login that [`Lockouts::admits`] during a lockout.
    of_known: RateLimit,
}

impl Failures {
    const fn new(now: Time) -> Self {
        let of_known = RateLimit::new(KNOWN_RATE, KNOWN_RATE, now);
        let pause = SHORTEST_PAUSE;
        Self { count: 0, since: now, locked_until: Time::EPOCH, admitted_from: Time::EPOCH, pause, of_known }
    }

    /// The failures that are not forgotten yet.
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

    /// How long the lockout lasts from now.
    fn remaining(&self, now: Time) -> Option<Duration> {
        Some(self.locked_until.since(now)).filter(|remaining| !remaining.is_zero())
    }
}

/// One login from one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Login {
    failures: Failures,
    /// The last wrong answers.
    answers: Vec<String>,
}

/// One source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    failures: Failures,
    logins: BTreeMap<String, Login>,
}

/// Failed logins and the lockouts they lead to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lockouts {
    policy: Policy,
    sources: Recent<Source, Record>,
    /// Pairs that have succeeded, and how often they may still take precedence.
    known: Recent<(Source, String), RateLimit>,
}

impl Lockouts {
    /// No failures yet.
    #[must_use]
    pub const fn new(policy: Policy) -> Self {
        Self { policy, sources: Recent::new(MAX_SOURCES), known: Recent::new(MAX_KNOWN) }
    }

    /// How long attempts of this login are refused from now on; none: they are not.
    #[must_use]
    pub fn remaining(&self, source: Source, login: &str, now: Time) -> Option<Duration> {
        let record = self.sources.get(&source)?;
        let of_login = record.logins.get(short(login)).and_then(|login| login.failures.remaining(now));
        let of_source = record.failures.remaining(now).filter(|_| !self.is_known(source, login));
        of_login.max(of_source)
    }

    /// Whether an attempt is looked at although its login or source may be locked out. For credentials that cost little to
    /// verify. A known login is always served, unless its own wrong answers are many; the attempts at all other logins from
    /// one source share what the source is granted, so that their number does not grow with the number of logins.
    pub fn admits(&mut self, source: Source, login: &str, now: Time) -> bool {
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

    /// Whether a login that has succeeded from this source before goes ahead of others. A user who logs in again is not
    /// kept waiting by strangers; a program that logs in in a loop soon waits like everyone else.
    #[must_use]
    pub fn has_precedence(&self, source: Source, login: &str, now: Time) -> bool {
        self.known.get(&(source, short(login).to_owned())).is_some_and(|limit| limit.has_token(now))
    }

    /// A login has gone ahead of others.
    pub fn take_precedence(&mut self, source: Source, login: &str, now: Time) {
        if let Some(limit) = self.known.get_mut(&(source, short(login).to_owned())) {
            limit.take(now);
        }
    }

    /// Counts a failed attempt, and returns the failures of its source that are not forgotten.
    pub fn fail(&mut self, source: Source, login: &str, now: Time) -> u32 {
        let (policy, login) = (self.policy, short(login));
        let of_login = if self.is_known(source, login) { policy.known_login } else { policy.login };
        let new = || Record { failures: Failures::new(now), logins: BTreeMap::new() };
        let record = self.sources.entry(&source, new);
        record.failures.add(&policy.source, now);
        if !record.logins.contains_key(login) && record.logins.len() >= MAX_LOGINS {
            // A source that tries many names is locked out itself; which of its names is forgotten matters little.
            let fewest = |(_, login): &(&String, &Login)| login.failures.count(&policy.login, now);
            let least = record.logins.iter().min_by_key(fewest).map(|(name, _)| name.clone());
            least.and_then(|least| record.logins.remove(&least));
        }
        let new = || Login { failures: Failures::new(now), answers: Vec::new() };
        record.logins.entry(login.to_owned()).or_insert_with(new).failures.add(&of_login, now);
        record.failures.count(&policy.source, now)
    }

    /// Counts a failed attempt unless the same answer to the same challenge failed before. Returns whether it counts.
    pub fn fail_with(&mut self, source: Source, login: &str, answer: &str, now: Time) -> bool {
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

    /// An attempt has succeeded: its login's failures are forgotten, those of the source are not.
    pub fn succeed(&mut self, source: Source, login: &str) {
        let login = short(login);
        let new = || RateLimit::one_in(PRECEDENCE_PERIOD, PRECEDENCE_BURST, Time::EPOCH);
        self.known.entry(&(source, login.to_owned()), new);
        if let Some(record) = self.sources.get_mut(&source) {
            record.logins.remove(login);
        }
    }

    /// Whether this login has succeeded from this source before.
    #[must_use]
    pub fn is_known(&self, source: Source, login: &str) -> bool {
        self.known.get(&(source, short(login).to_owned())).is_some()
    }

    /// Whether any login has succeeded from this source before.
    #[must_use]
    pub fn is_known_source(&self, source: Source) -> bool {
        let next = self.known.first_from(&(source, String::new()));
        next.is_some_and(|(of, _)| *of == source)
    }

    /// The failures of a source that are not forgotten.
    #[must_use]
    pub fn failures(&self, source: Source, now: Time) -> u32 {
        self.sources.get(&source).map_or(0, |record| record.failures.count(&self.policy.source, now))
    }

    /// The failures of a login from a source that are not forgotten.
    #[must_use]
    pub fn failures_of(&self, source: Source, login: &str, now: Time) -> u32 {
        let login = self.sources.get(&source).and_then(|record| record.logins.get(short(login)));
        login.map_or(0, |login| login.failures.count(&self.policy.login, now))
    }
}

/// The beginning of a text of any length, so that what peers send does not fill the memory.
fn short(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or(text)
}

#[cfg(test)]
mod tests;
