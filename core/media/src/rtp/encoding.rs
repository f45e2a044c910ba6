//! The RTP payload encodings that need special treatment when packets are forwarded.

/// An encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// VP8
    Vp8,
    /// VP9
    Vp9,
    /// H.264
    H264,
    /// telephone-event (RFC 4733)
    TelephoneEvent,
    /// Any other encoding.
    Other,
}

impl Encoding {
    /// Returns the encoding with this name in a session description.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        let known =
            [("VP8", Self::Vp8), ("VP9", Self::Vp9), ("H264", Self::H264), ("telephone-event", Self::TelephoneEvent)];
        let found = known.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or(Self::Other, |(_, encoding)| encoding)
    }
}
