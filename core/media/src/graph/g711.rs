//! Transcoding between the two laws of G.711 (ITU-T G.711 §3): octet by octet, so that two legs with different laws
//! need no codec. [`G711Codecs`] are the codecs for transcoding to others.

mod samples;

pub use samples::G711Codecs;

use offhook_sdp::codec::Codec;
use offhook_sdp::plan::AudioCodec;

/// The direction of transcoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// From PCMU to PCMA.
    MuToA,
    /// From PCMA to PCMU.
    AToMu,
}

impl Law {
    /// Returns the direction for an incoming and an outgoing codec; `None` if they are not the two laws.
    #[must_use]
    pub fn between(from: &Codec, to: &Codec) -> Option<Self> {
        let of = |codec| AudioCodec::of(codec);
        match (of(from)?, of(to)?) {
            (AudioCodec::Pcmu, AudioCodec::Pcma) => Some(Self::MuToA),
            (AudioCodec::Pcma, AudioCodec::Pcmu) => Some(Self::AToMu),
            _ => None,
        }
    }

    /// Appends `payload` in the other law.
    pub fn convert(self, payload: &[u8], out: &mut Vec<u8>) {
        let table = match self {
            Self::MuToA => &MU_TO_A,
            Self::AToMu => &A_TO_MU,
        };
        out.extend(payload.iter().map(|octet| table.get(usize::from(*octet)).copied().unwrap_or(*octet)));
    }
}

static MU_TO_A: [u8; 256] = table(Law::MuToA);
static A_TO_MU: [u8; 256] = table(Law::AToMu);

#[expect(clippy::indexing_slicing, reason = "evaluated at compile time, the index is an octet")]
const fn table(law: Law) -> [u8; 256] {
    let mut table = [0; 256];
    let mut octet: u8 = 0;
    loop {
        table[octet as usize] = match law {
            Law::MuToA => encode_a(decode_mu(octet)),
            Law::AToMu => encode_mu(decode_a(octet)),
        };
        if octet == u8::MAX {
            return table;
        }
        octet += 1;
    }
}

/// Added to the magnitude before the segment is determined, so that each segment begins at a power of two.
const MU_BIAS: i32 = 33 << 2;

/// The 16-bit amplitude of a µ-law octet.
pub(super) const fn decode_mu(octet: u8) -> i32 {
    let octet = !octet;
    let step = ((octet & 0x0f) as i32) << 3;
    let segment = (octet >> 4) & 7;
    let magnitude = ((step + MU_BIAS) << segment) - MU_BIAS;
    if octet & 0x80 == 0 { magnitude } else { -magnitude }
}

/// The 16-bit amplitude of an A-law octet.
pub(super) const fn decode_a(octet: u8) -> i32 {
    let octet = octet ^ 0x55;
    let step = (((octet & 0x0f) as i32) << 4) + 8;
    let magnitude = match (octet >> 4) & 7 {
        0 => step,
        segment => (step + 0x100) << (segment - 1),
    };
    if octet & 0x80 == 0 { -magnitude } else { magnitude }
}

pub(super) const fn encode_mu(amplitude: i32) -> u8 {
    let magnitude = amplitude.abs() + MU_BIAS;
    let magnitude = if magnitude > 0x7fff { 0x7fff } else { magnitude };
    // The highest bit of the biased magnitude is bit 7 in segment 0 and bit 14 in segment 7.
    let segment = (magnitude.ilog2() - 7) as u8;
    let step = ((magnitude >> (segment + 3)) & 0x0f) as u8;
    let sign = if amplitude < 0 { 0x80 } else { 0 };
    !(sign | segment << 4 | step)
}

pub(super) const fn encode_a(amplitude: i32) -> u8 {
    let magnitude = amplitude.abs();
    let magnitude = if magnitude > 0x7fff { 0x7fff } else { magnitude };
    // Segments 0 and 1 have steps of the same size.
    let segment = if magnitude < 0x100 { 0 } else { (magnitude.ilog2() - 7) as u8 };
    let shift = if segment == 0 { 4 } else { segment + 3 };
    let step = ((magnitude >> shift) & 0x0f) as u8;
    let sign = if amplitude < 0 { 0 } else { 0x80 };
    (sign | segment << 4 | step) ^ 0x55
}

#[cfg(test)]
mod tests;
