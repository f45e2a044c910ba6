//! Authentication of phones, and lockout after wrong passwords.
//!
//! Credentials are verified before a lockout applies, so that a phone with the right password is served even if another
//! phone behind the same NAT uses an outdated password. A lockout replaces the challenge with a rejection that has
//! `Retry-After`, and limits the number of passwords that are verified.

use super::{Event, Refusal, Registrar};
use crate::auth::{CoveredParts, Presented, Rejection};
use crate::message::{Request, Uri};
use crate::transport::Source;
use offhook_clock::Time;
use offhook_limits::offense::Kind;
use std::net::IpAddr;

/// The credentials of a request that answers a challenge of this registrar.
struct Attempt {
    /// The address that received the challenge. Unlike the source of a datagram, it cannot be forged.
    address: IpAddr,
    user: String,
    response: String,
}

impl Attempt {
    fn source(&self) -> offhook_limits::SourceNetwork {
        offhook_limits::SourceNetwork::of(self.address)
    }
}

impl Registrar {
    /// Returns the user whose valid credentials a request has.
    pub(super) fn verify(&mut self, request: &Request, source: &Source, now: Time) -> Result<String, Refusal> {
        let presented = self.auth.read(request.headers.authorization());
        let attempt = self.attempt(&presented);
        if let Some(attempt) = &attempt
            && !self.lockouts.admits(attempt.source(), &attempt.user, now)
        {
            return Err(self.lockout(attempt, now));
        }
        let uri = uri_in_credentials(&presented, &request.uri);
        let covered = CoveredParts { method: request.method.name(), uri: &uri, body: &request.body };
        let users = &self.settings.users;
        let find = |name: &str| users.get(name).cloned();
        match (self.auth.verify(presented, &covered, find, now), attempt) {
            (Ok(credentials), attempt) => {
                let address = attempt.map_or(source.remote.ip(), |attempt| attempt.address);
                self.lockouts.succeed(address.into(), &credentials.username);
                Ok(credentials.username)
            }
            (Err(Rejection::Wrong { username }), Some(attempt)) => {
                Err(self.record_wrong_digest(username, &attempt, now))
            }
            (Err(rejection), _) => {
                self.record_unauthenticated(&rejection, source);
                Err(Refusal::Challenge(rejection))
            }
        }
    }

    /// Returns whether a request answers a challenge of this registrar, with valid or invalid credentials.
    pub(crate) fn is_answered_by(&self, request: &Request) -> bool {
        let presented = self.auth.read(request.headers.authorization());
        self.auth.challenged(&presented).is_some()
    }

    fn attempt(&self, presented: &Presented) -> Option<Attempt> {
        let address = self.auth.challenged(presented)?;
        let (user, response) = presented.answer()?;
        Some(Attempt { address, user: user.to_owned(), response: response.to_owned() })
    }

    /// Records a wrong digest. Repeated identical responses count as one failure.
    fn record_wrong_digest(&mut self, username: String, attempt: &Attempt, now: Time) -> Refusal {
        if self.lockouts.fail_with(attempt.source(), &attempt.user, &attempt.response, now) {
            self.report_offense(Kind::WrongDigest, attempt.address, true);
        }
        if self.lockouts.remaining(attempt.source(), &attempt.user, now).is_some() {
            self.lockout(attempt, now)
        } else {
            Refusal::Challenge(Rejection::Wrong { username })
        }
    }

    fn lockout(&mut self, attempt: &Attempt, now: Time) -> Refusal {
        let remaining = self.lockouts.remaining(attempt.source(), &attempt.user, now).unwrap_or_default();
        self.report_offense(Kind::WrongDigest, attempt.address, true);
        Refusal::Lockout(remaining)
    }

    /// Records a request without an answer to a challenge. Phones send such requests too; many of them from a source
    /// where no phone has ever authenticated indicate a scan.
    fn record_unauthenticated(&mut self, rejection: &Rejection, source: &Source) {
        let address = source.remote.ip();
        let is_unproved = matches!(rejection, Rejection::Missing | Rejection::Stale | Rejection::Malformed(_));
        if is_unproved && !self.lockouts.is_known_source(address.into()) {
            self.report_offense(Kind::SipScan, address, source.transport.is_reliable());
        }
    }

    fn report_offense(&mut self, kind: Kind, address: IpAddr, is_verified: bool) {
        self.events.push_back(Event::Offense { kind, address, is_verified });
    }
}

/// Returns the Request-URI in the form used by the credentials if both are equivalent: phones and proxies write it in
/// different forms.
fn uri_in_credentials(presented: &Presented, request_uri: &Uri) -> String {
    let is_equivalent = |text: &&str| text.parse::<Uri>().is_ok_and(|uri| uri.is_equivalent(request_uri));
    presented.uri().filter(is_equivalent).map_or_else(|| request_uri.to_string(), str::to_owned)
}
