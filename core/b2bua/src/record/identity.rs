//! The identifiers of a leg in the protocol of its endpoint, by which its messages are found.

use super::{CallRecord, CallRecords};
use crate::call::{CallKey, SessionId};
use offhook_media::command::LegKey;
use offhook_signaling::message::CallId;
use serde::{Deserialize, Serialize};

/// The identifiers of a leg in the protocol of its endpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LegIdentity {
    /// A browser.
    Browser {
        /// Its client session.
        session: SessionId,
        /// The identifier of the call in that session.
        call_id: CallId,
    },
    /// A SIP endpoint.
    Sip {
        /// The Call-ID of its dialogs.
        call_id: String,
    },
}

impl CallRecords {
    /// Stores the identifiers of a leg, if its call has been reported as placed.
    pub(crate) fn identify(&mut self, call: CallKey, leg: LegKey, identity: LegIdentity) {
        if let Some(record) = self.record_mut(call) {
            record.identities.insert(leg, identity);
        }
    }

    /// Returns the record of a call that has not been reported completely.
    pub(crate) fn get(&self, call: CallKey) -> Option<&CallRecord> {
        let ended = || self.ended.get(&call).map(|entry| &entry.record.record);
        self.open.get(&call).map(|entry| &entry.record).or_else(ended)
    }
}
