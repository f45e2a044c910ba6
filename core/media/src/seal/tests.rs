use super::{SealingKey, Unsealable};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

#[test]
fn secret_opens_only_with_its_key_and_name() {
    let (key, other) = (SealingKey::new([1; 32]), SealingKey::new([2; 32]));
    let mut rng = ChaCha8Rng::from_seed([3; 32]);
    let sealed = key.seal(b"a secret", "leg 1 rx", &mut rng);
    assert_eq!(key.open(&sealed, "leg 1 rx").as_deref(), Ok(b"a secret".as_slice()));
    assert_eq!(key.open(&sealed, "leg 1 tx"), Err(Unsealable));
    assert_eq!(other.open(&sealed, "leg 1 rx"), Err(Unsealable));
    let mut damaged = sealed.clone();
    damaged.text[0] ^= 1;
    assert_eq!(key.open(&damaged, "leg 1 rx"), Err(Unsealable));
    assert_ne!(key.seal(b"a secret", "leg 1 rx", &mut rng), sealed, "a nonce is used once");
}

#[test]
fn debug_output_hides_secret() {
    let mut rng = ChaCha8Rng::from_seed([3; 32]);
    let key = SealingKey::new([1; 32]);
    let sealed = key.seal(b"a secret", "leg", &mut rng);
    assert_eq!(format!("{key:?} {sealed:?}"), "SealingKey(…) Sealed(24 octets)");
}
