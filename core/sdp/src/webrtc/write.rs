//! Writing the relay's offers and answers in the form that browsers read (RFC 8829 §5).

use super::{Description, Fingerprint, HeaderExtension, OtherSection, Section, Transport};
use crate::section::write::{dtls_lines, ice_lines, line, media_type, network_address, payload_lines};
use core::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A section of the relay's own description and the stream it announces there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalSection {
    /// What is offered or answered. Its `ssrcs` are not written: [`LocalSection::ssrc`] is.
    pub section: Section,
    /// SSRC of everything sent in this section.
    pub ssrc: u32,
    /// Canonical name of the sender, one per leg (RFC 3550 §6.5.1).
    pub cname: String,
    /// Identifier of the MediaStream that the browser makes (RFC 8830).
    pub stream_id: String,
    /// Identifier of the track.
    pub track_id: String,
}

/// An offer with these sections, all bundled on one transport.
#[must_use]
pub fn offer(transport: &Transport, sections: &[LocalSection]) -> String {
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

/// The answer to `offer`: one m-line for each of its m-lines, in its order. What `sections` does not name (by `mid`)
/// or marks as rejected is refused with port 0, as is every section that is neither audio nor video.
#[must_use]
pub fn answer(offer: &Description, transport: &Transport, sections: &[LocalSection]) -> String {
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

fn session<'a>(transport: &Transport, accepted: impl Iterator<Item = &'a LocalSection>) -> String {
    let mut text = String::with_capacity(4096);
    line(&mut text, "v=0");
    // The session identifier only has to differ from call to call, as the user name fragment does (RFC 8829 §5.2.1).
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

fn section(text: &mut String, transport: &Transport, local: &LocalSection) {
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
        // Browsers before unified plan look for the stream here.
        line(text, &format!("a=ssrc:{ssrc} msid:{stream_id} {track_id}"));
    }
}

/// Address of a section without one (RFC 8829 §4.1.8): the discard port.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 9);

fn media_lines(text: &mut String, section: &Section, address: SocketAddr) {
    let mut media = format!("m={} {} UDP/TLS/RTP/SAVPF", media_type(section.kind), address.port());
    for payload in &section.payloads {
        let _ = write!(media, " {}", payload.number);
    }
    if section.payloads.is_empty() {
        // An m-line names at least one format, in a refused section too (RFC 3264 §6).
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
