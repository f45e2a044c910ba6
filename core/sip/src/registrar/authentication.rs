//! Authentication of requests, and what happens to sources that guess passwords.
//!
//! Digests are verified before a lockout refuses anything, so that a phone with the right password is served although
//! another one behind the same NAT has an old password. A lockout replaces the challenge by a refusal with `Retry-After`,
//! and bounds the guesses that are looked at.

use super::{Event, Refusal, Registrar};
use crate::auth::{Asked, Presented, Rejection};
use crate::message::{Request, Uri};
use crate::transport::Source;
use offhook_clock::Time;
use offhook_limits::offense::Kind;
use std::net::IpAddr;

/// The credentials of a request that answers a challenge of this registrar.
struct Attempt {
    /// The address that received the challenge. The source of a datagram can be forged; the answer proves this one.
    address: IpAddr,
    user: String,
    response: String,
}

impl Attempt {
    fn source(&self) -> offhook_limits::Source {
        offhook_limits::Source::of(self.address)
    }
}

impl Registrar {
    /// The user whose valid credentials a request has.
    pub(super) fn verify(&mut self, request: &Request, source: &Source, now: Time) -> Result<String, Refusal> {
        let presented = self.auth.read(request.headers.authorization());
        let attempt = self.attempt(&presented);
        if let Some(attempt) = &attempt
            && !self.lockouts.admits(attempt.source(), &attempt.user, now)
        {
            return Err(self.lockout(attempt, now));
        }
        let uri = asked_uri(&presented, &request.uri);
        let asked = Asked { method: request.method.name(), uri: &uri, body: &request.body };
        let users = &self.settings.users;
        let find = |name: &str| users.get(name).cloned();
        match (self.auth.verify(presented, &asked, find, now), attempt) {
            (Ok(credentials), attempt) => {
                let address = attempt.map_or(source.remote.ip(), |attempt| attempt.address);
                self.lockouts.succeed(address.into(), &credentials.username);
                Ok(credentials.username)
            }
            (Err(Rejection::Wrong { username }), Some(attempt)) => Err(self.wrong(username, &attempt, now)),
            (Err(rejection), _) => {
                self.note_unproved(&rejection, source);
                Err(Refusal::Challenge(rejection))
            }
        }
    }

    /// A request has the answer to a challenge of this registrar, right or wrong.
    pub(crate) fn is_answered_by(&self, request: &Request) -> bool {
        let presented = self.auth.read(request.headers.authorization());
        self.auth.challenged(&presented).is_some()
    }

    fn attempt(&self, presented: &Presented) -> Option<Attempt> {
        let address = self.auth.challenged(presented)?;
        let (user, response) = presented.answer()?;
        Some(Attempt { address, user: user.to_owned(), response: response.to_owned() })
    }

    /// A wrong digest. A phone may repeat it any number of times; that is one failure.
    fn wrong(&mut self, username: String, attempt: &Attempt, now: Time) -> Refusal {
        if self.lockouts.fail_with(attempt.source(), &attempt.user, &attempt.response, now) {
            self.note(Kind::WrongDigest, attempt.address, true);
        }
        if self.lockouts.remaining(attempt.source(), &attempt.user, now).is_some() {
            self.lockout(attempt, now)
        } else {
            Refusal::Challenge(Rejection::Wrong { username })
        }
    }

    fn lockout(&mut self, attempt: &Attempt, now: Time) -> Refusal {
        let remaining = self.lockouts.remaining(attempt.source(), &attempt.user, now).unwrap_or_default();
        self.note(Kind::WrongDigest, attempt.address, true);
        Refusal::Lockout(remaining)
    }

    /// A request without an answer to a challenge. Phones send such ones too; from a source where no phone has ever
    /// authenticated, many of them are a scan.
    fn note_unproved(&mut self, rejection: &Rejection, source: &Source) {
        let address = source.remote.ip();
        let is_unproved = matches!(rejection, Rejection::Missing | Rejection::Stale | Rejection::Malformed(_));
        if is_unproved && !self.lockouts.is_known_source(address.into()) {
            self.note(Kind::SipScan, address, source.transport.is_reliable());
        }
    }

    fn note(&mut self, kind: Kind, address: IpAddr, is_verified: bool) {
        self.events.push_back(Event::Offense { kind, address, is_verified });
    }
}

/// The Request-URI as the credentials write it, if both are equivalent: phones and proxies print it in different ways.
fn asked_uri(presented: &Presented, request_uri: &Uri) -> String {
    let is_equivalent = |text: &&str| text.parse::<Uri>().is_ok_and(|uri| uri.is_equivalent(request_uri));
    presented.uri().filter(is_equivalent).map_or_else(|| request_uri.to_string(), str::to_owned)
}
