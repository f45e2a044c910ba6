//! The address of an HTTP client: that of its TCP connection, or the one in the header of a trusted proxy (`X-Forwarded-For`, or
//! `Forwarded` of RFC 7239).

use axum::http::{HeaderMap, header};
use offhook_sip::subnet::Subnet;
use std::net::{IpAddr, SocketAddr};

/// The remote address of a TCP connection; attached to its requests as an extension.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// The header that trusted proxies write. Only the configured one is used, because a proxy forwards the other one as
/// the client sent it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`, which nginx, `HAProxy`, Traefik and Caddy write.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// The proxies whose header is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Their addresses and networks.
    pub networks: Vec<Subnet>,
    /// The header that they write.
    pub header: ProxyHeader,
}

impl TrustedProxies {
    /// Returns the client of a request received from `peer`: the last address in the chain of proxies that is not trusted. The
    /// addresses before it were written by the client and are not reliable.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        for hop in self.hops(headers).iter().rev() {
            if !self.trusts(client) {
                break;
            }
            // If a trusted proxy does not write an address (`unknown`, or a name), its own address is used.
            let Some(address) = hop else { break };
            client = address.to_canonical();
        }
        client
    }

    /// Whether `address` is that of a trusted proxy.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }

    /// The chain in the order of the header, the client first. `None` is an element that is not an address.
    fn hops(&self, headers: &HeaderMap) -> Vec<Option<IpAddr>> {
        let lines = match self.header {
            ProxyHeader::XForwardedFor => headers.get_all("x-forwarded-for"),
            ProxyHeader::Forwarded => headers.get_all(header::FORWARDED),
        };
        let elements = lines.iter().flat_map(|line| line.to_str().unwrap_or_default().split(','));
        match self.header {
            ProxyHeader::XForwardedFor => elements.map(address).collect(),
            ProxyHeader::Forwarded => elements.map(forwarded_for).collect(),
        }
    }
}

/// The `for` parameter of one element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let mut nodes = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for")).map(|(_, node)| node);
    address(nodes.next()?.trim().trim_matches('"'))
}

/// An address with or without brackets and port.
fn address(node: &str) -> Option<IpAddr> {
    let node = node.trim();
    let bare = node.strip_prefix('[').and_then(|node| node.strip_suffix(']')).unwrap_or(node);
    bare.parse().ok().or_else(|| node.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::{ProxyHeader, TrustedProxies};
    use axum::http::{HeaderMap, HeaderName, HeaderValue};
    use std::net::IpAddr;

    const PROXY: &str = "10.0.0.1";

    fn client(header: ProxyHeader, peer: &str, lines: &[(&'static str, &'static str)]) -> String {
        let networks = vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        TrustedProxies { networks, header }.client(peer.parse::<IpAddr>().unwrap(), &headers).to_string()
    }

    #[test]
    fn header_of_an_untrusted_peer_is_ignored() {
        let lines = [("x-forwarded-for", "192.0.2.1")];
        assert_eq!(client(ProxyHeader::XForwardedFor, "198.51.100.7", &lines), "198.51.100.7");
        assert_eq!(client(ProxyHeader::XForwardedFor, PROXY, &lines), "192.0.2.1");
        assert_eq!(client(ProxyHeader::XForwardedFor, "::ffff:10.0.0.1", &lines), "192.0.2.1");
    }

    #[test]
    fn client_is_last_untrusted_address_of_chain() {
        let of = |value| client(ProxyHeader::XForwardedFor, PROXY, &[("x-forwarded-for", value)]);
        assert_eq!(of("203.0.113.9, 192.0.2.1"), "192.0.2.1", "the client wrote the first");
        assert_eq!(of("192.0.2.1, 10.2.3.4"), "192.0.2.1", "two proxies");
        assert_eq!(of("192.0.2.1:4711"), "192.0.2.1");
        assert_eq!(of("[2001:db8::1]:4711"), "2001:db8::1");
        assert_eq!(of("2001:db8::1"), "2001:db8::1");
        let lines = [("x-forwarded-for", "203.0.113.9"), ("x-forwarded-for", "192.0.2.1")];
        assert_eq!(client(ProxyHeader::XForwardedFor, PROXY, &lines), "192.0.2.1");
    }

    #[test]
    fn invalid_chain_element_selects_the_proxy() {
        for value in ["", "unknown", "192.0.2.1, nonsense", "192.0.2.1,", "localhost", "999.1.1.1"] {
            assert_eq!(client(ProxyHeader::XForwardedFor, PROXY, &[("x-forwarded-for", value)]), PROXY, "{value:?}");
        }
        assert_eq!(client(ProxyHeader::XForwardedFor, PROXY, &[]), PROXY);
    }

    #[test]
    fn forwarded_is_used_only_if_selected() {
        let of = |value| client(ProxyHeader::Forwarded, PROXY, &[("forwarded", value), ("x-forwarded-for", "1.2.3.4")]);
        assert_eq!(of("for=192.0.2.1;proto=https;by=203.0.113.43"), "192.0.2.1");
        assert_eq!(of("For=\"[2001:db8:cafe::17]:4711\""), "2001:db8:cafe::17");
        assert_eq!(of("for=9.9.9.9, proto=https; for=192.0.2.43"), "192.0.2.43");
        assert_eq!(of("for=_hidden, for=unknown"), PROXY);
        assert_eq!(of("proto=https"), PROXY);
        let lines = [("forwarded", "for=203.0.113.9"), ("x-forwarded-for", "192.0.2.1")];
        assert_eq!(client(ProxyHeader::XForwardedFor, PROXY, &lines), "192.0.2.1");
    }
}
