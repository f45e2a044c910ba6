//! Guards against toll fraud and abuse: limits of the calls that one login, or one source address, places, and the
//! maximum duration of a call. Destinations are checked in `routing.rs`.
//!
//! A call counts for its caller from its placement to its end. Calls from a SIP server are not counted, because they
//! belong to many users.

use super::Relay;
use super::deadlines::Owner;
use super::routing::Source;
use crate::address::Address;
use crate::call::{self, CallKey, SessionId};
use crate::command::CallRef;
use crate::config::{GuardRules, LoginName};
use offhook_clock::Time;
use offhook_limits::offense::Kind;
use offhook_limits::{RateLimit, Recent, SourceNetwork};
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io::{InboundInvite, Origin};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A rule that refuses or ends calls, or refuses logins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Guard {
    /// Simultaneous calls of one login.
    CallsPerLogin,
    /// Simultaneous calls of one source address.
    CallsPerAddress,
    /// Calls of one login in a minute.
    CallRatePerLogin,
    /// Calls of one source address in a minute.
    CallRatePerAddress,
    /// Destinations that the operator permits.
    Destination,
    /// The maximum duration of a call.
    Duration,
    /// Logins by an invalid token.
    Token,
    /// Logins by an expired token, and calls of a session whose token has expired.
    TokenExpiry,
    /// Callees that the token permits.
    TokenCallee,
    /// The number of calls that the token permits.
    TokenCalls,
}

impl Guard {
    /// All guards, in the order of declaration.
    pub const ALL: [Self; 10] = [
        Self::CallsPerLogin,
        Self::CallsPerAddress,
        Self::CallRatePerLogin,
        Self::CallRatePerAddress,
        Self::Destination,
        Self::Duration,
        Self::Token,
        Self::TokenExpiry,
        Self::TokenCallee,
        Self::TokenCalls,
    ];

    /// Returns the name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CallsPerLogin => "calls_per_login",
            Self::CallsPerAddress => "calls_per_address",
            Self::CallRatePerLogin => "call_rate_per_login",
            Self::CallRatePerAddress => "call_rate_per_address",
            Self::Destination => "destination",
            Self::Duration => "duration",
            Self::Token => "token",
            Self::TokenExpiry => "token_expiry",
            Self::TokenCallee => "token_callee",
            Self::TokenCalls => "token_calls",
        }
    }

    /// Returns the reason for the end of a refused call.
    const fn reason(self) -> EndReason {
        match self {
            Self::CallsPerLogin | Self::CallsPerAddress => EndReason::TooManyCalls,
            Self::CallRatePerLogin | Self::CallRatePerAddress => EndReason::CallRateExceeded,
            Self::Destination => EndReason::DestinationDenied,
            Self::Duration => EndReason::DurationExceeded,
            Self::Token | Self::TokenExpiry => EndReason::TokenExpired,
            Self::TokenCallee => EndReason::CalleeNotAllowed,
            Self::TokenCalls => EndReason::TokenUsedUp,
        }
    }

    /// Returns the kind of the entry in the security log; `None` if there is none.
    const fn offense(self) -> Option<Kind> {
        match self {
            Self::CallsPerLogin
            | Self::CallsPerAddress
            | Self::CallRatePerLogin
            | Self::CallRatePerAddress
            | Self::TokenExpiry
            | Self::TokenCalls => Some(Kind::CallLimit),
            Self::Destination | Self::TokenCallee => Some(Kind::DeniedDestination),
            Self::Token => Some(Kind::WrongToken),
            // The duration of a call is no offense.
            Self::Duration => None,
        }
    }
}

/// The numbers of refusals and forced ends, by guard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardCounters([u64; Guard::ALL.len()]);

impl GuardCounters {
    fn count(&mut self, guard: Guard) {
        if let Some(count) = self.0.get_mut(guard as usize) {
            *count += 1;
        }
    }

    /// Returns the number of a guard.
    #[must_use]
    pub fn get(&self, guard: Guard) -> u64 {
        self.0.get(guard as usize).copied().unwrap_or(0)
    }
}

/// The caller to which the limits apply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct GuardedCaller {
    login: Option<LoginName>,
    address: IpAddr,
    /// The address is that of a TCP connection, or its sender has answered a challenge.
    is_verified: bool,
}

impl GuardedCaller {
    /// Returns the caller of an inbound call; `None` for a call from a SIP server.
    pub(super) fn of_invite(request: &InboundInvite) -> Option<Self> {
        let (login, is_verified) = match &request.origin {
            Origin::Account(_) => return None,
            Origin::Phone(user) => (Some(LoginName(user.clone())), true),
            Origin::Unknown => (None, false),
        };
        Some(Self { login, address: request.source, is_verified })
    }

    /// Returns the SIP endpoint that is the originator of a call; `None` for a SIP server.
    pub(super) fn of_endpoint(source: Source, address: IpAddr) -> Option<Self> {
        let (login, is_verified) = match source {
            Source::Phone(user) => (Some(user), true),
            Source::Unknown => (None, false),
            Source::Session(_) | Source::Account(_) | Source::Application(_) => return None,
        };
        Some(Self { login, address, is_verified })
    }

    const fn source(&self) -> CallSource {
        CallSource { network: SourceNetwork::of(self.address), is_verified: self.is_verified }
    }
}

/// The source whose calls are counted together. Those of unverified addresses are counted apart: whoever forges an
/// address cannot use up the limits of the callers at this address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct CallSource {
    network: SourceNetwork,
    is_verified: bool,
}

/// The maximum number of logins, and of sources, whose calls per minute are counted.
const MAX_RATES: usize = 16_384;

/// The calls of all callers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CallGuards {
    callers: BTreeMap<CallKey, GuardedCaller>,
    /// The number of calls of each login, without zeros.
    by_login: BTreeMap<LoginName, u32>,
    #[serde(with = "offhook_limits::pairs")]
    by_source: BTreeMap<CallSource, u32>,
    login_rates: Recent<LoginName, RateLimit>,
    source_rates: Recent<CallSource, RateLimit>,
    /// The times at which answered calls are ended.
    ends: BTreeMap<CallKey, Time>,
    counters: GuardCounters,
}

impl CallGuards {
    pub(super) const fn new() -> Self {
        Self {
            callers: BTreeMap::new(),
            by_login: BTreeMap::new(),
            by_source: BTreeMap::new(),
            login_rates: Recent::new(MAX_RATES),
            source_rates: Recent::new(MAX_RATES),
            ends: BTreeMap::new(),
            counters: GuardCounters([0; Guard::ALL.len()]),
        }
    }

    pub(super) const fn counters(&self) -> GuardCounters {
        self.counters
    }

    /// Returns whether no call is counted.
    pub(super) fn is_empty(&self) -> bool {
        self.callers.is_empty() && self.by_login.is_empty() && self.by_source.is_empty() && self.ends.is_empty()
    }

    #[cfg(test)]
    pub(super) fn deadlines(&self) -> impl Iterator<Item = Time> + '_ {
        self.ends.values().copied()
    }

    /// Forgets the calls of the last minute, because the rates may have changed.
    pub(super) fn reset_rates(&mut self) {
        (self.login_rates, self.source_rates) = (Recent::new(MAX_RATES), Recent::new(MAX_RATES));
    }

    /// Counts an attempt to place a call.
    fn admit(&mut self, caller: &GuardedCaller, rules: &GuardRules, now: Time) -> Result<(), Guard> {
        let source = caller.source();
        let of_login = caller.login.as_ref().and_then(|login| self.by_login.get(login)).copied().unwrap_or(0);
        let of_source = self.by_source.get(&source).copied().unwrap_or(0);
        if caller.login.is_some() && rules.calls_per_login.is_some_and(|most| of_login >= most) {
            return Err(Guard::CallsPerLogin);
        }
        if rules.calls_per_address.is_some_and(|most| of_source >= most) {
            return Err(Guard::CallsPerAddress);
        }
        let login = caller.login.as_ref().zip(rules.call_rate_per_login);
        let mut login = login.map(|(login, rate)| self.login_rates.entry(login, || RateLimit::per_minute(rate, now)));
        if login.as_ref().is_some_and(|limit| !limit.has_token(now)) {
            return Err(Guard::CallRatePerLogin);
        }
        if let Some(rate) = rules.call_rate_per_address
            && !self.source_rates.entry(&source, || RateLimit::per_minute(rate, now)).take(now)
        {
            return Err(Guard::CallRatePerAddress);
        }
        if let Some(limit) = &mut login {
            limit.take(now);
        }
        Ok(())
    }

    /// Counts a new call for its caller.
    fn begin(&mut self, call: CallKey, caller: GuardedCaller) {
        if let Some(login) = &caller.login {
            *self.by_login.entry(login.clone()).or_default() += 1;
        }
        *self.by_source.entry(caller.source()).or_default() += 1;
        self.callers.insert(call, caller);
    }

    fn end(&mut self, call: CallKey) {
        self.ends.remove(&call);
        let Some(caller) = self.callers.remove(&call) else { return };
        if let Some(login) = &caller.login {
            decrease(&mut self.by_login, login);
        }
        decrease(&mut self.by_source, &caller.source());
    }
}

fn decrease<K: Ord>(counts: &mut BTreeMap<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

impl Relay {
    fn guarded_session(&self, session: SessionId) -> Option<GuardedCaller> {
        let session = self.clients.get(session)?;
        Some(GuardedCaller { login: session.login().cloned(), address: session.address(), is_verified: true })
    }

    /// Checks the limits of a session that places a call, and the rights of its token, and counts the call. Returns the
    /// address to call.
    pub(super) fn admit_call(
        &mut self,
        call: CallKey,
        session: SessionId,
        callee: &Address,
        now: Time,
    ) -> Result<Address, EndReason> {
        let caller = self.guarded_session(session);
        self.admit_caller(call, caller, now)?;
        self.check_rights(session, callee, now)
    }

    /// Checks the limits of a caller, and counts the call.
    pub(super) fn admit_caller(
        &mut self,
        call: CallKey,
        caller: Option<GuardedCaller>,
        now: Time,
    ) -> Result<(), EndReason> {
        let Some(caller) = caller else { return Ok(()) };
        match self.guards.admit(&caller, &self.config.guards, now) {
            Ok(()) => {
                self.guards.begin(call, caller);
                Ok(())
            }
            Err(guard) => Err(self.refuse_by(guard, Some((caller.address, caller.is_verified)), now)),
        }
    }

    /// Checks the limits of calls per minute for a transfer by a session, and the rights of its token. Returns the
    /// address to call.
    pub(super) fn admit_transfer(
        &mut self,
        session: SessionId,
        target: &Address,
        now: Time,
    ) -> Result<Address, EndReason> {
        self.admit_to_rates(self.guarded_session(session), now)?;
        self.check_rights(session, target, now)
    }

    /// Checks the limits of calls per minute for a transfer by a SIP endpoint.
    pub(super) fn admit_referral(&mut self, at: CallRef, source: &Source, now: Time) -> Result<(), EndReason> {
        let transferor = self.guarded_endpoint(at, source);
        self.admit_to_rates(transferor, now)
    }

    fn guarded_endpoint(&self, at: CallRef, source: &Source) -> Option<GuardedCaller> {
        let participant = &self.calls.get(at.call)?.leg(at.leg)?.participant;
        let address = participant.peer()?.source()?;
        // The From of a phone's INVITE need not contain the user that was authenticated.
        let is_caller = |caller: &&GuardedCaller| !participant.incoming && caller.address == address;
        let caller = self.guards.callers.get(&at.call).filter(is_caller).cloned();
        caller.or_else(|| GuardedCaller::of_endpoint(source.clone(), address))
    }

    /// Checks the limits of calls per minute of the caller whose call is redirected.
    pub(super) fn admit_redirect(&mut self, call: CallKey, now: Time) -> Result<(), EndReason> {
        self.admit_to_rates(self.guards.callers.get(&call).cloned(), now)
    }

    /// Counts one more callee of a call that is counted already.
    fn admit_to_rates(&mut self, caller: Option<GuardedCaller>, now: Time) -> Result<(), EndReason> {
        let Some(caller) = caller else { return Ok(()) };
        let rates = GuardRules { calls_per_login: None, calls_per_address: None, ..self.config.guards.clone() };
        let admitted = self.guards.admit(&caller, &rates, now);
        admitted.map_err(|guard| self.refuse_by(guard, Some((caller.address, caller.is_verified)), now))
    }

    /// Counts a refusal and enters it into the security log. Returns the reason for the end of the call.
    pub(super) fn refuse_by(&mut self, guard: Guard, source: Option<(IpAddr, bool)>, now: Time) -> EndReason {
        self.guards.counters.count(guard);
        if let (Some(kind), Some((address, is_verified))) = (guard.offense(), source) {
            self.note_offense(kind, address, is_verified, now);
        }
        guard.reason()
    }

    /// Counts the refusal of a session's call.
    pub(super) fn refuse_session_by(&mut self, guard: Guard, session: SessionId, now: Time) -> EndReason {
        let source = self.clients.get(session).map(|session| (session.address(), true));
        self.refuse_by(guard, source, now)
    }

    /// Counts a call of a session, if its destination is not permitted.
    pub(super) fn note_denied(&mut self, refusal: Option<EndReason>, session: SessionId, now: Time) {
        if refusal == Some(EndReason::DestinationDenied) {
            self.refuse_session_by(Guard::Destination, session, now);
        }
    }

    /// Counts an inbound call, if its destination is not permitted.
    pub(super) fn note_denied_invite(&mut self, refusal: Option<EndReason>, request: &InboundInvite, now: Time) {
        if refusal == Some(EndReason::DestinationDenied) {
            let caller = GuardedCaller::of_invite(request);
            self.refuse_by(Guard::Destination, caller.map(|caller| (caller.address, caller.is_verified)), now);
        }
    }

    /// Counts a transfer, if its destination is not permitted.
    pub(super) fn note_denied_transfer(&mut self, refusal: Option<EndReason>, by: CallRef, now: Time) {
        if refusal == Some(EndReason::DestinationDenied) {
            let session = self.session_of(by);
            let source = session.and_then(|session| self.clients.get(session)).map(|session| (session.address(), true));
            self.refuse_by(Guard::Destination, source, now);
        }
    }

    /// Starts the maximum duration of a call that was answered.
    pub(super) fn limit_duration(&mut self, call: CallKey, now: Time) {
        let Some(most) = self.config.guards.max_call_duration else { return };
        let until = *self.guards.ends.entry(call).or_insert(now + most);
        self.deadlines.set(Owner::Duration(call), Some(until));
    }

    /// Ends a call that has reached the maximum duration.
    pub(super) fn end_long_call(&mut self, call: CallKey, now: Time) {
        let reason = self.refuse_by(Guard::Duration, None, now);
        self.call_input(call, call::Input::End { reason }, now);
        // A call that has ended has removed this already.
        self.end_guarded(call);
    }

    /// Removes an ended call.
    pub(super) fn end_guarded(&mut self, call: CallKey) {
        self.guards.end(call);
        self.deadlines.set(Owner::Duration(call), None);
    }
}

#[cfg(test)]
mod tests;
