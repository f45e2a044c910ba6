use super::{BindingRequest, Refusal, finish, write_attribute, write_check};
use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use sha1::Sha1;

/// The sample request of RFC 5769 §2.1.
const SAMPLE: [u8; 108] = [
    0x00, 0x01, 0x00, 0x58, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf,
    0xae, 0x80, 0x22, 0x00, 0x10, 0x53, 0x54, 0x55, 0x4e, 0x20, 0x74, 0x65, 0x73, 0x74, 0x20, 0x63, 0x6c, 0x69, 0x65,
    0x6e, 0x74, 0x00, 0x24, 0x00, 0x04, 0x6e, 0x00, 0x01, 0xff, 0x80, 0x29, 0x00, 0x08, 0x93, 0x2f, 0xf9, 0xb1, 0x51,
    0x26, 0x3b, 0x36, 0x00, 0x06, 0x00, 0x09, 0x65, 0x76, 0x74, 0x6a, 0x3a, 0x68, 0x36, 0x76, 0x59, 0x20, 0x20, 0x20,
    0x00, 0x08, 0x00, 0x14, 0x9a, 0xea, 0xa7, 0x0c, 0xbf, 0xd8, 0xcb, 0x56, 0x78, 0x1e, 0xf2, 0xb5, 0xb2, 0xd3, 0xf2,
    0x49, 0xc1, 0xb5, 0x71, 0xa2, 0x80, 0x28, 0x00, 0x04, 0xe5, 0x7a, 0x3b, 0xcf,
];

#[test]
fn sample_request_of_rfc_5769_is_parsed() {
    let request = BindingRequest::parse(&SAMPLE).unwrap();
    assert_eq!(request.fragments(), Some(("evtj", "h6vY")));
    assert!(request.is_controlled && !request.use_candidate && request.unknown.is_empty());
    assert!(request.is_made_with("VOkJxbRl1RmTxUk/WvJxBt"));
    assert!(!request.is_made_with("VOkJxbRl1RmTxUk/WvJxBu"));
}

#[test]
fn changed_octet_fails_fingerprint() {
    for at in 0..SAMPLE.len() {
        let mut changed = SAMPLE;
        changed[at] ^= 1;
        assert_eq!(BindingRequest::parse(&changed), None, "octet {at}");
    }
}

#[test]
fn success_response_has_mapped_address_and_integrity() {
    let request = BindingRequest::parse(&SAMPLE).unwrap();
    let mut response = Vec::new();
    // The address and transaction of RFC 5769 §2.2.
    request.accept("192.0.2.1:32853".parse().unwrap(), "VOkJxbRl1RmTxUk/WvJxBt", &mut response);
    assert_eq!(response[..2], [1, 1]);
    assert_eq!(response[20..32], [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]);
    request.accept("[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap(), "p", &mut response);
    let mapped = 0x0113_a9fa_a5d3_f179_bc25_f4b5_bed2_b9d9_u128.to_be_bytes();
    assert_eq!(response[20..28], [0, 0x20, 0, 20, 0, 2, 0xa1, 0x47]);
    assert_eq!(response[28..44], mapped);
    let end = response.len();
    let crc = crc32fast::hash(&response[..end - 8]) ^ super::FINGERPRINT_XOR;
    assert_eq!(response[end - 8..], [&[0x80, 0x28, 0, 4][..], &crc.to_be_bytes()].concat());
    assert_eq!(response[end - 32..end - 28], [0, 8, 0, 20]);
    // The signed length includes MESSAGE-INTEGRITY and nothing after it.
    let mut signed = response[..end - 32].to_vec();
    signed[2..4].copy_from_slice(&u16::try_from(end - 28).unwrap().to_be_bytes());
    let mut mac = Hmac::<Sha1>::new_from_slice(b"p").unwrap();
    mac.update(&signed);
    assert!(mac.verify_slice(&response[end - 28..end - 8]).is_ok());
}

#[test]
fn error_response_lists_unknown_attributes() {
    let mut check = Vec::new();
    write_check(&[3; 12], "a:b", "password", false, &mut check);
    check.truncate(check.len() - 32);
    write_attribute(0x7abc, &[1, 2, 3], &mut check);
    finish(Some("password"), &mut check);
    let request = BindingRequest::parse(&check).unwrap();
    assert!(request.is_made_with("password"));
    assert_eq!(request.unknown, [0x7abc]);
    let mut response = Vec::new();
    request.refuse(Refusal::UnknownAttribute, Some("password"), &mut response);
    assert_eq!(response[..2], [1, 0x11]);
    assert_eq!(response[24..28], [0, 0, 4, 20]);
    assert!(response.windows(6).any(|w| w == [0, 0x0a, 0, 2, 0x7a, 0xbc]));
}

proptest! {
    #[test]
    fn written_check_is_parsed(name in "[a-z0-9+/]{1,40}:[a-z0-9]{1,40}", password in "[!-~]{22,60}", nominate: bool) {
        let mut check = Vec::new();
        write_check(&[9; 12], &name, &password, nominate, &mut check);
        let request = BindingRequest::parse(&check).unwrap();
        prop_assert_eq!(request.username, Some(name.as_str()));
        prop_assert_eq!(request.use_candidate, nominate);
        prop_assert!(request.is_made_with(&password));
        prop_assert!(!request.is_made_with("another"));
    }
}
