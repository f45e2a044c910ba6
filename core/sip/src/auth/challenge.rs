//! Digest challenges: `WWW-Authenticate` and `Proxy-Authenticate` (RFC 3261 §20.27, §20.44).

use super::parameters::{Parameters, Quoted};
use super::{Algorithm, AuthError, Qop};
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// The role of the challenging server, which determines the status code and the headers (RFC 3261 §22.2, §22.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Challenger {
    /// A UAS or registrar: 401.
    UserAgent,
    /// A proxy: 407.
    Proxy,
}

/// A digest challenge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// The protection space: the users and passwords that it applies to.
    pub realm: String,
    /// The server's nonce.
    pub nonce: String,
    /// A value that the client returns unchanged.
    pub opaque: Option<String>,
    /// The hash algorithm.
    pub algorithm: Algorithm,
    /// The offered qualities of protection. Empty for RFC 2069, which has no nonce count.
    pub qop: Vec<Qop>,
    /// Whether the previous credentials were rejected only because their nonce had expired.
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
            // The key needs a cnonce, which is not sent without qop (RFC 7616 §3.4.2).
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

/// Returns the supported values of the list. Fails if the list has no supported value.
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
    /// `qop` is quoted only in challenges; `algorithm` and `stale` are never quoted (RFC 7616 §3.3).
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
