use super::{A_TO_MU, Law, MU_TO_A, decode_a, decode_mu, encode_a, encode_mu};
use crate::rtp::packet::split_padding;

fn octets() -> impl Iterator<Item = u8> {
    0..=u8::MAX
}

#[test]
fn amplitudes_match_recommendation() {
    // Values of 14 and 13 bits, scaled to 16 bits: the smallest, some between and the largest amplitude.
    assert_eq!([0xff, 0xfe, 0xef, 0x80, 0x00, 0x7f].map(decode_mu), [0, 8, 132, 32_124, -32_124, 0]);
    assert_eq!([0xd5, 0x55, 0xd4, 0xc5, 0xaa, 0x2a].map(decode_a), [8, -8, 24, 264, 32_256, -32_256]);
}

#[test]
fn octet_survives_decoding_and_encoding() {
    // 0x7f is the negative zero of the µ-law.
    assert!(octets().filter(|octet| *octet != 0x7f).all(|octet| encode_mu(decode_mu(octet)) == octet));
    assert!(octets().all(|octet| encode_a(decode_a(octet)) == octet));
    assert_eq!([encode_a(40_000), encode_a(-40_000), encode_mu(40_000), encode_mu(-40_000)], [0xaa, 0x2a, 0x80, 0x00]);
}

#[test]
fn transcoding_keeps_amplitude() {
    let error = |before: i32, after: i32| f64::from((before - after).abs()) / f64::from(before.abs().max(400));
    for octet in octets() {
        let (a, mu) = (MU_TO_A[usize::from(octet)], A_TO_MU[usize::from(octet)]);
        assert!(error(decode_mu(octet), decode_a(a)) < 0.05, "{octet:#x}");
        assert!(error(decode_a(octet), decode_mu(mu)) < 0.05, "{octet:#x}");
    }
    assert_eq!(A_TO_MU[usize::from(MU_TO_A[0xff])] | 1, 0xff, "silence stays silence");
}

#[test]
fn padding_is_not_transcoded() {
    let convert = |payload: &[u8], padded| {
        let mut out = vec![1];
        let (sound, padding) = split_padding(payload, padded);
        Law::MuToA.convert(sound, &mut out);
        out.extend_from_slice(padding);
        out
    };
    assert_eq!(convert(&[0xff, 0x80, 0, 2], true), [1, MU_TO_A[0xff], MU_TO_A[0x80], 0, 2]);
    assert_eq!(convert(&[0xff, 0x80], false), [1, MU_TO_A[0xff], MU_TO_A[0x80]]);
    assert_eq!(convert(&[0xff, 200], true), [1, 0xff, 200], "padding longer than the payload");
    assert_eq!(convert(&[], true), [1]);
}

#[test]
fn only_pcmu_and_pcma_are_transcoded() {
    let codec = |name| crate::graph::codec::tests::payload(0, name, 8000).codec;
    let between = [("pcmu", "PCMA"), ("PCMA", "PCMU"), ("PCMA", "PCMA"), ("G722", "PCMA")];
    let laws = between.map(|(from, to)| Law::between(&codec(from), &codec(to)));
    assert_eq!(laws, [Some(Law::MuToA), Some(Law::AToMu), None, None]);
}
