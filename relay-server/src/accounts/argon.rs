//! Argon2 with memory that is used again.
//!
//! A check takes 19 MiB with the usual parameters. Allocated anew for each check, on whichever thread is free, these stay with
//! the allocator's arena of every thread that has ever made one.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Memory for checks, one piece for each that runs.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Vec<Vec<Block>>>);

impl Memory {
    /// Whether `hash`, a PHC string, is one of `password`. A hash that is not valid matches nothing.
    pub(super) fn verify(&self, hash: &str, password: &[u8]) -> bool {
        self.try_verify(hash, password).unwrap_or(false)
    }

    fn try_verify(&self, hash: &str, password: &[u8]) -> Option<bool> {
        let hash = PasswordHash::new(hash).ok()?;
        let algorithm: Algorithm = hash.algorithm.as_str().parse().ok()?;
        let version = hash.version.map_or(Ok(Version::default()), Version::try_from).ok()?;
        let params = Params::try_from(&hash).ok()?;
        let (salt, expected) = (hash.salt?, hash.hash?);
        let mut output = vec![0; expected.len()];
        let mut blocks = self.lock().pop().unwrap_or_default();
        blocks.resize(params.block_count(), Block::default());
        let argon2 = Argon2::new(algorithm, version, params);
        let hashed = argon2.hash_password_into_with_memory(password, &salt, &mut output, &mut *blocks);
        self.lock().push(blocks);
        hashed.ok()?;
        // All octets are compared, so that the time tells nothing.
        let differences = output.iter().zip(expected.as_bytes()).fold(0, |found, (a, b)| found | (a ^ b));
        Some(differences == 0)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<Block>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, Argon2, Memory, Params, Version};
    use crate::accounts::hash_password;
    use argon2::password_hash::PasswordHasher as _;

    #[test]
    fn the_same_memory_serves_hashes_of_all_parameters() {
        let memory = Memory::default();
        let usual = hash_password("tulip").unwrap();
        let other = Argon2::new(Algorithm::Argon2i, Version::V0x10, Params::new(64, 1, 2, Some(24)).unwrap());
        let small = other.hash_password_with_salt(b"tulip", b"saltsalt").unwrap().to_string();
        assert!(small.starts_with("$argon2i$v=16$m=64,t=1,p=2$"), "{small}");
        for _ in 0..2 {
            assert!(memory.verify(&usual, b"tulip") && !memory.verify(&usual, b"rose"));
            assert!(memory.verify(&small, b"tulip") && !memory.verify(&small, b"rose"));
        }
        assert!(!memory.verify("$argon2id$v=19$m=64", b"tulip"));
        assert_eq!(memory.lock().len(), 1, "one after the other, they share one piece");
    }
}
