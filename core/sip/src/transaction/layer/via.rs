//! `Via` processing: sent-by of outgoing requests and routing of responses (RFC 3261 §18, RFC 3581).

use super::io::Settings;
use crate::message::{Headers, Host, NameAddr, Via};
use crate::transport::{Hop, LocalAddress, Source, Target, Transport};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

impl Settings {
    /// Returns the relay's address towards this peer, or `None` if it does not listen on that transport and address
    /// family.
    #[must_use]
    pub fn local(&self, transport: Transport, peer: IpAddr) -> Option<&LocalAddress> {
        let fits = |local: &&LocalAddress| local.transport == transport && local.is_ipv6 == peer.is_ipv6();
        let inside = if self.inside.has(peer) { self.inside.local.iter().find(fits) } else { None };
        inside.or_else(|| self.local.iter().find(fits))
    }

    /// Returns whether the hop is one of this relay.
    pub(super) fn is_own(&self, via: &Via) -> bool {
        self.local.iter().chain(&self.inside.local).any(|local| {
            host(&local.host) == via.host
                && local.port == via.port_or_default()
                && via.known_transport() == Some(local.transport)
        })
    }
}

/// Returns the host of a local address.
fn host(text: &str) -> Host {
    let address = text.trim_matches(['[', ']']).parse::<IpAddr>();
    address.map_or_else(|_| Host::Name(text.to_owned()), Host::Address)
}

/// Returns the `Via` of a request that the relay sends. It requests `rport` over every transport (RFC 3581 §3): the
/// value is not used, but some peers then respond to the address that the request came from.
pub(super) fn own_via(local: &LocalAddress, branch: &str) -> Via {
    Via::new(local.transport, host(&local.host), Some(local.port), branch).with_rport()
}

/// The host of a `Contact` that the layer replaces with the address of the sending socket. The transaction user does
/// not have this address.
pub const OWN_HOST: &str = "relay.invalid";

/// Returns the `Contact` with the host [`OWN_HOST`], if there is one.
pub(super) fn own_contact(headers: &Headers) -> Option<NameAddr> {
    let contact = headers.contact()?.ok()?;
    (contact.uri.host() == Some(&host(OWN_HOST))).then_some(contact)
}

/// Returns a `Contact` at [`OWN_HOST`] with the host replaced by a local address.
#[must_use]
pub fn complete_contact(contact: &NameAddr, local: &LocalAddress) -> NameAddr {
    let mut contact = contact.clone();
    if let Some(uri) = contact.uri.as_sip_mut() {
        let default = local.transport.default_port();
        uri.set_host(host(&local.host), Some(local.port).filter(|port| *port != default));
        match local.transport {
            // Without the parameter, the URI selects these transports.
            Transport::Udp => uri.remove_param("transport"),
            Transport::Tls if uri.is_secure() => uri.remove_param("transport"),
            other => uri.set_param("transport", &other.name().to_ascii_lowercase()),
        }
    }
    contact
}

/// Adds `received` and `rport` to the top `Via` (RFC 3261 §18.2.1, RFC 3581 §4).
pub(super) fn note_source(headers: &mut Headers, via: &mut Via, source: &Source) {
    let address = source.remote.ip().to_canonical();
    let requests_rport = via.requests_rport();
    if requests_rport {
        via.set_rport(source.remote.port());
    }
    if requests_rport || via.host.address().map(|host| host.to_canonical()) != Some(address) {
        via.set_received(address);
        headers.set_first(crate::message::HeaderName::Via, &*via);
    }
}

/// The route of the responses to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ResponseRoute {
    /// The current destination.
    pub(super) hop: Hop,
    /// The destination after that fails.
    pub(super) fallback: Option<Target>,
}

impl ResponseRoute {
    /// Determines the route by RFC 3261 §18.2.2 and RFC 3581 §4. If the address in `Via` differs from the source,
    /// responses also go to the source port: the peer is behind a NAT, where the port in `Via` is not open. A peer that
    /// sends and receives on different ports has its own address in `Via`. `maddr` is ignored, because it would let
    /// anyone direct responses to any address.
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

    /// Selects the fallback destination. Returns false if there is none.
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
