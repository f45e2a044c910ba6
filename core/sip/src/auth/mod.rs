//! SIP digest authentication, client and server side (RFC 3261 §22, RFC 7616, RFC 8760).
//!
//! A UAC owns an [`AuthClient`], which stores challenges and adds credentials to requests. A UAS or registrar owns a
//! [`AuthServer`], which creates challenges and verifies credentials. Neither has deadlines, so neither is a state machine;
//! the owning machine passes in its random generator.

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
pub use client::{AuthClient, AuthRefusal};
pub use credentials::{CoveredParts, Credentials, Protection};
pub use parameters::AuthError;
pub use secret::{Login, Secret, Verifier};
pub use server::{AuthServer, Presented, Rejection, ServerSettings};

/// Passes arbitrary octets to the parsers of challenges and credentials, and exercises the parsed values.
pub fn fuzz_digest(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let covered = CoveredParts { method: "REGISTER", uri: "sip:example.org", body: b"" };
    if let Ok(challenge) = text.parse::<Challenge>() {
        assert_eq!(
            challenge.to_string().parse::<Challenge>().as_ref(),
            Ok(&challenge),
            "serialized challenge must parse"
        );
        let login = Login::new("alice", "secret");
        let credentials = Credentials::answer(&challenge, &login, &covered, "cnonce", 1);
        assert!(credentials.is_made_with(&login.verifier(), &covered), "computed credentials must verify");
        assert_eq!(
            credentials.to_string().parse::<Credentials>(),
            Ok(credentials),
            "serialized credentials must parse"
        );
    }
    if let Ok(credentials) = text.parse::<Credentials>() {
        assert_eq!(
            credentials.to_string().parse::<Credentials>().as_ref(),
            Ok(&credentials),
            "serialized credentials must parse"
        );
        let _ = credentials.is_made_with(&Verifier::Password(Secret::new("secret")), &covered);
    }
}

#[cfg(test)]
mod tests;
