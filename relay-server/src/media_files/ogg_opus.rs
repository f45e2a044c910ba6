//! Reads Ogg Opus files (RFC 7845) with one or two channels.

use super::error::MediaFileError;
use super::library::Audio;
use ogg::PacketReader;
use opus::{Channels, Decoder};
use std::io::Cursor;

const RATE: u32 = 48_000;
/// The longest packet, 120 ms.
const LONGEST: usize = 5760;

/// Whether the file begins as an Ogg file.
pub(super) fn is_ogg(file: &[u8]) -> bool {
    file.starts_with(b"OggS")
}

/// Decodes the first stream of a file, to at most `most` samples.
pub(super) fn read(file: &[u8], most: usize) -> Result<Audio, MediaFileError> {
    const DAMAGED: MediaFileError = MediaFileError::Malformed("its Ogg pages or Opus packets cannot be read");
    let mut packets = PacketReader::new(Cursor::new(file));
    let head = packets.read_packet().map_err(|_| DAMAGED)?.ok_or(DAMAGED)?;
    let serial = head.stream_serial();
    let Some(head) = Head::parse(&head.data) else {
        return Err(MediaFileError::Unsupported("the Ogg file is not Opus with one or two channels"));
    };
    // The output is mono: the decoder mixes both channels.
    let mut decoder = Decoder::new(RATE, Channels::Mono).map_err(|_| DAMAGED)?;
    let mut samples = Vec::new();
    let mut decoded = vec![0; LONGEST];
    let mut has_tags = false;
    while let Some(packet) = packets.read_packet().map_err(|_| DAMAGED)? {
        if packet.stream_serial() != serial {
            continue;
        }
        if !core::mem::replace(&mut has_tags, true) {
            continue;
        }
        let count = decoder.decode(&packet.data, &mut decoded, false).map_err(|_| DAMAGED)?;
        samples.extend_from_slice(decoded.get(..count).unwrap_or(&[]));
        if packet.last_in_stream() {
            // The last page may end within a packet (RFC 7845 §4.4).
            samples.truncate(usize::try_from(packet.absgp_page()).unwrap_or(usize::MAX));
        }
        if samples.len() > most {
            return Err(MediaFileError::TooLarge(2 * most as u64));
        }
    }
    samples.drain(..head.pre_skip.min(samples.len()));
    Ok(Audio { rate: RATE, samples })
}

struct Head {
    /// Samples to be dropped at the beginning.
    pre_skip: usize,
}

impl Head {
    fn parse(packet: &[u8]) -> Option<Self> {
        let fields = packet.strip_prefix(b"OpusHead")?;
        let (channels, family) = (*fields.get(1)?, *fields.get(10)?);
        let pre_skip = u16::from_le_bytes(*fields.get(2..)?.first_chunk()?);
        let is_supported = family == 0 && (1..=2).contains(&channels);
        is_supported.then_some(Self { pre_skip: pre_skip.into() })
    }
}
