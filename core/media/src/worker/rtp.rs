//! SIP legs: found by the port that a datagram came to.

use super::{Output, Worker};
use crate::command::{Event, LegKey, LocalRtp, RtpStream, Silence};
use crate::leg::{Arrival, Leg};
use crate::ports::PortPair;
use crate::transport::demux::Protocol;
use crate::transport::rtp::Component;
use offhook_clock::Time;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// Whose a port of the relay is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Port {
    leg: LegKey,
    section: usize,
    component: Component,
}

impl Worker {
    pub(super) fn open_rtp(&mut self, key: LegKey, sections: &[LocalRtp], cname: String, now: Time) -> bool {
        let addresses: BTreeSet<SocketAddr> = sections.iter().flat_map(|local| [local.rtp, local.rtcp]).collect();
        let is_possible = !sections.is_empty()
            && addresses.len() == sections.len() * 2
            && !self.legs.contains_key(&key)
            && !addresses.iter().any(|address| self.ports.contains_key(address));
        if is_possible {
            self.bind(key, sections);
            self.legs.insert(key, Leg::rtp(key, sections, cname, self.rules(), now));
        }
        is_possible
    }

    pub(super) fn bind(&mut self, leg: LegKey, sections: &[LocalRtp]) {
        for (section, local) in sections.iter().enumerate() {
            for (local, component) in [(local.rtp, Component::Rtp), (local.rtcp, Component::Rtcp)] {
                self.ports.insert(local, Port { leg, section, component });
                match self.reserved.remove(&local) {
                    Some(pair) => self.release(pair, sections),
                    None => self.io.outputs.push_back(Output::Bind { local }),
                }
            }
        }
    }

    /// Binds pairs for legs to come.
    pub(super) fn reserve(&mut self, pairs: Vec<PortPair>, addresses: &[IpAddr]) -> bool {
        for pair in &pairs {
            let sections = addresses.iter().map(|address| pair.on(*address));
            for local in sections.flat_map(|local| [local.rtp, local.rtcp]) {
                if !self.ports.contains_key(&local) && self.reserved.insert(local, *pair).is_none() {
                    self.io.outputs.push_back(Output::Bind { local });
                }
            }
        }
        self.io.event(Event::PortsReserved { ready: pairs, in_use: Vec::new() });
        true
    }

    /// Closes what is reserved of a pair and not needed: the ports of the other address family.
    fn release(&mut self, pair: PortPair, sections: &[LocalRtp]) {
        let is_needed = |address: &SocketAddr| sections.iter().any(|local| [local.rtp, local.rtcp].contains(address));
        let released = self.reserved.extract_if(.., |address, of| *of == pair && !is_needed(address));
        self.io.outputs.extend(released.map(|(local, _)| Output::Unbind { local }));
    }

    /// A port of a reserved pair is in use. The report is not polled yet, since sockets are bound in order.
    fn refuse(&mut self, pair: PortPair) {
        self.release(pair, &[]);
        for output in &mut self.io.outputs {
            if let Output::Event(Event::PortsReserved { ready, in_use }) = output
                && let Some(place) = ready.iter().position(|reserved| *reserved == pair)
            {
                ready.remove(place);
                in_use.push(pair);
            }
        }
    }

    pub(super) fn unbind(&mut self, sections: &[LocalRtp]) {
        for local in sections.iter().flat_map(|local| [local.rtp, local.rtcp]) {
            self.ports.remove(&local);
            self.io.outputs.push_back(Output::Unbind { local });
        }
    }

    /// A socket that was asked for ([`Output::Bind`]) cannot be opened: its leg fails, or the pair is not reserved.
    pub fn handle_bind_failure(&mut self, local: SocketAddr, now: Time) {
        if let Some(pair) = self.reserved.get(&local).copied() {
            return self.refuse(pair);
        }
        let Some(key) = self.ports.get(&local).map(|port| port.leg) else { return };
        if let Some(leg) = self.legs.get_mut(&key) {
            leg.fail_to_bind();
            self.settle(key, now);
        }
    }

    pub(super) fn connect_rtp(
        &mut self,
        key: LegKey,
        streams: Vec<RtpStream>,
        terms: (Option<IpAddr>, Silence),
        now: Time,
    ) -> bool {
        let Some(leg) = self.legs.get_mut(&key) else { return false };
        if !leg.connect_rtp(streams, terms, &mut self.rng, now) {
            return false;
        }
        if let Some(partner) = leg.partner {
            self.join(key, partner);
        }
        self.settle(key, now)
    }

    pub(super) fn request_key_frame(&mut self, key: LegKey, now: Time) -> bool {
        let Some(leg) = self.legs.get(&key) else { return false };
        if let Some(partner) = leg.partner
            && let Some(leg) = self.legs.get_mut(&partner)
        {
            leg.ask_key_frames(&mut self.io, now);
            self.arm(partner);
        }
        true
    }

    pub(super) fn receive_at(
        &mut self,
        port: Port,
        from: SocketAddr,
        protocol: Protocol,
        packet: &mut [u8],
        now: Time,
    ) {
        let Port { leg, section: index, component } = port;
        let arrival = Arrival::Section { index, component, from };
        match protocol {
            Protocol::Rtp => self.receive_rtp(leg, arrival, packet, now),
            Protocol::Rtcp => self.receive_rtcp(leg, arrival, packet, now),
            // Who keeps his NAT open with STUN or tries DTLS is told by the description that neither is spoken here.
            Protocol::Stun | Protocol::Dtls => self.io.counters.dropped.unknown_protocol += 1,
        }
    }
}
