//! One leg's lite agent: always controlled, host candidates only, answers and never asks.
//!
//! ```text
//!            valid check                     valid check with USE-CANDIDATE
//! Waiting ───────────────▶ Checked (pairs) ──────────────────────────────▶ Nominated(pair) ──┐
//!                                                                              ▲    another  │
//!                                                                              └─────────────┘
//! ```

use super::stun::{Refusal, Request};
use offhook_clock::Time;
use offhook_sdp::webrtc::IceCredentials;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// How many addresses of one browser are remembered; for one more, the oldest is forgotten, but never the nominated one.
const MAX_PAIRS: usize = 64;

/// The relay's address and the browser's, as datagrams bear them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pair {
    /// The relay's.
    pub local: SocketAddr,
    /// The browser's.
    pub remote: SocketAddr,
}

/// What became of a check. The response is written in every case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// Refused.
    Refused,
    /// Valid, the pair belongs to the leg.
    Valid {
        /// The pair was not known.
        is_new: bool,
        /// The pair is now the one to send on, and was not before.
        selected: bool,
        /// The pair that was forgotten to make room: it belongs to the leg no more.
        evicted: Option<Pair>,
    },
}

/// The lite agent of a leg.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiteAgent {
    local: IceCredentials,
    pairs: Vec<Pair>,
    nominated: Option<Pair>,
    /// The nomination is of before: a valid check outdoes it.
    is_doubted: bool,
    /// The pair of the last valid check; from a restart to the next check, the one that was in use.
    checked: Option<Pair>,
    last_check: Option<Time>,
}

impl LiteAgent {
    /// An agent that nobody has checked yet.
    #[must_use]
    pub const fn new(local: IceCredentials) -> Self {
        Self { local, pairs: Vec::new(), nominated: None, is_doubted: false, checked: None, last_check: None }
    }

    /// From now on checks must be made with `local` (RFC 8445 §9). What was nominated is sent on until the peer nominates
    /// again, or checks where that is enough ([`LiteAgent::preferred`]).
    pub fn restart(&mut self, local: IceCredentials) {
        self.local = local;
        self.checked = self.preferred();
        self.is_doubted = true;
    }

    /// Somebody else is there now, to whom the nomination means nothing.
    pub const fn doubt(&mut self) {
        self.is_doubted = true;
    }

    /// Our user name fragment.
    #[must_use]
    pub fn ufrag(&self) -> &str {
        &self.local.ufrag
    }

    /// The pair to send on.
    #[must_use]
    pub const fn nominated(&self) -> Option<Pair> {
        self.nominated
    }

    /// The pair to send on to a peer that may never nominate: what it nominated since the last restart, else what it
    /// checked last.
    #[must_use]
    pub fn preferred(&self) -> Option<Pair> {
        self.nominated.filter(|_| !self.is_doubted).or(self.checked)
    }

    /// All pairs that were validly checked.
    #[must_use]
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// When the last valid check came: the peer consents until 30 s later (RFC 7675 §5.1).
    #[must_use]
    pub const fn last_check(&self) -> Option<Time> {
        self.last_check
    }

    /// Answers a check that names our fragment.
    pub fn check(&mut self, request: &Request<'_>, pair: Pair, now: Time, out: &mut Vec<u8>) -> Checked {
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
            self.is_doubted = false;
        }
        Checked::Valid { is_new, selected, evicted }
    }
}

#[cfg(test)]
mod tests;
