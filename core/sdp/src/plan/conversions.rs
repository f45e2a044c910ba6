//! Conversions between codecs that the relay can perform.

use crate::codec::Codec;

/// A codec without format parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConversionCodec {
    /// The encoding name.
    pub name: &'static str,
    /// The RTP clock rate in Hz.
    pub clock_rate: u32,
    /// The number of channels.
    pub channels: u8,
}

impl ConversionCodec {
    fn is(&self, codec: &Codec) -> bool {
        codec.is(self.name) && codec.clock_rate == self.clock_rate && codec.channels == self.channels
    }
}

/// One conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conversion {
    /// The codec of the sender.
    pub from: ConversionCodec,
    /// The codec of the receiver.
    pub to: ConversionCodec,
}

/// The list of conversions that the relay can perform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conversions(&'static [Conversion]);

const PCMU: ConversionCodec = ConversionCodec { name: "PCMU", clock_rate: 8000, channels: 1 };
const PCMA: ConversionCodec = ConversionCodec { name: "PCMA", clock_rate: 8000, channels: 1 };

impl Conversions {
    /// No conversions.
    pub const NONE: Self = Self(&[]);

    /// The conversions between PCMU and PCMA, the two encodings of G.711.
    pub const G711: Self = Self(&[Conversion { from: PCMU, to: PCMA }, Conversion { from: PCMA, to: PCMU }]);

    /// Creates a list.
    #[must_use]
    pub const fn new(list: &'static [Conversion]) -> Self {
        Self(list)
    }

    /// Returns whether packets of one codec can be converted to another.
    #[must_use]
    pub fn contains(self, from: &Codec, to: &Codec) -> bool {
        self.0.iter().any(|known| known.from.is(from) && known.to.is(to))
    }
}
