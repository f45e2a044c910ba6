//! Where a peer's packets really come from: symmetric RTP (RFC 4961) with probation.
//!
//! ```text
//!            signal                         probation passed, or authentic
//! nowhere ───────────▶ signaled address ───────────────────────────────────▶ the address it sends from ──┐
//!                           ▲                                                       │        ▲  another  │
//!                           └──────────── signal (another address) ────────────────┘        └───────────┘
//! ```
//!
//! A peer behind a NAT signals an address that it does not send from. So does everybody who guesses a port of the relay:
//! he must send several packets that fit together while the true peer is silent, and gets nothing before.

use core::time::Duration;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// How long RTCP must be silent before it may come from another port: three intervals.
const CONTROL_QUIET: Duration = Duration::from_secs(15);

/// Which addresses a peer may send from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Latching {
    /// The signaled one alone.
    Never,
    /// The signaled IP address, from any port.
    SameAddress,
    /// Any: what peers behind a NAT need.
    #[default]
    Any,
}

/// When media follow a peer to an address that it did not signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatchRules {
    /// Which addresses are considered.
    pub latching: Latching,
    /// How many packets in a row must come from there: of one SSRC, each with the number after the last. Those that SRTP
    /// proves to be the peer's need no probation.
    pub packets: u8,
    /// How long the present address must have been silent.
    pub quiet: Duration,
}

impl Default for LatchRules {
    fn default() -> Self {
        Self { latching: Latching::Any, packets: 5, quiet: Duration::from_secs(2) }
    }
}

/// A sender on probation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Candidate {
    address: SocketAddr,
    ssrc: u32,
    sequence: u16,
    count: u8,
}

/// The peer's address on one of the relay's ports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latch {
    signaled: Option<SocketAddr>,
    current: Option<SocketAddr>,
    /// When `current` was last heard.
    heard_at: Option<Time>,
    /// Where media went before the description moved them; not followed back there until then.
    left: Option<(SocketAddr, Time)>,
    candidate: Option<Candidate>,
}

impl Latch {
    /// Where to send.
    #[must_use]
    pub const fn current(&self) -> Option<SocketAddr> {
        self.current
    }

    /// Takes the address of a description. The same again changes nothing: the NAT is still there.
    pub fn signal(&mut self, address: SocketAddr, rules: &LatchRules, now: Time) {
        if self.signaled == Some(address) {
            return;
        }
        let left = self.current.filter(|current| *current != address);
        *self = Self {
            signaled: Some(address),
            current: Some(address),
            heard_at: None,
            left: left.map(|left| (left, now + rules.quiet)),
            candidate: None,
        };
    }

    /// Whether a packet from there is worth looking at.
    #[must_use]
    pub fn considers(&self, from: SocketAddr, rules: &LatchRules) -> bool {
        let Some(signaled) = self.signaled else { return false };
        self.current == Some(from)
            || match rules.latching {
                Latching::Never => false,
                Latching::SameAddress => signaled.ip() == from.ip(),
                Latching::Any => true,
            }
    }

    /// A packet that only the peer can have made came from there.
    pub fn admit_authentic(&mut self, from: SocketAddr, rules: &LatchRules, now: Time) -> bool {
        let is_admitted = self.considers(from, rules);
        if is_admitted {
            self.follow(from, now);
        }
        is_admitted
    }

    /// An RTP packet came from there that anybody can have made. Whether it is taken for the peer's.
    pub fn admit(&mut self, from: SocketAddr, ssrc: u32, sequence: u16, rules: &LatchRules, now: Time) -> bool {
        // Who sends from where he said he would is right even against somebody who was quicker.
        if self.current == Some(from) || self.signaled == Some(from) {
            self.follow(from, now);
            return true;
        }
        let is_alive = self.heard_at.is_some_and(|heard_at| now.since(heard_at) < rules.quiet);
        let is_left = self.left.is_some_and(|(left, until)| left == from && now < until);
        if !self.considers(from, rules) || is_alive || is_left {
            return false;
        }
        let before = self.candidate.filter(|candidate| {
            let next = candidate.sequence.wrapping_add(1);
            (candidate.address, candidate.ssrc, next) == (from, ssrc, sequence)
        });
        let count = before.map_or(0, |candidate| candidate.count).saturating_add(1);
        let is_admitted = count >= rules.packets;
        if is_admitted {
            self.follow(from, now);
        } else {
            self.candidate = Some(Candidate { address: from, ssrc, sequence, count });
        }
        is_admitted
    }

    /// An RTCP packet came from there that anybody can have made, RTP having a port of its own: RTCP follows where RTP is.
    pub fn admit_beside(&mut self, rtp: &Self, from: SocketAddr, rules: &LatchRules, now: Time) -> bool {
        let is_known = self.current == Some(from);
        let is_alive = self.heard_at.is_some_and(|heard_at| now.since(heard_at) < CONTROL_QUIET);
        let is_beside = rtp.heard_at.is_some() && rtp.current.is_some_and(|rtp| rtp.ip() == from.ip());
        let is_admitted = is_known || (is_beside && !is_alive && rules.latching != Latching::Never);
        if is_admitted {
            self.follow(from, now);
        }
        is_admitted
    }

    fn follow(&mut self, from: SocketAddr, now: Time) {
        self.current = Some(from);
        self.heard_at = Some(now);
        self.candidate = None;
    }
}

#[cfg(test)]
mod tests;
