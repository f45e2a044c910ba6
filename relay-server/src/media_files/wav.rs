//! Reads WAV files (RIFF): 16-bit PCM and G.711, any sample rate. Several channels are mixed to one.

use super::error::MediaFileError;
use super::library::{Audio, octets_at_usual_rate};
use offhook_media::graph::codec::{CodecFactory, samples_in};
use offhook_media::graph::g711::G711Codecs;
use offhook_sdp::codec::Codec;

/// Values of wFormatTag.
const PCM: u16 = 1;
const A_LAW: u16 = 6;
const MU_LAW: u16 = 7;
/// The actual format is at the beginning of the SubFormat field.
const EXTENSIBLE: u16 = 0xfffe;

struct Format {
    tag: u16,
    channels: u16,
    rate: u32,
    bits: u16,
}

impl Format {
    fn parse(chunk: &[u8]) -> Option<Self> {
        let number = |at: usize| Some(u16::from_le_bytes(*chunk.get(at..)?.first_chunk()?));
        let rate = u32::from_le_bytes(*chunk.get(4..)?.first_chunk()?);
        let tag = match number(0)? {
            EXTENSIBLE => number(24)?,
            tag => tag,
        };
        Some(Self { tag, channels: number(2)?, rate, bits: number(14)? })
    }
}

/// Whether the file begins as a WAV file.
pub(super) fn is_wav(file: &[u8]) -> bool {
    file.starts_with(b"RIFF") && file.get(8..12) == Some(b"WAVE")
}

/// Decodes a file. `most` is the maximum size of its audio in octets.
pub(super) fn read(file: &[u8], most: u64) -> Result<Audio, MediaFileError> {
    let mut format = None;
    let mut rest = file.get(12..).unwrap_or(&[]);
    while let Some((name, after)) = rest.split_first_chunk::<4>() {
        let Some((length, after)) = after.split_first_chunk::<4>() else { break };
        let length = u32::from_le_bytes(*length) as usize;
        // A file that was not completed may have a length of zero or too large a length.
        let content = after.get(..length).unwrap_or(after);
        match name {
            b"fmt " => format = Format::parse(content),
            b"data" => {
                let format = format.ok_or(MediaFileError::Malformed("it has no format before its samples"))?;
                return decode(&format, if length == 0 { after } else { content }, most);
            }
            _ => {}
        }
        // Chunks have an even length.
        rest = after.get(length.saturating_add(length & 1)..).unwrap_or(&[]);
    }
    Err(MediaFileError::Malformed("it has no samples"))
}

fn decode(format: &Format, data: &[u8], most: u64) -> Result<Audio, MediaFileError> {
    if format.channels == 0 || format.channels > 8 || !(1000..=192_000).contains(&format.rate) {
        return Err(MediaFileError::Malformed("its number of channels or sample rate is not usable"));
    }
    let frames = data.len() / usize::from(format.channels) / usize::from(format.bits / 8).max(1);
    // Checked before the samples are decoded and converted.
    if octets_at_usual_rate(frames as u64, format.rate) > most {
        return Err(MediaFileError::TooLarge(most));
    }
    let samples = match (format.tag, format.bits) {
        (PCM, 16) => data.as_chunks().0.iter().map(|sample| i16::from_le_bytes(*sample)).collect(),
        (A_LAW, 8) => g711(8, data)?,
        (MU_LAW, 8) => g711(0, data)?,
        _ => return Err(MediaFileError::Unsupported("the encoding of the WAV file is not supported")),
    };
    Ok(Audio::mixed(&samples, format.channels.into(), format.rate))
}

/// Decodes with a static payload type.
fn g711(payload_type: u8, data: &[u8]) -> Result<Vec<i16>, MediaFileError> {
    const UNSUPPORTED: MediaFileError = MediaFileError::Unsupported("G.711 is not available");
    let codec = Codec::of_static_payload(payload_type).ok_or(UNSUPPORTED)?;
    let mut decoder = G711Codecs.decoder(&codec, 8000).ok_or(UNSUPPORTED)?;
    let mut samples = Vec::with_capacity(data.len());
    for block in data.chunks(samples_in(core::time::Duration::from_millis(20), 8000)) {
        decoder.decode(block, &mut samples).map_err(|_| MediaFileError::Malformed("its samples cannot be decoded"))?;
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::{MediaFileError, read};

    #[test]
    fn size_is_checked_at_the_usual_rate() {
        // 100 samples of 1000 Hz are 800 of 8000 Hz.
        let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\xe8\x03\0\0\xd0\x07\0\0\x02\0\x10\0".to_vec();
        file.extend_from_slice(b"data\xc8\0\0\0");
        file.resize(file.len() + 200, 0);
        assert_eq!(read(&file, 1599).err(), Some(MediaFileError::TooLarge(1599)));
        assert_eq!(read(&file, 1600).map(|audio| (audio.rate, audio.samples.len())), Ok((1000, 100)));
    }
}
