//! Payload formats of an m-line, assembled from `a=rtpmap`, `a=fmtp` and `a=rtcp-fb`.

use crate::attribute::{MAX_FMTP, MAX_TOKEN, is_token, push_new};
use crate::codec::{Codec, Payload};
use std::collections::BTreeMap;

/// The maximum number of feedback types kept per payload type; browsers offer six.
const MAX_FEEDBACK: usize = 16;

/// The maximum accepted clock rate in Hz: audio rarely exceeds 192,000, video has 90,000.
const MAX_CLOCK_RATE: u32 = 384_000;

/// Collects the formats of one m-line during parsing.
#[derive(Default)]
pub(crate) struct Formats {
    numbers: Vec<u8>,
    codecs: Vec<(u8, Codec)>,
    fmtp: Vec<(u8, String)>,
    /// `a=rtcp-fb` of one payload type.
    feedback: BTreeMap<u8, Feedback>,
    /// `a=rtcp-fb:*`
    feedback_of_all: Feedback,
    feedback_lines: usize,
}

/// Values of `a=rtcp-fb`, each with its position among all feedback lines of the section.
type Feedback = Vec<(usize, String)>;

/// The error that an `a=rtpmap` line has invalid syntax.
pub(crate) struct NotAnRtpmap;

impl Formats {
    /// Parses the payload types of the m-line; returns `None` if one is not a number below 128.
    pub(crate) fn new<'a>(words: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut numbers = Vec::new();
        for word in words {
            let number = word.parse().ok().filter(|number| *number < 128)?;
            // At most 128 entries, so a linear search is cheap.
            if !numbers.contains(&number) {
                numbers.push(number);
            }
        }
        Some(Self { numbers, ..Self::default() })
    }

    /// Reads one attribute of the section; attributes with other names are ignored.
    pub(crate) fn read(&mut self, name: &str, value: &str) -> Result<(), NotAnRtpmap> {
        match name {
            "rtpmap" => {
                let (number, codec) = rtpmap(value).ok_or(NotAnRtpmap)?;
                if self.numbers.contains(&number) && !self.codecs.iter().any(|(known, _)| *known == number) {
                    match codec {
                        Some(codec) => self.codecs.push((number, codec)),
                        // The clock rate is out of range, so that the payload type is unusable, even if it is a static
                        // one.
                        None => self.numbers.retain(|known| *known != number),
                    }
                }
            }
            "fmtp" => {
                if let Some((number, parameters)) = numbered(value)
                    && parameters.len() <= MAX_FMTP
                    && self.numbers.contains(&number)
                    && !self.fmtp.iter().any(|(known, _)| *known == number)
                {
                    self.fmtp.push((number, parameters.to_owned()));
                }
            }
            "rtcp-fb" => self.read_feedback(value),
            _ => {}
        }
        Ok(())
    }

    fn read_feedback(&mut self, value: &str) {
        let Some((number, feedback)) = value.split_once(char::is_whitespace) else { return };
        let feedback = feedback.trim();
        let number = if number == "*" { Ok(None) } else { number.parse().map(Some) };
        let values = match number {
            Ok(None) => &mut self.feedback_of_all,
            Ok(Some(number)) if self.numbers.contains(&number) => self.feedback.entry(number).or_default(),
            Ok(Some(_)) | Err(_) => return,
        };
        let is_new = !values.iter().any(|(_, known)| known == feedback);
        if feedback.len() <= MAX_TOKEN && values.len() < MAX_FEEDBACK && is_new {
            values.push((self.feedback_lines, feedback.to_owned()));
            self.feedback_lines += 1;
        }
    }

    /// Returns the payloads in the order of the m-line.
    pub(crate) fn payloads(mut self) -> Vec<Payload> {
        let mut payloads = Vec::new();
        for number in self.numbers {
            let described = self.codecs.iter().find(|(known, _)| *known == number).map(|(_, codec)| codec.clone());
            let Some(mut codec) = described.or_else(|| Codec::of_static_payload(number)) else { continue };
            codec.fmtp = self.fmtp.iter().find(|(known, _)| *known == number).map(|(_, fmtp)| fmtp.clone());
            let mut lines = self.feedback.remove(&number).unwrap_or_default();
            lines.extend(self.feedback_of_all.iter().cloned());
            lines.sort_unstable();
            let mut feedback = Vec::new();
            lines.into_iter().for_each(|(_, value)| push_new(&mut feedback, value));
            payloads.push(Payload { number, codec, feedback });
        }
        payloads
    }
}

/// Splits an attribute value into payload type and remainder.
fn numbered(value: &str) -> Option<(u8, &str)> {
    let (number, rest) = value.split_once(char::is_whitespace)?;
    let rest = rest.trim();
    Some((number.parse().ok()?, rest)).filter(|_| !rest.is_empty())
}

/// Parses `a=rtpmap` into payload type and codec. The codec is `None` if the clock rate is out of range.
fn rtpmap(value: &str) -> Option<(u8, Option<Codec>)> {
    let (number, encoding) = numbered(value)?;
    let mut parts = encoding.split('/');
    let name = parts.next().filter(|name| is_token(name))?;
    let clock_rate = parts.next()?.trim();
    let clock_rate = Some(clock_rate).filter(|rate| !rate.is_empty() && rate.bytes().all(|d| d.is_ascii_digit()))?;
    let channels = match parts.next() {
        Some(channels) => channels.trim().parse().ok().filter(|channels| *channels > 0)?,
        None => 1,
    };
    let clock_rate = clock_rate.parse().ok().filter(|rate| (1..=MAX_CLOCK_RATE).contains(rate));
    let codec = clock_rate.map(|clock_rate| Codec { name: name.to_owned(), clock_rate, channels, fmtp: None });
    Some((number, codec.map(corrected)))
}

/// Corrects common mistakes in `a=rtpmap`.
fn corrected(codec: Codec) -> Codec {
    match (codec.name.to_ascii_uppercase().as_str(), codec.clock_rate, codec.channels) {
        // Opus is always described with two channels (RFC 7587 §7).
        ("OPUS", 48_000, 1) => Codec { channels: 2, ..codec },
        // G.722 is always described with half its sampling rate (RFC 3551 §4.5.2).
        ("G722", 16_000, 1) => Codec { clock_rate: 8000, ..codec },
        // The annexes of G.729 are parameters, not encoding names (RFC 4856 §2.1.9).
        ("G729A" | "G729B" | "G729AB", 8000, 1) => Codec { name: "G729".to_owned(), ..codec },
        _ => codec,
    }
}
