//! Limits of the calls that ring at one page or phone, so that one caller cannot block it for other callers or flood it
//! with messages.

use super::Relay;
use super::participants::Alert;
use super::routing::Target;
use crate::call::SessionId;
use crate::command::CallRef;
use offhook_clock::Time;
use offhook_limits::RateLimit;
use offhook_signaling::reason::EndReason;

/// The maximum number of calls of one caller that ring at one page or phone at a time.
const MAX_OF_ONE_CALLER: usize = 3;
/// The maximum number of calls of all unknown sources together that ring at one page or phone at a time.
const MAX_OF_UNKNOWN: usize = 2;
/// The number of calls per second that may begin to ring at one page or phone, on average.
const RATE: u32 = 5;
/// The number of calls that may begin to ring at one page or phone in one burst.
const BURST: u32 = 20;

/// Creates the rate limit of calls that begin to ring at one page or phone.
pub(super) const fn ring_limit(now: Time) -> RateLimit {
    RateLimit::new(RATE, BURST, now)
}

impl Relay {
    /// Returns those of `targets` at which one more call may ring.
    pub(super) fn admit_ringing(
        &mut self,
        targets: Vec<Target>,
        alert: &Alert,
        now: Time,
    ) -> Result<Vec<Target>, EndReason> {
        let targets: Vec<Target> = targets.into_iter().filter(|target| self.takes_ring(target, alert, now)).collect();
        if targets.is_empty() { Err(EndReason::Busy) } else { Ok(targets) }
    }

    fn takes_ring(&mut self, target: &Target, alert: &Alert, now: Time) -> bool {
        match target {
            Target::Session(session) => {
                self.has_room_at(self.calls.of_session(*session), alert) && self.take_ring(*session, now)
            }
            Target::Phone(binding) => {
                self.has_room_at(self.calls.of_phone(*binding), alert) && self.locations.take_ring(*binding, now)
            }
            // A SIP server limits the calls of its own users.
            Target::Uri { .. } => true,
        }
    }

    fn has_room_at(&self, calls: Vec<CallRef>, alert: &Alert) -> bool {
        if calls.len() >= self.config.max_calls_per_session {
            return false;
        }
        let ringing: Vec<(bool, bool)> = calls
            .into_iter()
            .filter_map(|at| {
                let (caller, callee) = self.calls.get(at.call)?.ringing(at.leg)?;
                let is_unknown = caller.peer().is_some_and(|peer| self.calls.is_unknown(peer.invite()));
                Some((callee.caller == alert.caller, is_unknown))
            })
            .collect();
        let of_caller = ringing.iter().filter(|(is_same, _)| *is_same).count();
        let of_unknown = ringing.iter().filter(|(_, is_unknown)| *is_unknown).count();
        // Anonymous calls can be from different users, so that the limit of one caller does not apply to them. It does
        // apply to those of unknown sources.
        let is_one = !alert.anonymous || alert.is_unknown;
        (!is_one || of_caller < MAX_OF_ONE_CALLER) && (!alert.is_unknown || of_unknown < MAX_OF_UNKNOWN)
    }

    fn take_ring(&mut self, session: SessionId, now: Time) -> bool {
        self.clients.get_mut(session).is_some_and(|session| session.rings.take(now))
    }
}
