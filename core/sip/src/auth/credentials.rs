//! Digest credentials: `Authorization` and `Proxy-Authorization` (RFC 3261 §20.7, §20.28; RFC 7616 §3.4).

use super::parameters::{Parameters, Quoted};
use super::secret::constant_time_eq;
use super::{Algorithm, AuthError, Challenge, Login, Qop, Verifier};
use core::fmt;
use core::str::FromStr;

/// The parts of a request that credentials cover.
#[derive(Clone, Copy, Debug)]
pub struct CoveredParts<'a> {
    /// The method.
    pub method: &'a str,
    /// The Request-URI in its serialized form.
    pub uri: &'a str,
    /// The body, which `auth-int` covers.
    pub body: &'a [u8],
}

/// Digest credentials of a user.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user name.
    pub username: String,
    /// The realm of the challenge.
    pub realm: String,
    /// The nonce of the challenge.
    pub nonce: String,
    /// The Request-URI that they were computed for.
    pub uri: String,
    /// The digest in hexadecimal digits.
    pub response: String,
    /// The algorithm of the challenge.
    pub algorithm: Algorithm,
    /// The opaque value of the challenge.
    pub opaque: Option<String>,
    /// The quality of protection and its parameters. `None` for RFC 2069.
    pub protection: Option<Protection>,
}

/// The additional digest inputs if the challenge offered a quality of protection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protection {
    /// The quality of protection.
    pub qop: Qop,
    /// The client nonce.
    pub cnonce: String,
    /// The number of requests with the server's nonce, including this one.
    pub count: u32,
}

impl Credentials {
    /// Computes the credentials for one request, the `count`th with the nonce of `challenge`.
    ///
    /// `auth` is preferred to `auth-int`, because many intermediaries modify SIP bodies.
    #[must_use]
    pub fn answer(challenge: &Challenge, login: &Login, covered: &CoveredParts<'_>, cnonce: &str, count: u32) -> Self {
        let qop = challenge.qop.iter().min().copied();
        let protection = qop.map(|qop| Protection { qop, cnonce: cnonce.to_owned(), count });
        let mut credentials = Self {
            username: login.username.clone(),
            realm: challenge.realm.clone(),
            nonce: challenge.nonce.clone(),
            uri: covered.uri.to_owned(),
            response: String::new(),
            algorithm: challenge.algorithm,
            opaque: challenge.opaque.clone(),
            protection,
        };
        credentials.response = credentials.digest(&login.verifier(), covered).unwrap_or_default();
        credentials
    }

    /// Returns whether the digest matches `verifier` and this request. The comparison takes constant time.
    #[must_use]
    pub fn is_made_with(&self, verifier: &Verifier, covered: &CoveredParts<'_>) -> bool {
        let right = self.digest(verifier, covered);
        right.is_some_and(|right| constant_time_eq(right.as_bytes(), self.response.to_ascii_lowercase().as_bytes()))
    }

    /// Returns the number of requests with the nonce, including this one. Without a count, the nonce is used once.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.protection.as_ref().map_or(1, |protection| protection.count)
    }

    /// Computes the digest (RFC 7616 §3.4.1 to §3.4.3).
    fn digest(&self, verifier: &Verifier, covered: &CoveredParts<'_>) -> Option<String> {
        let hash = self.algorithm.hash();
        let mut a1 = verifier.ha1(hash, &self.username, &self.realm)?;
        if self.algorithm.is_session() {
            a1 = hash.of_parts(&[&a1, &self.nonce, &self.protection.as_ref()?.cnonce]);
        }
        let Some(Protection { qop, cnonce, count }) = &self.protection else {
            let a2 = hash.of_parts(&[covered.method, &self.uri]);
            return Some(hash.of_parts(&[&a1, &self.nonce, &a2]));
        };
        let a2 = match qop {
            Qop::Auth => hash.of_parts(&[covered.method, &self.uri]),
            Qop::AuthInt => hash.of_parts(&[covered.method, &self.uri, &hash.of(covered.body)]),
        };
        Some(hash.of_parts(&[&a1, &self.nonce, &format!("{count:08x}"), cnonce, qop.name(), &a2]))
    }
}

impl FromStr for Credentials {
    type Err = AuthError;

    fn from_str(text: &str) -> Result<Self, AuthError> {
        let mut parameters = Parameters::parse(text)?;
        let protection = match parameters.get("qop") {
            None => None,
            Some(qop) => Some(Protection {
                qop: qop.parse()?,
                count: parameters.get("nc").and_then(count).ok_or(AuthError::Malformed("qop without nonce count"))?,
                cnonce: parameters.take("cnonce").ok_or(AuthError::Malformed("qop without cnonce"))?,
            }),
        };
        let algorithm = parameters.get("algorithm").map_or(Ok(Algorithm::Md5), str::parse)?;
        let mut take = |name, why| parameters.take(name).ok_or(AuthError::Malformed(why));
        Ok(Self {
            username: take("username", "credentials without username")?,
            realm: take("realm", "credentials without realm")?,
            nonce: take("nonce", "credentials without nonce")?,
            uri: take("uri", "credentials without uri")?,
            response: take("response", "credentials without response")?,
            algorithm,
            opaque: parameters.take("opaque"),
            protection,
        })
    }
}

/// Parses eight hexadecimal digits.
fn count(digits: &str) -> Option<u32> {
    let plain = digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    plain.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest username={}, realm={}", Quoted(&self.username), Quoted(&self.realm))?;
        write!(f, ", nonce={}, uri={}", Quoted(&self.nonce), Quoted(&self.uri))?;
        write!(f, ", response={}, algorithm={}", Quoted(&self.response), self.algorithm)?;
        if let Some(Protection { qop, cnonce, count }) = &self.protection {
            write!(f, ", cnonce={}, qop={qop}, nc={count:08x}", Quoted(cnonce))?;
        }
        if let Some(opaque) = &self.opaque {
            write!(f, ", opaque={}", Quoted(opaque))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Credentials {
    /// Omits the nonces and the digest, which would allow guessing the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .field("realm", &self.realm)
            .field("uri", &self.uri)
            .field("algorithm", &self.algorithm)
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}
