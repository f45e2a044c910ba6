//! Errors in parsing session descriptions.

use core::fmt;

/// The reason why a description was rejected. Line numbers count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SdpError {
    /// The description exceeds the maximum length.
    TooLong {
        /// Its length in octets.
        octets: usize,
        /// The maximum in octets.
        limit: usize,
    },
    /// The description has more media sections than allowed.
    TooManySections {
        /// The line of the first excess section.
        line: usize,
        /// The maximum number of sections.
        limit: usize,
    },
    /// A line has invalid syntax.
    InvalidLine {
        /// The line number.
        line: usize,
        /// The beginning of the line.
        text: String,
        /// The syntax that was expected.
        expected: &'static str,
    },
    /// Two sections have the same identification tag, which must be unique (RFC 5888 §4).
    DuplicateMid {
        /// The line of the second one.
        line: usize,
        /// The tag, or its beginning.
        mid: String,
    },
    /// In a WebRTC description, there is no audio or video section in use. In a SIP description, the text is not a
    /// session description.
    NoMedia,
    /// There is no `a=fingerprint`, so that the DTLS peer cannot be authenticated (RFC 8827 §5.6.5).
    NoFingerprint,
    /// There are fingerprints, but none with a supported hash.
    UnsupportedFingerprint {
        /// The line of the fingerprint.
        line: usize,
        /// The name of its hash function.
        hash: String,
    },
    /// There is no `a=ice-ufrag`.
    NoIceUfrag,
    /// There is no `a=ice-pwd`.
    NoIcePwd,
}

impl fmt::Display for SdpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { octets, limit } => {
                write!(f, "session description of {octets} octets exceeds the maximum of {limit}")
            }
            Self::TooManySections { line, limit } => {
                write!(f, "line {line}: more than {limit} media sections")
            }
            Self::InvalidLine { line, text, expected } => write!(f, "line {line}: “{text}” should be {expected}"),
            Self::DuplicateMid { line, mid } => write!(f, "line {line}: duplicate a=mid:{mid}"),
            Self::NoMedia => f.write_str("no audio or video section in use (m=audio or m=video with a port)"),
            Self::NoFingerprint => f.write_str("no a=fingerprint line: WebRTC media is always encrypted with DTLS"),
            Self::UnsupportedFingerprint { line, hash } => {
                write!(f, "line {line}: unsupported fingerprint hash {hash}; sha-256 is required")
            }
            Self::NoIceUfrag => f.write_str("no a=ice-ufrag line in the section that carries the transport"),
            Self::NoIcePwd => f.write_str("no a=ice-pwd line in the section that carries the transport"),
        }
    }
}

impl core::error::Error for SdpError {}
