//! Transcoding of one source for one sink: jitter buffer, decoder, resampler, encoder and packets.
//!
//! ```text
//!            packet                     packet time reached: samples from the jitter buffer, or concealed
//! New ────────────────▶ Playing ──────┐ encoded ──▶ packet for the sink
//!                        ▲  │  ▲ └────┘
//!                 packet │  │ nothing arrived for 100 ms (comfort noise: 30 s)
//!                        │  ▼
//!                       Paused
//! ```
//!
//! The sink receives packets at the pace of the relay's clock; the play-out of the jitter buffer follows the clock of the
//! source. Decoder and encoder are made when the first packet arrives, so that a route whose source sends a codec that
//! passes costs nothing. They are kept when the source changes: one encoder for each clock rate, and one decoder for each payload
//! type. A peer that alternates sources, clock rates or payload types does not cause new ones.

mod pipeline;

pub use pipeline::Produced;

use super::codec::CodecFactory;
use super::jitter::{ArrivingPacket, JitterBuffer};
use crate::rtp::rewrite::SourceId;
use core::time::Duration;
use offhook_clock::Time;
use offhook_sdp::codec::{Codec, Payload};
use pipeline::Pipeline;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Packet times of all legs are multiples of this, so that a worker wakes up once for several of them.
const GRID: Duration = Duration::from_millis(4);
/// If the worker is late by more than this, the packets in between are not sent.
const LONGEST_LATENESS: Duration = Duration::from_millis(60);

/// The formats of a source and a sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TranscoderFormats {
    /// The codecs of the source by payload type, including comfort noise.
    pub sources: Vec<(u8, Codec)>,
    /// The payload type that the sink receives.
    pub sink: Payload,
    /// The duration of the packets for the sink.
    pub packet: Duration,
}

impl TranscoderFormats {
    fn codec(&self, payload_type: u8) -> Option<&Codec> {
        self.sources.iter().find(|(number, _)| *number == payload_type).map(|(_, codec)| codec)
    }
}

/// Converts the packets of one source for one sink.
#[derive(Debug)]
pub struct Transcoder {
    codecs: Arc<dyn CodecFactory>,
    formats: TranscoderFormats,
    state: State,
    /// The pipelines of other clock rates that the source has used, by clock rate.
    idle: BTreeMap<u32, Box<Pipeline>>,
}

#[derive(Debug)]
enum State {
    New,
    Paused(Box<Pipeline>),
    Playing { pipeline: Box<Pipeline>, next: Time },
}

impl Transcoder {
    /// Creates a transcoder.
    #[must_use]
    pub fn new(codecs: Arc<dyn CodecFactory>, formats: TranscoderFormats) -> Self {
        Self { codecs, formats, state: State::New, idle: BTreeMap::new() }
    }

    /// The formats of its source and its sink.
    #[must_use]
    pub const fn formats(&self) -> &TranscoderFormats {
        &self.formats
    }

    /// The payload type that the sink receives.
    #[must_use]
    pub const fn sink(&self) -> &Payload {
        &self.formats.sink
    }

    /// Whether it converts packets of this payload type.
    #[must_use]
    pub fn takes(&self, payload_type: u8) -> bool {
        self.formats.codec(payload_type).is_some()
    }

    /// Whether packets for the sink are being made.
    #[must_use]
    pub const fn is_playing(&self) -> bool {
        matches!(self.state, State::Playing { .. })
    }

    /// The time of the next packet.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Time> {
        match &self.state {
            State::Playing { next, .. } => Some(*next),
            State::New | State::Paused(_) => None,
        }
    }

    /// The jitter buffer, for statistics.
    #[must_use]
    pub fn jitter_buffer(&self) -> Option<&JitterBuffer> {
        match &self.state {
            State::New => None,
            State::Paused(pipeline) | State::Playing { pipeline, .. } => Some(&pipeline.buffer),
        }
    }

    /// Stores a packet of a source. Returns whether there is a new deadline.
    pub fn receive(&mut self, source: SourceId, packet: ArrivingPacket<'_>, now: Time) -> bool {
        let Some(codec) = self.formats.codec(packet.payload_type) else { return false };
        let of_source = |pipeline: &Pipeline| pipeline.source == source && pipeline.buffer.rate() == codec.clock_rate;
        let (pipeline, next) = match core::mem::replace(&mut self.state, State::New) {
            State::Playing { pipeline, next } if of_source(&pipeline) => (Some(pipeline), Some(next)),
            State::Paused(pipeline) if of_source(&pipeline) => (Some(pipeline), None),
            State::Paused(pipeline) | State::Playing { pipeline, .. } => {
                self.idle.insert(pipeline.buffer.rate(), pipeline);
                (None, None)
            }
            State::New => (None, None),
        };
        let idle = || self.idle.remove(&codec.clock_rate).map(|idle| idle.restart(source));
        let pipeline = pipeline.or_else(idle);
        let pipeline = pipeline.or_else(|| Pipeline::new(&*self.codecs, &self.formats, source, codec).map(Box::new));
        let Some(mut pipeline) = pipeline else { return false };
        pipeline.buffer.insert(packet, now);
        let is_new = next.is_none();
        let next = next.unwrap_or_else(|| aligned(now + pipeline.buffer.target()));
        self.state = State::Playing { pipeline, next };
        is_new
    }

    /// Appends the next packet for the sink, if it is due.
    pub fn poll(&mut self, now: Time, out: &mut Vec<u8>) -> Option<Produced> {
        let State::Playing { pipeline, next } = &mut self.state else { return None };
        if *next > now {
            return None;
        }
        if now.since(*next) > LONGEST_LATENESS {
            *next = now;
        }
        *next = *next + pipeline.packet_duration();
        let produced = pipeline.produce(&*self.codecs, &self.formats, now, out);
        if pipeline.has_ended() {
            self.state = match core::mem::replace(&mut self.state, State::New) {
                State::Playing { pipeline, .. } => State::Paused(pipeline),
                other => other,
            };
        }
        Some(produced)
    }
}

/// The next time on the grid.
fn aligned(at: Time) -> Time {
    let grid = GRID.as_micros();
    let beyond = at.since(Time::EPOCH).as_micros() % grid;
    let missing = u64::try_from((grid - beyond) % grid).unwrap_or(0);
    at + Duration::from_micros(missing)
}

#[cfg(test)]
mod tests;
