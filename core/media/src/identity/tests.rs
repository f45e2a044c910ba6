use super::has_fingerprint;
use aws_lc_rs::digest::{Algorithm, SHA256, SHA384, SHA512, digest};
use offhook_sdp::webrtc::{Fingerprint, FingerprintHash};

#[test]
fn fingerprint_is_verified_with_its_hash_function() {
    let certificate = b"arbitrary octets";
    let table: [(FingerprintHash, &'static Algorithm); 3] =
        [(FingerprintHash::Sha256, &SHA256), (FingerprintHash::Sha384, &SHA384), (FingerprintHash::Sha512, &SHA512)];
    for (hash, algorithm) in table {
        let mut octets = digest(algorithm, certificate).as_ref().to_vec();
        let fingerprint = |octets: &[u8]| Fingerprint::new(hash, octets).unwrap();
        assert!(has_fingerprint(certificate, &fingerprint(&octets)), "{hash:?}");
        assert!(!has_fingerprint(b"another certificate", &fingerprint(&octets)), "{hash:?}");
        *octets.last_mut().unwrap() ^= 1;
        assert!(!has_fingerprint(certificate, &fingerprint(&octets)), "{hash:?}");
    }
}
