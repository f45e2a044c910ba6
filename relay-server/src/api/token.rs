//! Bearer tokens of the REST API and their scopes.
//!
//! A token contains 256 random bits, so that a plain SHA-256 hash of it can be stored: it cannot be guessed, and needs no slow hash.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use core::fmt::{self, Write as _};
use core::str::FromStr;
use std::collections::BTreeMap;
use std::io;

/// The start of every token, by which secret scanners recognize it.
const PREFIX: &str = "offhook_";
/// Random octets in a token.
const OCTETS: usize = 32;
/// Maximum length of the name of a token, in octets.
const NAME_LENGTH: usize = 64;

/// The requests that a token permits. Each scope includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Requests that change nothing.
    Read,
    /// Requests that control calls.
    Control,
    /// Requests that concern the relay itself.
    Admin,
}

impl Scope {
    /// All scopes, in ascending order.
    pub const ALL: [Self; 3] = [Self::Read, Self::Control, Self::Admin];

    /// Returns its name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Control => "control",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|scope| scope.name() == text);
        found.ok_or_else(|| format!("`{text}` is not a scope: use `read`, `control` or `admin`"))
    }
}

/// A new token in plain text. It is shown once and not stored.
pub struct ApiToken(String);

impl ApiToken {
    /// Creates a token.
    ///
    /// # Errors
    /// If the system provides no random numbers.
    pub fn generate() -> io::Result<Self> {
        let mut octets = [0_u8; OCTETS];
        getrandom::fill(&mut octets).map_err(io::Error::other)?;
        Ok(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(octets))))
    }

    /// Returns its text.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiToken(…)")
    }
}

/// The SHA-256 hash of a token.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Returns the hash of a token.
    #[must_use]
    pub fn of(token: &str) -> Self {
        let mut hash = [0; 32];
        for (octet, computed) in hash.iter_mut().zip(digest(&SHA256, token.as_bytes()).as_ref()) {
            *octet = *computed;
        }
        Self(hash)
    }

    /// Compares two hashes in constant time.
    fn is_same(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

/// The scope and the hash of a configured token, in the form `control:sha256:0123…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenEntry {
    /// The permitted requests.
    pub scope: Scope,
    /// The hash of the token.
    pub hash: TokenHash,
}

impl fmt::Display for TokenEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:sha256:", self.scope)?;
        self.hash.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl FromStr for TokenEntry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "is not the entry of a token: create one with `offhook-relay api-token`".to_owned();
        let (scope, hash) = text.split_once(":sha256:").ok_or_else(wrong)?;
        let mut octets = [0; 32];
        if hash.len() != 64 || !hash.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        for (index, octet) in octets.iter_mut().enumerate() {
            let digits = hash.get(2 * index..2 * index + 2).ok_or_else(wrong)?;
            *octet = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
        }
        Ok(Self { scope: scope.parse()?, hash: TokenHash(octets) })
    }
}

/// Checks the name of a token, which appears in the log.
///
/// # Errors
/// The reason why the name is invalid.
pub fn token_name(name: &str) -> Result<(), String> {
    let is_valid = |octet: u8| octet.is_ascii_alphanumeric() || b"-_".contains(&octet);
    if name.is_empty() || name.len() > NAME_LENGTH || !name.bytes().all(is_valid) {
        return Err(format!(
            "the name of a token has 1 to {NAME_LENGTH} letters, digits, `-` and `_`, but this one is {name:?}"
        ));
    }
    Ok(())
}

/// The permission that a token grants to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The name of the token.
    pub name: String,
    /// The permitted requests.
    pub scope: Scope,
    /// The hash of the token.
    pub hash: TokenHash,
}

/// The tokens that are accepted, by name.
#[derive(Debug)]
pub struct AcceptedTokens(BTreeMap<String, TokenEntry>);

impl AcceptedTokens {
    /// Accepts these tokens.
    #[must_use]
    pub const fn new(tokens: BTreeMap<String, TokenEntry>) -> Self {
        Self(tokens)
    }

    /// Whether there is a token with this name.
    #[must_use]
    pub fn has_name(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Whether the token with this hash is accepted.
    #[must_use]
    pub fn has(&self, hash: &TokenHash) -> bool {
        self.0.values().any(|entry| entry.hash.is_same(hash))
    }

    /// Returns the permission of a token. The time that it takes does not depend on the token.
    #[must_use]
    pub fn find(&self, token: &str) -> Option<Grant> {
        let hash = TokenHash::of(token);
        let mut found = None;
        for (name, entry) in &self.0 {
            if entry.hash.is_same(&hash) {
                found = Some(Grant { name: name.clone(), scope: entry.scope, hash: hash.clone() });
            }
        }
        found
    }
}

/// Returns the line of a token for `[api.tokens]`.
#[must_use]
pub fn configuration_line(name: &str, scope: Scope, token: &ApiToken) -> String {
    let mut line = String::new();
    // Writing to a string does not fail.
    let _ = write!(line, "{name} = \"{}\"", TokenEntry { scope, hash: TokenHash::of(token.reveal()) });
    line
}

#[cfg(test)]
mod tests {
    use super::{AcceptedTokens, ApiToken, Grant, Scope, TokenEntry, TokenHash, configuration_line, token_name};

    #[test]
    fn only_the_configured_token_is_found() {
        let (token, other) = (ApiToken::generate().unwrap(), ApiToken::generate().unwrap());
        assert_ne!(token.reveal(), other.reveal());
        let line = configuration_line("backend", Scope::Control, &token);
        let (name, entry) = line.split_once(" = ").unwrap();
        let entry: TokenEntry = entry.trim_matches('"').parse().unwrap();
        let tokens = AcceptedTokens::new([(name.to_owned(), entry)].into());
        let granted = Grant { name: "backend".to_owned(), scope: Scope::Control, hash: TokenHash::of(token.reveal()) };
        assert_eq!(tokens.find(token.reveal()), Some(granted));
        for wrong in [other.reveal(), "", &token.reveal()[1..], &format!("{} ", token.reveal())] {
            assert_eq!(tokens.find(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn hash_is_sha_256() {
        // FIPS 180-4, example "abc".
        let entry = TokenEntry { scope: Scope::Read, hash: TokenHash::of("abc") };
        let expected = "read:sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(entry.to_string(), expected);
        assert_eq!(expected.parse::<TokenEntry>().unwrap(), entry);
    }

    #[test]
    fn malformed_entry_and_name_are_rejected() {
        for wrong in ["", "read", "read:sha256:", "read:sha256:zz", &format!("write:sha256:{}", "0".repeat(64))] {
            assert!(wrong.parse::<TokenEntry>().is_err(), "{wrong}");
        }
        assert!(format!("read:sha256:{}", "é".repeat(32)).parse::<TokenEntry>().is_err());
        assert!(token_name("web-shop_2").is_ok());
        for wrong in ["", "a b", "a\nb", "ä", &"x".repeat(65)] {
            assert!(token_name(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn scope_includes_lower_scopes() {
        assert!(Scope::Admin > Scope::Control && Scope::Control > Scope::Read);
        assert_eq!("control".parse(), Ok(Scope::Control));
        assert!("Control".parse::<Scope>().is_err());
    }

    #[test]
    fn debug_output_contains_no_secret() {
        let token = ApiToken::generate().unwrap();
        assert_eq!(format!("{token:?}"), "ApiToken(…)");
        assert_eq!(format!("{:?}", TokenHash::of(token.reveal())), "TokenHash(…)");
    }
}
