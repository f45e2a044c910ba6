//! What is wrong with a description.

use core::fmt;

/// Why a description was not understood. Line numbers count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SdpError {
    /// The description is longer than any endpoint writes.
    TooLong {
        /// Its length in octets.
        octets: usize,
        /// The most that is read.
        limit: usize,
    },
    /// More media sections than the relay reads.
    TooManySections {
        /// The line of the first one too many.
        line: usize,
        /// The most that is read.
        limit: usize,
    },
    /// A line that should have been otherwise.
    InvalidLine {
        /// Its number.
        line: usize,
        /// Its beginning.
        text: String,
        /// What would be right.
        expected: &'static str,
    },
    /// Two sections of the same name (RFC 5888 §4): what is said of one would be said of both.
    DuplicateMid {
        /// The line of the second.
        line: usize,
        /// The name, or its beginning.
        mid: String,
    },
    /// No audio or video section that is in use; of a SIP endpoint, nothing that looks like a description.
    NoMedia,
    /// No `a=fingerprint`: without it DTLS cannot be trusted (RFC 8827 §5.6.5).
    NoFingerprint,
    /// There are fingerprints, but none by SHA-256.
    UnsupportedFingerprint {
        /// The line.
        line: usize,
        /// The hash it names.
        hash: String,
    },
    /// No `a=ice-ufrag`.
    NoIceUfrag,
    /// No `a=ice-pwd`.
    NoIcePwd,
}

impl fmt::Display for SdpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { octets, limit } => {
                write!(f, "the session description has {octets} octets, at most {limit} are read")
            }
            Self::TooManySections { line, limit } => {
                write!(f, "line {line}: more than {limit} media sections")
            }
            Self::InvalidLine { line, text, expected } => write!(f, "line {line}: “{text}” should be {expected}"),
            Self::DuplicateMid { line, mid } => write!(f, "line {line}: a=mid:{mid} is there twice"),
            Self::NoMedia => f.write_str("no audio or video section in use (m=audio or m=video with a port)"),
            Self::NoFingerprint => f.write_str("no a=fingerprint line: WebRTC media is always encrypted with DTLS"),
            Self::UnsupportedFingerprint { line, hash } => {
                write!(f, "line {line}: a fingerprint by {hash}; one by sha-256 is needed")
            }
            Self::NoIceUfrag => f.write_str("no a=ice-ufrag line in the section that carries the transport"),
            Self::NoIcePwd => f.write_str("no a=ice-pwd line in the section that carries the transport"),
        }
    }
}

impl core::error::Error for SdpError {}
