//! The half that challenges: a UAS, a registrar or a proxy (RFC 3261 §22.1 to §22.3, RFC 8760 §2.3).

use super::nonce::Nonces;
use super::{Algorithm, Asked, AuthError, Challenge, Credentials, Qop, Secret, Verifier};
use core::fmt;
use core::time::Duration;
use offhook_clock::Time;
use rand_chacha::ChaCha20Rng;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// How a server challenges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerSettings {
    /// Which users and passwords are meant; shown to the user of a phone.
    pub realm: String,
    /// One challenge is made for each, in this order: the most preferred first (RFC 8760 §2.3).
    pub algorithms: Vec<Algorithm>,
    /// What clients may choose from.
    pub qop: Vec<Qop>,
    /// How long a nonce is good.
    pub nonce_lifetime: Duration,
    /// How many nonces in use are remembered; the oldest become stale beyond that.
    pub most_nonces: usize,
}

impl ServerSettings {
    /// SHA-256 before MD5, `auth`, five minutes.
    #[must_use]
    pub fn new(realm: impl Into<String>) -> Self {
        Self {
            realm: realm.into(),
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            qop: vec![Qop::Auth],
            nonce_lifetime: Duration::from_secs(300),
            most_nonces: 65_536,
        }
    }
}

/// Makes challenges and verifies what answers them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    settings: ServerSettings,
    nonces: Nonces,
}

/// The most `Authorization` lines of one request: one for each realm on the path.
const MAX_CREDENTIALS: usize = 16;

/// The credentials of a request for the realm of one server, parsed once.
#[derive(Clone, Debug)]
pub struct Presented {
    ours: Option<Credentials>,
    malformed: Option<AuthError>,
}

impl Presented {
    /// The user name and the digest of the credentials for the server's realm.
    #[must_use]
    pub fn answer(&self) -> Option<(&str, &str)> {
        self.ours.as_ref().map(|credentials| (credentials.username.as_str(), credentials.response.as_str()))
    }

    /// The `uri` parameter of the credentials for the server's realm.
    #[must_use]
    pub fn uri(&self) -> Option<&str> {
        self.ours.as_ref().map(|credentials| credentials.uri.as_str())
    }
}

/// Why a request is not served as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// No credentials for this realm: challenge.
    Missing,
    /// The nonce is old, not one of ours or was used so before: challenge with `stale`.
    Stale,
    /// The name or the password is wrong: challenge again, or refuse after some of these.
    Wrong {
        /// The name that was given.
        username: String,
    },
    /// Credentials that cannot be read, or made for another request: 400 (RFC 7616 §3.4.6).
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

impl Server {
    /// A server that has challenged nobody yet.
    #[must_use]
    pub fn new(settings: ServerSettings, rng: &mut ChaCha20Rng) -> Self {
        let nonces = Nonces::new(settings.nonce_lifetime, settings.most_nonces, rng);
        Self { settings, nonces }
    }

    /// The realm.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.settings.realm
    }

    /// Makes the challenges that answer `rejection` of a request from `address`, in order of preference.
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

    /// Parses the credentials that a request presents, once for everything that is asked about them.
    pub fn read<'a>(&self, values: impl Iterator<Item = &'a str>) -> Presented {
        let mut presented = Presented { ours: None, malformed: None };
        for (index, value) in values.enumerate() {
            if index == MAX_CREDENTIALS {
                return Presented { ours: None, malformed: Some(AuthError::Malformed("more than 16 credentials")) };
            }
            match value.parse::<Credentials>() {
                Ok(credentials) if credentials.realm == self.settings.realm => presented.ours = Some(credentials),
                // For another realm on the path (RFC 3261 §22.3).
                Ok(_) | Err(AuthError::Unsupported(_)) => {}
                Err(error) => presented.malformed = Some(error),
            }
        }
        presented
    }

    /// The address that received the challenge which these credentials answer; `None` if their nonce is not one of this
    /// server's. The source of a datagram can be forged, but whoever answers a challenge has received it.
    #[must_use]
    pub fn challenged(&self, presented: &Presented) -> Option<IpAddr> {
        self.nonces.given_to(&presented.ours.as_ref()?.nonce)
    }

    /// Verifies the credentials of a request. `find` returns the verifier of a user name.
    ///
    /// # Errors
    /// The reason why the request is not authenticated.
    pub fn verify(
        &mut self,
        presented: Presented,
        asked: &Asked<'_>,
        find: impl FnOnce(&str) -> Option<Verifier>,
        now: Time,
    ) -> Result<Credentials, Rejection> {
        let Presented { ours: Some(credentials), .. } = presented else {
            return Err(presented.malformed.map_or(Rejection::Missing, Rejection::Malformed));
        };
        if credentials.uri != asked.uri {
            return Err(Rejection::Malformed(AuthError::Malformed("credentials for another request")));
        }
        self.judge(&credentials, asked, find(&credentials.username), now)?;
        Ok(credentials)
    }

    fn judge(
        &mut self,
        credentials: &Credentials,
        asked: &Asked<'_>,
        verifier: Option<Verifier>,
        now: Time,
    ) -> Result<(), Rejection> {
        let wrong = || Rejection::Wrong { username: credentials.username.clone() };
        let qop = credentials.protection.as_ref().map_or(Qop::Auth, |protection| protection.qop);
        let offered = self.settings.algorithms.contains(&credentials.algorithm)
            && (self.settings.qop.is_empty() || self.settings.qop.contains(&qop));
        if !offered {
            // Weaker than what was offered is what an attacker in the middle would like. No qop at all counts as `auth`:
            // clients of RFC 2069 are to be served (RFC 3261 §22.4), each nonce once.
            return Err(Rejection::Missing);
        }
        // Said before the digest is looked at: a nonce that costs nothing to make up must not tell good guesses from bad ones.
        let stamp = self.nonces.check(&credentials.nonce, now).ok_or(Rejection::Stale)?;
        // Who has no account takes as long as who has one: names cannot be told by the clock.
        let known = verifier.is_some();
        let verifier = verifier.unwrap_or_else(|| Verifier::Password(Secret::new("")));
        let good = credentials.is_made_with(&verifier, asked);
        if !(known && good) {
            return Err(wrong());
        }
        if !self.nonces.spend(stamp, credentials.count(), now) {
            return Err(Rejection::Stale);
        }
        Ok(())
    }
}
