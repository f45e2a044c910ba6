//! The destination address of RTP to a peer: symmetric RTP (RFC 4961) for peers behind a NAT, without sending the media
//! of a call to an attacker that sends RTP to every port of the relay (RTP bleed).
//!
//! ```text
//!            describe                    trusted, or after probation
//! unknown ─────────────▶ unproven ───────────────────────────────────▶ proven at an address ──┐
//!                        (described address)  ◀──── describe ─────────         ▲     │ SRTP, same stream,
//!                                            (another address)                 └─────┘ trusted address
//! ```
//!
//! The evidence for a source address (`Trust`) determines how it is treated. With the default rules, a source without
//! evidence never receives media, whether the peer sends or is silent. See
//! `docs/decisions/0008-latching.md`.

mod probation;

use core::time::Duration;
use offhook_clock::Time;
use probation::{Candidate, is_little_ahead};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// The silence of the current RTCP address after which RTCP is accepted from another port: three intervals.
const CONTROL_QUIET: Duration = Duration::from_secs(15);

/// The time after its description in which a peer may start to send from an address with no evidence, with
/// [`Latching::Any`].
const EARLY: Duration = Duration::from_secs(10);

/// The silence of the current address after which the same stream is followed to another address. It is the duration of
/// a few packets, so that media do not alternate between the paths of a multihomed sender.
const STREAM_QUIET: Duration = Duration::from_millis(200);

/// The largest step of the sequence number within one stream, MAX_DROPOUT of RFC 3550 A.1: a minute of audio.
const MAX_DROPOUT: u16 = 3000;

/// The source addresses from which a peer may send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Latching {
    /// Only the described address and port.
    Never,
    /// The described address, from any port.
    SameAddress,
    /// Also the source address of the peer's SIP messages, and any address with evidence that it is the peer's.
    #[default]
    Signaling,
    /// Also any other address, once, shortly after the description.
    Any,
}

/// Rules for following a peer to an address that it did not describe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatchRules {
    /// The source addresses that are considered.
    pub latching: Latching,
    /// The number of packets of one SSRC that must arrive from another address, each with a slightly higher sequence
    /// number than the previous one. Packets that SRTP authenticates need no probation. A source without evidence must
    /// send in real time instead.
    pub packets: u8,
    /// The silence of a proven address after which another address is followed that has the described IP address or
    /// that of the peer's SIP messages. Also the time for which the address before a new description is not followed.
    pub quiet: Duration,
}

impl Default for LatchRules {
    fn default() -> Self {
        Self { latching: Latching::default(), packets: 2, quiet: Duration::from_secs(2) }
    }
}

/// The properties of an RTP packet that are evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceivedPacket {
    /// Its source address.
    pub from: SocketAddr,
    /// Its SSRC.
    pub ssrc: u32,
    /// Its sequence number.
    pub sequence: u16,
}

/// The result for a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The packet is accepted as the peer's.
    Admitted,
    /// The packet is not accepted yet, but its sender may be the peer: it restarts the timeout for a silent peer.
    OnProbation,
    /// The packet is not accepted.
    Foreign,
}

/// The evidence that a source address is the peer's, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Trust {
    /// No evidence; considered only with [`Latching::Any`].
    None,
    /// It has the described IP address, or the IP address of the peer's SIP messages.
    Host,
    /// The packets continue the SSRC and sequence numbers of the peer's stream, which an off-path attacker cannot
    /// observe.
    Stream,
    /// It is the described address and port, or SRTP has authenticated the packet.
    Full,
}

/// The evidence for the current address, which has sent media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Proof {
    trust: Trust,
    /// The arrival time of the last packet from it.
    received_at: Time,
}

/// The last received stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stream {
    ssrc: u32,
    /// The highest sequence number.
    sequence: u16,
}

/// The peer's address for one of the relay's ports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latch {
    described: Option<SocketAddr>,
    /// The time at which `described` was set.
    described_at: Option<Time>,
    /// The source IP address of the peer's SIP messages.
    signaling: Option<IpAddr>,
    current: Option<SocketAddr>,
    /// The evidence for `current`; `None` if nothing has arrived from there.
    proof: Option<Proof>,
    stream: Option<Stream>,
    /// The address that was in use before a new description. It is not followed again until the given time.
    left: Option<(SocketAddr, Time)>,
    /// Senders on probation: one with the peer's host or stream, and one with neither.
    candidate: Option<Candidate>,
    stranger: Option<Candidate>,
}

impl Latch {
    /// The destination address.
    #[must_use]
    pub const fn current(&self) -> Option<SocketAddr> {
        self.current
    }

    /// Sets the address of a description and the source address of the peer's SIP messages. If the address is
    /// unchanged, the learned address is kept, because the NAT binding is unchanged too.
    pub fn describe(&mut self, address: SocketAddr, signaling: Option<IpAddr>, rules: &LatchRules, now: Time) {
        self.signaling = signaling.map(|signaling| signaling.to_canonical()).or(self.signaling);
        if self.described == Some(address) {
            if self.proof.is_none() {
                // The answer may repeat the address of an earlier description: the peer starts to send now.
                self.described_at = Some(now);
            }
            return;
        }
        let left = self.current.filter(|current| *current != address);
        *self = Self {
            described: Some(address),
            described_at: Some(now),
            signaling: self.signaling,
            current: Some(address),
            left: left.map(|left| (left, now + rules.quiet)),
            ..Self::default()
        };
    }

    /// Whether a packet from this source address must be decrypted and examined.
    #[must_use]
    pub fn considers(&self, from: SocketAddr, rules: &LatchRules) -> bool {
        let Some(described) = self.described else { return false };
        self.current == Some(from)
            || match rules.latching {
                Latching::Never => false,
                Latching::SameAddress => is_same_host(described, from),
                Latching::Signaling | Latching::Any => true,
            }
    }

    /// Processes the source address of a packet that SRTP has authenticated.
    pub fn admit_authentic(&mut self, packet: ReceivedPacket, rules: &LatchRules, now: Time) {
        // A reordered packet from another path does not show where the peer is now.
        let is_usable = self.is_newest(packet) || self.current == Some(packet.from);
        if self.considers(packet.from, rules) && is_usable {
            self.follow(packet.from, Trust::Full, now);
            self.note(packet);
        }
    }

    /// Processes the source address of an RTCP packet that SRTCP has authenticated.
    pub fn admit_authentic_control(&mut self, from: SocketAddr, rules: &LatchRules, now: Time) {
        if self.considers(from, rules) {
            self.follow(from, Trust::Full, now);
        }
    }

    /// Decides whether to accept an RTP packet that is not authenticated.
    pub fn admit(&mut self, packet: ReceivedPacket, rules: &LatchRules, now: Time) -> Admission {
        let from = packet.from;
        let proof = self.proof.filter(|_| self.current == Some(from));
        let Some(trust) = proof.map(|proof| proof.trust).or_else(|| self.trust(packet, rules)) else {
            return Admission::Foreign;
        };
        let is_known = proof.is_some() || trust == Trust::Full;
        let may_move =
            is_known || (self.has_passed(packet, trust, rules, now) && self.may_move(from, trust, rules, now));
        if may_move {
            self.follow(from, trust, now);
            self.note(packet);
            Admission::Admitted
        } else if trust >= Trust::Host {
            Admission::OnProbation
        } else {
            Admission::Foreign
        }
    }

    /// The evidence for a packet's source; `None` if the rules exclude it.
    fn trust(&self, packet: ReceivedPacket, rules: &LatchRules) -> Option<Trust> {
        let (described, from) = (self.described?, packet.from);
        if from == described {
            return Some(Trust::Full);
        }
        let is_described_host = is_same_host(described, from);
        if rules.latching == Latching::Never || (rules.latching == Latching::SameAddress && !is_described_host) {
            return None;
        }
        if self.proof.is_some() && self.goes_on(packet) {
            Some(Trust::Stream)
        } else if is_described_host || self.signaling == Some(from.ip().to_canonical()) {
            Some(Trust::Host)
        } else {
            (rules.latching == Latching::Any).then_some(Trust::None)
        }
    }

    /// Whether a packet continues the stream that was received last.
    fn goes_on(&self, packet: ReceivedPacket) -> bool {
        let Some(stream) = self.stream else { return false };
        stream.ssrc == packet.ssrc && is_little_ahead(stream.sequence, packet.sequence, MAX_DROPOUT)
    }

    /// Counts a packet of a sender on probation and returns whether its probation is over.
    fn has_passed(&mut self, packet: ReceivedPacket, trust: Trust, rules: &LatchRules, now: Time) -> bool {
        let slot = if trust < Trust::Host { &mut self.stranger } else { &mut self.candidate };
        let next = slot.and_then(|known| known.next(packet, now));
        let candidate = next.unwrap_or_else(|| Candidate::new(packet, now));
        *slot = Some(candidate);
        if trust == Trust::None { candidate.is_steady() } else { candidate.packets() >= rules.packets }
    }

    /// Whether media may be sent to a sender whose probation is over.
    fn may_move(&self, from: SocketAddr, trust: Trust, rules: &LatchRules, now: Time) -> bool {
        if self.left.is_some_and(|(left, until)| left == from && now < until) {
            return false;
        }
        let is_early = self.described_at.is_some_and(|at| now.since(at) < EARLY);
        match (trust, self.proof) {
            (Trust::None, None) => is_early,
            // An address that has sent media is never replaced by one without evidence.
            (Trust::None, Some(_)) => false,
            (_, None) => true,
            (Trust::Stream, Some(proof)) => now.since(proof.received_at) >= STREAM_QUIET,
            (_, Some(proof)) => proof.trust < Trust::Host || now.since(proof.received_at) >= rules.quiet,
        }
    }

    /// Decides whether to accept an RTCP packet that is not authenticated and arrived at the RTCP port. RTCP is
    /// accepted from the host of RTP. While no RTP has been received, it is accepted from the described host or that of
    /// the peer's SIP messages.
    pub fn admit_beside(&mut self, rtp: &Self, from: SocketAddr, rules: &LatchRules, now: Time) -> bool {
        let is_alive = self.proof.is_some_and(|proof| now.since(proof.received_at) < CONTROL_QUIET);
        let is_beside = match (rtp.proof, rtp.current) {
            (Some(_), Some(rtp)) => is_same_host(rtp, from),
            _ => rtp.trusts_host(from, rules),
        };
        let is_admitted = self.current == Some(from) || (is_beside && !is_alive && rules.latching != Latching::Never);
        if is_admitted {
            self.follow(from, Trust::Host, now);
        }
        is_admitted
    }

    fn trusts_host(&self, from: SocketAddr, rules: &LatchRules) -> bool {
        self.described.is_some_and(|described| is_same_host(described, from))
            || (rules.latching != Latching::SameAddress && self.signaling == Some(from.ip().to_canonical()))
    }

    fn follow(&mut self, from: SocketAddr, trust: Trust, now: Time) {
        let before = self.proof.filter(|_| self.current == Some(from));
        let trust = before.map_or(trust, |before| before.trust.max(trust));
        self.current = Some(from);
        self.proof = Some(Proof { trust, received_at: now });
        self.candidate = None;
        self.stranger = None;
    }

    /// Whether a packet belongs to a stream other than the last received one, or is the newest of that stream.
    fn is_newest(&self, packet: ReceivedPacket) -> bool {
        let Some(stream) = self.stream else { return true };
        stream.ssrc != packet.ssrc || is_little_ahead(stream.sequence, packet.sequence, u16::MAX / 2)
    }

    fn note(&mut self, packet: ReceivedPacket) {
        if self.is_newest(packet) {
            self.stream = Some(Stream { ssrc: packet.ssrc, sequence: packet.sequence });
        }
    }
}

fn is_same_host(a: SocketAddr, b: SocketAddr) -> bool {
    a.ip().to_canonical() == b.ip().to_canonical()
}

#[cfg(test)]
mod tests;
