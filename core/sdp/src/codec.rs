//! Codecs and payload types in session descriptions (RFC 8866 §6.6, RFC 3551).

use crate::plan::Conversions;
use serde::{Deserialize, Serialize};

/// The media type of a section, audio or video (RFC 8866 §5.14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MediaKind {
    /// `m=audio`
    Audio,
    /// `m=video`
    Video,
}

/// The encoding described by `a=rtpmap` and `a=fmtp` of one payload type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Codec {
    /// Encoding name as written, e.g. `opus`, `PCMU`, `VP8`, `telephone-event`; compared case-insensitively.
    pub name: String,
    /// RTP clock rate in Hz.
    pub clock_rate: u32,
    /// Number of audio channels; 1 if the description does not specify it.
    pub channels: u8,
    /// The `a=fmtp` parameters as written, without the payload number.
    pub fmtp: Option<String>,
}

impl Codec {
    /// Returns the static RTP payload type of this codec, if it has one (RFC 3551 §6).
    #[must_use]
    pub fn static_payload(&self) -> Option<u8> {
        [0, 3, 4, 8, 9, 13, 15, 18]
            .into_iter()
            .find(|number| Self::of_static_payload(*number).is_some_and(|known| known.matches(self)))
    }

    /// Returns the codec of a static RTP payload type (RFC 3551 §6), if it is an audio type that is still in use.
    #[must_use]
    pub fn of_static_payload(number: u8) -> Option<Self> {
        let (name, clock_rate) = match number {
            0 => ("PCMU", 8000),
            3 => ("GSM", 8000),
            4 => ("G723", 8000),
            8 => ("PCMA", 8000),
            // The clock rate is 8000 for historical reasons, although G.722 samples at 16 kHz (RFC 3551 §4.5.2).
            9 => ("G722", 8000),
            13 => ("CN", 8000),
            15 => ("G728", 8000),
            18 => ("G729", 8000),
            _ => return None,
        };
        Some(Self { name: name.to_owned(), clock_rate, channels: 1, fmtp: None })
    }

    /// Returns whether the encoding has this name.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Returns whether this is the format of DTMF digits in RTP (RFC 4733).
    #[must_use]
    pub fn is_telephone_event(&self) -> bool {
        self.is("telephone-event")
    }

    /// Returns whether this is comfort noise (RFC 3389).
    #[must_use]
    pub fn is_comfort_noise(&self) -> bool {
        self.is("CN")
    }

    /// Returns whether this is a retransmission, redundancy or forward error correction format, which is only useful
    /// together with another payload type.
    #[must_use]
    pub fn is_repair(&self) -> bool {
        ["rtx", "red", "ulpfec", "flexfec-03", "flexfec"].iter().any(|name| self.is(name))
    }

    /// Returns whether this codec carries audio or video itself. A usable section has at least one such codec.
    #[must_use]
    pub fn is_primary(&self) -> bool {
        !self.is_repair() && !self.is_telephone_event() && !self.is_comfort_noise()
    }

    /// Returns the value of an `a=fmtp` parameter of the form `name=value`; names are compared case-insensitively.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.fmtp.as_deref()?.split(';').find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Returns whether packets of one codec can be forwarded unchanged to a receiver of the other.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.is(&other.name)
            && self.clock_rate == other.clock_rate
            && self.channels == other.channels
            && self.same_variant(other)
    }

    /// Returns whether the relay can convert packets of one codec to the other.
    #[must_use]
    pub fn converts(&self, other: &Self) -> bool {
        Conversions::G711.contains(self, other)
    }

    /// Compares the parameters that make two formats with the same encoding name incompatible.
    fn same_variant(&self, other: &Self) -> bool {
        if self.is("H264") {
            // The profile and the packetization mode must be the same; the level may differ. Both parameters have
            // defaults (RFC 6184 §8.1).
            self.h264_profile() == other.h264_profile()
                && self.parameter("packetization-mode").unwrap_or("0")
                    == other.parameter("packetization-mode").unwrap_or("0")
        } else if self.is("VP9") {
            self.parameter("profile-id").unwrap_or("0") == other.parameter("profile-id").unwrap_or("0")
        } else {
            true
        }
    }

    /// Returns profile_idc, the first octet of profile-level-id; the default is Baseline (RFC 6184 §8.1).
    fn h264_profile(&self) -> u8 {
        self.parameter("profile-level-id")
            .and_then(|id| id.get(..2))
            .and_then(|octet| u8::from_str_radix(octet, 16).ok())
            .unwrap_or(0x42)
    }
}

/// One payload type of a media section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// RTP payload type, 0 to 127 (RFC 3550 §5.1).
    pub number: u8,
    /// The codec of this payload type.
    pub codec: Codec,
    /// `a=rtcp-fb` values as written, e.g. `nack`, `nack pli`, `ccm fir`, `goog-remb`, `transport-cc` (RFC 4585 §4.2).
    pub feedback: Vec<String>,
}
