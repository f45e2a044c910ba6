//! The records of all calls that have not been reported completely.
//!
//! ```text
//! Placed ──▶ open ── Ended, all legs closed ──────────────────────────────▶ reported
//!                └── Ended ──▶ ended ── final report of the last open leg ──▶ reported
//!                                  └── REPORT_TIMEOUT ──────────────────────▶ reported with the last interim reports
//! ```

use super::CallRecord;
use crate::call::{CallEvent, CallKey};
use core::time::Duration;
use offhook_clock::Time;
use offhook_media::command::{LegKey, LegReport, ReportStage};
use offhook_signaling::reason::EndReason;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The longest time that the record of an ended call waits for the final reports of its legs. A worker sends them when it
/// executes the commands that close the legs.
pub(crate) const REPORT_TIMEOUT: Duration = Duration::from_secs(1);

/// The record of an ended call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EndedCall {
    pub(crate) record: CallRecord,
    pub(crate) reason: EndReason,
    /// The time of the end.
    pub(crate) at: Time,
}

/// A record, and the legs whose final report has not arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry<R> {
    pub(super) record: R,
    waits_for: BTreeSet<LegKey>,
}

/// The records of all calls that have not been reported completely.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CallRecords {
    pub(super) open: BTreeMap<CallKey, Entry<CallRecord>>,
    pub(super) ended: BTreeMap<CallKey, Entry<EndedCall>>,
    /// The calls of the legs that a worker has opened.
    calls: BTreeMap<LegKey, CallKey>,
}

impl CallRecords {
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.ended.is_empty() && self.calls.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn deadlines(&self) -> impl Iterator<Item = Time> {
        self.ended.values().map(|entry| entry.record.at + REPORT_TIMEOUT)
    }

    /// Returns whether the record of an ended call waits for reports.
    pub(crate) fn has_ended_calls(&self) -> bool {
        !self.ended.is_empty()
    }

    /// Applies an event other than the end to the record of its call, and returns the record.
    pub(crate) fn apply(&mut self, call: CallKey, event: &CallEvent, now: Time) -> Option<CallRecord> {
        if let CallEvent::Placed { caller, endpoint, from, to } = event {
            let record = CallRecord::new(call, (*caller, *endpoint), from, to, now);
            self.open.insert(call, Entry { record: record.clone(), waits_for: BTreeSet::new() });
            return Some(record);
        }
        let record = self.record_mut(call)?;
        record.update(event, now);
        Some(record.clone())
    }

    pub(super) fn record_mut(&mut self, call: CallKey) -> Option<&mut CallRecord> {
        match self.open.get_mut(&call) {
            Some(entry) => Some(&mut entry.record),
            None => self.ended.get_mut(&call).map(|entry| &mut entry.record.record),
        }
    }

    /// Records that a worker was requested to open a leg of a call.
    pub(crate) fn leg_opened(&mut self, leg: LegKey, call: CallKey) {
        if let Some(entry) = self.open.get_mut(&call) {
            entry.waits_for.insert(leg);
            self.calls.insert(leg, call);
        }
    }

    /// Records that a leg moves to another call, in whose record its media are included from the beginning. Returns the
    /// record of the former call if it is complete now.
    pub(crate) fn leg_moved(&mut self, leg: LegKey, call: CallKey) -> Option<EndedCall> {
        let before = self.calls.get(&leg).copied()?;
        let moved = self.record_mut(before).map(|record| (record.legs.remove(&leg), record.identities.remove(&leg)));
        let complete = self.leg_closed(leg);
        self.leg_opened(leg, call);
        if let (Some((streams, identity)), Some(record)) = (moved, self.record_mut(call)) {
            record.legs.extend(streams.map(|streams| (leg, streams)));
            record.identities.extend(identity.map(|identity| (leg, identity)));
        }
        complete
    }

    /// Returns the call of a leg whose final report has not arrived.
    pub(crate) fn call_of(&self, leg: LegKey) -> Option<CallKey> {
        self.calls.get(&leg).copied()
    }

    /// Handles the arrival of a report. Returns the record of the call if it is complete now.
    pub(crate) fn reported(&mut self, report: &LegReport) -> Option<EndedCall> {
        match report.stage {
            ReportStage::Interim => None,
            ReportStage::Final => self.leg_closed(report.leg),
        }
    }

    fn leg_closed(&mut self, leg: LegKey) -> Option<EndedCall> {
        let call = self.calls.remove(&leg)?;
        if let Some(entry) = self.open.get_mut(&call) {
            entry.waits_for.remove(&leg);
            return None;
        }
        let entry = self.ended.get_mut(&call)?;
        entry.waits_for.remove(&leg);
        if entry.waits_for.is_empty() { self.give_up(call) } else { None }
    }

    /// Ends the record of a call. Returns it if no report is outstanding.
    pub(crate) fn end(&mut self, call: CallKey, reason: EndReason, at: Time) -> Option<EndedCall> {
        let Entry { record, waits_for } = self.open.remove(&call)?;
        let ended = EndedCall { record, reason, at };
        if waits_for.is_empty() {
            return Some(ended);
        }
        self.ended.insert(call, Entry { record: ended, waits_for });
        None
    }

    /// Returns the record of an ended call without waiting any longer.
    pub(crate) fn give_up(&mut self, call: CallKey) -> Option<EndedCall> {
        let Entry { record, waits_for } = self.ended.remove(&call)?;
        for leg in waits_for {
            self.calls.remove(&leg);
        }
        Some(record)
    }
}
