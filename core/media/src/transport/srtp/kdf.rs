//! Derivation of session keys from a master key (RFC 3711 §4.3, RFC 7714 §11), key derivation rate 0.

use aes::cipher::{KeyInit, KeyIvInit, StreamCipher};
use aes::{Aes128, Aes256};
use ctr::Ctr128BE;

/// Label of a session key (RFC 3711 §4.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    RtpEncryption = 0,
    RtpAuthentication = 1,
    RtpSalt = 2,
    RtcpEncryption = 3,
    RtcpAuthentication = 4,
    RtcpSalt = 5,
}

/// The error for a master key that is not an AES key of 128 or 256 bits, or for a salt of the wrong length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadKeyLength;

/// Fills `out` with the AES-CM key stream of the master key for this label.
pub(super) fn derive(master: &[u8], salt: &[u8], label: Label, out: &mut [u8]) -> Result<(), BadKeyLength> {
    // x = label || index XOR salt, times 2^16. A salt of 12 octets is left-aligned (RFC 7714 §11).
    let mut iv = [0_u8; 16];
    let room = iv.get_mut(..salt.len().min(14)).ok_or(BadKeyLength)?;
    room.copy_from_slice(salt.get(..14.min(salt.len())).ok_or(BadKeyLength)?);
    if salt.len() > 14 {
        return Err(BadKeyLength);
    }
    iv[7] ^= label as u8;
    out.fill(0);
    if let Ok(key) = <[u8; 16]>::try_from(master) {
        Ctr128BE::<Aes128>::new(&key.into(), &iv.into()).apply_keystream(out);
    } else if let Ok(key) = <[u8; 32]>::try_from(master) {
        Ctr128BE::<Aes256>::new(&key.into(), &iv.into()).apply_keystream(out);
    } else {
        return Err(BadKeyLength);
    }
    Ok(())
}

/// Creates the block cipher of a session key.
pub(super) fn aes128(key: [u8; 16]) -> Aes128 {
    Aes128::new(&key.into())
}
