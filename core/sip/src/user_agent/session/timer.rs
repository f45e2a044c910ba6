//! Session timers (RFC 4028): how two user agents find out that the other is gone.
//!
//! ```text
//!             2xx with Session-Expires          half the interval: refresh is due
//!   Off ────────────────────────────────> Running ─────────────────────────────> Running (refresh under way)
//!    ^                                      │  ^                                      │
//!    └── 2xx without ───────────────────────┤  └──────────── 2xx ─────────────────────┘
//!                                           └── the interval ends: the session is over
//! ```

use crate::message::{HeaderName, Headers, Refresher, SessionExpires};
use core::time::Duration;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};

/// No interval is shorter (RFC 4028 §4).
pub(crate) const LEAST: Duration = Duration::from_secs(90);

/// How long a refresh that was refused for the moment waits until it is tried again.
const RETRY: Duration = Duration::from_secs(10);

/// What a request says about session timers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Proposal {
    /// `Session-Expires`.
    pub(crate) expires: Option<SessionExpires>,
    /// `Min-SE`.
    pub(crate) least: Option<Duration>,
    /// `Supported` has `timer`.
    pub(crate) is_supported: bool,
}

impl Proposal {
    /// What the headers of a request say; what cannot be read is not said.
    pub(crate) fn of(headers: &Headers) -> Self {
        let least = headers.min_se().and_then(Result::ok).map(|seconds| Duration::from_secs(seconds.into()));
        Self { expires: headers.session_expires().and_then(Result::ok), least, is_supported: headers.supports("timer") }
    }
}

/// The interval is too short: 422 with this `Min-SE` (RFC 4028 §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooBrief(pub(in crate::user_agent) Duration);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Running {
    interval: Duration,
    /// This side refreshes.
    is_ours: bool,
    /// None: a refresh is under way.
    refresh_at: Option<Time>,
    ends_at: Time,
}

fn interval(expires: &SessionExpires) -> Duration {
    Duration::from_secs(expires.seconds.into())
}

fn seconds(interval: Duration) -> u32 {
    u32::try_from(interval.as_secs()).unwrap_or(u32::MAX)
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// UPDATE or re-INVITE.
    Refresh,
    /// BYE (RFC 4028 §10).
    Bye,
}

/// The timer of one session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionTimer {
    /// What is asked for; zero: session timers are not used.
    wanted: Duration,
    /// What is taken at least; grows with what peers and proxies demand.
    least: Duration,
    running: Option<Running>,
}

impl SessionTimer {
    pub(crate) fn new(wanted: Duration, least: Duration) -> Self {
        let least = least.max(LEAST);
        let wanted = if wanted.is_zero() { wanted } else { wanted.max(least) };
        Self { wanted, least, running: None }
    }

    /// Session timers are used at all.
    pub(crate) const fn is_used(&self) -> bool {
        !self.wanted.is_zero()
    }

    /// `Session-Expires` and `Min-SE` of a request (RFC 4028 §7.1, §7.4): who refreshes does not change.
    pub(crate) fn ask(&self) -> (Option<SessionExpires>, Option<Duration>) {
        if !self.is_used() {
            return (None, None);
        }
        let keep = |running: &Running| if running.is_ours { Refresher::Uac } else { Refresher::Uas };
        let refresher = self.running.as_ref().map(keep);
        let expires = SessionExpires { seconds: seconds(self.wanted.max(self.least)), refresher };
        (Some(expires), (self.least > LEAST).then_some(self.least))
    }

    /// Puts that into the headers of a request.
    pub(crate) fn ask_in(&self, headers: &mut Headers) {
        let (expires, least) = self.ask();
        headers.remove(HeaderName::SessionExpires);
        headers.remove(HeaderName::MinSe);
        if let Some(expires) = expires {
            headers.push(HeaderName::SessionExpires, expires);
        }
        if let Some(least) = least {
            headers.push(HeaderName::MinSe, least.as_secs());
        }
    }

    /// Puts into a success what a request is granted; whose interval is too short has been refused before.
    pub(crate) fn grant_in(&mut self, headers: &mut Headers, proposal: &Proposal, now: Time) {
        if let Ok(Some(expires)) = self.answer(proposal, now) {
            if expires.refresher == Some(Refresher::Uac) {
                headers.push(HeaderName::Require, "timer");
            }
            headers.push(HeaderName::SessionExpires, expires);
        }
    }

    /// A 422 came: asks for more; none when it was asked for already (RFC 4028 §7.3).
    pub(crate) fn raise(&mut self, least: Option<Duration>) -> Option<()> {
        let least = least?;
        if !self.is_used() || least <= self.wanted.max(self.least) || least > Duration::from_secs(86_400) {
            return None;
        }
        self.least = least;
        Some(())
    }

    /// A success for our request (RFC 4028 §7.2).
    pub(crate) fn accepted(&mut self, answer: Option<SessionExpires>, now: Time) {
        if !self.is_used() {
            return;
        }
        match answer {
            Some(answer) => self.run(interval(&answer), answer.refresher != Some(Refresher::Uas), now),
            None => self.running = None,
        }
    }

    /// A request came: what its success says (RFC 4028 §9).
    pub(crate) fn answer(&mut self, proposal: &Proposal, now: Time) -> Result<Option<SessionExpires>, TooBrief> {
        if !self.is_used() {
            return Ok(None);
        }
        self.check(proposal)?;
        let wanted = proposal.expires.as_ref().map_or(self.wanted, |expires| interval(expires).min(self.wanted));
        let interval = wanted.max(proposal.least.unwrap_or(LEAST)).max(LEAST);
        let refresher = match proposal.expires.as_ref().and_then(|expires| expires.refresher) {
            // Who does not know of timers cannot refresh.
            _ if !proposal.is_supported => Refresher::Uas,
            Some(refresher) => refresher,
            None => Refresher::Uac,
        };
        self.run(interval, refresher == Refresher::Uas, now);
        Ok(Some(SessionExpires { seconds: seconds(interval), refresher: Some(refresher) }))
    }

    /// Whether the interval of a request does.
    pub(crate) fn check(&self, proposal: &Proposal) -> Result<(), TooBrief> {
        let too_brief = proposal.expires.as_ref().is_some_and(|expires| interval(expires) < self.least);
        // A caller without timers would not know what a 422 means; a proxy asked in its place.
        if self.is_used() && proposal.is_supported && too_brief { Err(TooBrief(self.least)) } else { Ok(()) }
    }

    fn run(&mut self, interval: Duration, is_ours: bool, now: Time) {
        let interval = interval.max(LEAST);
        // Who waits for the other's refresh says BYE a little before the end (RFC 4028 §10).
        let early = if is_ours { Duration::ZERO } else { Duration::from_secs(32).min(interval / 3) };
        let refresh_at = is_ours.then(|| now + interval / 2);
        self.running = Some(Running { interval, is_ours, refresh_at, ends_at: now + (interval - early) });
    }

    /// A refresh was refused, and not for good.
    pub(crate) fn refused(&mut self, now: Time) {
        if let Some(running) = self.running.as_mut().filter(|running| running.is_ours) {
            running.refresh_at = Some(now + RETRY);
        }
    }

    /// What is due now; a refresh is told once.
    pub(crate) fn due(&mut self, now: Time) -> Option<Due> {
        let running = self.running.as_mut()?;
        if running.ends_at <= now {
            self.running = None;
            return Some(Due::Bye);
        }
        running.refresh_at.take_if(|at| *at <= now).map(|_| Due::Refresh)
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        let running = self.running.as_ref()?;
        Some(running.refresh_at.map_or(running.ends_at, |at| at.min(running.ends_at)))
    }

    /// Nothing is due any more.
    pub(crate) const fn stop(&mut self) {
        self.running = None;
    }
}
