//! Buffer of the bridged leg's audio that is mixed with a playback.

use super::{EncodedAudio, StreamDecoder};
use offhook_clock::Time;
use std::collections::VecDeque;

/// Frames that are buffered before the audio is used, against jitter.
const DELAY: usize = 2;
/// The most frames that are buffered. Older audio is dropped, for example if the sender's clock is faster.
const MOST: usize = 6;

/// Decoded audio of one stream in the sample rate of an encoder.
#[derive(Debug)]
pub(crate) struct MixBuffer {
    decoder: StreamDecoder,
    frame_size: usize,
    queue: VecDeque<i16>,
    /// The number of samples that must be in the queue for the next frame.
    needed: usize,
}

impl MixBuffer {
    pub(crate) fn new(decoder: StreamDecoder, frame_size: usize) -> Self {
        Self { decoder, frame_size, queue: VecDeque::new(), needed: frame_size * DELAY }
    }

    pub(crate) const fn decoder(&mut self) -> &mut StreamDecoder {
        &mut self.decoder
    }

    pub(crate) fn push(&mut self, packet: &EncodedAudio<'_>, now: Time) {
        let queue = &mut self.queue;
        self.decoder.push(packet, now, &mut |run| queue.extend(run.samples));
        self.limit();
    }

    fn limit(&mut self) {
        if self.queue.len() > self.frame_size * MOST {
            let excess = self.queue.len() - self.frame_size * DELAY;
            self.queue.drain(..excess);
        }
    }

    /// Adds the next frame to `frame`, if there is one.
    pub(crate) fn add_to(&mut self, frame: &mut [i16], now: Time) {
        let queue = &mut self.queue;
        self.decoder.handle_timeout(now, &mut |run| queue.extend(run.samples));
        if self.queue.len() < self.needed {
            self.needed = self.frame_size * DELAY;
            return;
        }
        self.needed = self.frame_size;
        for (sample, mixed) in frame.iter_mut().zip(self.queue.drain(..self.frame_size)) {
            *sample = sample.saturating_add(mixed);
        }
    }
}
