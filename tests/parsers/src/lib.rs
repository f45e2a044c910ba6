//! Adapters for three SIP parsers that extract the same fields from a message.

mod ours;
mod rsip;
mod sipx;

pub use ours::ours;
pub use rsip::rsip;
pub use sipx::sipx;

/// The fields of a message that identify its transaction and dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The method, or the status code of a response.
    pub start: String,
    /// The Request-URI.
    pub uri: Option<String>,
    /// The user and host of `From`.
    pub from: String,
    /// The tag of `From`.
    pub from_tag: Option<String>,
    /// The tag of `To`.
    pub to_tag: Option<String>,
    /// The Call-ID.
    pub call_id: String,
    /// The number and method of `CSeq`.
    pub cseq: String,
    /// The branch of the top `Via`.
    pub branch: Option<String>,
}

/// Parses a message. Returns its fields, or the reason why it is rejected.
pub type Parser = fn(&[u8]) -> Result<Seen, String>;
