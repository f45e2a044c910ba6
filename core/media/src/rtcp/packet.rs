//! Parser for compound RTCP packets.

use super::statistics::ReportBlock;

/// Sender report.
pub const SR: u8 = 200;
/// Receiver report.
pub const RR: u8 = 201;
/// Source description.
pub const SDES: u8 = 202;
/// Goodbye.
pub const BYE: u8 = 203;
/// Transport-layer feedback (RFC 4585 §6.2).
pub const RTPFB: u8 = 205;
/// Payload-specific feedback (RFC 4585 §6.3).
pub const PSFB: u8 = 206;
/// Generic NACK.
pub const NACK: u8 = 1;
/// Transport-wide congestion control (draft-holmer-rmcat-transport-wide-cc-extensions-01).
pub const TRANSPORT_CC: u8 = 15;
/// Picture loss indication.
pub const PLI: u8 = 1;
/// Full intra request (RFC 5104 §4.3.1).
pub const FIR: u8 = 4;
/// Application layer feedback: REMB among others.
pub const AFB: u8 = 15;

/// One packet of a compound packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// The report count, source count or feedback message type (FMT).
    pub count: u8,
    /// Packet type.
    pub kind: u8,
    /// The content after the first four octets, without padding.
    pub body: &'a [u8],
}

/// Iterates over the packets of a compound packet; stops at the first malformed one.
#[derive(Clone, Debug)]
pub struct Compound<'a>(&'a [u8]);

impl<'a> Compound<'a> {
    /// Iterates over a decrypted datagram.
    #[must_use]
    pub const fn new(datagram: &'a [u8]) -> Self {
        Self(datagram)
    }
}

impl<'a> Iterator for Compound<'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (&[first, kind, l0, l1], rest) = core::mem::take(&mut self.0).split_first_chunk::<4>()?;
        if first >> 6 != 2 {
            return None;
        }
        let (mut body, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([l0, l1])) * 4)?;
        if first & 0x20 != 0 {
            let padding = usize::from(*body.last()?);
            body = body.get(..body.len().checked_sub(padding)?)?;
        }
        self.0 = rest;
        Some(Chunk { count: first & 0x1f, kind, body })
    }
}

/// The 32-bit word at an offset in octets.
#[must_use]
pub fn word(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..)?.first_chunk::<4>().map(|word| u32::from_be_bytes(*word))
}

/// All 32-bit words, in order, such as the SSRCs of a BYE.
pub fn words(octets: &[u8]) -> impl Iterator<Item = u32> {
    octets.as_chunks::<4>().0.iter().map(|word| u32::from_be_bytes(*word))
}

/// The sender information of a sender report (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderReport {
    /// SSRC of the sender.
    pub ssrc: u32,
    /// NTP timestamp of the sender.
    pub ntp: u64,
    /// RTP timestamp of the same instant.
    pub timestamp: u32,
}

impl SenderReport {
    /// Parses the body of an SR.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        let ntp = u64::from(word(body, 4)?) << 32 | u64::from(word(body, 8)?);
        word(body, 20)?;
        Some(Self { ssrc: word(body, 0)?, ntp, timestamp: word(body, 12)? })
    }
}

/// The number of octets of sender information between the SSRC of an SR and its report blocks.
pub const SENDER_INFORMATION: usize = 20;

/// The report blocks of an SR or RR, which follow its SSRC and this number of octets (RFC 3550 §6.4).
pub fn report_blocks(chunk: Chunk<'_>, skipped: usize) -> impl Iterator<Item = ReportBlock> {
    let blocks = chunk.body.get(4 + skipped..).unwrap_or_default().as_chunks::<24>().0;
    blocks.iter().take(usize::from(chunk.count)).map(|block| {
        let word = |at| word(block, at).unwrap_or_default();
        ReportBlock {
            ssrc: word(0),
            fraction_lost: block[4],
            lost: word(4) & 0x00ff_ffff,
            highest: word(8),
            jitter: word(12),
            last_sr: word(16),
            delay: word(20),
        }
    })
}

/// Media source and control information of a feedback packet (RFC 4585 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feedback<'a> {
    /// SSRC of the media source; 0 for FIR and REMB, which name their sources in the control information.
    pub media: u32,
    /// Feedback control information.
    pub control: &'a [u8],
}

impl<'a> Feedback<'a> {
    /// Parses the body of an RTPFB or PSFB packet.
    #[must_use]
    pub fn parse(body: &'a [u8]) -> Option<Self> {
        Some(Self { media: word(body, 4)?, control: body.get(8..)? })
    }

    /// The sequence numbers that a generic NACK reports lost (RFC 4585 §6.2.1).
    pub fn lost(self) -> impl Iterator<Item = u16> + 'a {
        self.control.as_chunks::<4>().0.iter().flat_map(|&[p0, p1, b0, b1]| {
            let (first, mask) = (u16::from_be_bytes([p0, p1]), u16::from_be_bytes([b0, b1]));
            let after = (0..16).filter(move |bit| mask >> bit & 1 == 1).map(move |bit| first.wrapping_add(bit + 1));
            core::iter::once(first).chain(after)
        })
    }

    /// The SSRCs that a FIR requests key frames from (RFC 5104 §4.3.1.1).
    pub fn asked(self) -> impl Iterator<Item = u32> + 'a {
        self.control.as_chunks::<8>().0.iter().map(|&[s0, s1, s2, s3, ..]| u32::from_be_bytes([s0, s1, s2, s3]))
    }

    /// The bit rate and the SSRCs of a REMB (draft-alvestrand-rmcat-remb-03 §2.2).
    #[must_use]
    pub fn remb(self) -> Option<Remb<'a>> {
        let (b"REMB", rest) = self.control.split_first_chunk::<4>()? else { return None };
        let (&rate, rest) = rest.split_first_chunk::<4>()?;
        let sources = rest.as_chunks::<4>().0.get(..usize::from(rate[0]))?;
        Some(Remb { rate, sources })
    }
}

/// A receiver's estimated maximum bit rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remb<'a> {
    /// Number of SSRCs, exponent and mantissa, as received.
    pub rate: [u8; 4],
    /// The SSRCs to which it applies.
    pub sources: &'a [[u8; 4]],
}

#[cfg(test)]
mod tests;
