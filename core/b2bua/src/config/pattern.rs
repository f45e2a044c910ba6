//! Patterns for called numbers and names.

use core::fmt;
use serde::{Deserialize, Serialize};

/// Longest pattern, in octets.
const MAX_PATTERN: usize = 128;

/// A pattern for the user part of a SIP URI: `*` matches any characters, `?` matches one, every other character matches
/// itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pattern(String);

impl Pattern {
    /// Parses a pattern. Returns `None` if it is empty, too long or contains characters that no user part has.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && text.len() <= MAX_PATTERN;
        (fits && text.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'@')).then(|| Self(text.to_owned()))
    }

    /// Returns whether the whole of `name` matches.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let (pattern, name) = (self.0.as_bytes(), name.as_bytes());
        let (mut at, mut position) = (0, 0);
        // The position of the latest `*` in the pattern, and the end of its match in the name. On each mismatch after
        // the `*`, its match is extended by one octet.
        let mut star: Option<(usize, usize)> = None;
        while let Some(octet) = name.get(position) {
            match (pattern.get(at), star) {
                (Some(b'*'), _) => {
                    star = Some((at, position));
                    at += 1;
                }
                (Some(wanted), _) if wanted == octet || *wanted == b'?' => {
                    at += 1;
                    position += 1;
                }
                (_, Some((of, reach))) => {
                    star = Some((of, reach + 1));
                    at = of + 1;
                    position = reach + 1;
                }
                (_, None) => return false,
            }
        }
        pattern.get(at..).is_some_and(|rest| rest.iter().all(|octet| *octet == b'*'))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(name)
    }

    #[test]
    fn pattern_matches_the_whole_name() {
        for (pattern, name) in
            [("*", ""), ("*", "x"), ("1??", "101"), ("+4930*", "+4930100"), ("*00*1", "00001"), ("a*b*c", "aXbXbYc")]
        {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("1??", "1010"), ("1??", "10"), ("+4930*", "004930100"), ("1", "11"), ("*9", "+900123"), ("a*b*c", "aXbX")]
        {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
        for wrong in ["", "a b", "a@b", "a\r\n"] {
            assert_eq!(Pattern::parse(wrong), None, "{wrong}");
        }
    }
}
