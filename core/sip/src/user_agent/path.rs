//! Selection of the flow or address for in-dialog requests if the `Contact` of the peer may be unreachable: behind a
//! NAT, in a container, or on a connection that only the peer can open.
//!
//! By RFC 3261 §12.1, in-dialog requests are sent to the contact. In these cases they are sent to the source of the
//! peer's message instead (in accordance with RFC 5626 §5.3 and RFC 5923):
//!
//! - The host of the contact is the source address and the transport is a stream: the existing connection, then the
//!   contact.
//! - The host of the contact is a private address, and the source is not in the same private network.
//! - The contact differs from the source, and the request passed a NAT (the address in `Via` is not the source) or
//!   arrived on a stream.

use super::context::NextHop;
use crate::message::{HeaderName, Headers, Request, Response, SipUri};
use crate::transport::{Source, Target, Transport};
use std::net::{IpAddr, SocketAddr};

/// Returns the path to the sender of a dialog-creating request.
pub(super) fn to_caller(request: &Request, source: &Source) -> NextHop {
    let headers = &request.headers;
    let by_contact = NextHop {
        transport: Some(source.transport).filter(|transport| *transport == Transport::Tls),
        ..NextHop::default()
    };
    if headers.has(HeaderName::RecordRoute) || headers.all(HeaderName::Via).count() != 1 {
        return by_contact;
    }
    let (Some(contact), Ok(via)) = (contact_of(headers), headers.top_via()) else { return by_contact };
    if let Some((flow, fallback)) = connection(&contact, source) {
        return NextHop { flow: Some(flow), fallback, ..by_contact };
    }
    let address = source.remote.ip().to_canonical();
    let is_there = host_of(&contact) == Some(address);
    let is_translated = via.host.address().map(|host| host.to_canonical()) != Some(address);
    let is_elsewhere = !is_there && (is_translated || source.transport.is_reliable());
    if is_elsewhere || is_unreachable(&contact, address) {
        NextHop { flow: Some(*source), ..by_contact }
    } else {
        by_contact
    }
}

/// Returns the path to the sender of a dialog-creating response, or `None` if requests are sent to the contact.
pub(super) fn to_callee(response: &Response, source: &Source) -> Option<(Source, Vec<Target>)> {
    if response.headers.has(HeaderName::RecordRoute) {
        return None;
    }
    let contact = contact_of(&response.headers)?;
    let by_source = || is_unreachable(&contact, source.remote.ip().to_canonical()).then(|| (*source, Vec::new()));
    connection(&contact, source).or_else(by_source)
}

fn contact_of(headers: &Headers) -> Option<SipUri> {
    headers.contact()?.ok()?.uri.as_sip().cloned()
}

fn host_of(contact: &SipUri) -> Option<IpAddr> {
    contact.host().address().map(|host| host.to_canonical())
}

/// Returns the stream to the host of the contact, with the contact as fallback.
fn connection(contact: &SipUri, source: &Source) -> Option<(Source, Vec<Target>)> {
    let address = source.remote.ip().to_canonical();
    if !source.transport.is_reliable() || host_of(contact) != Some(address) {
        return None;
    }
    let port = contact.port().unwrap_or(source.transport.default_port());
    let host = (source.transport == Transport::Tls).then(|| address.to_string());
    let target = Target { transport: source.transport, address: SocketAddr::new(address, port), host };
    Some((*source, vec![target]))
}

/// Returns whether the contact is in a private network that does not contain the source.
fn is_unreachable(contact: &SipUri, source: IpAddr) -> bool {
    let network = host_of(contact).and_then(private_network);
    network.is_some() && network != private_network(source)
}

/// A private network (RFC 1918, RFC 6598, RFC 3927, RFC 4193, RFC 4291 §2.5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PrivateNetwork {
    Ten,
    OneSevenTwo,
    OneNineTwo,
    Shared,
    LinkLocal,
    UniqueLocal,
}

fn private_network(address: IpAddr) -> Option<PrivateNetwork> {
    match address {
        IpAddr::V4(address) => match address.octets() {
            [10, ..] => Some(PrivateNetwork::Ten),
            [172, 16..32, ..] => Some(PrivateNetwork::OneSevenTwo),
            [192, 168, ..] => Some(PrivateNetwork::OneNineTwo),
            [100, 64..128, ..] => Some(PrivateNetwork::Shared),
            [169, 254, ..] => Some(PrivateNetwork::LinkLocal),
            _ => None,
        },
        IpAddr::V6(address) if address.is_unique_local() => Some(PrivateNetwork::UniqueLocal),
        IpAddr::V6(address) if address.is_unicast_link_local() => Some(PrivateNetwork::LinkLocal),
        IpAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests;
