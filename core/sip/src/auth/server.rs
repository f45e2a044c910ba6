//! Digest authentication, server side: a UAS, registrar or proxy that challenges (RFC 3261 §22.1 to §22.3, RFC 8760
//! §2.3).

use super::nonce::Nonces;
use super::{Algorithm, AuthError, Challenge, CoveredParts, Credentials, Qop, Secret, Verifier};
use core::fmt;
use core::time::Duration;
use offhook_clock::Time;
use rand_chacha::ChaCha20Rng;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The configuration of an [`AuthServer`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerSettings {
    /// The realm, which phones show to their users.
    pub realm: String,
    /// The algorithms to challenge with, most preferred first; each has its own challenge (RFC 8760 §2.3).
    pub algorithms: Vec<Algorithm>,
    /// The qualities of protection to offer.
    pub qop: Vec<Qop>,
    /// The lifetime of a nonce.
    pub nonce_lifetime: Duration,
    /// The maximum number of used nonces that are stored. Beyond it, the oldest become stale.
    pub max_nonces: usize,
}

impl ServerSettings {
    /// Creates settings with SHA-256 and MD5 in this order, `auth`, and a nonce lifetime of five minutes.
    #[must_use]
    pub fn new(realm: impl Into<String>) -> Self {
        Self {
            realm: realm.into(),
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            qop: vec![Qop::Auth],
            nonce_lifetime: Duration::from_secs(300),
            max_nonces: 65_536,
        }
    }
}

/// Creates challenges and verifies credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthServer {
    settings: ServerSettings,
    nonces: Nonces,
}

/// The maximum number of `Authorization` lines of one request: one for each realm on its path.
const MAX_CREDENTIALS: usize = 16;

/// The credentials of a request for the realm of one server, parsed once.
#[derive(Clone, Debug)]
pub struct Presented {
    ours: Option<Credentials>,
    malformed: Option<AuthError>,
}

impl Presented {
    /// Returns the user name and the digest of the credentials for the server's realm.
    #[must_use]
    pub fn answer(&self) -> Option<(&str, &str)> {
        self.ours.as_ref().map(|credentials| (credentials.username.as_str(), credentials.response.as_str()))
    }

    /// Returns the `uri` parameter of the credentials for the server's realm.
    #[must_use]
    pub fn uri(&self) -> Option<&str> {
        self.ours.as_ref().map(|credentials| credentials.uri.as_str())
    }
}

/// The reason that a request is not authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// It has no credentials for this realm: send a challenge.
    Missing,
    /// The nonce has expired, was not created by this server or was used with the same count: send a challenge with
    /// `stale`.
    Stale,
    /// The user name or the password is wrong: send a challenge again, or reject the request after several attempts.
    Wrong {
        /// The user name in the credentials.
        username: String,
    },
    /// The credentials cannot be parsed or are for another request: 400 (RFC 7616 §3.4.6).
    Malformed(AuthError),
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("no credentials"),
            Self::Stale => f.write_str("nonce too old or used before"),
            Self::Wrong { username } => write!(f, "wrong name or password of {username}"),
            Self::Malformed(error) => write!(f, "bad credentials: {error}"),
        }
    }
}

impl AuthServer {
    /// Replaces the settings. Nonces stay valid.
    pub(crate) fn configure(&mut self, settings: ServerSettings) {
        self.settings = settings;
    }

    /// Creates a server with a random key for its nonces.
    #[must_use]
    pub fn new(settings: ServerSettings, rng: &mut ChaCha20Rng) -> Self {
        let nonces = Nonces::new(settings.nonce_lifetime, settings.max_nonces, rng);
        Self { settings, nonces }
    }

    /// Returns the realm.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.settings.realm
    }

    /// Creates the challenges after `rejection` of a request from `address`, in order of preference.
    pub fn challenges(&mut self, rejection: &Rejection, address: IpAddr, now: Time) -> Vec<Challenge> {
        let nonce = self.nonces.make(address, now);
        let settings = &self.settings;
        let make = |algorithm: &Algorithm| Challenge {
            realm: settings.realm.clone(),
            nonce: nonce.clone(),
            opaque: None,
            algorithm: *algorithm,
            qop: settings.qop.clone(),
            stale: matches!(rejection, Rejection::Stale),
        };
        settings.algorithms.iter().map(make).collect()
    }

    /// Parses the credentials of a request, once for all later queries.
    pub fn read<'a>(&self, values: impl Iterator<Item = &'a str>) -> Presented {
        let mut presented = Presented { ours: None, malformed: None };
        for (index, value) in values.enumerate() {
            if index == MAX_CREDENTIALS {
                return Presented { ours: None, malformed: Some(AuthError::Malformed("more than 16 credentials")) };
            }
            match value.parse::<Credentials>() {
                Ok(credentials) if credentials.realm == self.settings.realm => presented.ours = Some(credentials),
                // Credentials for another realm on the path (RFC 3261 §22.3).
                Ok(_) | Err(AuthError::Unsupported(_)) => {}
                Err(error) => presented.malformed = Some(error),
            }
        }
        presented
    }

    /// Returns the address that received the challenge of these credentials, or `None` if their nonce was not created
    /// here. The source of a datagram can be forged, but a client that answers a challenge has received it.
    #[must_use]
    pub fn challenged(&self, presented: &Presented) -> Option<IpAddr> {
        self.nonces.challenged_address(&presented.ours.as_ref()?.nonce)
    }

    /// Verifies the credentials of a request. `find` returns the verifier of a user name.
    ///
    /// # Errors
    /// Returns the reason that the request is not authenticated.
    pub fn verify(
        &mut self,
        presented: Presented,
        covered: &CoveredParts<'_>,
        find: impl FnOnce(&str) -> Option<Verifier>,
        now: Time,
    ) -> Result<Credentials, Rejection> {
        let Presented { ours: Some(credentials), .. } = presented else {
            return Err(presented.malformed.map_or(Rejection::Missing, Rejection::Malformed));
        };
        if credentials.uri != covered.uri {
            return Err(Rejection::Malformed(AuthError::Malformed("credentials for another request")));
        }
        self.check(&credentials, covered, find(&credentials.username), now)?;
        Ok(credentials)
    }

    fn check(
        &mut self,
        credentials: &Credentials,
        covered: &CoveredParts<'_>,
        verifier: Option<Verifier>,
        now: Time,
    ) -> Result<(), Rejection> {
        let wrong = || Rejection::Wrong { username: credentials.username.clone() };
        let qop = credentials.protection.as_ref().map_or(Qop::Auth, |protection| protection.qop);
        let offered = self.settings.algorithms.contains(&credentials.algorithm)
            && (self.settings.qop.is_empty() || self.settings.qop.contains(&qop));
        if !offered {
            // Weaker credentials than those offered indicate that the stronger challenges were removed on the path.
            // Missing qop counts as `auth`, because RFC 2069 clients must be supported (RFC 3261 §22.4); each of their
            // nonces is used once.
            return Err(Rejection::Missing);
        }
        // Checked before the digest: a forged nonce must not allow testing guessed passwords.
        let stamp = self.nonces.check(&credentials.nonce, now).ok_or(Rejection::Stale)?;
        // An unknown user is processed in the same time as a known one, so that timing does not reveal user names.
        let known = verifier.is_some();
        let verifier = verifier.unwrap_or_else(|| Verifier::Password(Secret::new("")));
        let good = credentials.is_made_with(&verifier, covered);
        if !(known && good) {
            return Err(wrong());
        }
        if !self.nonces.record_use(stamp, credentials.count(), now) {
            return Err(Rejection::Stale);
        }
        Ok(())
    }
}
