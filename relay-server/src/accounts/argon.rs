//! Argon2 verification with reused memory.
//!
//! A check needs 19 MiB with the default parameters. If this memory were allocated for each check on any free thread, the
//! allocator's arena of every such thread would retain it.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Memory blocks for checks, one for each concurrent check.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Vec<Vec<Block>>>);

impl Memory {
    /// Whether `hash`, a PHC string, is a hash of `password`. An invalid hash matches no password.
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
        // Compares all octets, so that the time does not depend on the result.
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
    fn memory_is_reused_for_hashes_with_other_parameters() {
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
        assert_eq!(memory.lock().len(), 1, "consecutive checks share one block");
    }
}
