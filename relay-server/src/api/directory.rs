//! The directory of calls: a read-only view of the calls of the model, by its events.
//!
//! Every event replaces the entry of its call by the state of the model at that time, and the entry of a call that the model no longer
//! has is removed. The directory thus has at most as many entries as the model has calls, and agrees with it after any error.

use offhook_b2bua::call::{CallKey, CallSnapshot};
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
    /// Entries are shared, so that readers hold the lock only while they copy references.
    calls: Mutex<BTreeMap<CallKey, Arc<CallEntry>>>,
}

impl CallDirectory {
    /// Replaces the entry of a call after an event; `snapshot` is its state, none if it has ended.
    pub fn update(&self, record: CallRecord, snapshot: Option<CallSnapshot>) {
        let mut calls = self.lock();
        match snapshot {
            Some(snapshot) => {
                let call = record.call;
                calls.insert(call, Arc::new(CallEntry { record, snapshot }));
            }
            None => {
                calls.remove(&record.call);
            }
        }
    }

    /// Returns a call.
    #[must_use]
    pub fn call(&self, call: CallKey) -> Option<Arc<CallEntry>> {
        self.lock().get(&call).map(Arc::clone)
    }

    /// Returns all calls, oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<Arc<CallEntry>> {
        self.lock().values().map(Arc::clone).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<CallKey, Arc<CallEntry>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
