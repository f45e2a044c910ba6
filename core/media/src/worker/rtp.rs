//! Sockets of the legs that use RTP: binds and closes them, and finds the leg of a datagram by its destination port.

use super::ports::{Owner, Port};
use super::{Output, Worker};
use crate::command::{Event, LocalRtp};
use crate::leg::{Arrival, LegIndex};
use crate::ports::PortPair;
use crate::socket::{Local, PortId, SectionPorts};
use crate::transport::demux::Protocol;
use crate::transport::rtp::Component;
use offhook_clock::Time;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

impl Worker {
    /// The socket with this local address: that of a SIP leg, else the socket that WebRTC legs share.
    #[must_use]
    pub fn local(&self, address: SocketAddr) -> Local {
        self.ports.find(address).map_or(Local::Shared(address), Local::Port)
    }

    /// Whether a leg can use these addresses: the list is not empty, the addresses differ, and no other leg uses one of
    /// them.
    pub(super) fn are_free(&self, sections: &[LocalRtp]) -> bool {
        let addresses: BTreeSet<SocketAddr> = sections.iter().flat_map(|local| [local.rtp, local.rtcp]).collect();
        !sections.is_empty()
            && addresses.len() == sections.len() * 2
            && !addresses.iter().any(|address| self.ports.is_taken(*address))
    }

    /// Assigns sockets for sections to a leg.
    pub(super) fn bind(&mut self, leg: LegIndex, sections: &[LocalRtp]) -> Vec<SectionPorts> {
        let bind = |(section, local): (usize, &LocalRtp)| SectionPorts {
            rtp: self.bind_one(local.rtp, Owner::Leg { leg, section, component: Component::Rtp }, sections),
            rtcp: self.bind_one(local.rtcp, Owner::Leg { leg, section, component: Component::Rtcp }, sections),
        };
        sections.iter().enumerate().map(bind).collect()
    }

    fn bind_one(&mut self, local: SocketAddr, owner: Owner, sections: &[LocalRtp]) -> PortId {
        match self.ports.take_reserved(local, owner) {
            Some((pair, port)) => {
                self.release(pair, sections);
                port
            }
            None => {
                let port = self.ports.add(Port { local, owner });
                self.io.outputs.push_back(Output::Bind { port, local });
                port
            }
        }
    }

    /// Binds port pairs for future legs.
    pub(super) fn reserve(&mut self, pairs: Vec<PortPair>, addresses: &[IpAddr]) -> bool {
        for pair in &pairs {
            let sections = addresses.iter().map(|address| pair.on(*address));
            for local in sections.flat_map(|local| [local.rtp, local.rtcp]) {
                if self.ports.find(local).is_none() {
                    let port = self.ports.add(Port { local, owner: Owner::Reserved(*pair) });
                    self.io.outputs.push_back(Output::Bind { port, local });
                }
            }
        }
        self.io.event(Event::PortsReserved { ready: pairs, in_use: Vec::new() });
        true
    }

    /// Closes the reserved sockets of a pair that are not needed, which are those of the other address family.
    fn release(&mut self, pair: PortPair, sections: &[LocalRtp]) {
        let is_needed = |address: &SocketAddr| sections.iter().any(|local| [local.rtp, local.rtcp].contains(address));
        for (local, port) in self.ports.release(pair, is_needed) {
            self.io.outputs.push_back(Output::Unbind { port, local });
        }
    }

    /// Moves a reserved pair to `in_use` in the pending event, because one of its ports is in use. The shell has not
    /// polled the event yet, because it follows the [`Output::Bind`] of the pair.
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

    pub(super) fn unbind(&mut self, sections: &[SectionPorts]) {
        for port in sections.iter().flat_map(|ports| [ports.rtp, ports.rtcp]) {
            if let Some(Port { local, .. }) = self.ports.remove(port) {
                self.io.outputs.push_back(Output::Unbind { port, local });
            }
        }
    }

    /// Handles the failure of an [`Output::Bind`]: the leg of the socket fails, or the pair is reported as in use.
    pub fn handle_bind_failure(&mut self, local: SocketAddr, now: Time) {
        match self.ports.find(local).and_then(|port| self.ports.at(port)).map(|port| port.owner) {
            Some(Owner::Reserved(pair)) => self.refuse(pair),
            Some(Owner::Leg { leg, .. }) => {
                let Some(leg) = self.legs.at(leg) else { return };
                leg.fail_to_bind();
                let key = leg.key;
                self.settle(key, now);
            }
            None => {}
        }
    }

    pub(super) fn receive_at_port(
        &mut self,
        port: PortId,
        from: SocketAddr,
        protocol: Protocol,
        packet: &mut [u8],
        now: Time,
    ) {
        let Some(Owner::Leg { leg, section: session, component }) = self.ports.at(port).map(|port| port.owner) else {
            self.io.counters.dropped.unknown_address += 1;
            return;
        };
        let arrival = Arrival { session, component, from };
        match protocol {
            Protocol::Rtp => self.receive_rtp(leg, arrival, packet, now),
            Protocol::Rtcp => self.receive_rtcp(leg, arrival, packet, now),
            // The relay's description of an RTP leg contains neither ICE nor DTLS.
            Protocol::Stun | Protocol::Dtls => self.io.counters.dropped.unknown_protocol += 1,
        }
    }
}
