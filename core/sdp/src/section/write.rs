//! Lines that WebRTC and SIP descriptions share.

use crate::codec::{MediaKind, Payload};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Appends one line. Nothing that comes from elsewhere can begin another line.
pub(crate) fn line(text: &mut String, line: &str) {
    text.extend(line.chars().filter(|character| !character.is_control()));
    text.push_str("\r\n");
}

pub(crate) const fn media_type(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Audio => "audio",
        MediaKind::Video => "video",
    }
}

/// An address with its family in front, as `c=` and `o=` have it.
pub(crate) fn network_address(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("IP4 {address}"),
        IpAddr::V6(address) => format!("IP6 {address}"),
    }
}

pub(crate) fn payload_lines(text: &mut String, payloads: &[Payload]) {
    let mut written = BTreeSet::new();
    for Payload { number, codec, feedback } in payloads.iter().filter(|payload| written.insert(payload.number)) {
        let channels = if codec.channels > 1 { format!("/{}", codec.channels) } else { String::new() };
        line(text, &format!("a=rtpmap:{number} {}/{}{channels}", codec.name, codec.clock_rate));
        for value in feedback {
            line(text, &format!("a=rtcp-fb:{number} {value}"));
        }
        if let Some(fmtp) = &codec.fmtp {
            line(text, &format!("a=fmtp:{number} {fmtp}"));
        }
    }
}
