use super::Gcm;
use aws_lc_rs::aead::{AES_128_GCM, LessSafeKey, UnboundKey};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| u8::try_from(d).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// The session keys of RFC 7714 §16.1 and §17.1.
fn context() -> Gcm {
    let key = || LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &hex("000102030405060708090a0b0c0d0e0f")).unwrap());
    Gcm { rtp: key(), rtp_salt: *b"Quid pro quo", rtcp: key(), rtcp_salt: *b"Quid pro quo" }
}

#[test]
fn rtp_matches_rfc_7714_section_16_1() {
    let plain = hex("8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070
                     61727465 73207472 6573");
    let mut packet = plain.clone();
    context().protect_rtp(&mut packet, 12, 0x5501_a0b2, 0xf17b).unwrap();
    let expected = hex("8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a
                        51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce");
    assert_eq!(packet, expected);
    let length = context().unprotect_rtp(&mut packet, 12, 0x5501_a0b2, 0xf17b).unwrap();
    assert_eq!(packet[..length], plain);
}

#[test]
fn rtcp_matches_rfc_7714_section_17_1() {
    let plain = hex("81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef
                     deadbeef deadbeef deadbeef");
    let mut packet = plain.clone();
    context().protect_rtcp(&mut packet, 0x4d61_7273, 0x5d4).unwrap();
    let expected = hex("81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda
                        4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4");
    assert_eq!(packet, expected);
    let length = context().unprotect_rtcp(&mut packet, 0x4d61_7273).unwrap();
    assert_eq!(packet[..length], plain);
}
