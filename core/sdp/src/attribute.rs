//! Parsers for attribute values that occur in both WebRTC and SIP descriptions.

use crate::section::HeaderExtension;
use crate::webrtc::{DtlsSetup, Fingerprint, FingerprintHash};
use std::net::{IpAddr, SocketAddr};

/// The maximum number of items of one kind (candidates, SSRCs, extensions, feedback) kept per section.
pub(crate) const MAX_ITEMS: usize = 64;
/// The maximum length of a name, identifier or credential in octets (RFC 8839 §5.4).
pub(crate) const MAX_TOKEN: usize = 256;
/// The maximum length of an `a=fmtp` value that is kept; H.264 parameter sets are the longest ones in use.
pub(crate) const MAX_FMTP: usize = 1024;

/// Appends `item` unless it is already present or [`MAX_ITEMS`] is reached.
pub(crate) fn push_new<T: PartialEq>(items: &mut Vec<T>, item: T) {
    if items.len() < MAX_ITEMS && !items.contains(&item) {
        items.push(item);
    }
}

pub(crate) fn is_token(value: &str) -> bool {
    (1..=MAX_TOKEN).contains(&value.len()) && value.bytes().all(|octet| octet.is_ascii_graphic())
}

/// Returns the hash function with this name in `a=fingerprint`, if it is supported.
pub(crate) fn fingerprint_hash(name: &str) -> Option<FingerprintHash> {
    FingerprintHash::ALL.into_iter().find(|hash| hash.name().eq_ignore_ascii_case(name))
}

/// Parses the hexadecimal octets of `a=fingerprint` (RFC 8122 §5).
pub(crate) fn fingerprint(hash: FingerprintHash, octets: &str) -> Option<Fingerprint> {
    let digest: Option<Vec<u8>> = octets.trim().split(':').take(hash.length() + 1).map(hex_octet).collect();
    Fingerprint::new(hash, &digest?)
}

/// Selects one of two fingerprints of a certificate. SHA-256 is preferred, because every implementation supports it.
/// Otherwise, the earlier one is kept.
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

impl DtlsSetup {
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

/// Parses `a=candidate` into priority and address (RFC 8839 §5.1). Only component 1 over UDP with an IP address is
/// accepted; mDNS names are ignored.
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

/// Parses `a=extmap:1/recvonly uri` (RFC 8285 §5). An extension with the direction `inactive` is omitted; other
/// directions are ignored.
pub(crate) fn extension(value: &str) -> Option<HeaderExtension> {
    let mut words = value.split_whitespace();
    let id = words.next()?;
    let (id, direction) = id.split_once('/').unwrap_or((id, "sendrecv"));
    let id = id.parse().ok().filter(|id| *id > 0)?;
    let uri = words.next().filter(|uri| uri.len() <= MAX_TOKEN)?;
    (direction != "inactive").then(|| HeaderExtension { id, uri: uri.to_owned() })
}
