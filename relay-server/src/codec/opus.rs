//! Opus (RFC 6716, RFC 7587). Both directions use one channel: a stereo stream is mixed down by the decoder, and a sender
//! may use mono whatever the receiver prefers (RFC 7587 §7).

use super::CodecOptions;
use core::fmt;
use core::time::Duration;
use offhook_media::graph::codec::{CodecError, Decoder, Encoder, SampleFormat, samples_in};
use offhook_sdp::codec::Codec;
use opus::{Application, Bandwidth, Bitrate, Channels};

/// The sample rates at which the library works.
const RATES: [u32; 5] = [8000, 12_000, 16_000, 24_000, 48_000];
/// The durations of a frame in ms that are sent; shorter ones have a larger overhead.
const DURATIONS: [u64; 4] = [10, 20, 40, 60];
/// The longest packet in samples at 48 kHz (120 ms), as a divisor of the rate: `rate * 12 / 100`.
const LONGEST_PERCENT: usize = 12;
/// No encoded frame is longer (RFC 6716 §3.4, R4).
const LONGEST_FRAME: usize = 1275;
/// The loss for which forward error correction is encoded, in percent.
const EXPECTED_LOSS: i32 = 10;

fn is_opus(codec: &Codec) -> bool {
    // The format in session descriptions is always 48000/2 (RFC 7587 §7).
    codec.is("opus") && codec.clock_rate == 48_000
}

/// The smallest rate of the library that is not below `rate`.
fn supported(rate: u32) -> u32 {
    RATES.into_iter().find(|supported| *supported >= rate).unwrap_or(48_000)
}

pub(super) fn decoder(codec: &Codec, rate: u32) -> Option<Box<dyn Decoder>> {
    let rate = supported(rate);
    let state = is_opus(codec).then(|| opus::Decoder::new(rate, Channels::Mono).ok())??;
    Some(Box::new(OpusDecoder { state, rate }))
}

struct OpusDecoder {
    state: opus::Decoder,
    rate: u32,
}

impl fmt::Debug for OpusDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpusDecoder").field("rate", &self.rate).finish_non_exhaustive()
    }
}

impl OpusDecoder {
    /// Decodes `payload`, its copy of the previous frame (`fec`), or conceals a loss if it is empty.
    fn append(&mut self, payload: &[u8], samples: usize, fec: bool, out: &mut Vec<i16>) -> Result<(), CodecError> {
        let begin = out.len();
        out.resize(begin + samples, 0);
        let decoded = self.state.decode(payload, out.get_mut(begin..).unwrap_or_default(), fec);
        out.truncate(begin + decoded.as_ref().copied().unwrap_or_default());
        decoded.map(drop).map_err(|_| CodecError::Malformed)
    }

    /// Appends the substitute for `samples`. The library substitutes multiples of 2.5 ms, at most 120 ms at a time.
    fn substitute(&mut self, next: &[u8], samples: usize, out: &mut Vec<i16>) {
        let end = out.len() + samples;
        let (unit, longest) = (self.rate as usize / 400, self.rate as usize * LONGEST_PERCENT / 100);
        while out.len() < end {
            let missing = (end - out.len()).next_multiple_of(unit).min(longest);
            if self.append(next, missing, !next.is_empty(), out).is_err() {
                out.resize(end, 0);
            }
        }
        out.truncate(end);
    }
}

impl Decoder for OpusDecoder {
    fn format(&self) -> SampleFormat {
        SampleFormat::mono(self.rate)
    }

    fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> Result<(), CodecError> {
        // The library takes an empty payload for a loss.
        let samples = (!payload.is_empty()).then(|| opus::packet::get_nb_samples(payload, self.rate).ok());
        let samples = samples.flatten().ok_or(CodecError::Malformed)?;
        self.append(payload, samples, false, out)
    }

    fn conceal(&mut self, samples: usize, out: &mut Vec<i16>) {
        self.substitute(&[], samples, out);
    }

    fn recover(&mut self, next: &[u8], samples: usize, out: &mut Vec<i16>) {
        self.substitute(next, samples, out);
    }
}

pub(super) fn encoder(codec: &Codec, rate: u32, packet: Duration, options: CodecOptions) -> Option<Box<dyn Encoder>> {
    let rate = supported(rate);
    let mut state = is_opus(codec).then(|| opus::Encoder::new(rate, Channels::Mono, Application::Voip).ok())??;
    let preferences = ReceiverPreferences::of(codec);
    preferences.apply(&mut state, rate, options).ok()?;
    let wanted = packet.as_millis() as u64;
    let duration = DURATIONS.into_iter().rev().find(|duration| *duration <= wanted).unwrap_or(10);
    let frame_size = samples_in(Duration::from_millis(duration), rate);
    Some(Box::new(OpusEncoder { state, rate, frame_size, has_dtx: preferences.has_dtx }))
}

/// The format parameters of the receiver (RFC 7587 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ReceiverPreferences {
    playback_rate: u32,
    bitrate: Option<i32>,
    has_fec: bool,
    has_dtx: bool,
    is_constant: bool,
}

impl ReceiverPreferences {
    fn of(codec: &Codec) -> Self {
        let number = |name| codec.parameter(name)?.parse::<u32>().ok();
        let is_set = |name| codec.parameter(name) == Some("1");
        Self {
            playback_rate: number("maxplaybackrate").unwrap_or(48_000),
            bitrate: number("maxaveragebitrate").map(|rate| rate.clamp(6000, 510_000) as i32),
            has_fec: is_set("useinbandfec"),
            has_dtx: is_set("usedtx"),
            is_constant: is_set("cbr"),
        }
    }

    fn apply(self, state: &mut opus::Encoder, rate: u32, options: CodecOptions) -> opus::Result<()> {
        state.set_complexity(i32::from(options.opus_complexity.min(10)))?;
        let (bandwidth, usual) = match self.playback_rate.min(rate) {
            ..12_000 => (Bandwidth::Narrowband, 20_000),
            12_000..16_000 => (Bandwidth::Mediumband, 24_000),
            16_000..24_000 => (Bandwidth::Wideband, 28_000),
            24_000..48_000 => (Bandwidth::Superwideband, 32_000),
            48_000.. => (Bandwidth::Fullband, 40_000),
        };
        state.set_max_bandwidth(bandwidth)?;
        state.set_bitrate(Bitrate::Bits(self.bitrate.map_or(usual, |limit| limit.min(usual))))?;
        state.set_vbr(!self.is_constant)?;
        state.set_inband_fec(self.has_fec)?;
        state.set_packet_loss_perc(if self.has_fec { EXPECTED_LOSS } else { 0 })?;
        state.set_dtx(self.has_dtx)
    }
}

struct OpusEncoder {
    state: opus::Encoder,
    rate: u32,
    frame_size: usize,
    has_dtx: bool,
}

impl fmt::Debug for OpusEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpusEncoder").field("rate", &self.rate).finish_non_exhaustive()
    }
}

impl Encoder for OpusEncoder {
    fn format(&self) -> SampleFormat {
        SampleFormat::mono(self.rate)
    }

    fn frame_size(&self) -> usize {
        self.frame_size
    }

    fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) -> Result<(), CodecError> {
        if samples.len() != self.frame_size {
            return Err(CodecError::FrameSize);
        }
        let begin = out.len();
        out.resize(begin + LONGEST_FRAME, 0);
        let length = self.state.encode(samples, out.get_mut(begin..).unwrap_or_default());
        // A frame of at most two octets need not be transmitted (opus_encoder.h, OPUS_SET_DTX).
        let length = length.map(|length| if self.has_dtx && length <= 2 { 0 } else { length });
        out.truncate(begin + length.as_ref().copied().unwrap_or_default());
        length.map(drop).map_err(|_| CodecError::FrameSize)
    }
}
