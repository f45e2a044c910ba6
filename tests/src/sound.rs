//! Generation and detection of tones in G.711 (ITU-T G.711).

use core::f32::consts::TAU;

/// Sampling rate in Hz.
pub const RATE: u32 = 8000;
/// Amplitude of the tones.
pub const AMPLITUDE: f32 = 8000.0;
/// Samples in a packet of 20 ms.
pub const FRAME: usize = 160;

const BIAS: i32 = 0x84;

/// Encodes a sample as μ-law.
#[must_use]
pub fn encode(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80_u8 } else { 0 };
    let magnitude = (i32::from(sample).abs() + BIAS).min(0x7fff);
    // The segment is the position of the highest bit above the lowest seven.
    let segment = 24 - u32::try_from(magnitude).unwrap_or(0).leading_zeros();
    let mantissa = (magnitude >> (segment + 3)) & 0x0f;
    let coded = u8::try_from((segment << 4) | mantissa.unsigned_abs()).unwrap_or(0x7f);
    !(sign | coded)
}

/// Decodes a μ-law octet.
#[must_use]
pub fn decode(octet: u8) -> i16 {
    let octet = !octet;
    let segment = (octet >> 4) & 0x07;
    let magnitude = ((i32::from(octet & 0x0f) << 3) + BIAS) << segment;
    let value = i16::try_from(magnitude - BIAS).unwrap_or(i16::MAX);
    if octet & 0x80 == 0 { value } else { -value }
}

/// Encodes a sample as A-law.
#[must_use]
pub fn encode_a(sample: i16) -> u8 {
    let sign = if sample < 0 { 0 } else { 0x80_u8 };
    // A-law has 13 bits; a negative value is counted from −1 (G.711 §4).
    let magnitude = u32::from((if sample < 0 { !sample } else { sample }).unsigned_abs() >> 4);
    let segment = (32 - magnitude.leading_zeros()).saturating_sub(4);
    let mantissa = (magnitude >> segment.saturating_sub(1)) & 0x0f;
    let coded = u8::try_from((segment << 4) | mantissa).unwrap_or(0x7f);
    (sign | coded) ^ 0x55
}

/// Decodes an A-law octet.
#[must_use]
pub fn decode_a(octet: u8) -> i16 {
    let octet = octet ^ 0x55;
    let (segment, mantissa) = (octet >> 4 & 0x07, i16::from(octet & 0x0f));
    let magnitude = match segment {
        0 => (mantissa << 4) + 8,
        _ => ((mantissa << 4) + 0x108) << (segment - 1),
    };
    if octet & 0x80 == 0 { -magnitude } else { magnitude }
}

/// Returns 20 ms of a sine tone of `hz` as μ-law, beginning at sample number `from`.
#[must_use]
pub fn tone(hz: f32, from: u64) -> Vec<u8> {
    (from..)
        .take(FRAME)
        .map(|index| {
            // Tones have a whole number of periods per second, so that the phase can be reduced modulo one second.
            let seconds = f32::from(u16::try_from(index % u64::from(RATE)).unwrap_or(0)) / 8000.0;
            #[expect(clippy::cast_possible_truncation, reason = "the amplitude is far below the limit of an i16")]
            let sample = (AMPLITUDE * (TAU * hz * seconds).sin()) as i16;
            encode(sample)
        })
        .collect()
}

/// Returns the share of the signal's power at `hz`: near 1 for that tone, near 0 for another one (Goertzel algorithm).
#[must_use]
pub fn share(samples: &[i16], hz: f32) -> f32 {
    share_at(samples, hz, RATE)
}

/// Returns the share of the power at `hz` of a signal with another sampling rate.
#[must_use]
pub fn share_at(samples: &[i16], hz: f32, rate: u32) -> f32 {
    let total: f32 = samples.iter().map(|sample| f32::from(*sample).powi(2)).sum();
    if total == 0.0 {
        return 0.0;
    }
    // Sampling rates are exact in f32.
    #[expect(clippy::cast_precision_loss, reason = "see above")]
    let coefficient = 2.0 * (TAU * hz / rate as f32).cos();
    let (mut last, mut before) = (0.0_f32, 0.0_f32);
    for sample in samples {
        let next = f32::from(*sample) + coefficient * last - before;
        before = last;
        last = next;
    }
    let power = last * last + before * before - coefficient * last * before;
    let count = f32::from(u16::try_from(samples.len()).unwrap_or(u16::MAX));
    2.0 * power / (count * total)
}

/// Returns the left channel of a 16-bit WAV file that is still being written, without its first `known` octets, and the
/// sampling rate.
#[must_use]
pub fn of_wave(wave: &[u8], known: usize) -> Option<(Vec<i16>, u32)> {
    const HEADER: usize = 44;
    // The lengths in the header are only written at the end; channels and rate are valid from the beginning.
    let channels = u16::from_le_bytes(wave.get(22..24)?.try_into().ok()?).max(1);
    let rate = u32::from_le_bytes(wave.get(24..28)?.try_into().ok()?);
    Some((first_channel(wave.get(known.max(HEADER)..)?, usize::from(channels) * 2), rate))
}

/// Returns the last 200 ms of the first channel of 16-bit samples.
#[must_use]
pub fn newest(sound: &[u8], channels: u16, rate: u32) -> Option<Vec<i16>> {
    let frame = usize::from(channels) * 2;
    let wanted = usize::try_from(rate).ok()? / 5 * frame;
    let whole = sound.len() / frame * frame;
    Some(first_channel(sound.get(whole.checked_sub(wanted)?..whole)?, frame))
}

/// Returns the first channel of 16-bit samples in frames of `frame` octets.
fn first_channel(sound: &[u8], frame: usize) -> Vec<i16> {
    let sample = |frame: &[u8]| Some(i16::from_le_bytes([*frame.first()?, *frame.get(1)?]));
    sound.chunks_exact(frame).filter_map(sample).collect()
}

/// Returns the amplitude of a tone.
#[must_use]
pub fn amplitude(samples: &[i16]) -> f32 {
    let total: f32 = samples.iter().map(|sample| f32::from(*sample).powi(2)).sum();
    let count = f32::from(u16::try_from(samples.len()).unwrap_or(u16::MAX)).max(1.0);
    (2.0 * total / count).sqrt()
}

/// Returns whether the samples are louder than comfort noise.
#[must_use]
pub fn is_loud(samples: &[i16]) -> bool {
    samples.iter().any(|sample| sample.unsigned_abs() > 500)
}

#[cfg(test)]
mod tests {
    use super::{FRAME, decode, decode_a, encode, encode_a, is_loud, share, tone};

    #[test]
    fn decoded_octet_is_encoded_identically() {
        for octet in 0..=255_u8 {
            // 0x7f is negative zero, which the encoder does not produce.
            assert_eq!(encode(decode(octet)), if octet == 0x7f { 0xff } else { octet });
            assert_eq!(encode_a(decode_a(octet)), octet);
        }
    }

    #[test]
    fn encoded_sample_is_decoded_with_small_error() {
        for sample in (-32_000..=32_000_i16).step_by(97) {
            let error = (i32::from(decode(encode(sample))) - i32::from(sample)).abs();
            assert!(error <= 8 + i32::from(sample).abs() / 16, "{sample} has an error of {error}");
        }
    }

    #[test]
    fn tone_is_distinguished_from_other_frequency() {
        let samples: Vec<i16> = (0..10).flat_map(|frame| tone(440.0, frame * FRAME as u64)).map(decode).collect();
        assert!(share(&samples, 440.0) > 0.9);
        assert!(share(&samples, 880.0) < 0.05);
        assert!(is_loud(&samples) && !is_loud(&[0; FRAME]));
    }
}
