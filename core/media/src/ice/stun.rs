//! STUN Binding requests and responses (RFC 8489, RFC 8445 §7).

use core::net::IpAddr;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use std::net::SocketAddr;

const MAGIC: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const HEADER: usize = 20;
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;

const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
const ICE_CONTROLLED: u16 = 0x8029;
const ICE_CONTROLLING: u16 = 0x802a;
/// The value that is XORed with the CRC-32 of FINGERPRINT (RFC 8489 §14.7).
const FINGERPRINT_XOR: u32 = 0x5354_554e;

/// A transaction ID.
pub type TransactionId = [u8; 12];

/// A Binding request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindingRequest<'a> {
    octets: &'a [u8],
    /// The transaction ID.
    pub transaction: TransactionId,
    /// The value of USERNAME.
    pub username: Option<&'a str>,
    /// USE-CANDIDATE: the controlling peer nominates this pair.
    pub use_candidate: bool,
    /// ICE-CONTROLLED: the peer is in the controlled role.
    pub is_controlled: bool,
    /// Unknown comprehension-required attributes.
    pub unknown: Vec<u16>,
    /// Offset of MESSAGE-INTEGRITY and its value.
    integrity: Option<(usize, &'a [u8])>,
}

/// An error response (RFC 8489 §14.8, RFC 8445 §7.3.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 400 Bad Request
    BadRequest,
    /// 401 Unauthenticated
    Unauthenticated,
    /// 420 Unknown Attribute
    UnknownAttribute,
    /// 487 Role Conflict
    RoleConflict,
}

impl Refusal {
    const fn code(self) -> (u8, u8, &'static str) {
        match self {
            Self::BadRequest => (4, 0, "Bad Request"),
            Self::Unauthenticated => (4, 1, "Unauthenticated"),
            Self::UnknownAttribute => (4, 20, "Unknown Attribute"),
            Self::RoleConflict => (4, 87, "Role Conflict"),
        }
    }
}

impl<'a> BindingRequest<'a> {
    /// Parses a Binding request; `None` for anything else, and if FINGERPRINT is wrong or missing.
    #[must_use]
    pub fn parse(octets: &'a [u8]) -> Option<Self> {
        let (&[k0, k1, l0, l1, m0, m1, m2, m3], rest) = octets.split_first_chunk::<8>()?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let kind = u16::from_be_bytes([k0, k1]);
        let is_request = kind == BINDING_REQUEST && [m0, m1, m2, m3] == MAGIC;
        if !is_request || length % 4 != 0 || octets.len() != HEADER + length {
            return None;
        }
        let (transaction, _) = rest.split_first_chunk::<12>()?;
        let mut request = Self {
            octets,
            transaction: *transaction,
            username: None,
            use_candidate: false,
            is_controlled: false,
            unknown: Vec::new(),
            integrity: None,
        };
        request.read_attributes()?;
        Some(request)
    }

    fn read_attributes(&mut self) -> Option<()> {
        let mut at = HEADER;
        while at < self.octets.len() {
            let &[t0, t1, l0, l1] = self.octets.get(at..)?.first_chunk::<4>()?;
            let length = usize::from(u16::from_be_bytes([l0, l1]));
            let value = self.octets.get(at + 4..)?.get(..length)?;
            let kind = u16::from_be_bytes([t0, t1]);
            if kind == FINGERPRINT {
                let &[c0, c1, c2, c3] = <&[u8; 4]>::try_from(value).ok()?;
                let right = crc32fast::hash(self.octets.get(..at)?) ^ FINGERPRINT_XOR;
                // FINGERPRINT is the last attribute (RFC 8489 §14.7).
                return (u32::from_be_bytes([c0, c1, c2, c3]) == right && at + 8 == self.octets.len()).then_some(());
            }
            // Attributes after MESSAGE-INTEGRITY are not protected by it (RFC 8489 §14.5).
            if self.integrity.is_none() {
                self.read_attribute(kind, value, at)?;
            }
            at += 4 + length.next_multiple_of(4);
        }
        // Every check contains FINGERPRINT (RFC 8445 §7.1).
        None
    }

    fn read_attribute(&mut self, kind: u16, value: &'a [u8], at: usize) -> Option<()> {
        match kind {
            USERNAME => self.username = Some(core::str::from_utf8(value).ok()?),
            MESSAGE_INTEGRITY if value.len() == 20 => self.integrity = Some((at, value)),
            MESSAGE_INTEGRITY => return None,
            USE_CANDIDATE => self.use_candidate = true,
            ICE_CONTROLLED => self.is_controlled = true,
            PRIORITY | ICE_CONTROLLING => {}
            unknown if unknown < 0x8000 && self.unknown.len() < 16 => self.unknown.push(unknown),
            _ => {}
        }
        Some(())
    }

    /// The user name fragments of the USERNAME, the receiver's first (RFC 8445 §7.2.2).
    #[must_use]
    pub fn fragments(&self) -> Option<(&'a str, &'a str)> {
        self.username?.split_once(':')
    }

    /// Whether it contains MESSAGE-INTEGRITY.
    #[must_use]
    pub fn has_integrity(&self) -> bool {
        self.integrity.is_some()
    }

    /// Whether MESSAGE-INTEGRITY was computed with this password.
    #[must_use]
    pub fn is_made_with(&self, password: &str) -> bool {
        let Some((at, value)) = self.integrity else { return false };
        let (Some(covered), Ok(mut mac)) = (self.octets.get(..at), Hmac::<Sha1>::new_from_slice(password.as_bytes()))
        else {
            return false;
        };
        let Some((head, rest)) = covered.split_first_chunk::<4>() else { return false };
        let [k0, k1, ..] = *head;
        // The length field counts up to and including MESSAGE-INTEGRITY.
        let [l0, l1] = length_field(at + 24);
        mac.update(&[k0, k1, l0, l1]);
        mac.update(rest);
        mac.verify_slice(value).is_ok()
    }

    /// Writes the success response.
    pub fn accept(&self, source: SocketAddr, password: &str, out: &mut Vec<u8>) {
        begin(BINDING_SUCCESS, &self.transaction, out);
        write_mapped_address(source, &self.transaction, out);
        finish(Some(password), out);
    }

    /// Writes an error response. It contains MESSAGE-INTEGRITY only if that of the request was valid.
    pub fn refuse(&self, refusal: Refusal, password: Option<&str>, out: &mut Vec<u8>) {
        begin(BINDING_ERROR, &self.transaction, out);
        let (class, number, phrase) = refusal.code();
        let mut value = vec![0, 0, class, number];
        value.extend_from_slice(phrase.as_bytes());
        write_attribute(ERROR_CODE, &value, out);
        if refusal == Refusal::UnknownAttribute {
            let types: Vec<u8> = self.unknown.iter().flat_map(|kind| kind.to_be_bytes()).collect();
            write_attribute(UNKNOWN_ATTRIBUTES, &types, out);
        }
        finish(password, out);
    }
}

fn begin(kind: u16, transaction: &TransactionId, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(transaction);
}

fn length_field(total: usize) -> [u8; 2] {
    u16::try_from(total.saturating_sub(HEADER)).unwrap_or(u16::MAX).to_be_bytes()
}

fn set_length(total: usize, out: &mut [u8]) {
    if let Some(slot) = out.get_mut(2..4) {
        slot.copy_from_slice(&length_field(total));
    }
}

fn write_attribute(kind: u16, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(value);
    while !out.len().is_multiple_of(4) {
        out.push(0);
    }
}

/// Appends XOR-MAPPED-ADDRESS (RFC 8489 §14.2).
fn write_mapped_address(address: SocketAddr, transaction: &TransactionId, out: &mut Vec<u8>) {
    let [p0, p1] = address.port().to_be_bytes();
    let [m0, m1, ..] = MAGIC;
    let mask = MAGIC.iter().chain(transaction);
    let mut value = vec![0, 1, p0 ^ m0, p1 ^ m1];
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => value.extend(ip.octets().iter().zip(mask).map(|(octet, mask)| octet ^ mask)),
        IpAddr::V6(ip) => {
            value.splice(1..2, [2]);
            value.extend(ip.octets().iter().zip(mask).map(|(octet, mask)| octet ^ mask));
        }
    }
    write_attribute(XOR_MAPPED_ADDRESS, &value, out);
}

/// Appends MESSAGE-INTEGRITY, if there is a password, and FINGERPRINT.
pub(super) fn finish(password: Option<&str>, out: &mut Vec<u8>) {
    if let Some(mut mac) = password.and_then(|p| Hmac::<Sha1>::new_from_slice(p.as_bytes()).ok()) {
        set_length(out.len() + 24, out);
        mac.update(out);
        let tag: [u8; 20] = mac.finalize().into_bytes().into();
        write_attribute(MESSAGE_INTEGRITY, &tag, out);
    }
    set_length(out.len() + 8, out);
    let crc = crc32fast::hash(out) ^ FINGERPRINT_XOR;
    write_attribute(FINGERPRINT, &crc.to_be_bytes(), out);
}

/// Writes a check as a full, controlling agent sends it; used by tests and load tools.
pub fn write_check(transaction: &TransactionId, username: &str, password: &str, nominate: bool, out: &mut Vec<u8>) {
    begin(BINDING_REQUEST, transaction, out);
    write_attribute(USERNAME, username.as_bytes(), out);
    write_attribute(PRIORITY, &[0x6e, 0x7f, 0x1e, 0xff], out);
    write_attribute(ICE_CONTROLLING, &[1; 8], out);
    if nominate {
        write_attribute(USE_CANDIDATE, &[], out);
    }
    finish(Some(password), out);
}

#[cfg(test)]
mod tests;
