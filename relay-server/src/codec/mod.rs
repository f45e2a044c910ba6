//! Audio codecs for decoding and encoding in media workers: PCMU, PCMA, G.722, L16, Opus, and, if their libraries are
//! installed, Speex and G.729 ([decision 12](../../../docs/decisions/0012-codecs.md)).

mod g722;
mod g729;
mod l16;
mod opus;
mod speex;

use core::fmt;
use core::time::Duration;
use g729::G729Library;
use offhook_media::graph::codec::{CodecFactory, Decoder, Encoder};
use offhook_media::graph::g711::G711Codecs;
use offhook_sdp::codec::Codec;
use offhook_sdp::plan::{AudioCodec, Conversions};
use speex::SpeexLibrary;
use std::sync::Arc;

/// The longest payload that is decoded.
const LONGEST_PAYLOAD: Duration = Duration::from_millis(240);

/// Settings of the codecs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodecOptions {
    /// The complexity of the Opus encoder, 0 to 10.
    pub opus_complexity: u8,
}

impl Default for CodecOptions {
    fn default() -> Self {
        Self { opus_complexity: 5 }
    }
}

/// A codec whose library is not installed or not usable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnavailableCodec {
    /// The encoding name.
    pub codec: &'static str,
    /// The reason, and what to install.
    pub reason: String,
}

impl fmt::Display for UnavailableCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.codec, self.reason)
    }
}

/// The codecs of this process.
#[derive(Clone, Debug)]
pub struct Codecs {
    options: CodecOptions,
    speex: Result<Arc<SpeexLibrary>, UnavailableCodec>,
    g729: Result<Arc<G729Library>, UnavailableCodec>,
}

impl Codecs {
    /// Loads the libraries of Speex and G.729, if they are installed.
    #[must_use]
    pub fn load(options: CodecOptions) -> Self {
        let speex = SpeexLibrary::load().map(Arc::new).map_err(|error| unavailable("Speex", "libspeex1", &error));
        let g729 = G729Library::load().map(Arc::new).map_err(|error| unavailable("G729", "libbcg729-0", &error));
        Self { options, speex, g729 }
    }

    /// The codecs that cannot be used.
    #[must_use]
    pub fn unavailable(&self) -> Vec<UnavailableCodec> {
        let (speex, g729) = (self.speex.as_ref().err(), self.g729.as_ref().err());
        speex.into_iter().chain(g729).cloned().collect()
    }
}

fn unavailable(codec: &'static str, package: &str, error: &libloading::Error) -> UnavailableCodec {
    UnavailableCodec { codec, reason: format!("{error}; install the package {package}") }
}

impl CodecFactory for Codecs {
    fn decoder(&self, codec: &Codec, rate: u32) -> Option<Box<dyn Decoder>> {
        G711Codecs
            .decoder(codec, rate)
            .or_else(|| l16::decoder(codec))
            .or_else(|| g722::decoder(codec))
            .or_else(|| opus::decoder(codec, rate))
            .or_else(|| speex::decoder(self.speex.as_ref().ok()?, codec))
            .or_else(|| g729::decoder(self.g729.as_ref().ok()?, codec))
    }

    fn encoder(&self, codec: &Codec, rate: u32, packet: Duration) -> Option<Box<dyn Encoder>> {
        G711Codecs
            .encoder(codec, rate, packet)
            .or_else(|| l16::encoder(codec, packet))
            .or_else(|| g722::encoder(codec, packet))
            .or_else(|| opus::encoder(codec, rate, packet, self.options))
            .or_else(|| speex::encoder(self.speex.as_ref().ok()?, codec, packet))
            .or_else(|| g729::encoder(self.g729.as_ref().ok()?, codec, packet))
    }

    fn conversions(&self) -> Conversions {
        let mut codecs = vec![AudioCodec::L16Narrowband, AudioCodec::L16Wideband, AudioCodec::G722, AudioCodec::Opus];
        if self.speex.is_ok() {
            codecs.extend([AudioCodec::SpeexNarrowband, AudioCodec::SpeexWideband]);
        }
        if self.g729.is_ok() {
            codecs.push(AudioCodec::G729);
        }
        codecs.into_iter().fold(Conversions::G711, Conversions::with)
    }
}

/// Returns the number of frames of `milliseconds` in a packet, at least 1.
fn frames_in(packet: Duration, milliseconds: u64) -> usize {
    let packet = packet.min(LONGEST_PAYLOAD).as_millis() as u64;
    usize::try_from(packet / milliseconds).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests;
