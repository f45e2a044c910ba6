//! Serialization of lines that occur in both WebRTC and SIP descriptions.

use crate::codec::{MediaKind, Payload};
use crate::webrtc::{DtlsSetup, Fingerprint, IceCredentials};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// Appends one line. Control characters are removed, so that a value from the network cannot inject another line.
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

/// Formats an address with its address type, as in `c=` and `o=`.
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

/// Appends the ICE credentials, the host candidates with descending priority (RFC 8445 §5.1.2.1), and
/// `a=end-of-candidates`.
pub(crate) fn ice_lines(text: &mut String, credentials: &IceCredentials, candidates: &[SocketAddr]) {
    line(text, &format!("a=ice-ufrag:{}", credentials.ufrag));
    line(text, &format!("a=ice-pwd:{}", credentials.pwd));
    for (index, address) in (0_u32..).zip(candidates) {
        let priority = (126 << 24) | (65_535_u32.saturating_sub(index) << 8) | 255;
        let (ip, port) = (address.ip(), address.port());
        line(text, &format!("a=candidate:{} 1 udp {priority} {ip} {port} typ host", index + 1));
    }
    if !candidates.is_empty() {
        line(text, "a=end-of-candidates");
    }
}

/// Appends the DTLS fingerprint and role (RFC 8842 §5).
pub(crate) fn dtls_lines(text: &mut String, fingerprint: &Fingerprint, setup: DtlsSetup) {
    line(text, &format!("a=fingerprint:{} {fingerprint}", fingerprint.hash().name()));
    line(text, &format!("a=setup:{}", setup.name()));
}
