//! Serializer for the relay's offers and answers to SIP endpoints, in a form that is compatible with old endpoints.

use super::{ConnectionAddress, ExtraLine, Origin, SipDescription, SipSection};
use crate::section::OtherSection;
use crate::section::write::{dtls_lines, ice_lines, line, media_type, network_address, payload_lines};
use core::fmt;
use std::net::{IpAddr, Ipv4Addr};

impl fmt::Display for SipDescription {
    /// Writes the whole description. Sections that are neither audio nor video are written as refused.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(1024);
        let address = self.session_address();
        session(&mut text, self, address);
        let mut others: Vec<&OtherSection> = self.others.iter().collect();
        others.sort_by_key(|other| other.index);
        let mut others = others.into_iter().peekable();
        let mut index = 0;
        for media in &self.sections {
            while let Some(other) = others.next_if(|other| other.index <= index) {
                refused_other(&mut text, other);
                index += 1;
            }
            section(&mut text, media, self.name_of(media, index), address);
            index += 1;
        }
        others.for_each(|other| refused_other(&mut text, other));
        f.write_str(&text)
    }
}

impl SipDescription {
    /// Returns the `a=mid` value of a section. It is omitted if it equals the index of the m-line and nothing is bundled.
    fn name_of<'a>(&self, media: &'a SipSection, index: usize) -> Option<&'a str> {
        let mid = media.section.mid.as_str();
        (!self.bundle.is_empty() || mid != index.to_string()).then_some(mid)
    }

    /// Returns the address for the session-level `c=`: that of the first section with an address. Sections with the
    /// same address need no `c=`.
    fn session_address(&self) -> IpAddr {
        let used = self.sections.iter().find_map(|section| section.connection.address());
        let origin = || self.origin.address.parse().ok();
        used.map(|address| address.ip()).or_else(origin).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }
}

fn session(text: &mut String, description: &SipDescription, address: IpAddr) {
    let Origin { username, session_id, version, address: origin } = &description.origin;
    let origin = origin.parse().map_or_else(|_| format!("IP4 {origin}"), network_address);
    line(text, "v=0");
    line(text, &format!("o={username} {session_id} {version} IN {origin}"));
    line(text, &format!("s={}", description.session_name));
    line(text, &format!("c=IN {}", network_address(address)));
    line(text, "t=0 0");
    if !description.bundle.is_empty() {
        line(text, &format!("a=group:BUNDLE {}", description.bundle.join(" ")));
    }
    if description.sections.iter().any(|section| section.ice.as_ref().is_some_and(|ice| ice.lite)) {
        line(text, "a=ice-lite");
    }
}

fn section(text: &mut String, media: &SipSection, name: Option<&str>, session_address: IpAddr) {
    let section = &media.section;
    let port = match &media.connection {
        _ if section.rejected || media.bundle_only => 0,
        ConnectionAddress::At(address) => address.port(),
        ConnectionAddress::Nowhere { port } | ConnectionAddress::Named { port, .. } => *port,
    };
    let mut numbers: Vec<String> = section.payloads.iter().map(|payload| payload.number.to_string()).collect();
    if numbers.is_empty() {
        // An m-line has at least one format, even in a refused section (RFC 3264 §6).
        numbers.push("0".to_owned());
    }
    line(text, &format!("m={} {port} {} {}", media_type(section.kind), media.profile.name(), numbers.join(" ")));
    if section.rejected {
        name_line(text, name);
        return;
    }
    match &media.connection {
        ConnectionAddress::At(address) if address.ip() == session_address => {}
        ConnectionAddress::At(address) => line(text, &format!("c=IN {}", network_address(address.ip()))),
        ConnectionAddress::Named { host, .. } => line(text, &format!("c=IN IP4 {host}")),
        ConnectionAddress::Nowhere { .. } => line(text, "c=IN IP4 0.0.0.0"),
    }
    let (bandwidth, attributes): (Vec<_>, Vec<_>) =
        media.extra.iter().map(ExtraLine::as_str).partition(|extra| extra.starts_with("b="));
    // b= lines must precede a= lines (RFC 8866 §9).
    bandwidth.into_iter().for_each(|extra| line(text, extra));
    payload_lines(text, &section.payloads);
    transport_lines(text, media, name);
    attributes.into_iter().for_each(|extra| line(text, extra));
    line(text, &format!("a={}", section.direction.name()));
}

fn name_line(text: &mut String, name: Option<&str>) {
    if let Some(name) = name {
        line(text, &format!("a=mid:{name}"));
    }
}

fn transport_lines(text: &mut String, media: &SipSection, name: Option<&str>) {
    let SipSection { ptime, maxptime, .. } = media;
    if let Some(milliseconds) = ptime {
        line(text, &format!("a=ptime:{milliseconds}"));
    }
    if let Some(milliseconds) = maxptime {
        line(text, &format!("a=maxptime:{milliseconds}"));
    }
    name_line(text, name);
    if media.bundle_only {
        // The transport attributes are in the tagged section only (RFC 8843 §7.2).
        line(text, "a=bundle-only");
    } else {
        address_lines(text, media);
    }
    for ssrc in &media.section.ssrcs {
        let name = media.cname.clone().unwrap_or_else(|| ssrc.to_string());
        line(text, &format!("a=ssrc:{ssrc} cname:{name}"));
    }
}

fn address_lines(text: &mut String, media: &SipSection) {
    let SipSection { rtcp, rtcp_mux, crypto, dtls, ice, .. } = media;
    if let Some(rtcp) = rtcp {
        line(text, &format!("a=rtcp:{} IN {}", rtcp.port(), network_address(rtcp.ip())));
    }
    if *rtcp_mux {
        line(text, "a=rtcp-mux");
    }
    for attribute in crypto {
        line(text, &format!("a=crypto:{attribute}"));
    }
    if let Some(ice) = ice {
        ice_lines(text, &ice.credentials, &ice.candidates);
    }
    if let Some(dtls) = dtls {
        dtls_lines(text, &dtls.fingerprint, dtls.setup);
    }
}

fn refused_other(text: &mut String, other: &OtherSection) {
    let mut words = other.line.split_whitespace();
    let (media, _port) = (words.next().unwrap_or("application"), words.next());
    let rest: Vec<&str> = words.collect();
    line(text, &format!("m={media} 0 {}", rest.join(" ")));
    if let Some(mid) = &other.mid {
        line(text, &format!("a=mid:{mid}"));
    }
}
