//! The directory of calls: a read-only view of the calls of the model, by its events.
//!
//! Every event replaces the entry of its call by the state of the model at that time, and the entry of a call that the model no longer
//! has is removed. The directory thus has at most as many entries as the model has calls, and agrees with it after any error.

use offhook_b2bua::call::{CallEvent, CallKey, CallSnapshot};
use offhook_b2bua::record::CallRecord;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A call in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallEntry {
    /// Its summary.
    pub record: CallRecord,
    /// Its state and its participants.
    pub snapshot: CallSnapshot,
}

/// The directory.
#[derive(Debug, Default)]
pub struct CallDirectory {
    entries: Mutex<Entries>,
}

/// Entries are shared, so that readers hold the lock only while they copy references.
#[derive(Debug, Default)]
struct Entries {
    calls: BTreeMap<CallKey, Arc<CallEntry>>,
    /// The last entries of calls that the model no longer has and whose end is not reported yet, because of late statistics.
    ending: BTreeMap<CallKey, Arc<CallEntry>>,
}

impl CallDirectory {
    /// Replaces the entry of a call after an event; `snapshot` is its state, none if it has ended. Returns the new entry, or the last
    /// one of a call that has ended.
    pub fn update(
        &self,
        event: &CallEvent,
        record: CallRecord,
        snapshot: Option<CallSnapshot>,
    ) -> Option<Arc<CallEntry>> {
        let mut entries = self.lock();
        let call = record.call;
        if let Some(snapshot) = snapshot {
            let entry = Arc::new(CallEntry { record, snapshot });
            entries.calls.insert(call, Arc::clone(&entry));
            return Some(entry);
        }
        let last = entries.calls.remove(&call);
        let last = last.or_else(|| entries.ending.remove(&call))?;
        if !matches!(event, CallEvent::Ended { .. }) {
            entries.ending.insert(call, Arc::clone(&last));
        }
        Some(last)
    }

    /// Returns a call.
    #[must_use]
    pub fn call(&self, call: CallKey) -> Option<Arc<CallEntry>> {
        self.lock().calls.get(&call).map(Arc::clone)
    }

    /// Returns all calls, oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<Arc<CallEntry>> {
        self.lock().calls.values().map(Arc::clone).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
