//! Serializer for the relay's offers and answers to browsers (RFC 8829 §5).

use super::{Fingerprint, HeaderExtension, OtherSection, Section, TransportDescription, WebRtcDescription};
use crate::section::write::{dtls_lines, ice_lines, line, media_type, network_address, payload_lines};
use core::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A section of the relay's own description and the stream that it announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalSection {
    /// The offered or answered section. Its `ssrcs` are ignored; [`LocalSection::ssrc`] is written.
    pub section: Section,
    /// SSRC of the packets sent in this section.
    pub ssrc: u32,
    /// Canonical name of the sender, one per leg (RFC 3550 §6.5.1).
    pub cname: String,
    /// Identifier of the browser's MediaStream (RFC 8830).
    pub stream_id: String,
    /// Identifier of the MediaStreamTrack.
    pub track_id: String,
}

/// Returns an offer with these sections, all bundled on one transport.
#[must_use]
pub fn offer(transport: &TransportDescription, sections: &[LocalSection]) -> String {
    let mut text = session(transport, sections.iter().filter(|local| !local.section.rejected));
    for local in sections {
        if local.section.rejected {
            refused_section(&mut text, &local.section);
        } else {
            section(&mut text, transport, local);
        }
    }
    text
}

/// Returns the answer to `offer`, with one m-line per offered m-line, in the same order. Sections that are missing from
/// `sections` (matched by `mid`) or marked as rejected, and those that are neither audio nor video, are refused with port 0.
#[must_use]
pub fn answer(offer: &WebRtcDescription, transport: &TransportDescription, sections: &[LocalSection]) -> String {
    let accepted = |offered: &Section| {
        let same = |local: &&LocalSection| {
            local.section.mid == offered.mid && local.section.kind == offered.kind && !local.section.rejected
        };
        sections.iter().find(same).filter(|_| !offered.rejected)
    };
    let mut text = session(transport, offer.sections.iter().filter_map(accepted));
    let mut others: Vec<&OtherSection> = offer.others.iter().collect();
    others.sort_by_key(|other| other.index);
    let mut others = others.into_iter().peekable();
    let mut position = 0;
    for offered in &offer.sections {
        while let Some(other) = others.next_if(|other| other.index <= position) {
            refused_other(&mut text, other);
            position += 1;
        }
        match accepted(offered) {
            Some(local) => section(&mut text, transport, local),
            None => refused_section(&mut text, offered),
        }
        position += 1;
    }
    for other in others {
        refused_other(&mut text, other);
    }
    text
}

fn session<'a>(transport: &TransportDescription, accepted: impl Iterator<Item = &'a LocalSection>) -> String {
    let mut text = String::with_capacity(4096);
    line(&mut text, "v=0");
    // The session identifier must differ between calls (RFC 8829 §5.2.1), so it is derived from the ICE user name fragment.
    let id = transport.ice.ufrag.bytes().fold(1_u64, |id, octet| id.wrapping_mul(257).wrapping_add(u64::from(octet)));
    line(&mut text, &format!("o=- {} 1 IN IP4 127.0.0.1", id & 0x3fff_ffff_ffff_ffff));
    line(&mut text, "s=-");
    line(&mut text, "t=0 0");
    let mids: Vec<&str> = accepted.map(|local| local.section.mid.as_str()).collect();
    if !mids.is_empty() {
        line(&mut text, &format!("a=group:BUNDLE {}", mids.join(" ")));
    }
    line(&mut text, "a=msid-semantic: WMS *");
    if transport.ice_lite {
        line(&mut text, "a=ice-lite");
    }
    text
}

fn section(text: &mut String, transport: &TransportDescription, local: &LocalSection) {
    let section = &local.section;
    let address = transport.candidates.first().copied().unwrap_or(NOWHERE);
    media_lines(text, section, address);
    ice_lines(text, &transport.ice, &transport.candidates);
    dtls_lines(text, &transport.fingerprint, transport.setup);
    line(text, &format!("a=mid:{}", section.mid));
    line(text, &format!("a={}", section.direction.name()));
    line(text, "a=rtcp-mux");
    line(text, "a=rtcp-rsize");
    for HeaderExtension { id, uri } in &section.extensions {
        line(text, &format!("a=extmap:{id} {uri}"));
    }
    payload_lines(text, &section.payloads);
    if section.direction.sends() {
        let LocalSection { ssrc, cname, stream_id, track_id, .. } = local;
        line(text, &format!("a=msid:{stream_id} {track_id}"));
        line(text, &format!("a=ssrc:{ssrc} cname:{cname}"));
        // Browsers without Unified Plan read the identifiers from this line.
        line(text, &format!("a=ssrc:{ssrc} msid:{stream_id} {track_id}"));
    }
}

/// The address in a section without candidates: 0.0.0.0 and the discard port (RFC 8829 §4.1.8).
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 9);

fn media_lines(text: &mut String, section: &Section, address: SocketAddr) {
    let mut media = format!("m={} {} UDP/TLS/RTP/SAVPF", media_type(section.kind), address.port());
    for payload in &section.payloads {
        let _ = write!(media, " {}", payload.number);
    }
    if section.payloads.is_empty() {
        // An m-line has at least one format, even in a refused section (RFC 3264 §6).
        media.push_str(" 0");
    }
    line(text, &media);
    line(text, &format!("c=IN {}", network_address(address.ip())));
}

impl core::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (index, octet) in self.octets().iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            write!(f, "{colon}{octet:02X}")?;
        }
        Ok(())
    }
}

fn refused_section(text: &mut String, section: &Section) {
    media_lines(text, section, SocketAddr::new(NOWHERE.ip(), 0));
    line(text, &format!("a=mid:{}", section.mid));
    line(text, "a=inactive");
    payload_lines(text, &section.payloads);
}

fn refused_other(text: &mut String, other: &OtherSection) {
    let mut words = other.line.split_whitespace();
    let (media, _port) = (words.next().unwrap_or("application"), words.next());
    let rest: Vec<&str> = words.collect();
    line(text, &format!("m={media} 0 {}", rest.join(" ")));
    line(text, "c=IN IP4 0.0.0.0");
    if let Some(mid) = &other.mid {
        line(text, &format!("a=mid:{mid}"));
    }
    line(text, "a=inactive");
}
