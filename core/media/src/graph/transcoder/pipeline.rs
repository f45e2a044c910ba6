//! The path of the samples from a jitter buffer to an encoder.

use super::TranscoderFormats;
use crate::audio::Resampler;
use crate::graph::codec::{CodecFactory, Decoder, Encoder};
use crate::graph::jitter::{BufferedPacket, Correction, JitterBuffer, NextPacket};
use crate::graph::noise::ComfortNoise;
use crate::graph::stretch::{lengthen, shorten};
use crate::rtp::rewrite::SourceId;
use core::time::Duration;
use offhook_clock::Time;
use offhook_sdp::codec::Codec;

/// The highest sample rate that is used.
const HIGHEST_RATE: u32 = 48_000;
/// The duration that is concealed at a time while no packet arrives, as a divisor of the rate: 10 ms.
const STEPS_PER_SECOND: u32 = 100;
/// The steps of concealment, and of comfort noise, after which the source is considered to be silent.
const LONGEST_CONCEALMENT: u32 = 10;
const LONGEST_NOISE: u32 = 30 * STEPS_PER_SECOND;
/// The longest gap that is concealed when the packet after it has arrived, in steps.
const LONGEST_LOSS: u32 = 20;

/// The maximum number of decoders. Packets of further payload types are concealed.
const MAX_DECODERS: usize = 8;

/// A packet for the sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Produced {
    /// Whether it is the first one, or the first after a pause.
    pub begins: bool,
    /// Its duration in units of the sink's clock rate.
    pub units: u32,
}

/// The decoder of one payload type of the source, and the conversion to the rate of the encoder.
#[derive(Debug)]
struct SourceDecoder {
    payload_type: u8,
    decoder: Box<dyn Decoder>,
    resampler: Resampler,
}

impl SourceDecoder {
    fn new(decoder: Box<dyn Decoder>, payload_type: u8, rate: u32) -> Self {
        let resampler = Resampler::streaming(decoder.format().rate, rate);
        Self { payload_type, decoder, resampler }
    }

    fn rate(&self) -> u32 {
        self.decoder.format().rate
    }
}

/// The state while a source is played.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) source: SourceId,
    pub(super) buffer: JitterBuffer,
    decoder: SourceDecoder,
    /// The decoders of the other payload types that have arrived.
    idle_decoders: Vec<SourceDecoder>,
    encoder: Box<dyn Encoder>,
    clock_rate: u32,
    /// The noise that fills gaps, after a comfort noise payload.
    noise: Option<ComfortNoise>,
    /// The units of the source's clock that were played without a packet since the last one, and the number of steps.
    concealed: u32,
    steps: u32,
    /// The duration of the last packet in units of the source's clock.
    last_units: u32,
    /// Samples at the rate of the decoder, on their way to `samples`.
    decoded: Vec<i16>,
    /// Samples at the rate of the encoder that are not encoded yet.
    samples: Vec<i16>,
    is_first: bool,
}

impl Pipeline {
    pub(super) fn new(
        codecs: &dyn CodecFactory,
        formats: &TranscoderFormats,
        source: SourceId,
        codec: &Codec,
    ) -> Option<Self> {
        // Comfort noise can be the first packet; then the decoder is that of the first other format of this clock rate.
        let decodes = |(number, codec): &(u8, Codec)| {
            let decoder = codecs.decoder(codec, HIGHEST_RATE)?;
            Some((*number, codec.clone(), decoder))
        };
        let of_rate = |(_, known): &&(u8, Codec)| known.clock_rate == codec.clock_rate && !known.is_comfort_noise();
        let is_it = |(_, known): &&(u8, Codec)| known == codec;
        let sources = &formats.sources;
        let (number, from, decoder) =
            sources.iter().find(is_it).and_then(decodes).or_else(|| sources.iter().find(of_rate).and_then(decodes))?;
        let encoder = codecs.encoder(&formats.sink.codec, decoder.format().rate, formats.packet)?;
        let rate = encoder.format().rate;
        // A decoder that supports several rates uses that of the encoder.
        let decoder = if decoder.format().rate == rate { decoder } else { codecs.decoder(&from, rate)? };
        Some(Self {
            source,
            buffer: JitterBuffer::new(codec.clock_rate),
            decoder: SourceDecoder::new(decoder, number, rate),
            idle_decoders: Vec::new(),
            encoder,
            clock_rate: formats.sink.codec.clock_rate,
            noise: None,
            concealed: 0,
            steps: 0,
            last_units: codec.clock_rate / 50,
            decoded: Vec::new(),
            samples: Vec::new(),
            is_first: true,
        })
    }

    /// Begins with another source of the same clock rate. Decoders and encoder are kept: their state affects the first
    /// packets only.
    pub(super) fn restart(mut self: Box<Self>, source: SourceId) -> Box<Self> {
        let rate = self.buffer.rate();
        self.source = source;
        self.buffer = JitterBuffer::new(rate);
        self.noise = None;
        (self.concealed, self.steps, self.last_units) = (0, 0, rate / 50);
        self.samples.clear();
        self.is_first = true;
        self
    }

    /// The duration of one packet for the sink.
    pub(super) fn packet_duration(&self) -> Duration {
        let rate = u64::from(self.encoder.format().rate.max(1));
        Duration::from_micros(self.encoder.frame_size() as u64 * 1_000_000 / rate)
    }

    /// Whether nothing has arrived for so long that no packets are to be sent.
    pub(super) fn has_ended(&mut self) -> bool {
        let longest = if self.noise.is_some() { LONGEST_NOISE } else { LONGEST_CONCEALMENT };
        let has_ended = self.steps >= longest && self.buffer.is_empty();
        if has_ended {
            self.is_first = true;
            self.noise = None;
            self.samples.clear();
            // Whatever the next packet is, it does not follow a gap that is to be concealed.
            (self.concealed, self.steps) = (u32::MAX, 0);
        }
        has_ended
    }

    /// Appends one packet for the sink; nothing if the encoder does not transmit it.
    pub(super) fn produce(
        &mut self,
        codecs: &dyn CodecFactory,
        formats: &TranscoderFormats,
        now: Time,
        out: &mut Vec<u8>,
    ) -> Produced {
        let size = self.encoder.frame_size();
        while self.samples.len() < size {
            self.play_next(codecs, formats, now);
        }
        // The number of samples is the frame size, so that the encoder does not refuse them.
        let _ = self.encoder.encode(self.samples.get(..size).unwrap_or_default(), out);
        self.samples.drain(..size);
        let units = size as u64 * u64::from(self.clock_rate) / u64::from(self.encoder.format().rate.max(1));
        let begins = core::mem::take(&mut self.is_first);
        Produced { begins, units: u32::try_from(units).unwrap_or(0) }
    }

    /// Appends samples of the next packet, or in place of it.
    fn play_next(&mut self, codecs: &dyn CodecFactory, formats: &TranscoderFormats, now: Time) {
        self.decoded.clear();
        match self.buffer.take(self.concealed, now) {
            NextPacket::Due(packet) => self.play(packet, codecs, formats),
            NextPacket::Lost { units } => self.recover(units),
            NextPacket::Empty => {
                let step = self.buffer.rate() / STEPS_PER_SECOND;
                self.fill((self.decoder.rate() / STEPS_PER_SECOND) as usize);
                self.concealed = self.concealed.saturating_add(step);
                self.steps = self.steps.saturating_add(1);
            }
        }
        self.decoder.resampler.process(&self.decoded, &mut self.samples);
    }

    /// Decodes a packet. A malformed one is concealed.
    fn play(&mut self, packet: BufferedPacket, codecs: &dyn CodecFactory, formats: &TranscoderFormats) {
        (self.concealed, self.steps) = (0, 0);
        let codec = formats.codec(packet.payload_type);
        if codec.is_some_and(Codec::is_comfort_noise) {
            self.noise = ComfortNoise::of(&packet.payload);
            return self.buffer.played(packet, 0);
        }
        let has_decoder = codec.is_some_and(|codec| self.select_decoder(packet.payload_type, codec, codecs));
        self.noise = None;
        let rate = self.decoder.rate();
        if has_decoder && self.decoder.decoder.decode(&packet.payload, &mut self.decoded).is_ok() {
            self.last_units = convert(self.decoded.len(), rate, self.buffer.rate());
        } else {
            let samples = convert(self.last_units as usize, self.buffer.rate(), rate);
            self.decoder.decoder.conceal(samples as usize, &mut self.decoded);
        }
        match self.buffer.correction() {
            Correction::None => {}
            Correction::Shorten => drop(shorten(&mut self.decoded, rate)),
            Correction::Lengthen => drop(lengthen(&mut self.decoded, rate)),
        }
        self.buffer.played(packet, self.last_units);
    }

    /// Selects the decoder of a payload type. Returns whether there is one.
    fn select_decoder(&mut self, payload_type: u8, codec: &Codec, codecs: &dyn CodecFactory) -> bool {
        if payload_type == self.decoder.payload_type {
            return true;
        }
        if let Some(known) = self.idle_decoders.iter_mut().find(|idle| idle.payload_type == payload_type) {
            core::mem::swap(known, &mut self.decoder);
            return true;
        }
        if self.idle_decoders.len() + 1 >= MAX_DECODERS {
            return false;
        }
        let rate = self.encoder.format().rate;
        let Some(decoder) = codecs.decoder(codec, rate) else { return false };
        let decoder = SourceDecoder::new(decoder, payload_type, rate);
        self.idle_decoders.push(core::mem::replace(&mut self.decoder, decoder));
        true
    }

    /// Appends samples in place of lost packets. The last one of them is restored from its successor, if the codec supports
    /// it.
    fn recover(&mut self, units: u32) {
        let (clock, rate) = (self.buffer.rate(), self.decoder.rate());
        let units = units.min(LONGEST_LOSS * clock / STEPS_PER_SECOND);
        let [missing, last] =
            [units, self.last_units.min(units)].map(|units| convert(units as usize, clock, rate) as usize);
        let payload_type = self.decoder.payload_type;
        let next = self.buffer.peek().filter(|next| next.payload_type == payload_type);
        match next {
            Some(next) if self.noise.is_none() => {
                self.decoder.decoder.conceal(missing - last, &mut self.decoded);
                self.decoder.decoder.recover(&next.payload, last, &mut self.decoded);
            }
            _ => self.fill(missing),
        }
    }

    /// Appends comfort noise or concealment.
    fn fill(&mut self, samples: usize) {
        match &mut self.noise {
            Some(noise) => noise.generate(samples, &mut self.decoded),
            None => self.decoder.decoder.conceal(samples, &mut self.decoded),
        }
    }
}

/// Converts a number of samples from one rate to another.
fn convert(samples: usize, from: u32, to: u32) -> u32 {
    u32::try_from(samples as u64 * u64::from(to) / u64::from(from.max(1))).unwrap_or(u32::MAX)
}
