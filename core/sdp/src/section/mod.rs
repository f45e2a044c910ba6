//! Media sections: what an `m=` line and its attributes say of the media, whatever carries them (RFC 8866 §5.14).

pub(crate) mod formats;
pub(crate) mod write;

use crate::codec::{MediaKind, Payload};
use crate::direction::Direction;
use serde::{Deserialize, Serialize};

/// An RTP header extension (RFC 8285 §5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderExtension {
    /// Local identifier, 1 to 14 for one-byte headers.
    pub id: u8,
    /// What it carries.
    pub uri: String,
}

/// One `m=audio` or `m=video` section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Audio or video.
    pub kind: MediaKind,
    /// `a=mid` (RFC 5888)
    pub mid: String,
    /// Seen from the writer.
    pub direction: Direction,
    /// Port 0: the section is refused (RFC 3264 §6).
    pub rejected: bool,
    /// Payload types, in the writer's order of preference.
    pub payloads: Vec<Payload>,
    /// Header extensions.
    pub extensions: Vec<HeaderExtension>,
    /// SSRCs the writer announces for this section (RFC 5576 §4.1), without those of retransmission; often none.
    pub ssrcs: Vec<u32>,
}

/// A section that this relay refuses: `m=application` or `m=image`, say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherSection {
    /// Index among all m-lines of the description.
    pub index: usize,
    /// The m-line as written, without `m=`.
    pub line: String,
    /// `a=mid`, if any.
    pub mid: Option<String>,
}
