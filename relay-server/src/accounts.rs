//! Password verification with argon2, on blocking threads. The relay machine limits the number of concurrent checks.

mod argon;

use argon::Memory;
use argon2::Argon2;
use argon2::password_hash::PasswordHasher;
use offhook_sip::auth::Secret;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// The logins and their password hashes.
#[derive(Debug)]
pub struct Accounts {
    hashes: BTreeMap<String, String>,
    /// Hash that is verified for logins without an account, so that the response time does not disclose which logins exist.
    stand_in: Option<String>,
    memory: Arc<Memory>,
}

impl Accounts {
    /// Creates accounts from logins and the PHC strings of their passwords.
    #[must_use]
    pub fn new(hashes: BTreeMap<String, String>) -> Self {
        let stand_in = hashes.values().next().cloned();
        Self { hashes, stand_in, memory: Arc::default() }
    }

    /// Whether `password` is the password of `login`.
    pub async fn verify(&self, login: &str, password: Secret) -> bool {
        let known = self.hashes.get(login);
        let Some(hash) = known.or(self.stand_in.as_ref()).cloned() else { return false };
        let is_known = known.is_some();
        let memory = Arc::clone(&self.memory);
        let check = tokio::task::spawn_blocking(move || memory.verify(&hash, password.reveal().as_bytes()));
        check.await.unwrap_or(false) && is_known
    }
}

/// Returns the argon2id PHC string of a password, with a new salt.
///
/// # Errors
/// If the system provides no random numbers.
pub fn hash_password(password: &str) -> io::Result<String> {
    let mut salt = [0_u8; 16];
    getrandom::fill(&mut salt).map_err(io::Error::other)?;
    let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt).map_err(io::Error::other)?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::{Accounts, Secret, hash_password};

    #[tokio::test]
    async fn only_right_password_of_known_login_matches() {
        let hash = hash_password("tulip").unwrap();
        assert!(hash.starts_with("$argon2id$"));
        let accounts = Accounts::new([("alice".to_owned(), hash)].into());
        assert!(accounts.verify("alice", Secret::new("tulip")).await);
        assert!(!accounts.verify("alice", Secret::new("rose")).await);
        assert!(!accounts.verify("bob", Secret::new("tulip")).await);
    }
}
