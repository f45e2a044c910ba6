//! Collection of the DTMF digits that a participant sends, for the application.
//!
//! ```text
//!            digit                          digit
//!  waiting ─────────> digits collected ─────────────────┐
//!     │ first-digit time-out  │ inter-digit time-out    │ maximum, terminator
//!     └───────────────────────┴─────────────────────────┴──> DigitsCollected is reported
//! ```
//!
//! Digits are collected whether they arrive in RTP, by INFO or by a browser's message. They are forwarded to the other
//! participant as well.

use super::Relay;
use super::deadlines::Owner;
use crate::call::{CallEvent, CollectionEnd, CollectionId};
use crate::command::{Accepted, CallRef, CommandError, CommandResult, DigitLimits};
use offhook_clock::Time;
use offhook_media::command::LegKey;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A collection of digits from one leg.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Collection {
    id: CollectionId,
    limits: DigitLimits,
    digits: String,
    until: Time,
}

impl Collection {
    /// Adds a digit. Returns the reason why the collection is complete, if it is.
    fn add(&mut self, digit: char, now: Time) -> Option<CollectionEnd> {
        if self.limits.terminators.contains(digit) {
            return Some(CollectionEnd::Terminator(digit));
        }
        self.digits.push(digit);
        self.until = now + self.limits.inter_digit_timeout;
        (self.digits.len() >= self.limits.most).then_some(CollectionEnd::Complete)
    }
}

/// The collections that have not ended, one for a leg.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Collections {
    by_leg: BTreeMap<LegKey, Collection>,
}

impl Collections {
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.by_leg.is_empty()
    }

    /// Returns the deadlines of all collections.
    #[cfg(test)]
    pub(super) fn deadlines(&self) -> impl Iterator<Item = Time> + '_ {
        self.by_leg.values().map(|collection| collection.until)
    }
}

impl Relay {
    /// Begins a collection. Another one from the same participant ends.
    pub(super) fn collect(&mut self, at: CallRef, limits: DigitLimits, now: Time) -> CommandResult {
        if !self.participant(at)?.is_connected(at.leg) {
            return Err(CommandError::NotEstablished);
        }
        self.end_collection(at.leg, CollectionEnd::Canceled, now);
        let id = CollectionId(self.fresh_id());
        let until = now + limits.first_digit_timeout;
        self.collections.by_leg.insert(at.leg, Collection { id, limits, digits: String::new(), until });
        self.deadlines.set(Owner::Digits(at.leg), Some(until));
        Ok(Accepted::Collecting(id))
    }

    /// Adds digits that a participant has sent to its collection, if there is one.
    pub(super) fn collect_digits(&mut self, leg: LegKey, digits: &str, now: Time) {
        for digit in digits.chars() {
            let Some(collection) = self.collections.by_leg.get_mut(&leg) else { return };
            let end = collection.add(digit, now);
            let until = collection.until;
            match end {
                Some(end) => self.end_collection(leg, end, now),
                None => self.deadlines.set(Owner::Digits(leg), Some(until)),
            }
        }
    }

    /// Ends the collection from a leg, if there is one.
    pub(super) fn end_collection(&mut self, leg: LegKey, end: CollectionEnd, now: Time) {
        let Some(Collection { id, digits, .. }) = self.collections.by_leg.remove(&leg) else { return };
        self.deadlines.set(Owner::Digits(leg), None);
        if let Some(call) = self.calls.call_of(leg) {
            self.record_event(call, CallEvent::DigitsCollected { from: leg, collection: id, digits, end }, now);
        }
    }
}
