//! Conversions between codecs that the relay can perform: between any two codecs that it can decode and encode.

use crate::codec::Codec;
use serde::{Deserialize, Serialize};

/// An audio codec that the relay may be able to decode and encode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum AudioCodec {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// Linear samples at 8 kHz.
    L16Narrowband,
    /// Linear samples at 16 kHz.
    L16Wideband,
    /// G.722.
    G722,
    /// Opus.
    Opus,
    /// Speex at 8 kHz.
    SpeexNarrowband,
    /// Speex at 16 kHz.
    SpeexWideband,
    /// G.729.
    G729,
}

impl AudioCodec {
    /// All codecs, in the order in which they are preferred as the target of a conversion: those with little loss and
    /// cost first.
    pub const ALL: [Self; 9] = [
        Self::L16Wideband,
        Self::G722,
        Self::Opus,
        Self::SpeexWideband,
        Self::Pcmu,
        Self::Pcma,
        Self::L16Narrowband,
        Self::SpeexNarrowband,
        Self::G729,
    ];

    /// The encoding name, the RTP clock rate and the number of channels in session descriptions.
    #[must_use]
    pub const fn format(self) -> (&'static str, u32, u8) {
        match self {
            Self::Pcmu => ("PCMU", 8000, 1),
            Self::Pcma => ("PCMA", 8000, 1),
            Self::L16Narrowband => ("L16", 8000, 1),
            Self::L16Wideband => ("L16", 16_000, 1),
            Self::G722 => ("G722", 8000, 1),
            Self::Opus => ("opus", 48_000, 2),
            Self::SpeexNarrowband => ("speex", 8000, 1),
            Self::SpeexWideband => ("speex", 16_000, 1),
            Self::G729 => ("G729", 8000, 1),
        }
    }

    /// Returns the codec of a payload type.
    #[must_use]
    pub fn of(codec: &Codec) -> Option<Self> {
        let is = |known: &Self| {
            let (name, clock_rate, channels) = known.format();
            codec.is(name) && codec.clock_rate == clock_rate && codec.channels == channels
        };
        Self::ALL.into_iter().find(is)
    }

    const fn is_g711(self) -> bool {
        matches!(self, Self::Pcmu | Self::Pcma)
    }

    const fn is_wideband(self) -> bool {
        matches!(self, Self::L16Wideband | Self::G722 | Self::Opus | Self::SpeexWideband)
    }

    /// The order of preference of `self` as the target of a conversion from `from`; lower is better. A change of the law of
    /// G.711 is best. Wideband targets precede narrowband ones if the source is wideband, and follow them otherwise, since
    /// they would cost more without a gain.
    fn rank(self, from: Self) -> (bool, bool, usize) {
        let is_law_change = self.is_g711() && from.is_g711();
        let position = Self::ALL.into_iter().position(|known| known == self).unwrap_or_default();
        (!is_law_change, self.is_wideband() != from.is_wideband(), position)
    }
}

/// The codecs between which the relay can convert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Conversions(u16);

impl Conversions {
    /// No conversions.
    pub const NONE: Self = Self(0);

    /// The conversions between PCMU and PCMA, the two encodings of G.711.
    pub const G711: Self = Self::NONE.with(AudioCodec::Pcmu).with(AudioCodec::Pcma);

    /// Adds the conversions from and to a codec.
    #[must_use]
    pub const fn with(self, codec: AudioCodec) -> Self {
        Self(self.0 | 1 << codec as u8)
    }

    /// The codecs between which it converts, best target first.
    pub fn codecs(self) -> impl Iterator<Item = AudioCodec> {
        AudioCodec::ALL.into_iter().filter(move |codec| self.includes(*codec))
    }

    const fn includes(self, codec: AudioCodec) -> bool {
        self.0 & 1 << codec as u8 != 0
    }

    /// Returns whether packets of one codec can be converted to another.
    #[must_use]
    pub fn contains(self, from: &Codec, to: &Codec) -> bool {
        self.rank(from, to).is_some()
    }

    /// The order of preference of a target; `None` if it is not possible.
    pub(super) fn rank(self, from: &Codec, to: &Codec) -> Option<impl Ord + use<>> {
        let [from, to] = [from, to].map(AudioCodec::of);
        let (from, to) = (from.filter(|codec| self.includes(*codec))?, to.filter(|codec| self.includes(*codec))?);
        (from != to).then(|| to.rank(from))
    }
}
