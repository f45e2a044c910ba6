//! The check of the origin of a page (RFC 6454) that opens a WebSocket.

use core::fmt;

/// The origins of pages that may open a WebSocket. Programs other than browsers send no origin and are not restricted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedOrigins {
    /// All.
    Any,
    /// These, in lower case.
    Listed(Vec<String>),
}

impl AllowedOrigins {
    /// Parses a list of origins, or `*`.
    ///
    /// # Errors
    /// The wrong entry and the expected form.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        if let [any] = words
            && any == "*"
        {
            return Ok(Self::Any);
        }
        if words.is_empty() {
            return Err("the list is empty, so that no page could connect: list origins, or \"*\"".to_owned());
        }
        let origin = |word: &String| {
            let lower = word.to_ascii_lowercase();
            let authority = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://"));
            let is_origin = authority
                .is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@', '*']) && host.is_ascii());
            if is_origin {
                Ok(lower)
            } else {
                Err(format!(
                    "`{word}` is not an origin: use a form like `https://example.org`, without a path, or `*` alone"
                ))
            }
        };
        words.iter().map(origin).collect::<Result<_, _>>().map(Self::Listed)
    }

    /// Returns whether a request with this `Origin` is accepted.
    #[must_use]
    pub fn permit(&self, origin: Option<&str>) -> bool {
        match (self, origin) {
            (Self::Any, _) | (_, None) => true,
            (Self::Listed(listed), Some(origin)) => listed.iter().any(|one| one.eq_ignore_ascii_case(origin)),
        }
    }
}

impl fmt::Display for AllowedOrigins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Listed(listed) => f.write_str(&listed.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::AllowedOrigins;

    #[test]
    fn listed_origins_are_compared_as_a_whole() {
        let words = ["https://Example.org".to_owned(), "http://localhost:5173".to_owned()];
        let origins = AllowedOrigins::parse(&words).unwrap();
        for origin in [None, Some("https://example.org"), Some("http://localhost:5173")] {
            assert!(origins.permit(origin), "{origin:?}");
        }
        for origin in ["https://example.org.evil.test", "http://example.org", "https://example.org:444", "null", ""] {
            assert!(!origins.permit(Some(origin)), "{origin}");
        }
        assert!(AllowedOrigins::Any.permit(Some("null")));
    }
}
