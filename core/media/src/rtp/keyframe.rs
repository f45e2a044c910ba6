//! Detects the beginning of a key frame in VP8, VP9 and H.264 payloads.

use super::encoding::Encoding;

/// The result of the detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFrame {
    /// A key frame begins in this packet.
    Begins,
    /// No key frame begins in this packet.
    No,
    /// Key frames of this encoding cannot be detected.
    Unknown,
}

/// Examines a payload of an encoding.
#[must_use]
pub fn inspect(encoding: Encoding, payload: &[u8]) -> KeyFrame {
    let begins = match encoding {
        Encoding::Vp8 => vp8(payload),
        Encoding::H264 => h264(payload),
        Encoding::Vp9 => vp9(payload),
        Encoding::TelephoneEvent | Encoding::Other => return KeyFrame::Unknown,
    };
    if begins == Some(true) { KeyFrame::Begins } else { KeyFrame::No }
}

/// VP8 (RFC 7741 §4.2, §4.3): the first packet of a frame with the inverse key frame flag cleared.
fn vp8(payload: &[u8]) -> Option<bool> {
    let first = *payload.first()?;
    let is_first_of_frame = first & 0x10 != 0 && first & 0x07 == 0;
    let mut at = 1;
    if first & 0x80 != 0 {
        let flags = *payload.get(at)?;
        at += 1;
        if flags & 0x80 != 0 {
            at += if payload.get(at)? & 0x80 != 0 { 2 } else { 1 };
        }
        at += usize::from(flags & 0x40 != 0);
        at += usize::from(flags & 0x30 != 0);
    }
    Some(is_first_of_frame && payload.get(at)? & 0x01 == 0)
}

/// H.264 (RFC 6184 §5.2): a sequence parameter set or an IDR slice, as a single NAL unit, as the first
/// unit of an aggregation packet or as a first fragment.
fn h264(payload: &[u8]) -> Option<bool> {
    let is_key = |kind: u8| matches!(kind & 0x1f, 5 | 7);
    match payload.first()? & 0x1f {
        24 => Some(is_key(*payload.get(3)?)),
        28 | 29 => {
            let fragment = *payload.get(1)?;
            Some(fragment & 0x80 != 0 && is_key(fragment))
        }
        kind => Some(is_key(kind)),
    }
}

/// VP9 (RFC 9628 §4.2): the beginning of a frame that is not inter-picture predicted.
fn vp9(payload: &[u8]) -> Option<bool> {
    let first = *payload.first()?;
    Some(first & 0x40 == 0 && first & 0x08 != 0)
}

#[cfg(test)]
mod tests;
