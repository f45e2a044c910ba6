//! The address that RTP to a peer is sent to: symmetric RTP (RFC 4961) for peers behind a NAT, without giving the media of a
//! call to a stranger who sends RTP to every port of the relay (RTP bleed).
//!
//! ```text
//!            describe                    trusted, or after probation
//! unknown ─────────────▶ unproven ───────────────────────────────────▶ proven at an address ──┐
//!                        (described address)  ◀──── describe ─────────         ▲     │ SRTP, same stream,
//!                                            (another address)                 └─────┘ trusted address
//! ```
//!
//! What a source address can do depends on what speaks for it (`Trust`). A stranger has nothing that speaks for him under
//! the default rules, whether the peer sends or is silent. See `docs/decisions/0008-latching.md`.

mod probation;

use core::time::Duration;
use offhook_clock::Time;
use probation::{Candidate, is_little_ahead};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// How long RTCP must be silent before it may come from another port: three intervals.
const CONTROL_QUIET: Duration = Duration::from_secs(15);

/// How long after its description a peer may begin to send from an address that nothing speaks for, with [`Latching::Any`].
const EARLY: Duration = Duration::from_secs(10);

/// How long the present address must be silent before the same stream is followed to another one: a few packets, so that a
/// sender with two paths does not make the media alternate between them.
const STREAM_QUIET: Duration = Duration::from_millis(200);

/// The largest step of the sequence number within one stream, MAX_DROPOUT of RFC 3550 A.1: a minute of audio.
const MAX_DROPOUT: u16 = 3000;

/// Which addresses a peer may send from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Latching {
    /// The described address and port alone.
    Never,
    /// The described address, from any port.
    SameAddress,
    /// Also the address that the peer's SIP messages come from, and any address that proves to be the peer's.
    #[default]
    Signaling,
    /// Also any other address, once, while the call is young.
    Any,
}

/// When media follow a peer to an address that it did not describe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatchRules {
    /// Which addresses are considered.
    pub latching: Latching,
    /// How many packets of one SSRC must come from there, each numbered a little after the one before. Packets that SRTP
    /// authenticates need no probation.
    pub packets: u8,
    /// How long a proven address must be silent before an address as good is followed.
    pub quiet: Duration,
}

impl Default for LatchRules {
    fn default() -> Self {
        Self { latching: Latching::default(), packets: 2, quiet: Duration::from_secs(2) }
    }
}

/// What counts of an RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its source address.
    pub from: SocketAddr,
    /// Its SSRC.
    pub ssrc: u32,
    /// Its sequence number.
    pub sequence: u16,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is taken for the peer's.
    Admitted,
    /// Not yet, but its sender may well be the peer: a sign of life.
    OnProbation,
    /// It is not the peer's.
    Foreign,
}

/// What speaks for a source address, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Trust {
    /// Nothing. Counts with [`Latching::Any`] only.
    None,
    /// It is the described IP address, or the one that the peer's SIP messages come from.
    Host,
    /// The packets go on with the SSRC and the sequence numbers of the peer's stream, which strangers cannot know.
    Stream,
    /// It is the described address and port, or SRTP has authenticated the packet.
    Full,
}

/// The address that has sent media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Proof {
    trust: Trust,
    /// When it was last received from.
    heard_at: Time,
}

/// The stream that was received last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stream {
    ssrc: u32,
    /// The highest sequence number.
    sequence: u16,
}

/// The peer's address on one of the relay's ports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latch {
    described: Option<SocketAddr>,
    /// When `described` was taken.
    described_at: Option<Time>,
    /// Where the peer's SIP messages come from.
    signaling: Option<IpAddr>,
    current: Option<SocketAddr>,
    /// What `current` has shown; none while nothing has come from there.
    proof: Option<Proof>,
    stream: Option<Stream>,
    /// The address in use before another description, which is not followed back there until then.
    left: Option<(SocketAddr, Time)>,
    /// A sender on probation whose host or stream is the peer's, and another one.
    candidate: Option<Candidate>,
    stranger: Option<Candidate>,
}

impl Latch {
    /// The address to send to.
    #[must_use]
    pub const fn current(&self) -> Option<SocketAddr> {
        self.current
    }

    /// Takes the address of a description, and the source address of the peer's SIP messages. The described address again
    /// keeps what was learned: the NAT is still there.
    pub fn describe(&mut self, address: SocketAddr, signaling: Option<IpAddr>, rules: &LatchRules, now: Time) {
        self.signaling = signaling.map(|signaling| signaling.to_canonical()).or(self.signaling);
        if self.described == Some(address) {
            if self.proof.is_none() {
                // The answer may repeat an early description: the peer begins to send now.
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

    /// Whether a packet from there is worth decrypting.
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

    /// Takes the source address of a packet that SRTP has authenticated.
    pub fn admit_authentic(&mut self, packet: Received, rules: &LatchRules, now: Time) {
        // A packet that was overtaken on another path says nothing of where the peer is now.
        let is_usable = self.is_newest(packet) || self.current == Some(packet.from);
        if self.considers(packet.from, rules) && is_usable {
            self.follow(packet.from, Trust::Full, now);
            self.note(packet);
        }
    }

    /// Takes the source address of an RTCP packet that SRTCP has authenticated.
    pub fn admit_authentic_control(&mut self, from: SocketAddr, rules: &LatchRules, now: Time) {
        if self.considers(from, rules) {
            self.follow(from, Trust::Full, now);
        }
    }

    /// Weighs an RTP packet that is not authenticated.
    pub fn admit(&mut self, packet: Received, rules: &LatchRules, now: Time) -> Admission {
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

    /// What speaks for a packet's source; `None` when the rules exclude it.
    fn trust(&self, packet: Received, rules: &LatchRules) -> Option<Trust> {
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

    /// Whether a packet goes on with the stream that was received last.
    fn goes_on(&self, packet: Received) -> bool {
        let Some(stream) = self.stream else { return false };
        stream.ssrc == packet.ssrc && is_little_ahead(stream.sequence, packet.sequence, MAX_DROPOUT)
    }

    /// Counts a packet of a sender on probation; whether that is enough.
    fn has_passed(&mut self, packet: Received, trust: Trust, rules: &LatchRules, now: Time) -> bool {
        let slot = if trust < Trust::Host { &mut self.stranger } else { &mut self.candidate };
        let next = slot.and_then(|known| known.next(packet, now));
        let candidate = next.unwrap_or_else(|| Candidate::new(packet, now));
        *slot = Some(candidate);
        if trust == Trust::None { candidate.is_steady() } else { candidate.packets() >= rules.packets }
    }

    /// Whether the media may go to a sender that has passed its probation.
    fn may_move(&self, from: SocketAddr, trust: Trust, rules: &LatchRules, now: Time) -> bool {
        if self.left.is_some_and(|(left, until)| left == from && now < until) {
            return false;
        }
        let is_early = self.described_at.is_some_and(|at| now.since(at) < EARLY);
        match (trust, self.proof) {
            (Trust::None, None) => is_early,
            // An address that has sent media is never left for one that nothing speaks for.
            (Trust::None, Some(_)) => false,
            (_, None) => true,
            (Trust::Stream, Some(proof)) => now.since(proof.heard_at) >= STREAM_QUIET,
            (_, Some(proof)) => proof.trust < Trust::Host || now.since(proof.heard_at) >= rules.quiet,
        }
    }

    /// Weighs an RTCP packet that is not authenticated, RTP having a port of its own: RTCP follows where RTP is, and comes from
    /// a trusted host while there is no RTP.
    pub fn admit_beside(&mut self, rtp: &Self, from: SocketAddr, rules: &LatchRules, now: Time) -> bool {
        let is_alive = self.proof.is_some_and(|proof| now.since(proof.heard_at) < CONTROL_QUIET);
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
        self.proof = Some(Proof { trust, heard_at: now });
        self.candidate = None;
        self.stranger = None;
    }

    /// Whether a packet is of another stream than the one received last, or the newest of that.
    fn is_newest(&self, packet: Received) -> bool {
        let Some(stream) = self.stream else { return true };
        stream.ssrc != packet.ssrc || is_little_ahead(stream.sequence, packet.sequence, u16::MAX / 2)
    }

    fn note(&mut self, packet: Received) {
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
