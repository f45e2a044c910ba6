//! Parser of the message head: the start line and the positions of the headers.

use super::headers::Headers;
use super::name::HeaderName;
use super::refused::Violation;
use super::scan::{is_token, split_once, trim};
use memchr::{memchr, memchr_iter, memmem};

/// The maximum number of header lines of a message.
pub const MAX_HEADERS: usize = 256;

/// Skips empty lines before a message (RFC 3261 §7.5).
pub(super) fn without_leading_lines(octets: &[u8]) -> &[u8] {
    let lines = octets.iter().take_while(|octet| matches!(octet, b'\r' | b'\n')).count();
    octets.get(lines..).unwrap_or_default()
}

/// Splits a message at its empty line into the head, including its last line end, and the rest. Lines may end without
/// carriage return.
pub(super) fn split(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let usual = memmem::find(octets, b"\n\r\n");
    let bare = memmem::find(octets.get(..usual.unwrap_or(octets.len()))?, b"\n\n");
    let (head, empty) = match (bare, usual) {
        (Some(at), _) => (at + 1, 1),
        (None, Some(at)) => (at + 1, 2),
        (None, None) => return None,
    };
    Some((octets.get(..head)?, octets.get(head + empty..)?))
}

/// A parsed head.
pub(super) struct Head {
    /// All headers except `Content-Length`.
    pub(super) headers: Headers,
    /// The length of the start line.
    pub(super) first: usize,
    /// The value of `Content-Length`.
    pub(super) length: Result<Option<usize>, Violation>,
}

impl Head {
    pub(super) fn read(octets: &[u8]) -> Self {
        let text = match String::from_utf8(octets.to_vec()) {
            Ok(text) => text,
            Err(error) => decode_latin_1(error.as_bytes()),
        };
        Self::index(text).unwrap_or_else(|text| {
            // `unfolded` has removed everything that makes `index` fail.
            Self::index(unfolded(&text)).unwrap_or_else(|text| Self {
                headers: Headers::over(text),
                first: 0,
                length: Ok(None),
            })
        })
    }

    /// Indexes the headers of a text. Returns the text as an error if it must be unfolded first.
    ///
    /// Lines that are not headers are skipped, so that a response can be built from the others. A mandatory header
    /// among them is then reported as missing.
    fn index(text: String) -> Result<Self, String> {
        let mut returns = memchr_iter(b'\r', text.as_bytes()).count();
        let (first, mut at) = line_at(&text, 0).map_or((0, 0), |(line, next)| (line.len(), next));
        returns = returns.saturating_sub(at.saturating_sub(first + 1));
        let mut length = Ok(None);
        let mut headers = Headers::over(text);
        while let Some((line, next)) = line_at(headers.text(), at) {
            if matches!(line.as_bytes(), [b' ' | b'\t', ..]) {
                return Err(headers.into_text());
            }
            returns = returns.saturating_sub(next - at - 1 - line.len());
            if let Some((name, value)) = split_line(line) {
                let start = at + line.len() - value.len();
                let end = start + trim(value).len();
                match name {
                    HeaderName::ContentLength => length = length.and_then(|known| content_length(known, trim(value))),
                    _ if headers.len() == MAX_HEADERS => length = Err(Violation::TooLarge),
                    name => headers.index(name, start, end),
                }
            }
            at = next;
        }
        // A carriage return inside a line could end the line when the value is serialized.
        if returns == 0 { Ok(Self { headers, first, length }) } else { Err(headers.into_text()) }
    }
}

/// Returns the header name of a line, and its value including trailing white space.
fn split_line(line: &str) -> Option<(HeaderName, &str)> {
    let (name, value) = split_once(line, b':')?;
    let (name, value) = (name.trim_ascii_end(), value.trim_ascii_start());
    let known = HeaderName::find(name);
    if known.is_none() && !is_token(name) {
        return None;
    }
    Some((known.unwrap_or_else(|| HeaderName::Other(name.into())), value))
}

/// Returns the line of `text` that begins at `at`, without its line end, and the start of the next line.
fn line_at(text: &str, at: usize) -> Option<(&str, usize)> {
    let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
    let end = memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len());
    let line = rest.get(..end)?;
    Some((line.strip_suffix('\r').unwrap_or(line), at + end + 1))
}

/// Returns the head with each header on one line and without carriage returns.
fn unfolded(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', " ").replace("\n ", "  ").replace("\n\t", "  ")
}

/// Decodes octets that are not valid UTF-8 as Latin-1, which old gateways send. The rest of the message may be UTF-8.
fn decode_latin_1(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len() + 16);
    for chunk in octets.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|octet| char::from(*octet)));
    }
    text
}

/// Parses `Content-Length`. Repeated equal values are accepted, different values are an error (RFC 4475 §3.3.9).
fn content_length(known: Option<usize>, value: &str) -> Result<Option<usize>, Violation> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let length: usize = if digits { value.parse().ok() } else { None }.ok_or(Violation::Length)?;
    if known.is_none_or(|known| known == length) { Ok(Some(length)) } else { Err(Violation::Length) }
}
