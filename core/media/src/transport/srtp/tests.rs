use super::kdf::{Label, derive};
use super::{DtlsRole, Inbound, MasterSecret, Outbound, Profile, SrtpError, Window, contexts};
use crate::rtp::packet::Header;
use proptest::prelude::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| u8::try_from(d).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

const KEY: &str = "E1F97A0D3E018BE0D64FA32C06DE4139";
const SALT: &str = "0EC675AD498AFEEBB6960B3AABE6";

#[test]
fn session_keys_match_rfc_3711_appendix_b3() {
    let derived = |label, length| {
        let mut out = vec![0; length];
        derive(&hex(KEY), &hex(SALT), label, &mut out).unwrap();
        out
    };
    assert_eq!(derived(Label::RtpEncryption, 16), hex("C61E7A93744F39EE10734AFE3FF7A087"));
    assert_eq!(derived(Label::RtpSalt, 14), hex("30CBBC08863D8C85D49DB34A9AE1"));
    assert_eq!(derived(Label::RtpAuthentication, 20), hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
}

#[test]
fn counter_mode_packets_match_libsrtp() {
    let profile = Profile::AesCm128HmacSha1;
    let mut outbound = Outbound::new(profile, &hex(KEY), &hex(SALT)).unwrap();
    let plain = hex("800f1234decafbadcafebabeabababababababababababababababab");
    let mut packet = plain.clone();
    let header = Header::parse(&packet).unwrap();
    outbound.protect_rtp(&mut packet, &header).unwrap();
    assert_eq!(packet, hex("800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb"));
    let mut inbound = Inbound::new(profile, &hex(KEY), &hex(SALT)).unwrap();
    let length = inbound.unprotect_rtp(&mut packet, &header).unwrap();
    assert_eq!(packet[..length], plain);

    let plain = hex("81c8000bcafebabeabababababababababababababababab");
    let mut packet = plain.clone();
    outbound.protect_rtcp(&mut packet).unwrap();
    assert_eq!(packet, hex("81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798"));
    let length = inbound.unprotect_rtcp(&mut packet).unwrap();
    assert_eq!(packet[..length], plain);
}

#[test]
fn short_tag_is_truncated_long_tag_for_rtp() {
    let context = || Outbound::new(Profile::AesCm128HmacSha1Short, &hex(KEY), &hex(SALT)).unwrap();
    let mut packet = hex("800f1234decafbadcafebabeabababababababababababababababab");
    let header = Header::parse(&packet).unwrap();
    context().protect_rtp(&mut packet, &header).unwrap();
    assert_eq!(packet, hex("800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc"));
    let mut packet = hex("81c8000bcafebabeabababababababababababababababab");
    context().protect_rtcp(&mut packet).unwrap();
    assert_eq!(packet, hex("81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798"));
}

const PROFILES: [Profile; 4] =
    [Profile::AesCm128HmacSha1, Profile::AesCm128HmacSha1Short, Profile::AeadAes128Gcm, Profile::AeadAes256Gcm];

fn pair(profile: Profile) -> ((Inbound, Outbound), (Inbound, Outbound)) {
    let (key, salt) = profile.lengths();
    let material: Vec<u8> = (0..=255).take(2 * (key + salt)).collect();
    let side = |role| contexts(profile, &material, role).unwrap();
    (side(DtlsRole::Client), side(DtlsRole::Server))
}

fn protected(outbound: &mut Outbound, sequence: u16) -> (Vec<u8>, Header) {
    let mut header = Header::new(111, sequence, 960, 77);
    let mut packet = Vec::new();
    header.write(&[(1, b"x")], &mut packet);
    packet.extend_from_slice(b"some speech");
    outbound.protect_rtp(&mut packet, &header).unwrap();
    (packet, header)
}

#[test]
fn every_profile_decrypts_both_directions() {
    for profile in PROFILES {
        let (mut client, mut server) = pair(profile);
        for (from, to) in [(&mut client.1, &mut server.0), (&mut server.1, &mut client.0)] {
            // The rollover counter increases during the test.
            for sequence in (0..140).map(|n: u16| n.wrapping_mul(1000)) {
                let (mut packet, header) = protected(from, sequence);
                let length = to.unprotect_rtp(&mut packet, &header).unwrap();
                assert_eq!(packet[header.length..length], *b"some speech");
            }
            for _ in 0..3 {
                let plain = hex("81c900010000002a00000000");
                let mut packet = plain.clone();
                from.protect_rtcp(&mut packet).unwrap();
                assert_ne!(packet[8..12], plain[8..12]);
                let copy = packet.clone();
                let length = to.unprotect_rtcp(&mut packet).unwrap();
                assert_eq!(packet[..length], plain);
                assert_eq!(to.unprotect_rtcp(&mut copy.clone()), Err(SrtpError::Replayed));
            }
        }
    }
}

#[test]
fn changed_octet_is_rejected_without_state_change() {
    for profile in PROFILES {
        let (mut client, mut server) = pair(profile);
        let (packet, header) = protected(&mut client.1, 500);
        for at in 12..packet.len() {
            let mut changed = packet.clone();
            changed[at] ^= 1;
            assert_eq!(server.0.unprotect_rtp(&mut changed, &header), Err(SrtpError::Unauthentic), "octet {at}");
        }
        server.0.unprotect_rtp(&mut packet.clone(), &header).unwrap();
        assert_eq!(server.0.unprotect_rtp(&mut packet.clone(), &header), Err(SrtpError::Replayed));
    }
}

#[test]
fn ssrcs_are_bounded() {
    let (mut client, mut server) = pair(Profile::AeadAes128Gcm);
    let bound = u32::try_from(super::MAX_SSRCS).unwrap();
    let results = (0..=bound).map(|ssrc| {
        let mut header = Header::new(0, 1, 1, ssrc);
        let mut packet = Vec::new();
        header.write(&[], &mut packet);
        client.1.protect_rtp(&mut packet, &header).unwrap();
        server.0.unprotect_rtp(&mut packet, &header)
    });
    let refused: Vec<_> = results.filter_map(Result::err).collect();
    assert_eq!(refused, [SrtpError::TooManySources]);
}

proptest! {
    #[test]
    fn arbitrary_octets_are_rejected(data in prop::collection::vec(any::<u8>(), 0..100)) {
        for profile in PROFILES {
            let (_, mut server) = pair(profile);
            if let Some(header) = Header::parse(&data) {
                prop_assert!(server.0.unprotect_rtp(&mut data.clone(), &header).is_err());
            }
            prop_assert!(server.0.unprotect_rtcp(&mut data.clone()).is_err());
        }
    }

    #[test]
    fn index_estimate_tolerates_losses_and_reordering(steps in prop::collection::vec(1_u64..30_000, 1..60)) {
        let mut window = Window::default();
        let mut index = 1000;
        window.accept(index);
        for step in steps {
            index += step;
            prop_assert_eq!(window.estimate((index & 0xffff) as u16), index);
            prop_assert!(window.is_new(index));
            window.accept(index);
            prop_assert!(!window.is_new(index));
            prop_assert_eq!(window.estimate(((index - 50) & 0xffff) as u16), index - 50);
            prop_assert!(!window.is_new(index.saturating_sub(128)));
        }
    }
}

#[test]
fn mki_is_placed_as_in_rfc_3711() {
    let mki = [0, 0, 7];
    for profile in PROFILES {
        let (key, salt) = profile.lengths();
        let master = vec![5; key + salt];
        let plain = MasterSecret::split(profile, &master).unwrap();
        let secret = plain.with_mki(&mki);
        let (mut bare, mut outbound) =
            (Outbound::from_secret(&plain).unwrap(), Outbound::from_secret(&secret).unwrap());
        let mut inbound = Inbound::from_secret(&secret).unwrap();
        assert!(inbound.is_made_with(&secret) && !inbound.is_made_with(&plain));
        // The length of the part after the MKI, for RTP and RTCP.
        let tags = match profile {
            Profile::AesCm128HmacSha1 => (10, 10),
            Profile::AesCm128HmacSha1Short => (4, 10),
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => (0, 0),
        };
        let with_mki = |mut packet: Vec<u8>, tag: usize| {
            let at = packet.len() - tag;
            packet.splice(at..at, mki);
            packet
        };
        let rtp = hex("800f1234decafbadcafebabeabababababababababababababababab");
        let header = Header::parse(&rtp).unwrap();
        let (mut expected, mut packet) = (rtp.clone(), rtp.clone());
        bare.protect_rtp(&mut expected, &header).unwrap();
        outbound.protect_rtp(&mut packet, &header).unwrap();
        assert_eq!(packet, with_mki(expected.clone(), tags.0), "{profile:?}");
        assert_eq!(inbound.unprotect_rtp(&mut expected, &header), Err(SrtpError::Unauthentic), "{profile:?}");
        assert_eq!(inbound.unprotect_rtp(&mut packet.clone()[..14], &header), Err(SrtpError::Unauthentic));
        let length = inbound.unprotect_rtp(&mut packet, &header).unwrap();
        assert_eq!(packet[..length], rtp, "{profile:?}");

        let rtcp = hex("81c8000bcafebabeabababababababababababababababab");
        let (mut expected, mut packet) = (rtcp.clone(), rtcp.clone());
        bare.protect_rtcp(&mut expected).unwrap();
        outbound.protect_rtcp(&mut packet).unwrap();
        assert_eq!(packet, with_mki(expected, tags.1), "{profile:?}");
        let length = inbound.unprotect_rtcp(&mut packet).unwrap();
        assert_eq!(packet[..length], rtcp, "{profile:?}");
    }
}
