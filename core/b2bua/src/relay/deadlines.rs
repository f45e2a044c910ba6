//! Whose turn it is when: with thousands of sockets, sessions and calls nobody looks at all of them for the next one.

use crate::call::{CallKey, SessionId};
use crate::io::ConnectionId;
use offhook_clock::Time;
use offhook_sip::user_agent::io::InviteId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What has a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Owner {
    Socket(ConnectionId),
    Call(CallKey),
    Session(SessionId),
    MediaNames(InviteId),
}

/// The deadlines of all, one each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Deadlines {
    in_order: BTreeSet<(Time, Owner)>,
    #[serde(with = "offhook_limits::pairs")]
    of: BTreeMap<Owner, Time>,
}

impl Deadlines {
    /// From now on this one's turn is then, or never.
    pub(super) fn set(&mut self, owner: Owner, at: Option<Time>) {
        let before = match at {
            Some(at) => self.of.insert(owner, at),
            None => self.of.remove(&owner),
        };
        if before != at {
            before.map(|before| self.in_order.remove(&(before, owner)));
            self.in_order.extend(at.map(|at| (at, owner)));
        }
    }

    pub(super) fn next(&self) -> Option<Time> {
        self.in_order.first().map(|(at, _)| *at)
    }

    /// Those whose turn it is, the longest overdue first.
    pub(super) fn due(&self, now: Time) -> Vec<Owner> {
        self.in_order.iter().take_while(|(at, _)| *at <= now).map(|(_, owner)| *owner).collect()
    }
}
