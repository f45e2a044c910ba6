//! Estimated conversational quality of speech by the E-model (ITU-T G.107), with impairments of codecs by ITU-T G.113.
//!
//! Only loss, delay and codec vary; all other parameters have the default values of G.107 table 2. The result describes the
//! path between the relay and one peer on the narrow-band scale, whose greatest MOS is 4.5. Codecs with a wider band are
//! rated like undistorted narrow-band speech.

use core::time::Duration;
use offhook_sdp::codec::Codec;
use serde::{Deserialize, Serialize};

/// The delay of packetization: an audio packet usually contains 20 ms.
const PACKET_TIME: Duration = Duration::from_millis(20);
/// The shortest delay of the receiver's jitter buffer.
const JITTER_BUFFER: Duration = Duration::from_millis(20);

/// An audio codec, as far as its impairment is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SpeechCodec {
    /// G.711, or linear samples, with packet loss concealment (G.711 Appendix I).
    Pcm,
    /// G.722
    G722,
    /// G.723.1 at 6.3 kbit/s
    G723,
    /// G.729 Annex A
    G729,
    /// GSM full rate
    Gsm,
    /// Speex
    Speex,
    /// Opus
    Opus,
}

impl SpeechCodec {
    /// Returns the codec of a payload type; `None` if its impairment is not known.
    #[must_use]
    pub fn of(codec: &Codec) -> Option<Self> {
        let known = [
            ("PCMU", Self::Pcm),
            ("PCMA", Self::Pcm),
            ("L16", Self::Pcm),
            ("G722", Self::G722),
            ("G723", Self::G723),
            ("G729", Self::G729),
            ("GSM", Self::Gsm),
            ("speex", Self::Speex),
            ("opus", Self::Opus),
        ];
        known.into_iter().find(|(name, _)| codec.is(name)).map(|(_, known)| known)
    }

    /// The equipment impairment factor Ie and the packet-loss robustness factor Bpl (G.113 Appendix I). Those of Opus,
    /// G.722 and Speex, and Bpl of GSM, are estimates, because G.113 has no values for the narrow-band scale.
    const fn impairment(self) -> (f64, f64) {
        match self {
            Self::Pcm => (0.0, 25.1),
            Self::G722 | Self::Opus => (0.0, 20.0),
            Self::G723 => (15.0, 16.1),
            Self::G729 => (11.0, 19.0),
            Self::Gsm => (20.0, 10.0),
            Self::Speex => (11.0, 15.0),
        }
    }

    /// The delay of the encoder's look-ahead.
    const fn look_ahead(self) -> Duration {
        Duration::from_micros(match self {
            Self::Pcm | Self::Gsm => 0,
            Self::G722 => 1_500,
            Self::G723 => 7_500,
            Self::G729 => 5_000,
            Self::Speex => 10_000,
            Self::Opus => 6_500,
        })
    }
}

/// The impairments of speech in one direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpeechPath {
    /// The codec.
    pub codec: SpeechCodec,
    /// The fraction of lost packets, 0 to 1. Losses are assumed to be random.
    pub loss: f64,
    /// The interarrival jitter, which determines the delay of the jitter buffer.
    pub jitter: Duration,
    /// The round-trip time; zero if it is not known.
    pub round_trip: Duration,
}

/// The estimated quality of speech.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct SpeechQuality {
    /// The transmission rating factor R, 0 to 93.2.
    pub rating: f64,
    /// The mean opinion score MOS-CQE, 1 to 4.5.
    pub mos: f64,
}

impl SpeechPath {
    /// Estimates the quality.
    #[must_use]
    pub fn quality(&self) -> SpeechQuality {
        let (impairment, robustness) = self.codec.impairment();
        let rating = rating(effective_impairment(impairment, robustness, self.loss), self.delay());
        let rating = rating.clamp(0.0, 100.0);
        SpeechQuality { rating, mos: mos(rating) }
    }

    /// The absolute delay in one direction: network, packetization, look-ahead of the encoder and jitter buffer.
    fn delay(&self) -> Duration {
        // The usual depth of an adaptive jitter buffer.
        let buffer = self.jitter.saturating_mul(2).max(JITTER_BUFFER);
        self.round_trip / 2 + PACKET_TIME + self.codec.look_ahead() + buffer
    }
}

/// The effective equipment impairment factor Ie-eff for a fraction of random losses (G.107 §7.5).
fn effective_impairment(impairment: f64, robustness: f64, loss: f64) -> f64 {
    let percent = loss.clamp(0.0, 1.0) * 100.0;
    impairment + (95.0 - impairment) * percent / (percent + robustness)
}

/// The rating factor for an effective equipment impairment factor and a mouth-to-ear delay (G.107 §7.1). The remaining
/// parameters have their default values, for which Ro - Is is 93.35 and R without delay is 93.2.
fn rating(impairment: f64, delay: Duration) -> f64 {
    const SIGNAL_TO_NOISE: f64 = 94.7688;
    const SIMULTANEOUS: f64 = 1.4136;
    SIGNAL_TO_NOISE - SIMULTANEOUS - delay_impairment(SIGNAL_TO_NOISE, delay) - impairment
}

/// The delay impairment factor Id (G.107 §7.4) for TELR 65 dB, WEPL 110 dB, and T = Ta = Tr / 2.
fn delay_impairment(signal_to_noise: f64, delay: Duration) -> f64 {
    const NO: f64 = -61.1792;
    const RLR: f64 = 2.0;
    const TELR: f64 = 65.0;
    const WEPL: f64 = 110.0;
    let millis = delay.as_secs_f64() * 1e3;
    // Talker echo.
    let masking =
        TELR - 40.0 * ((1.0 + millis / 10.0) / (1.0 + millis / 150.0)).log10() + 6.0 * (-0.3 * millis * millis).exp();
    let echo = 80.0 + 2.5 * (masking - 14.0);
    let half = f64::midpoint(-1.5 * (NO - RLR), -echo);
    let talker = (half + half.mul_add(half, 100.0).sqrt() - 1.0) * (1.0 - (-millis).exp());
    // Listener echo.
    let loop_rating = 10.5 * (WEPL + 7.0) * (2.0 * millis + 1.0).powf(-0.25);
    let half = (signal_to_noise - loop_rating) / 2.0;
    let listener = half + half.mul_add(half, 169.0).sqrt();
    talker + listener + long_delay(millis)
}

/// The impairment Idd by too long absolute delay (G.107 equations 7-27 and 7-28), for the default sensitivity.
fn long_delay(millis: f64) -> f64 {
    if millis <= 100.0 {
        return 0.0;
    }
    let x = (millis / 100.0).log2();
    let root = |value: f64| (1.0 + value.powi(6)).powf(1.0 / 6.0);
    25.0 * (root(x) - 3.0 * root(x / 3.0) + 2.0)
}

/// The mean opinion score of a rating factor (G.107 Annex B).
fn mos(rating: f64) -> f64 {
    if rating >= 100.0 {
        return 4.5;
    }
    // The polynomial is below 1 for ratings below 6.5.
    (1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6).max(1.0)
}

#[cfg(test)]
mod tests;
