//! The state machine of one media thread: finds the leg of each datagram and forwards packets between bridged legs.
//!
//! ```text
//! datagram ─▶ STUN ─ user name ─▶ leg ─▶ answer
//!          ─▶ DTLS ─ addresses ─▶ leg ─▶ handshake
//!          ─▶ SRTP ─ addresses ─▶ leg ─ decrypt ─▶ bridged leg ─ rewrite, encrypt ─▶ datagram
//!          ─▶ RTP or SRTP to a port of its own ─▶ leg ─ as above
//! ```

mod across;
mod audio;
mod commands;
mod config;
mod graph;
mod legs;
mod pairs;
mod ports;
mod reports;
mod rtp;
mod saved;

pub use config::{DtlsVersions, WorkerConfig};
pub use saved::SavedWorker;

use crate::command::{Event, LegKey};
use crate::counters::Counters;
use crate::crossing::{Crossing, Message};
use crate::ice::agent::{Checked, Pair};
use crate::ice::stun::BindingRequest;
use crate::io::Io;
use crate::leg::{Arrival, Ended, LegIndex, Partner, Rules};
use crate::socket::{Local, PortId};
use crate::transport::demux::{Protocol, classify};
use crate::transport::dtls::DtlsSettings;
use crate::transport::rtp::Component;
use legs::Legs;
use offhook_clock::{Deadlines, Time, earliest};
use pairs::PairTable;
use ports::Ports;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use reports::InterimReports;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// An output that the shell must execute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a datagram, then give the buffer back ([`Worker::recycle`]).
    Transmit {
        /// The socket from which it must be sent: the one at which the peer's packets arrive.
        local: Local,
        /// The destination address.
        remote: SocketAddr,
        /// The datagram.
        payload: Vec<u8>,
    },
    /// Report an event to the signaling plane.
    Event(Event),
    /// Deliver a message to another worker ([`Worker::handle_crossing`]), in order.
    Cross(Crossing),
    /// Open a UDP socket whose datagrams belong to this worker. If it cannot be opened, call
    /// [`Worker::handle_bind_failure`].
    Bind {
        /// The number of the socket, which is free.
        port: PortId,
        /// The local address.
        local: SocketAddr,
    },
    /// Close a socket after the datagrams that were queued for it are sent. Its number is free afterwards.
    Unbind {
        /// The number of the socket.
        port: PortId,
        /// The local address.
        local: SocketAddr,
    },
}

/// A media worker: all legs of one media thread.
#[derive(Debug)]
pub struct Worker {
    config: WorkerConfig,
    settings: DtlsSettings,
    rng: ChaCha8Rng,
    io: Io,
    legs: Legs,
    /// Legs by local user name fragment.
    fragments: BTreeMap<String, LegKey>,
    /// Legs by checked address pair.
    pairs: PairTable,
    /// The sockets of SIP legs, and those that are reserved for future SIP legs.
    ports: Ports,
    /// The registered deadlines of legs. If the deadline of a leg moves to a later time, its entry is kept and handled
    /// once without effect, so that packets do not have to update this set.
    wakes: Deadlines<LegKey>,
    interim: InterimReports,
}

impl Worker {
    /// Creates a worker without legs. `now` is the moment `config.instant` as a [`Time`].
    #[must_use]
    pub fn new(config: WorkerConfig, seed: [u8; 32], now: Time) -> Self {
        let settings = DtlsSettings::new(config.identity.clone(), config.dtls_versions, config.instant, now);
        let rng = ChaCha8Rng::from_seed(seed);
        let mut of_pairs = rng.clone();
        of_pairs.set_stream(1);
        let pairs = PairTable::new(of_pairs.next_u64());
        Self {
            config,
            settings,
            rng,
            io: Io::default(),
            legs: Legs::default(),
            fragments: BTreeMap::new(),
            pairs,
            ports: Ports::default(),
            wakes: Deadlines::new(),
            interim: InterimReports::default(),
        }
    }

    const fn rules(&self) -> Rules {
        Rules {
            connect: self.config.connect_timeout,
            media: self.config.media_timeout,
            rtp: self.config.rtp_timeout,
            latch: self.config.latch,
        }
    }

    fn bridge(&mut self, a: LegKey, b: LegKey, now: Time) -> bool {
        if a == b || !self.legs.contains(a) || !self.legs.contains(b) {
            return false;
        }
        let is_joined = self.legs.get(a).is_some_and(|leg| leg.partner_key() == Some(b));
        if !is_joined {
            self.unbridge(a);
            self.unbridge(b);
            self.join(a, b);
        }
        for key in [a, b] {
            if let Some(leg) = self.legs.get_mut(key) {
                leg.request_key_frames(&mut self.io, now);
            }
            self.settle(key, now);
        }
        true
    }

    /// Makes two legs partners and sets the routes between them, if their streams are known.
    fn join(&mut self, a: LegKey, b: LegKey) {
        for (key, partner) in [(a, b), (b, a)] {
            let at = self.legs.index_of(partner);
            if let Some(leg) = self.legs.get_mut(key) {
                leg.partner = at.map(|at| Partner::Here { key: partner, at });
            }
            self.feed(partner, key);
        }
    }

    /// Updates the routes of a leg after its description has changed.
    fn rejoin(&mut self, key: LegKey) {
        match self.legs.get(key).and_then(|leg| leg.partner.as_ref()) {
            Some(Partner::Here { key: partner, .. }) => self.join(key, *partner),
            Some(Partner::Across(_)) => self.describe_across(key, false),
            None => {}
        }
    }

    fn unbridge(&mut self, key: LegKey) -> bool {
        let Some(leg) = self.legs.get_mut(key) else { return false };
        let partner = leg.leave_bridge();
        match partner {
            Some(Partner::Here { key: partner, at }) => {
                if let Some(leg) = self.legs.at(at) {
                    leg.leave_bridge();
                }
                self.stop_feeding(key, partner);
                self.stop_feeding(partner, key);
            }
            Some(Partner::Across(across)) => self.send_across(key, &across, Message::Parted),
            None => {}
        }
        true
    }

    /// Removes a pair of a leg, unless it already belongs to a newer leg of the same browser.
    fn remove_pair(&mut self, pair: Pair, leg: LegIndex) {
        if self.pairs.get(&pair) == Some(leg) {
            self.pairs.remove(&pair);
        }
    }

    /// Processes a datagram that arrived at `local` from `remote`; decrypts it in place.
    pub fn handle_datagram(&mut self, local: Local, remote: SocketAddr, packet: &mut [u8], now: Time) {
        self.io.counters.rx_datagrams += 1;
        let Some(protocol) = classify(packet) else {
            self.io.counters.dropped.unknown_protocol += 1;
            return;
        };
        match local {
            Local::Port(port) => self.receive_at_port(port, remote, protocol, packet, now),
            Local::Shared(local) => self.receive_shared(Pair { local, remote }, protocol, packet, now),
        }
    }

    fn receive_shared(&mut self, pair: Pair, protocol: Protocol, packet: &mut [u8], now: Time) {
        if protocol == Protocol::Stun {
            self.receive_stun(pair, packet, now);
            return;
        }
        let Some(index) = self.pairs.get(&pair) else {
            self.io.counters.dropped.unknown_address += 1;
            return;
        };
        let arrival = Arrival { session: 0, component: Component::Rtp, from: pair.remote };
        match protocol {
            Protocol::Rtp => self.receive_rtp(index, arrival, packet, now),
            Protocol::Rtcp => self.receive_rtcp(index, arrival, packet, now),
            Protocol::Dtls | Protocol::Stun => {
                let Some(leg) = self.legs.at(index) else { return };
                leg.receive_dtls(packet, &mut self.io, now);
                let key = leg.key;
                self.settle(key, now);
            }
        }
    }

    fn receive_stun(&mut self, pair: Pair, packet: &[u8], now: Time) {
        let Some(request) = BindingRequest::parse(packet) else {
            self.io.counters.dropped.bad_stun += 1;
            return;
        };
        let named = request.fragments().and_then(|(local, _)| self.fragments.get(local)).copied();
        let Some((key, index)) = named.and_then(|key| Some((key, self.legs.index_of(key)?))) else {
            // Not answered, so that a sender cannot test user names and no response goes to a spoofed source address.
            self.io.counters.dropped.bad_credentials += 1;
            return;
        };
        let Some(leg) = self.legs.at(index) else { return };
        if let Some(Checked::Valid { is_new: true, evicted, .. }) = leg.check(&request, pair, &mut self.io, now) {
            self.pairs.insert(pair, index);
            if let Some(evicted) = evicted {
                self.remove_pair(evicted, index);
            }
        }
        self.settle(key, now);
    }

    fn receive_rtp(&mut self, index: LegIndex, arrival: Arrival, packet: &mut [u8], now: Time) {
        let Some(leg) = self.legs.at(index) else { return };
        let Some(accepted) = leg.receive_rtp(arrival, packet, &mut self.io, now) else { return };
        let (key, packet) = (leg.key, packet.get(..accepted.length).unwrap_or(&[]));
        let sinks = leg.sink_count(accepted.stream);
        match leg.sink(accepted.stream, 0) {
            Some(sink) => self.forward((key, index), sink, &accepted, packet, now),
            None if leg.partner.is_some() => self.io.counters.dropped.not_negotiated += 1,
            None => self.io.counters.dropped.not_bridged += 1,
        }
        for further in 1..sinks {
            if let Some(sink) = self.legs.at(index).and_then(|leg| leg.sink(accepted.stream, further)) {
                self.forward((key, index), sink, &accepted, packet, now);
            }
        }
        if accepted.has_new_deadline {
            self.arm(key);
        }
    }

    fn receive_rtcp(&mut self, index: LegIndex, arrival: Arrival, packet: &mut [u8], now: Time) {
        let Some(leg) = self.legs.at(index) else { return };
        let relayed = leg.receive_rtcp(arrival, packet, &mut self.io, now);
        let key = leg.key;
        for (recipient, relayed) in relayed {
            for to in self.recipients(index, recipient) {
                self.relay((key, index), to, &relayed, now);
            }
        }
    }

    /// Advances the transport of a leg, closes the leg if it has ended, and registers its deadline. Must be called
    /// after every input to the leg that can change these.
    fn settle(&mut self, key: LegKey, now: Time) -> bool {
        let Some(leg) = self.legs.get_mut(key) else { return false };
        leg.advance(&self.settings, &mut self.io, &mut self.rng, now);
        leg.adjust_playback(&self.config.codecs, &mut self.io, now);
        if let Some(ended) = leg.ended {
            self.close(key, now);
            self.io.event(match ended {
                Ended::Failed(failure) => Event::LegFailed { leg: key, failure },
                Ended::Dead => Event::LegDead { leg: key },
            });
            return true;
        }
        if core::mem::take(&mut leg.has_just_connected) && leg.partner.is_some() {
            // Neither peer could decode earlier packets of the other one.
            leg.request_key_frames(&mut self.io, now);
            self.request_key_frames_of_partner(key, true, now);
        }
        self.interim.start(self.config.report_interval, now);
        self.arm(key);
        true
    }

    fn arm(&mut self, key: LegKey) {
        let Some(leg) = self.legs.get_mut(key) else { return };
        let Some(due) = leg.poll_timeout() else { return };
        if self.wakes.get(&key).is_none_or(|registered| due < registered) {
            self.wakes.set(key, Some(due));
        }
    }

    /// Handles the deadlines that are due.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some((due, key)) = self.wakes.pop_due(now) {
            let Some(leg) = self.legs.get_mut(key) else { continue };
            leg.handle_timeout(&mut self.io, &mut self.rng, now);
            self.settle(key, now);
            // A deadline that does not advance when it is handled must not block the worker.
            if self.wakes.get(&key) == Some(due) {
                break;
            }
        }
        self.send_interim_reports(now);
    }

    /// Returns the next output.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.io.outputs.pop_front()
    }

    /// The time at which [`Worker::handle_timeout`] must be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        earliest(self.wakes.next(), self.interim.due)
    }

    /// Returns the buffer of a sent datagram to the pool.
    pub fn recycle(&mut self, buffer: Vec<u8>) {
        self.io.recycle(buffer);
    }

    /// The totals of the packet counters, for metrics.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.io.counters
    }

    /// The number of legs.
    #[must_use]
    pub fn leg_count(&self) -> usize {
        self.legs.len()
    }

    /// The configuration of the worker.
    #[must_use]
    pub fn config(&self) -> &WorkerConfig {
        &self.config
    }
}

#[cfg(test)]
mod tests;
