//! Codecs as session descriptions name them (RFC 8866 §6.6, RFC 3551).

use serde::{Deserialize, Serialize};

/// Audio or video: the media types a call carries (RFC 8866 §5.14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MediaKind {
    /// `m=audio`
    Audio,
    /// `m=video`
    Video,
}

/// An encoding name with its clock: `a=rtpmap` and `a=fmtp` of one payload type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Codec {
    /// Encoding name as written, e.g. `opus`, `PCMU`, `VP8`, `telephone-event`; compared without case.
    pub name: String,
    /// RTP clock rate in Hz.
    pub clock_rate: u32,
    /// Audio channels; 1 where the description says nothing.
    pub channels: u8,
    /// The `a=fmtp` parameters as written, without the payload number.
    pub fmtp: Option<String>,
}

/// One payload type of a media section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// RTP payload type, 0 to 127 (RFC 3550 §5.1).
    pub number: u8,
    /// What it carries.
    pub codec: Codec,
    /// `a=rtcp-fb` values as written, e.g. `nack`, `nack pli`, `ccm fir`, `goog-remb`, `transport-cc` (RFC 4585 §4.2).
    pub feedback: Vec<String>,
}
