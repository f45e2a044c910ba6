//! Session timers: detection of a peer that has become unreachable (RFC 4028).
//!
//! ```text
//!             2xx with Session-Expires          half the interval: refresh is due
//!   Off ────────────────────────────────> Running ─────────────────────────────> Running (refresh pending)
//!    ^                                      │  ^                                      │
//!    └── 2xx without ───────────────────────┤  └──────────── 2xx ─────────────────────┘
//!                                           └── the interval ends: the session has expired
//! ```

use crate::message::{HeaderName, Headers, Refresher, SessionExpires};
use core::time::Duration;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};

/// The minimum session interval (RFC 4028 §4).
pub(crate) const MIN_INTERVAL: Duration = Duration::from_secs(90);

/// The wait before a temporarily rejected refresh is repeated.
const RETRY: Duration = Duration::from_secs(10);

/// The session timer headers of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Proposal {
    /// `Session-Expires`.
    pub(crate) expires: Option<SessionExpires>,
    /// `Min-SE`.
    pub(crate) least: Option<Duration>,
    /// Whether `Supported` contains `timer`.
    pub(crate) is_supported: bool,
}

impl Proposal {
    /// Parses the headers of a request. Malformed values are ignored.
    pub(crate) fn of(headers: &Headers) -> Self {
        let least = headers.min_se().and_then(Result::ok).map(|seconds| Duration::from_secs(seconds.into()));
        Self { expires: headers.session_expires().and_then(Result::ok), least, is_supported: headers.supports("timer") }
    }
}

/// The error for an interval that is too short: 422 with this `Min-SE` (RFC 4028 §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooBrief(pub(in crate::user_agent) Duration);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Running {
    interval: Duration,
    /// Whether this side refreshes.
    is_refresher: bool,
    /// `None` while a refresh is pending.
    refresh_at: Option<Time>,
    ends_at: Time,
}

fn interval(expires: &SessionExpires) -> Duration {
    Duration::from_secs(expires.seconds.into())
}

fn seconds(interval: Duration) -> u32 {
    u32::try_from(interval.as_secs()).unwrap_or(u32::MAX)
}

/// An action that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Send an UPDATE or re-INVITE.
    Refresh,
    /// Send BYE (RFC 4028 §10).
    Bye,
}

/// The timer of one session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionTimer {
    /// The interval to request. Zero disables session timers.
    requested: Duration,
    /// The minimum interval to accept. It is raised to what peers and proxies demand.
    least: Duration,
    running: Option<Running>,
}

impl SessionTimer {
    pub(crate) fn new(requested: Duration, least: Duration) -> Self {
        let least = least.max(MIN_INTERVAL);
        let requested = if requested.is_zero() { requested } else { requested.max(least) };
        Self { requested, least, running: None }
    }

    /// Returns whether session timers are used.
    pub(crate) const fn is_used(&self) -> bool {
        !self.requested.is_zero()
    }

    /// Returns `Session-Expires` and `Min-SE` for a request (RFC 4028 §7.1, §7.4). The refresher stays the same.
    pub(crate) fn ask(&self) -> (Option<SessionExpires>, Option<Duration>) {
        if !self.is_used() {
            return (None, None);
        }
        let keep = |running: &Running| if running.is_refresher { Refresher::Uac } else { Refresher::Uas };
        let refresher = self.running.as_ref().map(keep);
        let expires = SessionExpires { seconds: seconds(self.requested.max(self.least)), refresher };
        (Some(expires), (self.least > MIN_INTERVAL).then_some(self.least))
    }

    /// Sets these headers in a request.
    pub(crate) fn set_request_headers(&self, headers: &mut Headers) {
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

    /// Sets the negotiated interval in a 2xx. An interval that is too short was rejected before.
    pub(crate) fn set_response_headers(&mut self, headers: &mut Headers, proposal: &Proposal, now: Time) {
        if let Ok(Some(expires)) = self.answer(proposal, now) {
            if expires.refresher == Some(Refresher::Uac) {
                headers.push(HeaderName::Require, "timer");
            }
            headers.push(HeaderName::SessionExpires, expires);
        }
    }

    /// Processes a 422: raises the interval to request. Returns `None` if that much was already requested (RFC 4028
    /// §7.3).
    pub(crate) fn raise(&mut self, least: Option<Duration>) -> Option<()> {
        let least = least?;
        if !self.is_used() || least <= self.requested.max(self.least) || least > Duration::from_secs(86_400) {
            return None;
        }
        self.least = least;
        Some(())
    }

    /// Processes the 2xx to an outgoing request (RFC 4028 §7.2).
    pub(crate) fn accepted(&mut self, answer: Option<SessionExpires>, now: Time) {
        if !self.is_used() {
            return;
        }
        match answer {
            Some(answer) => self.run(interval(&answer), answer.refresher != Some(Refresher::Uas), now),
            None => self.running = None,
        }
    }

    /// Processes a request and returns the `Session-Expires` for its 2xx (RFC 4028 §9).
    pub(crate) fn answer(&mut self, proposal: &Proposal, now: Time) -> Result<Option<SessionExpires>, TooBrief> {
        if !self.is_used() {
            return Ok(None);
        }
        self.check(proposal)?;
        let requested =
            proposal.expires.as_ref().map_or(self.requested, |expires| interval(expires).min(self.requested));
        let interval = requested.max(proposal.least.unwrap_or(MIN_INTERVAL)).max(MIN_INTERVAL);
        let refresher = match proposal.expires.as_ref().and_then(|expires| expires.refresher) {
            // A peer that does not support timers cannot refresh.
            _ if !proposal.is_supported => Refresher::Uas,
            Some(refresher) => refresher,
            None => Refresher::Uac,
        };
        self.run(interval, refresher == Refresher::Uas, now);
        Ok(Some(SessionExpires { seconds: seconds(interval), refresher: Some(refresher) }))
    }

    /// Checks the interval of a request.
    pub(crate) fn check(&self, proposal: &Proposal) -> Result<(), TooBrief> {
        let too_brief = proposal.expires.as_ref().is_some_and(|expires| interval(expires) < self.least);
        // A caller without timer support cannot process a 422. A proxy added the interval.
        if self.is_used() && proposal.is_supported && too_brief { Err(TooBrief(self.least)) } else { Ok(()) }
    }

    fn run(&mut self, interval: Duration, is_refresher: bool, now: Time) {
        let interval = interval.max(MIN_INTERVAL);
        // The side that does not refresh sends BYE shortly before the session expires (RFC 4028 §10).
        let early = if is_refresher { Duration::ZERO } else { Duration::from_secs(32).min(interval / 3) };
        let refresh_at = is_refresher.then(|| now + interval / 2);
        self.running = Some(Running { interval, is_refresher, refresh_at, ends_at: now + (interval - early) });
    }

    /// Processes a temporary rejection of a refresh.
    pub(crate) fn refused(&mut self, now: Time) {
        if let Some(running) = self.running.as_mut().filter(|running| running.is_refresher) {
            running.refresh_at = Some(now + RETRY);
        }
    }

    /// Returns the action that is due. A refresh is returned once.
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

    /// Stops the timer.
    pub(crate) const fn stop(&mut self) {
        self.running = None;
    }
}
