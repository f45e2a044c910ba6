//! What `Via` says of the way: sent-by of our requests, the way back of our responses (RFC 3261 §18).

use super::io::Settings;
use crate::message::{Headers, Host, NameAddr, Via};
use crate::transport::{Hop, LocalAddress, Source, Target, Transport};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

impl Settings {
    /// How the relay calls itself towards this peer; none where it does not listen so.
    #[must_use]
    pub fn local(&self, transport: Transport, peer: IpAddr) -> Option<&LocalAddress> {
        let fits = |local: &&LocalAddress| local.transport == transport && local.is_ipv6 == peer.is_ipv6();
        let inside = if self.inside.has(peer) { self.inside.local.iter().find(fits) } else { None };
        inside.or_else(|| self.local.iter().find(fits))
    }

    /// The hop is one of this relay's own.
    pub(super) fn is_own(&self, via: &Via) -> bool {
        self.local.iter().chain(&self.inside.local).any(|local| {
            host(&local.host) == via.host
                && local.port == via.port_or_default()
                && via.known_transport() == Some(local.transport)
        })
    }
}

/// The host part of a local address.
fn host(text: &str) -> Host {
    let address = text.trim_matches(['[', ']']).parse::<IpAddr>();
    address.map_or_else(|_| Host::Name(text.to_owned()), Host::Address)
}

/// A hop for a request of our own. `rport` is asked for over every transport (RFC 3581 §3): its answer tells nothing that
/// is needed, but makes some peers answer to where the request came from.
pub(super) fn own_via(local: &LocalAddress, branch: &str) -> Via {
    Via::new(local.transport, host(&local.host), Some(local.port), branch).with_rport()
}

/// The host of a `Contact` that stands for the socket the message leaves by, which the user of the layer does not know.
pub const OWN_HOST: &str = "relay.invalid";

/// The `Contact` that is to be completed, if there is one.
pub(super) fn own_contact(headers: &Headers) -> Option<NameAddr> {
    let contact = headers.contact()?.ok()?;
    (contact.uri.host() == Some(&host(OWN_HOST))).then_some(contact)
}

/// A `Contact` at [`OWN_HOST`] with the address of a socket in its place.
#[must_use]
pub fn complete_contact(contact: &NameAddr, local: &LocalAddress) -> NameAddr {
    let mut contact = contact.clone();
    if let Some(uri) = contact.uri.as_sip_mut() {
        let default = local.transport.default_port();
        uri.set_host(host(&local.host), Some(local.port).filter(|port| *port != default));
        match local.transport {
            // What a URI is reached by without it.
            Transport::Udp => uri.remove_param("transport"),
            Transport::Tls if uri.is_secure() => uri.remove_param("transport"),
            other => uri.set_param("transport", &other.name().to_ascii_lowercase()),
        }
    }
    contact
}

/// Notes in the top `Via` where the request came from (RFC 3261 §18.2.1, RFC 3581 §4).
pub(super) fn note_source(headers: &mut Headers, via: &mut Via, source: &Source) {
    let address = source.remote.ip().to_canonical();
    let wants_rport = via.wants_rport();
    if wants_rport {
        via.set_rport(source.remote.port());
    }
    if wants_rport || via.host.address().map(|host| host.to_canonical()) != Some(address) {
        via.set_received(address);
        headers.set_first(crate::message::HeaderName::Via, &*via);
    }
}

/// Where responses go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WayBack {
    /// Where they go now.
    pub(super) hop: Hop,
    /// Where they go when that fails.
    pub(super) fallback: Option<Target>,
}

impl WayBack {
    /// By RFC 3261 §18.2.2 and RFC 3581 §4, and to the source port also where `Via` has another address than the source: a NAT
    /// stands between, and the port in `Via` is not open there. A peer that sends from one port and receives at another has
    /// its own address in `Via`. `maddr` is not obeyed: it would let anybody aim our responses at anybody.
    pub(super) fn new(via: Option<&Via>, source: &Source) -> Self {
        let flow = Hop::Flow(source.flow);
        let Some(via) = via else { return Self { hop: flow, fallback: None } };
        let default = if source.transport == Transport::Tls { 5061 } else { 5060 };
        let address = SocketAddr::new(source.remote.ip(), via.port.unwrap_or(default));
        let host = (source.transport == Transport::Tls).then(|| via.host.to_string());
        let target = Target { transport: source.transport, address, host };
        if source.transport.is_reliable() {
            return Self { hop: flow, fallback: Some(target) };
        }
        let is_translated =
            via.host.address().is_some_and(|host| host.to_canonical() != source.remote.ip().to_canonical());
        let is_symmetric = via.params.has("rport") || is_translated || address.port() == source.remote.port();
        Self { hop: if is_symmetric { flow } else { Hop::Target(target) }, fallback: None }
    }

    /// Goes on to the next way; false: there is none.
    pub(super) fn reroute(&mut self) -> bool {
        match self.fallback.take() {
            Some(target) => {
                self.hop = Hop::Target(target);
                true
            }
            None => false,
        }
    }
}
