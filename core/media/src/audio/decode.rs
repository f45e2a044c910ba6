//! Decodes the packets of a received stream: restores their order, conceals losses and converts the sample rate.
//!
//! ```text
//!          first packet                    next packet: decoded at once
//! Silent ───────────────▶ Following ───────────────────────────────────┐
//!    ▲                        │  ▲ └─ packet after a gap: held until the gap is filled or HOLD has passed
//!    └──── interrupt ─────────┘  └──────────────────────────────────────┘
//! ```
//!
//! A packet of another source, or one that is far from the previous one, starts a new run of samples. The position of a
//! run is decided by the receiver from the arrival time.

use super::Resampler;
use crate::graph::codec::{CodecFactory, Decoder, SampleFormat, samples_in};
use crate::rtp::rewrite::{MAX_DROPOUT, StreamSource};
use core::time::Duration;
use offhook_clock::Time;
use offhook_sdp::codec::{Codec, Payload};
use std::sync::Arc;

/// The longest time for which packets wait for an earlier one.
pub(crate) const HOLD: Duration = Duration::from_millis(60);
/// The most packets that wait.
const MAX_HELD: usize = 16;
/// The longest loss that is concealed; the rest is silence.
const MAX_CONCEALED: Duration = Duration::from_millis(60);
/// The longest distance of timestamps within a run.
const MAX_DISTANCE: Duration = Duration::from_secs(10);

/// A packet of a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EncodedAudio<'a> {
    pub(crate) source: StreamSource,
    pub(crate) payload_type: u8,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) payload: &'a [u8],
}

/// The part of a run of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunPart {
    /// Its beginning: the samples of a packet whose arrival time determines the position.
    First,
    /// The samples of a later packet.
    Next,
    /// The last samples of earlier packets, before a gap.
    Tail,
}

/// Samples in order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DecodedRun<'a> {
    pub(crate) part: RunPart,
    /// The number of samples from the beginning of the run.
    pub(crate) offset: u64,
    pub(crate) samples: &'a [i16],
}

/// A packet that waits for an earlier one.
#[derive(Debug)]
struct Held {
    sequence: u16,
    timestamp: u32,
    payload_type: u8,
    payload: Vec<u8>,
    arrived_at: Time,
}

/// The decoder of the current payload type.
#[derive(Debug)]
struct Active {
    payload_type: u8,
    clock_rate: u32,
    format: SampleFormat,
    decoder: Box<dyn Decoder>,
    resampler: Resampler,
}

impl Active {
    /// Appends samples in place of lost packets and returns their number: none if the loss is too long. `next` is the
    /// payload of the packet after the loss.
    fn conceal(&mut self, (lost, ticks): (u16, u64), next: &[u8], out: &mut Vec<i16>) -> u64 {
        let samples = scale(ticks, self.format.rate, self.clock_rate);
        if samples <= samples_in(MAX_CONCEALED, self.format.rate) as u64 {
            let samples = usize::try_from(samples).unwrap_or(0);
            match lost {
                1 => self.decoder.recover(next, samples, out),
                _ => self.decoder.conceal(samples, out),
            }
        }
        (out.len() / self.channels()) as u64
    }

    /// Appends the samples of a packet, or 20 ms in place of a malformed one.
    fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) {
        if self.decoder.decode(payload, out).is_err() {
            self.decoder.conceal(samples_in(Duration::from_millis(20), self.format.rate), out);
        }
    }

    fn channels(&self) -> usize {
        usize::from(self.format.channels.max(1))
    }
}

/// The next expected packet of a source.
#[derive(Debug)]
struct Following {
    source: StreamSource,
    sequence: u16,
    timestamp: u32,
    /// Samples since the beginning of the run; `None` until the first samples.
    offset: Option<u64>,
}

impl Following {
    /// Returns the time between the expected and the actual timestamp, zero if they overlap; `None` if a new run begins.
    fn gap(&self, timestamp: u32, clock_rate: u32) -> Option<u64> {
        self.offset?;
        let limit = u64::from(clock_rate) * MAX_DISTANCE.as_secs();
        let ahead = timestamp.wrapping_sub(self.timestamp);
        if u64::from(ahead) <= limit {
            Some(u64::from(ahead))
        } else {
            (u64::from(ahead.wrapping_neg()) <= limit).then_some(0)
        }
    }
}

/// Decodes one received stream.
#[derive(Debug)]
pub(crate) struct StreamDecoder {
    codecs: Arc<dyn CodecFactory>,
    rate: u32,
    payloads: Vec<(u8, Codec)>,
    active: Option<Active>,
    following: Option<Following>,
    held: Vec<Held>,
    decoded: Vec<i16>,
    mono: Vec<i16>,
    resampled: Vec<i16>,
}

impl StreamDecoder {
    /// Creates a decoder with this output rate for a stream with these payload types.
    pub(crate) fn new(rate: u32, payloads: &[Payload], codecs: Arc<dyn CodecFactory>) -> Self {
        let mut decoder = Self {
            codecs,
            rate,
            payloads: Vec::new(),
            active: None,
            following: None,
            held: Vec::new(),
            decoded: Vec::new(),
            mono: Vec::new(),
            resampled: Vec::new(),
        };
        decoder.describe(payloads);
        decoder
    }

    /// Applies another description of the stream. The current decoder continues if the payload types are the same.
    pub(crate) fn describe(&mut self, payloads: &[Payload]) {
        let is_same = payloads.len() == self.payloads.len()
            && payloads.iter().zip(&self.payloads).all(|(new, old)| new.number == old.0 && new.codec == old.1);
        if !is_same {
            self.active = None;
            self.payloads = payloads.iter().map(|payload| (payload.number, payload.codec.clone())).collect();
        }
    }

    /// Processes a packet. `out` receives the samples that are complete.
    pub(crate) fn push(&mut self, packet: &EncodedAudio<'_>, now: Time, out: &mut dyn FnMut(DecodedRun<'_>)) {
        let ahead = match &self.following {
            Some(following) if following.source == packet.source => packet.sequence.wrapping_sub(following.sequence),
            _ => {
                self.begin(packet, out);
                0
            }
        };
        match ahead {
            0 => self.decode(packet, out),
            1..MAX_DROPOUT => self.hold(packet, now),
            // A late packet or a duplicate.
            _ if ahead.wrapping_neg() < MAX_DROPOUT => return,
            // The source has restarted.
            _ => {
                self.begin(packet, out);
                self.decode(packet, out);
            }
        }
        while self.next_is_held() || self.held.len() > MAX_HELD {
            self.decode_held(out);
        }
    }

    /// Processes packets that have waited for [`HOLD`].
    pub(crate) fn handle_timeout(&mut self, now: Time, out: &mut dyn FnMut(DecodedRun<'_>)) {
        while self.next_is_held() || self.held.iter().any(|held| now.since(held.arrived_at) >= HOLD) {
            self.decode_held(out);
        }
    }

    /// Processes all packets that wait.
    pub(crate) fn finish(&mut self, out: &mut dyn FnMut(DecodedRun<'_>)) {
        while !self.held.is_empty() {
            self.decode_held(out);
        }
        self.finish_run(out);
    }

    /// Ends the run: the next packet begins another one.
    pub(crate) fn interrupt(&mut self, out: &mut dyn FnMut(DecodedRun<'_>)) {
        self.finish_run(out);
        self.following = None;
        self.held.clear();
    }

    /// Completes the samples of a run before a gap.
    fn finish_run(&mut self, out: &mut dyn FnMut(DecodedRun<'_>)) {
        let Some(active) = &mut self.active else { return };
        self.resampled.clear();
        active.resampler.finish(&mut self.resampled);
        let Some(offset) = self.following.as_mut().and_then(|following| following.offset.as_mut()) else { return };
        if !self.resampled.is_empty() {
            out(DecodedRun { part: RunPart::Tail, offset: *offset, samples: &self.resampled });
            *offset += self.resampled.len() as u64;
        }
    }

    fn begin(&mut self, packet: &EncodedAudio<'_>, out: &mut dyn FnMut(DecodedRun<'_>)) {
        self.interrupt(out);
        let EncodedAudio { source, sequence, timestamp, .. } = *packet;
        self.following = Some(Following { source, sequence, timestamp, offset: None });
    }

    fn hold(&mut self, packet: &EncodedAudio<'_>, now: Time) {
        if self.held.iter().any(|held| held.sequence == packet.sequence) {
            return;
        }
        let EncodedAudio { sequence, timestamp, payload_type, payload, .. } = *packet;
        self.held.push(Held { sequence, timestamp, payload_type, payload: payload.to_vec(), arrived_at: now });
    }

    /// The index and sequence number of the held packet that is next in order.
    fn first_held(&self) -> Option<(usize, u16)> {
        let next = self.following.as_ref()?.sequence;
        let held = self.held.iter().map(|held| held.sequence).enumerate();
        held.min_by_key(|(_, sequence)| sequence.wrapping_sub(next))
    }

    fn next_is_held(&self) -> bool {
        let next = self.following.as_ref().map(|following| following.sequence);
        self.first_held().is_some_and(|(_, sequence)| Some(sequence) == next)
    }

    fn decode_held(&mut self, out: &mut dyn FnMut(DecodedRun<'_>)) {
        let source = self.following.as_ref().map(|following| following.source);
        let Some(((first, _), source)) = self.first_held().zip(source) else { return self.held.clear() };
        let Held { sequence, timestamp, payload_type, payload, .. } = self.held.swap_remove(first);
        self.decode(&EncodedAudio { source, payload_type, sequence, timestamp, payload: &payload }, out);
    }

    /// Decodes the next packet in order.
    fn decode(&mut self, packet: &EncodedAudio<'_>, out: &mut dyn FnMut(DecodedRun<'_>)) {
        let is_decodable = self.activate(packet.payload_type);
        let Some(following) = &mut self.following else { return };
        let lost = packet.sequence.wrapping_sub(following.sequence);
        following.sequence = packet.sequence.wrapping_add(1);
        // Telephone-events and comfort noise are silence.
        let Some(active) = self.active.as_mut().filter(|_| is_decodable) else { return };
        let gap = following.gap(packet.timestamp, active.clock_rate);
        let ticks = gap.unwrap_or(0);
        self.decoded.clear();
        let concealed = match lost {
            1.. if ticks > 0 => active.conceal((lost, ticks), packet.payload, &mut self.decoded),
            _ => 0,
        };
        let skipped = if concealed > 0 { 0 } else { scale(ticks, self.rate, active.clock_rate) };
        if skipped > 0 || gap.is_none() {
            self.finish_run(out);
        }
        let (Some(following), Some(active)) = (&mut self.following, &mut self.active) else { return };
        active.decode(packet.payload, &mut self.decoded);
        mix_down(&self.decoded, active.channels(), &mut self.mono);
        let samples = (self.mono.len() as u64).saturating_sub(concealed);
        let duration = scale(samples, active.clock_rate, active.format.rate);
        following.timestamp = packet.timestamp.wrapping_add((duration & u64::from(u32::MAX)) as u32);
        self.resampled.clear();
        active.resampler.process(&self.mono, &mut self.resampled);
        let offset = following.offset.filter(|_| gap.is_some()).unwrap_or(0) + skipped;
        following.offset = Some(offset + self.resampled.len() as u64);
        let part = if gap.is_none() { RunPart::First } else { RunPart::Next };
        out(DecodedRun { part, offset, samples: &self.resampled });
    }

    /// Makes the decoder for a payload type; returns whether there is one.
    fn activate(&mut self, payload_type: u8) -> bool {
        if self.active.as_ref().is_some_and(|active| active.payload_type == payload_type) {
            return true;
        }
        let codec = self.payloads.iter().find(|(number, _)| *number == payload_type).map(|(_, codec)| codec);
        let Some(codec) = codec.filter(|codec| codec.is_primary()) else { return false };
        let Some(decoder) = self.codecs.decoder(codec, self.rate) else { return false };
        let (format, clock_rate) = (decoder.format(), codec.clock_rate.max(1));
        if self.active.as_ref().is_none_or(|before| before.clock_rate != clock_rate)
            && let Some(following) = &mut self.following
        {
            // Timestamps of different clock rates are not comparable.
            following.offset = None;
        }
        let resampler = Resampler::new(format.rate, self.rate);
        self.active = Some(Active { payload_type, clock_rate, format, decoder, resampler });
        true
    }
}

/// Converts a count at one rate to another rate.
fn scale(count: u64, to: u32, from: u32) -> u64 {
    count * u64::from(to) / u64::from(from.max(1))
}

/// Writes the average of all channels.
fn mix_down(interleaved: &[i16], channels: usize, mono: &mut Vec<i16>) {
    mono.clear();
    if channels == 1 {
        return mono.extend_from_slice(interleaved);
    }
    mono.extend(interleaved.chunks_exact(channels).map(|frame| {
        let sum: i32 = frame.iter().map(|sample| i32::from(*sample)).sum();
        i16::try_from(sum / i32::try_from(channels).unwrap_or(1)).unwrap_or(0)
    }));
}

#[cfg(test)]
mod tests;
