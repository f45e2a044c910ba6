//! Host names in `c=` lines (RFC 8866 §5.7), which are resolved before a description is parsed.

use super::parse::{Host, host};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// A host name in a `c=` line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HostName {
    /// The name, in lower case.
    pub name: String,
    /// The address type of the line is `IP6`: the name is resolved to an IPv6 address, otherwise to an IPv4 address.
    pub is_ipv6: bool,
}

impl HostName {
    /// Returns the host name of a line if it is a `c=` line with one.
    fn of_line(line: &str) -> Option<Self> {
        let value = line.trim().strip_prefix("c=")?;
        let Some(Host::Name(name)) = host(value) else { return None };
        let family = value.split_whitespace().nth(1)?;
        Some(Self { name: name.to_ascii_lowercase(), is_ipv6: family.eq_ignore_ascii_case("IP6") })
    }

    /// Returns the host names in the `c=` lines of a description.
    #[must_use]
    pub fn all_in(text: &str) -> BTreeSet<Self> {
        text.split('\n').filter_map(Self::of_line).collect()
    }

    /// Replaces the host names in `c=` lines of a description by these addresses. Other lines are unchanged.
    #[must_use]
    pub fn replace_in(text: &str, addresses: &BTreeMap<Self, IpAddr>) -> String {
        let lines = text.split('\n').map(|line| {
            let address = Self::of_line(line).and_then(|name| addresses.get(&name));
            address.map_or_else(|| line.to_owned(), |address| connection_line(*address))
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn connection_line(address: IpAddr) -> String {
    let family = if address.is_ipv6() { "IP6" } else { "IP4" };
    format!("c=IN {family} {address}\r")
}

#[cfg(test)]
mod tests {
    use super::HostName;
    use std::collections::{BTreeMap, BTreeSet};

    fn name(name: &str, is_ipv6: bool) -> HostName {
        HostName { name: name.to_owned(), is_ipv6 }
    }

    const TEXT: &str = "v=0\r\no=- 1 1 IN IP4 origin.example.org\r\nc=IN IP4 Media.example.org\r\nt=0 0\r\n\
m=audio 4000 RTP/AVP 0\r\na=label:c=IN IP4 other.example.org\r\nm=video 4002 RTP/AVP 96\r\nc=IN IP6 six.example.org/127\r\n\
m=video 4004 RTP/AVP 96\nc=IN IP4 192.0.2.1\nm=video 4006 RTP/AVP 96\nc=IN IP4\n";

    #[test]
    fn host_names_are_found_in_connection_lines_only() {
        let names = BTreeSet::from([name("media.example.org", false), name("six.example.org", true)]);
        assert_eq!(HostName::all_in(TEXT), names);
        assert!(HostName::all_in("c=IN IP4 192.0.2.1\r\nc=IN IP6 2001:db8::1\r\nc=IN IP4 0.0.0.0\r\nc=").is_empty());
    }

    #[test]
    fn host_names_are_replaced_by_addresses() {
        let addresses = BTreeMap::from([
            (name("media.example.org", false), "192.0.2.7".parse().unwrap()),
            (name("six.example.org", true), "2001:db8::7".parse().unwrap()),
        ]);
        let wanted = TEXT
            .replace("IP4 Media.example.org", "IP4 192.0.2.7")
            .replace("IP6 six.example.org/127", "IP6 2001:db8::7");
        assert_eq!(HostName::replace_in(TEXT, &addresses), wanted);
        assert_eq!(HostName::replace_in(TEXT, &BTreeMap::new()), TEXT);
    }
}
