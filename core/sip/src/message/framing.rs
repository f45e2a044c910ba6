//! Framing of SIP messages in a stream (RFC 3261 §18.3), and keep-alives between them (RFC 5626 §3.5.1).

use super::head::{Head, split};
use super::parse::MAX_SIZE;
use core::fmt;
use serde::{Deserialize, Serialize};

/// An element of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamFrame {
    /// A complete message, for [`super::Message::parse`].
    Message(Vec<u8>),
    /// A double CRLF: a keep-alive to be answered with [`Self::Pong`].
    Ping,
    /// A single CRLF: the response to a ping, or an empty line before a message.
    Pong,
}

/// The reason that the boundary of the next message is unknown. The connection must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unframed {
    /// A message has no `Content-Length` (RFC 3261 §20.14).
    NoLength,
    /// `Content-Length` is not a number, or has several different values.
    WrongLength,
    /// A message is larger than [`MAX_SIZE`].
    TooLarge,
}

impl fmt::Display for Unframed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoLength => "message in a stream without Content-Length",
            Self::WrongLength => "message in a stream with an invalid Content-Length",
            Self::TooLarge => "message in a stream is too large",
        })
    }
}

impl core::error::Error for Unframed {}

/// Splits a stream into messages.
///
/// The caller pushes received octets and then takes all complete frames, so that the buffer never holds more than one
/// message and the latest segment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Splitter {
    pending: Vec<u8>,
    /// The number of octets at the start of `pending` that were already consumed. They are removed on the next push, so
    /// that many small frames in one segment do not move the rest each time.
    taken: usize,
    progress: Progress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Progress {
    /// The first `searched` octets hold no empty line.
    Head { searched: usize },
    /// The length of the message is known.
    Body { end: usize },
    /// The message boundary is unknown.
    Lost(Unframed),
}

impl Default for Progress {
    fn default() -> Self {
        Self::Head { searched: 0 }
    }
}

impl Splitter {
    /// Creates an empty splitter.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends received octets.
    pub fn push(&mut self, octets: &[u8]) {
        if !matches!(self.progress, Progress::Lost(_)) {
            self.pending.drain(..self.taken);
            self.taken = 0;
            self.pending.extend_from_slice(octets);
        }
    }

    fn rest(&self) -> &[u8] {
        self.pending.get(self.taken..).unwrap_or_default()
    }

    /// Returns the number of octets of an incomplete frame.
    #[must_use]
    pub const fn pending(&self) -> usize {
        self.pending.len().saturating_sub(self.taken)
    }

    /// Returns the next complete frame, or `None` until more octets arrive.
    ///
    /// # Errors
    /// Returns an error if a message boundary cannot be determined; every later call then fails too.
    pub fn next_frame(&mut self) -> Result<Option<StreamFrame>, Unframed> {
        let end = match self.progress {
            Progress::Lost(why) => return Err(why),
            Progress::Body { end } => Some(end),
            Progress::Head { searched: 0 } if matches!(self.rest(), [b'\r' | b'\n', ..]) => {
                return Ok(self.line_end());
            }
            Progress::Head { searched } => self.find_end(searched).inspect_err(|why| {
                self.progress = Progress::Lost(*why);
                (self.pending, self.taken) = (Vec::new(), 0);
            })?,
        };
        let Some(end) = end else { return Ok(None) };
        self.progress = Progress::Body { end };
        let Some(message) = self.rest().get(..end).map(<[u8]>::to_vec) else { return Ok(None) };
        self.progress = Progress::default();
        self.taken += end;
        Ok(Some(StreamFrame::Message(message)))
    }

    /// Consumes line ends between messages.
    fn line_end(&mut self) -> Option<StreamFrame> {
        let (frame, length) = match self.rest() {
            [b'\r', b'\n', b'\r', b'\n', ..] => (StreamFrame::Ping, 4),
            [b'\r'] | [b'\r', b'\n', b'\r'] => return None,
            [b'\r', b'\n', ..] => (StreamFrame::Pong, 2),
            _ => (StreamFrame::Pong, 1),
        };
        self.taken += length;
        Some(frame)
    }

    /// Returns the length of the message, or `None` while its head is incomplete.
    fn find_end(&mut self, searched: usize) -> Result<Option<usize>, Unframed> {
        // The search may have stopped inside the empty line.
        let from = searched.saturating_sub(3);
        let rest = self.rest();
        let Some((rest_of_head, body)) = rest.get(from..).and_then(split) else {
            let searched = rest.len();
            self.progress = Progress::Head { searched };
            return if searched > MAX_SIZE { Err(Unframed::TooLarge) } else { Ok(None) };
        };
        let head = rest.get(..from + rest_of_head.len()).unwrap_or_default();
        // The same parser as for the message itself: framing and parsing must agree on the length.
        let length = Head::read(head).length.map_err(|_| Unframed::WrongLength)?.ok_or(Unframed::NoLength)?;
        let end = (rest.len() - body.len()).saturating_add(length);
        if end > MAX_SIZE { Err(Unframed::TooLarge) } else { Ok(Some(end)) }
    }
}
