//! Writes stereo Ogg Opus files (RFC 7845). Each second is a page, so that a file is playable after a crash.

use super::writer::RecordingFile;
use ogg::{PacketWriteEndInfo, PacketWriter};
use opus::{Application, Bitrate, Channels, Encoder};
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};

/// Bits per second of both channels.
const BITRATE: i32 = 40_000;
/// Frames per page: 1 s.
const FRAMES_PER_PAGE: u64 = 50;
/// The longest encoded frame of two channels.
const LONGEST: usize = 2 * 1275;

/// An Ogg Opus file that is being written.
pub(super) struct OggWriter {
    packets: PacketWriter<'static, BufWriter<File>>,
    encoder: Encoder,
    serial: u32,
    /// Samples of one channel in a frame of 20 ms.
    frame_size: usize,
    pending: Vec<i16>,
    frames: u64,
    pre_skip: u64,
}

impl fmt::Debug for OggWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OggWriter").field("frames", &self.frames).finish_non_exhaustive()
    }
}

impl OggWriter {
    /// Writes the header of a recording with this sample rate, which must be one of Opus.
    pub(super) fn new(file: File, rate: u32, serial: u32) -> io::Result<Self> {
        let mut encoder = Encoder::new(rate, Channels::Stereo, Application::Audio).map_err(io::Error::other)?;
        encoder.set_bitrate(Bitrate::Bits(BITRATE)).map_err(io::Error::other)?;
        encoder.set_complexity(3).map_err(io::Error::other)?;
        let delay = encoder.get_lookahead().map_err(io::Error::other)?;
        // Always in units of 48 kHz.
        let pre_skip = u16::try_from(u32::try_from(delay).unwrap_or(0) * (48_000 / rate.max(1))).unwrap_or(0);
        let mut head = b"OpusHead\x01\x02".to_vec();
        head.extend(pre_skip.to_le_bytes());
        head.extend(rate.to_le_bytes());
        head.extend([0, 0, 0]);
        let vendor = b"offhook";
        let mut tags = b"OpusTags".to_vec();
        tags.extend(7_u32.to_le_bytes());
        tags.extend(vendor);
        tags.extend(0_u32.to_le_bytes());
        let mut packets = PacketWriter::new(BufWriter::new(file));
        for header in [head, tags] {
            packets.write_packet(header, serial, PacketWriteEndInfo::EndPage, 0)?;
        }
        let frame_size = rate as usize / 50;
        let pre_skip = u64::from(pre_skip);
        Ok(Self { packets, encoder, serial, frame_size, pending: Vec::new(), frames: 0, pre_skip })
    }

    /// Encodes one frame and returns its length.
    fn write_frame(&mut self, frame: &[i16], end: PacketWriteEndInfo) -> io::Result<u64> {
        let mut packet = vec![0; LONGEST];
        let length = self.encoder.encode(frame, &mut packet).map_err(io::Error::other)?;
        packet.truncate(length);
        self.frames += 1;
        self.packets.write_packet(packet, self.serial, end, self.frames * 960)?;
        Ok(length as u64)
    }
}

impl RecordingFile for OggWriter {
    fn write(&mut self, frames: &[i16]) -> io::Result<u64> {
        self.pending.extend_from_slice(frames);
        let (mut octets, size) = (0, 2 * self.frame_size);
        while self.pending.len() >= size {
            let frame: Vec<i16> = self.pending.drain(..size).collect();
            let ends_page = (self.frames + 1).is_multiple_of(FRAMES_PER_PAGE);
            let end = if ends_page { PacketWriteEndInfo::EndPage } else { PacketWriteEndInfo::NormalPacket };
            octets += self.write_frame(&frame, end)?;
        }
        Ok(octets)
    }

    fn update(&mut self) -> io::Result<()> {
        self.packets.inner_mut().flush()
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        let mut frame = core::mem::take(&mut self.pending);
        // The encoder's delay is written, too.
        let missing = (self.pre_skip as usize * 2 * self.frame_size).div_ceil(960);
        frame.resize(frame.len() + missing, 0);
        let size = 2 * self.frame_size;
        while frame.len() > size {
            let rest = frame.split_off(size);
            self.write_frame(&frame, PacketWriteEndInfo::NormalPacket)?;
            frame = rest;
        }
        frame.resize(size, 0);
        self.write_frame(&frame, PacketWriteEndInfo::EndStream)?;
        self.packets.inner_mut().flush()
    }
}
