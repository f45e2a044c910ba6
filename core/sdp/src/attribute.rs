//! Values of attributes that WebRTC and SIP descriptions share.

use crate::section::HeaderExtension;
use crate::webrtc::{Fingerprint, FingerprintHash, Setup};
use std::net::{IpAddr, SocketAddr};

/// The most items of one kind (candidates, SSRCs, extensions, feedback) that are kept of one section.
pub(crate) const MAX_ITEMS: usize = 64;
/// The longest name, identifier or credential (RFC 8839 §5.4).
pub(crate) const MAX_TOKEN: usize = 256;
/// The longest `a=fmtp` that is kept: H.264 parameter sets are the largest.
pub(crate) const MAX_FMTP: usize = 1024;

/// Appends what is not there yet, up to the limit.
pub(crate) fn push_new<T: PartialEq>(items: &mut Vec<T>, item: T) {
    if items.len() < MAX_ITEMS && !items.contains(&item) {
        items.push(item);
    }
}

pub(crate) fn is_token(value: &str) -> bool {
    (1..=MAX_TOKEN).contains(&value.len()) && value.bytes().all(|octet| octet.is_ascii_graphic())
}

/// The hash that a name in `a=fingerprint` means, if it is a known one.
pub(crate) fn fingerprint_hash(name: &str) -> Option<FingerprintHash> {
    FingerprintHash::ALL.into_iter().find(|hash| hash.name().eq_ignore_ascii_case(name))
}

/// The octets of `a=fingerprint` (RFC 8122 §5).
pub(crate) fn fingerprint(hash: FingerprintHash, octets: &str) -> Option<Fingerprint> {
    let digest: Option<Vec<u8>> = octets.trim().split(':').take(hash.length() + 1).map(hex_octet).collect();
    Fingerprint::new(hash, &digest?)
}

/// Of several fingerprints of a certificate, the one whose hash everybody knows.
pub(crate) fn preferred_fingerprint(before: Option<Fingerprint>, next: Fingerprint) -> Fingerprint {
    before
        .filter(|before| before.hash() == FingerprintHash::Sha256 || next.hash() != FingerprintHash::Sha256)
        .unwrap_or(next)
}

fn hex_octet(text: &str) -> Option<u8> {
    (text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_hexdigit()))
        .then(|| u8::from_str_radix(text, 16).ok())
        .flatten()
}

impl Setup {
    pub(crate) fn parse(value: &str) -> Option<Self> {
        [Self::Active, Self::Passive, Self::ActPass].into_iter().find(|setup| setup.name().eq_ignore_ascii_case(value))
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::ActPass => "actpass",
        }
    }
}

/// `a=candidate` of component 1 over UDP with an IP address; mDNS names are left out (RFC 8839 §5.1).
pub(crate) fn candidate(value: &str) -> Option<(u32, SocketAddr)> {
    let mut words = value.split_whitespace();
    words.next()?;
    words.next().filter(|component| *component == "1")?;
    words.next().filter(|protocol| protocol.eq_ignore_ascii_case("udp"))?;
    let priority = words.next()?.parse().ok()?;
    let address: IpAddr = words.next()?.parse().ok()?;
    let port = words.next()?.parse().ok()?;
    Some((priority, SocketAddr::new(address, port)))
}

/// `a=extmap:1/recvonly uri`: the direction of use is the far end's affair, only `inactive` takes it out.
pub(crate) fn extension(value: &str) -> Option<HeaderExtension> {
    let mut words = value.split_whitespace();
    let id = words.next()?;
    let (id, direction) = id.split_once('/').unwrap_or((id, "sendrecv"));
    let id = id.parse().ok().filter(|id| *id > 0)?;
    let uri = words.next().filter(|uri| uri.len() <= MAX_TOKEN)?;
    (direction != "inactive").then(|| HeaderExtension { id, uri: uri.to_owned() })
}
