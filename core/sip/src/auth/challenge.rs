//! `WWW-Authenticate` and `Proxy-Authenticate` (RFC 3261 §20.27, §20.44).

use super::parameters::{Parameters, Quoted};
use super::{Algorithm, AuthError, Qop};
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// Who challenges, which decides the status and the headers (RFC 3261 §22.2, §22.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Challenger {
    /// A user agent server or registrar: 401.
    UserAgent,
    /// A proxy on the way: 407.
    Proxy,
}

/// What a server asks for before it serves a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// Which user and password are meant.
    pub realm: String,
    /// Never used for other challenges.
    pub nonce: String,
    /// Returned as it is.
    pub opaque: Option<String>,
    /// How to hash.
    pub algorithm: Algorithm,
    /// What may be protected; none: RFC 2069, without a nonce count.
    pub qop: Vec<Qop>,
    /// The last credentials were good, but their nonce was too old.
    pub stale: bool,
}

impl FromStr for Challenge {
    type Err = AuthError;

    fn from_str(text: &str) -> Result<Self, AuthError> {
        let mut parameters = Parameters::parse(text)?;
        let qop = match parameters.get("qop") {
            None => Vec::new(),
            Some(list) => offered(list)?,
        };
        let algorithm = parameters.get("algorithm").map_or(Ok(Algorithm::Md5), str::parse)?;
        if algorithm.is_session() && qop.is_empty() {
            // The key needs a cnonce, and without qop there is none to send (RFC 7616 §3.4.2).
            return Err(AuthError::Unsupported(format!("algorithm {algorithm} without qop")));
        }
        Ok(Self {
            algorithm,
            qop,
            stale: parameters.get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
            realm: parameters.take("realm").ok_or(AuthError::Malformed("a challenge without realm"))?,
            nonce: parameters.take("nonce").ok_or(AuthError::Malformed("a challenge without nonce"))?,
            opaque: parameters.take("opaque"),
        })
    }
}

/// What is known of the list; a list without anything known cannot be answered.
fn offered(list: &str) -> Result<Vec<Qop>, AuthError> {
    let words = list.split(',').map(str::trim).filter(|word| !word.is_empty());
    let mut known: Vec<Qop> = words.clone().filter_map(|word| word.parse().ok()).collect();
    known.sort_unstable();
    known.dedup();
    if known.is_empty() && words.count() > 0 {
        return Err(AuthError::Unsupported(format!("qop {list}")));
    }
    Ok(known)
}

impl fmt::Display for Challenge {
    /// `qop` is quoted here and nowhere else, `algorithm` and `stale` never are (RFC 7616 §3.3).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest realm={}, nonce={}", Quoted(&self.realm), Quoted(&self.nonce))?;
        if let Some(opaque) = &self.opaque {
            write!(f, ", opaque={}", Quoted(opaque))?;
        }
        if self.stale {
            f.write_str(", stale=true")?;
        }
        write!(f, ", algorithm={}", self.algorithm)?;
        let mut words = self.qop.iter();
        if let Some(first) = words.next() {
            write!(f, ", qop=\"{first}")?;
            words.try_for_each(|word| write!(f, ",{word}"))?;
            f.write_str("\"")?;
        }
        Ok(())
    }
}
