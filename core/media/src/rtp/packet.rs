//! The RTP header (RFC 3550 §5.1).

use super::extension::{self, Elements};

/// Octets of the fixed header.
pub const FIXED: usize = 12;

/// A parsed RTP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whether padding follows the payload.
    pub padding: bool,
    /// Marks the start of a talk spurt (audio) or the end of a frame (video).
    pub marker: bool,
    /// Payload type.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Sampling instant.
    pub timestamp: u32,
    /// Synchronization source.
    pub ssrc: u32,
    /// Octets before the payload: fixed header, contributing sources, extension.
    pub length: usize,
    /// The header extension, if any.
    pub extension: Option<ExtensionBlock>,
}

/// Position of the header extension in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtensionBlock {
    /// The field "defined by profile": 0xBEDE or 0x1000 for RFC 8285.
    pub profile: u16,
    /// Offset of the first octet after profile and length.
    pub start: usize,
    /// Length in octets.
    pub length: usize,
}

impl Header {
    /// Parses the header; the payload may be encrypted.
    #[must_use]
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let (&[first, second, q0, q1, t0, t1, t2, t3, s0, s1, s2, s3], _) = packet.split_first_chunk::<FIXED>()?;
        if first >> 6 != 2 {
            return None;
        }
        let mut length = FIXED + usize::from(first & 0x0f) * 4;
        let mut extension = None;
        if first & 0x10 != 0 {
            let &[p0, p1, l0, l1] = packet.get(length..)?.first_chunk::<4>()?;
            let block = ExtensionBlock {
                profile: u16::from_be_bytes([p0, p1]),
                start: length + 4,
                length: usize::from(u16::from_be_bytes([l0, l1])) * 4,
            };
            length = block.start + block.length;
            extension = Some(block);
        }
        if packet.len() < length {
            return None;
        }
        Some(Self {
            padding: first & 0x20 != 0,
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([q0, q1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([s0, s1, s2, s3]),
            length,
            extension,
        })
    }

    /// Creates a header without extension.
    #[must_use]
    pub const fn new(payload_type: u8, sequence: u16, timestamp: u32, ssrc: u32) -> Self {
        Self { padding: false, marker: false, payload_type, sequence, timestamp, ssrc, length: FIXED, extension: None }
    }

    /// The extension elements of the packet from which this header was parsed.
    #[must_use]
    pub fn elements<'a>(&self, packet: &'a [u8]) -> Elements<'a> {
        let block = self.extension.and_then(|block| {
            let octets = packet.get(block.start..)?.get(..block.length)?;
            Some((block.profile, octets))
        });
        match block {
            Some((profile, octets)) => Elements::new(profile, octets),
            None => Elements::none(),
        }
    }

    /// Writes the fixed header and an extension with these elements; sets `length` and `extension` accordingly.
    pub fn write(&mut self, elements: &[(u8, &[u8])], out: &mut Vec<u8>) {
        let start = out.len();
        let has_extension = if elements.is_empty() { 0 } else { 0x10 };
        let first = 0x80 | u8::from(self.padding) << 5 | has_extension;
        let second = u8::from(self.marker) << 7 | (self.payload_type & 0x7f);
        let [q0, q1] = self.sequence.to_be_bytes();
        let ([t0, t1, t2, t3], [s0, s1, s2, s3]) = (self.timestamp.to_be_bytes(), self.ssrc.to_be_bytes());
        let fixed: [u8; FIXED] = [first, second, q0, q1, t0, t1, t2, t3, s0, s1, s2, s3];
        out.extend_from_slice(&fixed);
        self.extension = None;
        if !elements.is_empty() {
            let profile = extension::write(elements, out);
            let block = start + FIXED + 4;
            self.extension = Some(ExtensionBlock { profile, start: block - start, length: out.len() - block });
        }
        self.length = out.len() - start;
    }
}

/// Returns the payload of a decrypted packet without its padding.
#[must_use]
pub fn payload<'a>(packet: &'a [u8], header: &Header) -> Option<&'a [u8]> {
    let payload = packet.get(header.length..)?;
    if !header.padding {
        return Some(payload);
    }
    let padding = usize::from(*payload.last()?);
    if padding == 0 { None } else { payload.get(..payload.len().checked_sub(padding)?) }
}

/// Splits the octets after the header into payload and padding (RFC 3550 §5.1). If the padding
/// count exceeds the number of octets, all of them are padding.
#[must_use]
pub fn split_padding(octets: &[u8], is_padded: bool) -> (&[u8], &[u8]) {
    let padding = octets.last().filter(|_| is_padded).map_or(0, |count| usize::from(*count));
    octets.split_at(octets.len().saturating_sub(padding))
}

#[cfg(test)]
mod tests;
