//! Session descriptions (SDP) that a peer sends in the early dialogs of an outbound INVITE.

use offhook_sip::user_agent::io::Branch;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The number of early dialogs of one call whose descriptions are stored.
const MAX_BRANCHES: usize = 16;

/// The descriptions of early dialogs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EarlyDescriptions {
    by_branch: BTreeMap<Branch, String>,
    /// The latest offer of the peer in an UPDATE (RFC 3311) that the relay answered, until an answer replaces it.
    changed: Option<String>,
}

impl EarlyDescriptions {
    /// Stores the description of an early dialog.
    pub(super) fn store(&mut self, branch: Branch, text: &str) {
        if self.by_branch.len() < MAX_BRANCHES || self.by_branch.contains_key(&branch) {
            self.by_branch.insert(branch, text.to_owned());
        }
    }

    /// Stores an offer that the peer sent in an early dialog and that the relay has answered.
    pub(super) fn change(&mut self, branch: Branch, text: &str) {
        self.store(branch, text);
        self.changed = Some(text.to_owned());
    }

    /// Returns whether a description is the one that the relay has answered.
    pub(super) fn is_changed_to(&self, text: &str) -> bool {
        self.changed.as_deref() == Some(text)
    }

    /// Removes the answered offer after an answer of the peer has replaced it.
    pub(super) fn forget_change(&mut self) {
        self.changed = None;
    }

    /// Returns whether more than one early dialog has a description.
    pub(super) fn is_forked(&self) -> bool {
        self.by_branch.len() > 1
    }

    /// Returns the description of the newest early dialog that has one.
    pub(super) fn latest(&self) -> Option<&str> {
        self.by_branch.last_key_value().map(|(_, text)| text.as_str())
    }

    /// Removes all descriptions, and returns that of the dialog that was confirmed.
    pub(super) fn take(&mut self, branch: Branch) -> Option<String> {
        core::mem::take(&mut self.by_branch).remove(&branch)
    }
}
