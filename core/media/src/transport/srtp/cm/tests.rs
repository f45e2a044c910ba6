use super::{Keys, aes128};
use hmac::{Hmac, KeyInit};

#[test]
fn key_stream_matches_rfc_3711_appendix_b2() {
    let key = 0x2B7E_1516_28AE_D2A6_ABF7_1588_09CF_4F3C_u128.to_be_bytes();
    let salt = [0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd];
    let keys = Keys { cipher: aes128(key), salt, mac: Hmac::new_from_slice(b"any").unwrap() };
    let mut stream = [0; 32];
    keys.apply(&mut stream, 0, 0);
    assert_eq!(stream[..16], 0xE03E_AD09_35C9_5E80_E166_B16D_D92B_4EB4_u128.to_be_bytes());
    assert_eq!(stream[16..], 0xD235_1316_2B02_D0F7_2A43_A2FE_4A5F_97AB_u128.to_be_bytes());
}
