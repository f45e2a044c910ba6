//! The sockets of a worker's SIP legs, and those that are reserved for future SIP legs.

use crate::leg::LegIndex;
use crate::ports::PortPair;
use crate::socket::PortId;
use crate::transport::rtp::Component;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// A local socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Port {
    pub(super) local: SocketAddr,
    pub(super) owner: Owner,
}

/// The leg or the reserved pair that a socket belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Leg { leg: LegIndex, section: usize, component: Component },
    Reserved(PortPair),
}

/// All sockets of SIP legs: an array for the packet path, and indexes by address for commands.
#[derive(Debug, Default)]
pub(super) struct Ports {
    places: Vec<Option<Port>>,
    free: Vec<PortId>,
    taken: BTreeMap<SocketAddr, PortId>,
    reserved: BTreeMap<SocketAddr, (PortPair, PortId)>,
}

impl Ports {
    /// The number of sockets that belong to legs.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.taken.len()
    }

    pub(super) fn at(&self, port: PortId) -> Option<Port> {
        self.places.get(port.index()).copied().flatten()
    }

    /// The socket with this local address.
    pub(super) fn find(&self, local: SocketAddr) -> Option<PortId> {
        let reserved = self.reserved.get(&local).map(|(_, port)| *port);
        self.taken.get(&local).copied().or(reserved)
    }

    /// Whether the socket with this address belongs to a leg.
    pub(super) fn is_taken(&self, local: SocketAddr) -> bool {
        self.taken.contains_key(&local)
    }

    /// Adds a socket with an address that has none.
    pub(super) fn add(&mut self, added: Port) -> PortId {
        let port = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            // The conversion does not fail: there are at most 65,536 ports for each local address.
            PortId::at(u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX))
        });
        match added.owner {
            Owner::Leg { .. } => drop(self.taken.insert(added.local, port)),
            Owner::Reserved(pair) => drop(self.reserved.insert(added.local, (pair, port))),
        }
        if let Some(place) = self.places.get_mut(port.index()) {
            *place = Some(added);
        }
        port
    }

    /// Assigns a reserved socket to a leg.
    pub(super) fn take_reserved(&mut self, local: SocketAddr, owner: Owner) -> Option<(PortPair, PortId)> {
        let (pair, port) = self.reserved.remove(&local)?;
        self.taken.insert(local, port);
        if let Some(place) = self.places.get_mut(port.index()) {
            *place = Some(Port { local, owner });
        }
        Some((pair, port))
    }

    pub(super) fn remove(&mut self, port: PortId) -> Option<Port> {
        let removed = self.places.get_mut(port.index()).and_then(Option::take)?;
        match removed.owner {
            Owner::Leg { .. } => drop(self.taken.remove(&removed.local)),
            Owner::Reserved(_) => drop(self.reserved.remove(&removed.local)),
        }
        self.free.push(port);
        Some(removed)
    }

    /// Removes the reserved sockets of a pair, except the needed ones.
    pub(super) fn release(
        &mut self,
        pair: PortPair,
        is_needed: impl Fn(&SocketAddr) -> bool,
    ) -> Vec<(SocketAddr, PortId)> {
        let of_pair = self.reserved.iter().filter(|(local, (of, _))| *of == pair && !is_needed(local));
        let released: Vec<_> = of_pair.map(|(local, (_, port))| (*local, *port)).collect();
        for (_, port) in &released {
            self.remove(*port);
        }
        released
    }
}
