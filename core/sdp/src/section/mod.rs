//! Media sections: an `m=` line and its media attributes, independent of the transport (RFC 8866 §5.14).

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
    /// The URI that identifies the extension.
    pub uri: String,
}

/// One `m=audio` or `m=video` section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Media type.
    pub kind: MediaKind,
    /// `a=mid` (RFC 5888)
    pub mid: String,
    /// Direction from the point of view of the description's author.
    pub direction: Direction,
    /// The section is refused: its port is 0 (RFC 3264 §6).
    pub rejected: bool,
    /// Payload types, in the author's order of preference.
    pub payloads: Vec<Payload>,
    /// Header extensions.
    pub extensions: Vec<HeaderExtension>,
    /// SSRCs that the author announces for this section (RFC 5576 §4.1); often none. Those of a browser do not include
    /// its repair streams.
    pub ssrcs: Vec<u32>,
}

/// A section that the relay always refuses, e.g. `m=application` or `m=image`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherSection {
    /// Index among all m-lines of the description.
    pub index: usize,
    /// The m-line as written, without `m=`.
    pub line: String,
    /// `a=mid`, if any.
    pub mid: Option<String>,
}
