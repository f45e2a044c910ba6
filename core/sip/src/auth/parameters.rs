//! Parser of `scheme name=value, name="value"`, the syntax of challenges and credentials (RFC 3261 §25.1, RFC 7235
//! §2.1).

use core::fmt;

/// The reason that a challenge or credentials cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthError {
    /// The syntax does not follow RFC 7235, or a parameter is missing, repeated or not a number.
    Malformed(&'static str),
    /// An unsupported scheme, algorithm or quality of protection. Such challenges are ignored (RFC 8760 §2.4).
    Unsupported(String),
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => f.write_str(why),
            Self::Unsupported(what) => write!(f, "unsupported {what}"),
        }
    }
}

impl core::error::Error for AuthError {}

/// The maximum number of parameters in one challenge or one set of credentials. RFC 7616 defines twelve, and extensions
/// add few.
const MAX_PARAMETERS: usize = 32;

/// The parameters of a `Digest` header value, at most [`MAX_PARAMETERS`], so that a linear search by name is cheap.
#[derive(Debug)]
pub(super) struct Parameters<'a>(Vec<(&'a str, String)>);

impl<'a> Parameters<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, AuthError> {
        let text = text.trim();
        let (scheme, mut rest) = text.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((text, ""));
        if !scheme.eq_ignore_ascii_case("Digest") {
            return Err(AuthError::Unsupported(format!("scheme {scheme}")));
        }
        let mut found = Self(Vec::new());
        loop {
            // Empty list elements are ignored (RFC 7230 §7).
            rest = rest.trim_start_matches(|c: char| c == ',' || c.is_ascii_whitespace());
            if rest.is_empty() {
                return Ok(found);
            }
            if found.0.len() == MAX_PARAMETERS {
                return Err(AuthError::Malformed("more than 32 parameters"));
            }
            let (name, after) = rest.split_once('=').ok_or(AuthError::Malformed("parameter without value"))?;
            let name = name.trim_end();
            let (value, after) = value(after.trim_start())?;
            if found.get(name).is_some() {
                return Err(AuthError::Malformed("repeated parameter"));
            }
            found.0.push((name, value));
            rest = after.trim_start();
            if !rest.is_empty() && !rest.starts_with(',') {
                return Err(AuthError::Malformed("missing comma between parameters"));
            }
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let found = self.0.iter_mut().find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| core::mem::take(value))
    }
}

/// Parses the token or quoted string at the start of `text`. Returns its value and the rest.
fn value(text: &str) -> Result<(String, &str), AuthError> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|c: char| c == ',' || c.is_ascii_whitespace()).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        if value.chars().any(|letter| letter == '"' || letter.is_control()) {
            return Err(AuthError::Malformed("quotation mark or control character in a token"));
        }
        return Ok((value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut escaped = false;
    for (at, letter) in quoted.char_indices() {
        match letter {
            // A line break would end the header that the value is later written to.
            letter if letter.is_control() => return Err(AuthError::Malformed("control character in a quoted string")),
            '"' if !escaped => return Ok((value, quoted.get(at + 1..).unwrap_or_default())),
            '\\' if !escaped => escaped = true,
            letter => {
                value.push(letter);
                escaped = false;
            }
        }
    }
    Err(AuthError::Malformed("unterminated quoted string"))
}

/// Displays a value as a quoted string.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        f.write_char('"')?;
        for letter in self.0.chars() {
            if matches!(letter, '"' | '\\') {
                f.write_char('\\')?;
            }
            // Parsed values have no control characters, but a configured user name may.
            f.write_char(if letter.is_control() { ' ' } else { letter })?;
        }
        f.write_char('"')
    }
}
