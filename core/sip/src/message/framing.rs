//! Where messages begin and end in a stream (RFC 3261 §18.3), and what is between them (RFC 5626 §3.5.1).

use super::head::{Head, split};
use super::parse::MAX_SIZE;
use core::fmt;
use serde::{Deserialize, Serialize};

/// What a stream holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A whole message, for [`super::Message::parse`].
    Message(Vec<u8>),
    /// Two line ends: the peer waits for one.
    Ping,
    /// One line end: the answer to a ping, or what some put before a message.
    Pong,
}

/// Why a stream cannot be followed: where the next message begins is not known. The connection is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unframed {
    /// A message has no `Content-Length` (RFC 3261 §20.14).
    NoLength,
    /// It is no number, or there are several that differ.
    WrongLength,
    /// A message is larger than [`MAX_SIZE`].
    TooLarge,
}

impl fmt::Display for Unframed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoLength => "a message in a stream without Content-Length",
            Self::WrongLength => "a message in a stream with a wrong Content-Length",
            Self::TooLarge => "a message in a stream that is too large",
        })
    }
}

impl core::error::Error for Unframed {}

/// Cuts a stream into messages.
///
/// Octets are put in as they come; after each time, frames are taken out until there is none. So it never holds more than
/// one message and what was put in last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Splitter {
    pending: Vec<u8>,
    /// How many octets of `pending` were taken out already. They are removed when the next ones are put in, so that many
    /// small frames in one segment do not move the rest of it each time.
    taken: usize,
    progress: Progress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Progress {
    /// So many octets were looked at, and hold no empty line.
    Head { searched: usize },
    /// The message is so long.
    Body { end: usize },
    /// It cannot be followed any further.
    Lost(Unframed),
}

impl Default for Progress {
    fn default() -> Self {
        Self::Head { searched: 0 }
    }
}

impl Splitter {
    /// Nothing has come.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts in what has come.
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

    /// How many octets wait for more.
    #[must_use]
    pub const fn pending(&self) -> usize {
        self.pending.len().saturating_sub(self.taken)
    }

    /// Takes out what is whole; none until more has come.
    ///
    /// # Errors
    /// When the stream cannot be followed any further, from then on always.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Unframed> {
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
        Ok(Some(Frame::Message(message)))
    }

    /// Takes out line ends where a message might begin.
    fn line_end(&mut self) -> Option<Frame> {
        let (frame, length) = match self.rest() {
            [b'\r', b'\n', b'\r', b'\n', ..] => (Frame::Ping, 4),
            [b'\r'] | [b'\r', b'\n', b'\r'] => return None,
            [b'\r', b'\n', ..] => (Frame::Pong, 2),
            _ => (Frame::Pong, 1),
        };
        self.taken += length;
        Some(frame)
    }

    /// How long the message is; none while its head is not whole.
    fn find_end(&mut self, searched: usize) -> Result<Option<usize>, Unframed> {
        // The line end before the empty line may have been looked at already.
        let from = searched.saturating_sub(3);
        let rest = self.rest();
        let Some((rest_of_head, body)) = rest.get(from..).and_then(split) else {
            let searched = rest.len();
            self.progress = Progress::Head { searched };
            return if searched > MAX_SIZE { Err(Unframed::TooLarge) } else { Ok(None) };
        };
        let head = rest.get(..from + rest_of_head.len()).unwrap_or_default();
        // The same reading as when the message is parsed: what is framed by one length must not be read by another.
        let length = Head::read(head).length.map_err(|_| Unframed::WrongLength)?.ok_or(Unframed::NoLength)?;
        let end = (rest.len() - body.len()).saturating_add(length);
        if end > MAX_SIZE { Err(Unframed::TooLarge) } else { Ok(Some(end)) }
    }
}
