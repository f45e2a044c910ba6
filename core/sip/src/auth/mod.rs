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

#[cfg(test)]
mod tests;
