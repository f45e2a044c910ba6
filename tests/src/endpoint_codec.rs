//! The relay's codecs, for endpoints of the tests: tones are encoded and decoded by them.

use core::f32::consts::TAU;
use core::fmt;
use core::time::Duration;
use offhook_media::graph::codec::{CodecFactory as _, Decoder, Encoder};
use offhook_relay::codec::{CodecOptions, Codecs};
use offhook_sdp::codec::Codec;

use crate::sound::{AMPLITUDE, RATE};

/// The duration of the packets.
const PACKET: Duration = Duration::from_millis(20);

/// A codec in a session description.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// The payload type.
    pub number: u8,
    /// The encoding name.
    pub name: &'static str,
    /// The RTP clock rate.
    pub clock_rate: u32,
    /// The number of channels.
    pub channels: u8,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.clock_rate)?;
        if self.channels == 1 { Ok(()) } else { write!(f, "/{}", self.channels) }
    }
}

/// Encoder and decoder of an endpoint.
#[derive(Debug)]
pub struct EndpointCodec {
    format: Format,
    decoder: Box<dyn Decoder>,
    encoder: Box<dyn Encoder>,
    /// The number of samples that were encoded.
    position: u32,
}

impl EndpointCodec {
    /// Makes the codec.
    ///
    /// # Panics
    /// Panics if its library is not installed.
    #[must_use]
    pub fn new(format: Format) -> Self {
        let Format { name, clock_rate, channels, .. } = format;
        let codec = Codec { name: name.to_owned(), clock_rate, channels, fmtp: None };
        let codecs = Codecs::load(CodecOptions::default());
        let made = codecs.decoder(&codec, RATE).zip(codecs.encoder(&codec, RATE, PACKET));
        let (decoder, encoder) = made.expect("the codec is available; run `cargo xtask test` once for its library");
        Self { format, decoder, encoder, position: 0 }
    }

    /// The format in session descriptions.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// The timestamp units of one packet.
    #[must_use]
    pub const fn units(&self) -> u32 {
        self.format.clock_rate / 50
    }

    /// Returns a packet of 20 ms of a tone.
    #[must_use]
    pub fn tone(&mut self, hz: f32) -> Vec<u8> {
        let (rate, count) = (self.encoder.format().rate, self.encoder.frame_size());
        let positions = (self.position..).take(count);
        // Tones have a whole number of periods per second.
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "the values are small")]
        let sample = |position: u32| (AMPLITUDE * (TAU * hz * (position % rate) as f32 / rate as f32).sin()) as i16;
        let samples: Vec<i16> = positions.map(sample).collect();
        self.position = (self.position + u32::try_from(count).unwrap_or(0)) % rate;
        let mut payload = Vec::new();
        self.encoder.encode(&samples, &mut payload).expect("a frame");
        payload
    }

    /// Returns the samples of a packet at 8 kHz. Frequencies above 4 kHz must not occur.
    #[must_use]
    pub fn decode(&mut self, payload: &[u8]) -> Vec<i16> {
        let mut samples = Vec::new();
        self.decoder.decode(payload, &mut samples).expect("a valid payload");
        let step = self.decoder.format().rate / RATE;
        samples.into_iter().step_by(usize::try_from(step).unwrap_or(1)).collect()
    }
}
