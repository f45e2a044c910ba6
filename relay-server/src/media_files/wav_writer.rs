//! Writes stereo WAV files. The lengths in the header are updated while the file grows, so that a file is playable after a
//! crash.

use super::writer::RecordingFile;
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};

const CHANNELS: u16 = 2;
const HEADER: u32 = 44;

/// A WAV file that is being written.
#[derive(Debug)]
pub(super) struct WavWriter {
    file: BufWriter<File>,
    data: u32,
}

impl WavWriter {
    /// Writes the header of an empty recording with this sample rate.
    pub(super) fn new(file: File, rate: u32) -> io::Result<Self> {
        let mut writer = Self { file: BufWriter::new(file), data: 0 };
        let frame = 2 * CHANNELS;
        let mut header = Vec::with_capacity(HEADER as usize);
        header.extend(b"RIFF\0\0\0\0WAVEfmt ");
        header.extend(16_u32.to_le_bytes());
        header.extend(1_u16.to_le_bytes());
        header.extend(CHANNELS.to_le_bytes());
        header.extend(rate.to_le_bytes());
        header.extend((rate * u32::from(frame)).to_le_bytes());
        header.extend(frame.to_le_bytes());
        header.extend(16_u16.to_le_bytes());
        header.extend(b"data\0\0\0\0");
        writer.file.write_all(&header)?;
        writer.update()?;
        Ok(writer)
    }
}

impl RecordingFile for WavWriter {
    fn write(&mut self, frames: &[i16]) -> io::Result<u64> {
        let octets: Vec<u8> = frames.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let length = u32::try_from(octets.len()).ok().and_then(|length| self.data.checked_add(length));
        // The lengths in the header have 32 bits.
        let length = length.filter(|length| *length < u32::MAX - HEADER);
        self.data = length.ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge))?;
        self.file.write_all(&octets)?;
        Ok(octets.len() as u64)
    }

    fn update(&mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(4))?;
        self.file.write_all(&(HEADER - 8 + self.data).to_le_bytes())?;
        self.file.seek(SeekFrom::Start(u64::from(HEADER) - 4))?;
        self.file.write_all(&self.data.to_le_bytes())?;
        self.file.seek(SeekFrom::End(0))?;
        self.file.flush()
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.update()
    }
}
