use super::{Protocol, classify};

#[test]
fn first_octet_determines_protocol() {
    for first in 0..=255_u8 {
        let expected = match first {
            0..=3 => Some(Protocol::Stun),
            20..=63 => Some(Protocol::Dtls),
            128..=191 => Some(Protocol::Rtp),
            _ => None,
        };
        assert_eq!(classify(&[first, 111, 0]), expected);
    }
    assert_eq!(classify(&[0x80, 200]), Some(Protocol::Rtcp));
    assert_eq!(classify(&[0x80, 0x80 | 96]), Some(Protocol::Rtp));
    assert_eq!((classify(&[]), classify(&[0x80])), (None, None));
}
