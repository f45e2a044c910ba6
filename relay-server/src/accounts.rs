//! Passwords against argon2 hashes, a few at a time and off the async threads.

mod argon;

use argon::Memory;
use argon2::Argon2;
use argon2::password_hash::PasswordHasher;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Checks that run or wait at most: each holds a password, and one that waits long is not waited for any more.
const WAITING: usize = 64;

/// Who may log in with which password.
#[derive(Debug)]
pub struct Accounts {
    hashes: BTreeMap<String, String>,
    /// Checked for logins without account, so that the time an answer takes does not tell who has one.
    stand_in: Option<String>,
    permits: Arc<Semaphore>,
    places: Arc<Semaphore>,
    memory: Arc<Memory>,
}

impl Accounts {
    /// Accounts of which `at_a_time` are checked at the same time.
    #[must_use]
    pub fn new(hashes: BTreeMap<String, String>, at_a_time: usize) -> Self {
        let stand_in = hashes.values().next().cloned();
        let (permits, places) = (Semaphore::new(at_a_time), Semaphore::new(WAITING));
        Self { hashes, stand_in, permits: Arc::new(permits), places: Arc::new(places), memory: Arc::default() }
    }

    /// A check whether `login` and `password` belong together, which holds a place until it is done or dropped.
    /// `None`: too many are waiting already.
    #[must_use]
    pub fn check(
        self: &Arc<Self>,
        login: String,
        password: String,
    ) -> Option<impl Future<Output = bool> + Send + use<>> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let accounts = Arc::clone(self);
        Some(async move {
            let matches = accounts.verify(&login, password).await;
            drop(place);
            matches
        })
    }

    async fn verify(&self, login: &str, password: String) -> bool {
        let known = self.hashes.get(login);
        let Some(hash) = known.or(self.stand_in.as_ref()).cloned() else { return false };
        let known = known.is_some();
        let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else { return false };
        let memory = Arc::clone(&self.memory);
        let check = tokio::task::spawn_blocking(move || {
            let matches = memory.verify(&hash, password.as_bytes());
            drop(permit);
            matches
        });
        check.await.unwrap_or(false) && known
    }
}

/// The argon2id PHC string of a password, with a new salt.
///
/// # Errors
/// When the system has no randomness to give.
pub fn hash_password(password: &str) -> io::Result<String> {
    let mut salt = [0_u8; 16];
    getrandom::fill(&mut salt).map_err(io::Error::other)?;
    let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt).map_err(io::Error::other)?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::{Accounts, WAITING, hash_password};
    use std::sync::Arc;

    #[tokio::test]
    async fn only_the_right_password_of_a_known_login_matches() {
        let hash = hash_password("tulip").unwrap();
        assert!(hash.starts_with("$argon2id$"));
        let accounts = Accounts::new([("alice".to_owned(), hash)].into(), 1);
        assert!(accounts.verify("alice", "tulip".to_owned()).await);
        assert!(!accounts.verify("alice", "rose".to_owned()).await);
        assert!(!accounts.verify("bob", "tulip".to_owned()).await);
    }

    #[tokio::test]
    async fn one_check_too_many_is_refused_at_once() {
        let hash = hash_password("tulip").unwrap();
        let accounts = Arc::new(Accounts::new([("alice".to_owned(), hash)].into(), 1));
        let check = || accounts.check("alice".to_owned(), "tulip".to_owned());
        let mut waiting: Vec<_> = (0..WAITING).map(|_| check().expect("a place")).collect();
        assert!(check().is_none());
        drop(waiting.pop());
        let last = check().expect("the place of the one that was dropped");
        assert!(check().is_none());
        assert!(last.await);
        assert!(check().is_some(), "a check that is done has left its place");
    }
}
