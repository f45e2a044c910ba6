//! The ICE-lite agent of one leg: always controlled, host candidates only, answers checks and never sends any.
//!
//! ```text
//!            valid check                     valid check with USE-CANDIDATE
//! Waiting ───────────────▶ Checked (pairs) ──────────────────────────────▶ Nominated(pair) ──┐
//!                                                                              ▲    another  │
//!                                                                              └─────────────┘
//! ```

use super::stun::{BindingRequest, Refusal};
use offhook_clock::Time;
use offhook_sdp::webrtc::IceCredentials;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// The most address pairs of one peer. Beyond that the oldest one is removed, but never the nominated one.
const MAX_PAIRS: usize = 64;

/// The relay's and the peer's address, as in the datagrams received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pair {
    /// The relay's address.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
}

/// The result of a check. The response is written in every case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// The check was refused.
    Refused,
    /// The check is valid and the pair belongs to the leg.
    Valid {
        /// Whether the pair is new.
        is_new: bool,
        /// Whether this check nominated the pair, and another pair or none was nominated before.
        selected: bool,
        /// The pair that was removed to make room and no longer belongs to the leg.
        evicted: Option<Pair>,
    },
}

/// The lite agent of a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiteAgent {
    pub(super) local: IceCredentials,
    pub(super) pairs: Vec<Pair>,
    pub(super) nominated: Option<Pair>,
    /// The nomination precedes an ICE restart or a change of the peer: a valid check takes precedence over it.
    pub(super) is_outdated: bool,
    /// The pair of the last valid check; between a restart and the next check, the pair that was in use.
    pub(super) checked: Option<Pair>,
    pub(super) last_check: Option<Time>,
}

impl LiteAgent {
    /// Creates an agent that has received no checks.
    #[must_use]
    pub const fn new(local: IceCredentials) -> Self {
        Self { local, pairs: Vec::new(), nominated: None, is_outdated: false, checked: None, last_check: None }
    }

    /// Replaces the local credentials that checks must use (RFC 8445 §9). The nominated pair is used until the peer
    /// nominates again, or sends a check where that is sufficient ([`LiteAgent::preferred`]).
    pub fn restart(&mut self, local: IceCredentials) {
        self.local = local;
        self.checked = self.preferred();
        self.is_outdated = true;
    }

    /// Marks the nomination as outdated, because the peer's description now belongs to another endpoint.
    pub const fn mark_outdated(&mut self) {
        self.is_outdated = true;
    }

    /// The local user name fragment.
    #[must_use]
    pub fn ufrag(&self) -> &str {
        &self.local.ufrag
    }

    /// The nominated pair, which is used for sending to a peer that nominates.
    #[must_use]
    pub const fn nominated(&self) -> Option<Pair> {
        self.nominated
    }

    /// The pair for sending to a peer that may never nominate: the pair nominated since the last restart, else the pair
    /// of the last check.
    #[must_use]
    pub fn preferred(&self) -> Option<Pair> {
        self.nominated.filter(|_| !self.is_outdated).or(self.checked)
    }

    /// All pairs with a valid check.
    #[must_use]
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// The arrival time of the last valid check. The peer's consent expires 30 s later (RFC 7675 §5.1).
    #[must_use]
    pub const fn last_check(&self) -> Option<Time> {
        self.last_check
    }

    /// Answers a check that names the local user name fragment.
    pub fn check(&mut self, request: &BindingRequest<'_>, pair: Pair, now: Time, out: &mut Vec<u8>) -> Checked {
        if !request.is_made_with(&self.local.pwd) {
            let refusal = if request.has_integrity() { Refusal::Unauthenticated } else { Refusal::BadRequest };
            request.refuse(refusal, None, out);
            return Checked::Refused;
        }
        let password = Some(self.local.pwd.as_str());
        if !request.unknown.is_empty() {
            request.refuse(Refusal::UnknownAttribute, password, out);
            return Checked::Refused;
        }
        if request.is_controlled {
            // A lite agent cannot take the controlling role from a full one (RFC 8445 §6.1.1).
            request.refuse(Refusal::RoleConflict, password, out);
            return Checked::Refused;
        }
        request.accept(pair.remote, &self.local.pwd, out);
        self.last_check = Some(now);
        self.checked = Some(pair);
        let is_new = !self.pairs.contains(&pair);
        let mut evicted = None;
        if is_new {
            if self.pairs.len() >= MAX_PAIRS {
                let oldest = self.pairs.iter().position(|known| self.nominated != Some(*known));
                evicted = oldest.map(|oldest| self.pairs.remove(oldest));
            }
            self.pairs.push(pair);
        }
        let selected = request.use_candidate && self.nominated != Some(pair);
        if request.use_candidate {
            self.nominated = Some(pair);
            self.is_outdated = false;
        }
        Checked::Valid { is_new, selected, evicted }
    }
}

#[cfg(test)]
mod tests;
