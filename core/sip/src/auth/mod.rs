//! Digest authentication (RFC 3261 §22, RFC 7616, RFC 8760), both halves.
//!
//! A UAC owns a [`Client`]: it learns challenges and puts credentials into requests. A UAS or registrar owns a [`Server`]: it
//! makes challenges and verifies what comes back. Neither waits for anything, so neither is one of the machines with a
//! deadline; randomness is lent to them by the machine that owns them.

mod algorithm;
mod challenge;
mod client;
mod credentials;
mod messages;
mod nonce;
mod parameters;
mod secret;
mod server;

pub use algorithm::{Algorithm, Hash, Qop};
pub use challenge::{Challenge, Challenger};
pub use client::{Client, Refusal};
pub use credentials::{Asked, Credentials, Protection};
pub use parameters::AuthError;
pub use secret::{Login, Secret, Verifier};
pub use server::{Presented, Rejection, Server, ServerSettings};

/// Feeds arbitrary octets to the parsers of challenges and credentials, and what they accept to everything that works on it.
pub fn fuzz_digest(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let asked = Asked { method: "REGISTER", uri: "sip:example.org", body: b"" };
    if let Ok(challenge) = text.parse::<Challenge>() {
        assert_eq!(challenge.to_string().parse::<Challenge>().as_ref(), Ok(&challenge), "what is printed can be read");
        let login = Login::new("alice", "secret");
        let credentials = Credentials::answer(&challenge, &login, &asked, "cnonce", 1);
        assert!(credentials.is_made_with(&login.verifier(), &asked), "own credentials are good");
        assert_eq!(credentials.to_string().parse::<Credentials>(), Ok(credentials), "what is printed can be read");
    }
    if let Ok(credentials) = text.parse::<Credentials>() {
        assert_eq!(
            credentials.to_string().parse::<Credentials>().as_ref(),
            Ok(&credentials),
            "what is printed can be read"
        );
        let _ = credentials.is_made_with(&Verifier::Password(Secret::new("secret")), &asked);
    }
}

#[cfg(test)]
mod tests;
