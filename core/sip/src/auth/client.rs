//! Digest authentication, client side: a UAC that answers challenges (RFC 3261 §22.1 to §22.3).

use super::algorithm::hex;
use super::parameters::Parameters;
use super::{AuthError, Challenge, Challenger, CoveredParts, Credentials, Login};
use core::fmt;
use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;
use serde::{Deserialize, Serialize};

/// The maximum number of stored realms. A request passes few proxies that challenge, and a challenger may be hostile.
const MAX_REALMS: usize = 8;

/// The maximum number of consecutive `stale` challenges to a nonce that was used for the first time.
const MAX_STALE_AT_ONCE: u8 = 3;

/// The login of one user and the latest challenge of each realm, with the nonce to use next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthClient {
    login: Login,
    realms: Vec<Realm>,
}

/// The latest challenge of one realm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Realm {
    challenger: Challenger,
    challenge: Challenge,
    /// The client nonce of all requests with one server nonce. It does not change, because implementations of RFC 7616
    /// differ in which client nonce enters the key of a `-sess` algorithm.
    cnonce: String,
    count: u32,
    stale_at_once: u8,
}

/// The reason that a challenge is not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthRefusal {
    /// The server rejected the user name and password. The same credentials are not sent again (RFC 3261 §22.2).
    Rejected {
        /// The realm that rejected them.
        realm: String,
    },
    /// The response has no challenge that can be answered.
    Unanswerable(AuthError),
}

impl fmt::Display for AuthRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected { realm } => write!(f, "user name or password are not accepted by {realm}"),
            Self::Unanswerable(error) => write!(f, "the challenge cannot be answered: {error}"),
        }
    }
}

impl AuthClient {
    /// Creates a client without challenges.
    #[must_use]
    pub const fn new(login: Login) -> Self {
        Self { login, realms: Vec::new() }
    }

    /// Stores the challenges of a response. `sent` are the credentials that the request had.
    ///
    /// # Errors
    /// Returns the reason that the request must not be sent again.
    pub fn store_challenges<'a>(
        &mut self,
        challenges: impl Iterator<Item = (Challenger, &'a str)>,
        sent: &[(Challenger, Credentials)],
    ) -> Result<(), AuthRefusal> {
        let mut chosen: Vec<(Challenger, Challenge)> = Vec::new();
        let mut error = AuthError::Malformed("no challenge");
        for (challenger, text) in challenges {
            match text.parse() {
                Ok(challenge) => choose(&mut chosen, challenger, challenge),
                // An unsupported challenge is skipped: another one may be supported (RFC 8760 §2.4).
                Err(problem) => error = problem,
            }
        }
        if chosen.is_empty() {
            return Err(AuthRefusal::Unanswerable(error));
        }
        for (challenger, challenge) in chosen {
            let sent = sent.iter().find(|(to, credentials)| *to == challenger && credentials.realm == challenge.realm);
            self.replace(challenger, challenge, sent.map(|(_, credentials)| credentials))?;
        }
        Ok(())
    }

    /// Replaces the challenge of a realm. Fails if the new challenge rejects the login.
    fn replace(
        &mut self,
        challenger: Challenger,
        challenge: Challenge,
        sent: Option<&Credentials>,
    ) -> Result<(), AuthRefusal> {
        let known = self.realms.iter().position(|realm| realm.is_of(challenger, &challenge.realm));
        let known = known.map(|at| self.realms.remove(at));
        let mut stale_at_once = known.as_ref().map_or(0, |known| known.stale_at_once);
        if let Some(sent) = sent {
            // A nonce that was used before may have been rejected only because of its age: many servers then omit
            // `stale`. A nonce that was used for the first time was rejected because of the user name or password.
            let served_before = sent.count() > 1 && sent.nonce != challenge.nonce;
            if !served_before {
                stale_at_once += 1;
                if !challenge.stale || stale_at_once > MAX_STALE_AT_ONCE {
                    return Err(AuthRefusal::Rejected { realm: challenge.realm });
                }
            }
        }
        let same_nonce = known.filter(|known| known.challenge.nonce == challenge.nonce);
        let (cnonce, count) = same_nonce.map_or((String::new(), 0), |known| (known.cnonce, known.count));
        if self.realms.len() >= MAX_REALMS {
            self.realms.remove(0);
        }
        self.realms.push(Realm { challenger, challenge, cnonce, count, stale_at_once });
        Ok(())
    }

    /// Returns credentials for a request: one for each realm that has challenged and whose nonce can still be used.
    pub fn credentials(&mut self, covered: &CoveredParts<'_>, rng: &mut ChaCha20Rng) -> Vec<(Challenger, Credentials)> {
        let login = &self.login;
        self.realms.iter_mut().filter_map(|realm| realm.answer(login, covered, rng)).collect()
    }

    /// Stores the nonce for the next request (RFC 3261 §20.6). `text` is the value of `Authentication-Info`.
    pub fn next_nonce(&mut self, text: &str) {
        // The header has parameters only and names no realm, so it applies only if exactly one server challenges.
        let text = format!("Digest {text}");
        let next = Parameters::parse(&text).ok().and_then(|mut parameters| parameters.take("nextnonce"));
        let mut servers = self.realms.iter_mut().filter(|realm| realm.challenger == Challenger::UserAgent);
        if let (Some(nonce), Some(realm), None) = (next, servers.next(), servers.next())
            && realm.challenge.nonce != nonce
        {
            realm.challenge.nonce = nonce;
            realm.count = 0;
        }
    }
}

/// Selects one challenge per realm: the strongest, and the first among equals (RFC 8760 §2.4 leaves this to local
/// policy).
fn choose(chosen: &mut Vec<(Challenger, Challenge)>, challenger: Challenger, challenge: Challenge) {
    let rival = chosen.iter_mut().find(|(of, other)| *of == challenger && other.realm == challenge.realm);
    match rival {
        None => chosen.push((challenger, challenge)),
        Some((_, rival)) if challenge.algorithm.hash() > rival.algorithm.hash() => *rival = challenge,
        Some(_) => {}
    }
}

impl Realm {
    fn is_of(&self, challenger: Challenger, realm: &str) -> bool {
        self.challenger == challenger && self.challenge.realm == realm
    }

    fn answer(
        &mut self,
        login: &Login,
        covered: &CoveredParts<'_>,
        rng: &mut ChaCha20Rng,
    ) -> Option<(Challenger, Credentials)> {
        // Without qop, a second request cannot be distinguished from a replay, so a nonce is used once.
        if self.count > 0 && self.challenge.qop.is_empty() {
            return None;
        }
        if self.count == 0 {
            let mut octets = [0; 16];
            rng.fill_bytes(&mut octets);
            self.cnonce = hex(&octets);
        }
        self.count = self.count.checked_add(1)?;
        Some((self.challenger, Credentials::answer(&self.challenge, login, covered, &self.cnonce, self.count)))
    }
}
