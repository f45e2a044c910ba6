//! Reads a playback source frame by frame in the sample rate of an encoder.

use super::{AudioSource, Resampler, SourceError};
use crate::command::Repeat;

/// The result of reading a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameRead {
    /// More frames may follow.
    Continues,
    /// The audio ended in this frame or before it.
    Ends,
}

/// A source with the samples that are read but not used yet.
#[derive(Debug)]
pub(crate) struct FrameReader {
    source: Box<dyn AudioSource>,
    repeat: Repeat,
    resampler: Resampler,
    block: Vec<i16>,
    pending: Vec<i16>,
}

impl FrameReader {
    /// Creates a reader for the output rate 8000.
    pub(crate) fn new(source: Box<dyn AudioSource>, repeat: Repeat) -> Self {
        let resampler = Resampler::new(source.rate(), 8000);
        Self { source, repeat, resampler, block: Vec::new(), pending: Vec::new() }
    }

    /// The sample rate of the source.
    pub(crate) fn source_rate(&self) -> u32 {
        self.source.rate()
    }

    /// Changes the output rate. The audio continues at its position.
    pub(crate) fn set_rate(&mut self, rate: u32) {
        self.resampler = Resampler::new(self.source.rate(), rate);
        self.pending.clear();
    }

    /// Replaces the content of `frame` by the next `count` samples, with silence after the end.
    pub(crate) fn read(&mut self, count: usize, frame: &mut Vec<i16>) -> Result<FrameRead, SourceError> {
        let mut result = FrameRead::Continues;
        while self.pending.len() <= count && result == FrameRead::Continues {
            result = self.read_block()?;
        }
        frame.clear();
        let available = count.min(self.pending.len());
        frame.extend(self.pending.drain(..available));
        frame.resize(count, 0);
        Ok(if self.pending.is_empty() { result } else { FrameRead::Continues })
    }

    /// Reads 10 ms, which are fewer at the end of the source.
    fn read_block(&mut self) -> Result<FrameRead, SourceError> {
        let size = (self.source.rate() / 100).max(1) as usize;
        self.block.resize(size, 0);
        let mut read = self.source.read(&mut self.block)?;
        if read == 0 && self.repeat == Repeat::Forever {
            self.source.rewind();
            read = self.source.read(&mut self.block)?;
            if read == 0 {
                return Err(SourceError);
            }
        }
        self.resampler.process(self.block.get(..read).unwrap_or(&[]), &mut self.pending);
        if read == 0 {
            self.resampler.finish(&mut self.pending);
            return Ok(FrameRead::Ends);
        }
        Ok(FrameRead::Continues)
    }
}
