//! The directory of calls: a copy of the calls of the call model, updated by its events, for readers on other threads.
//!
//! Every event replaces the entry of its call by the current state of the call, or removes the entry if the model no
//! longer has the call. The directory therefore lists no more calls than the model, and an entry that is wrong after an
//! error is corrected by the next event of its call.

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
    /// The last entries of calls that the model no longer has, but whose end it has not reported yet because it waits
    /// for the statistics of their media.
    ending: BTreeMap<CallKey, Arc<CallEntry>>,
}

impl CallDirectory {
    /// Replaces the entry of a call after an event; `snapshot` is the state of the call, `None` if it has ended.
    /// Returns the new entry, or the last one of a call that has ended.
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
