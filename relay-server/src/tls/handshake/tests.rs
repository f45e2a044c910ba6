use super::{Handshakes, PERIOD, Refusal};
use crate::security_log::tests::logged;
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;

/// TLS_RSA_WITH_AES_128_CBC_SHA, which RFC 3261 §26.3.1 demands of SIP servers.
const RSA_CBC: [u8; 2] = [0x00, 0x2f];
/// TLS_RSA_WITH_AES_128_GCM_SHA256.
const RSA_GCM: [u8; 2] = [0x00, 0x9c];
/// Elliptic curves (secp256r1), point formats (uncompressed) and signature algorithms (ECDSA and RSA with SHA-256).
const EXTENSIONS: [u8; 24] = [0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0, 0, 13, 0, 6, 0, 4, 4, 3, 4, 1];

fn with_length<const N: usize>(body: &[u8]) -> Vec<u8> {
    let length = body.len().to_be_bytes();
    [&length[length.len() - N..], body].concat()
}

/// A record with the ClientHello of a client that supports one version and one cipher suite (RFC 5246 §7.4.1.2).
pub(crate) fn client_hello(version: [u8; 2], suite: [u8; 2], extensions: &[u8]) -> Vec<u8> {
    let extensions = if extensions.is_empty() { Vec::new() } else { with_length::<2>(extensions) };
    let body = [&version[..], &[7; 32], &[0], &with_length::<2>(&suite), &[1, 0], &extensions].concat();
    let handshake = [vec![1], with_length::<3>(&body)].concat();
    [vec![22, 3, 1], with_length::<2>(&handshake)].concat()
}

/// The ClientHello of a client that supports TLS 1.1 only.
pub(crate) fn old_client_hello() -> Vec<u8> {
    client_hello([3, 2], RSA_CBC, &[])
}

fn acceptor() -> TlsAcceptor {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["relay.test".to_owned()]).unwrap().self_signed(&key).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key);
    TlsAcceptor::from(Arc::new(config.unwrap()))
}

/// The lines at level info and above after clients that send these octets.
fn lines_after(clients: &[Vec<u8>]) -> Vec<String> {
    let acceptor = acceptor();
    logged(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let handshakes = Handshakes::new("sip");
            for octets in clients {
                let (mut client, server) = tokio::io::duplex(4_096);
                client.write_all(octets).await.unwrap();
                client.shutdown().await.unwrap();
                assert!(handshakes.accept(acceptor.clone(), server).await.is_err());
            }
        });
    })
}

fn line(version: &str, reason: &str) -> String {
    format!(
        "INFO offhook_relay::tls::handshake: TLS handshake rejected: the client needs TLS 1.2 or 1.3 and a cipher suite with \
         forward secrecy (ECDHE, AEAD) listener=\"sip\" client_version=\"{version}\" reason=\"{reason}\" count=1"
    )
}

#[test]
fn client_below_tls12_is_refused_with_one_line() {
    for (version, name) in [([3, 0], "SSL 3.0"), ([3, 1], "TLS 1.0"), ([3, 2], "TLS 1.1")] {
        let clients = vec![client_hello(version, RSA_CBC, &[]); 3];
        assert_eq!(lines_after(&clients), [line(name, "version below TLS 1.2")]);
    }
}

#[test]
fn client_with_rsa_key_exchange_is_refused_with_one_line() {
    let clients = vec![client_hello([3, 3], RSA_GCM, &EXTENSIONS); 3];
    assert_eq!(lines_after(&clients), [line("TLS 1.2 or later", "no common cipher suite")]);
}

#[test]
fn client_that_sends_no_tls_costs_no_line() {
    let truncated = old_client_hello()[..20].to_vec();
    assert_eq!(lines_after(&[b"GET / HTTP/1.1\r\n\r\n".to_vec(), truncated, Vec::new()]), [""; 0]);
}

#[test]
fn refusals_are_counted_until_the_next_line() {
    let (handshakes, now) = (Handshakes::new("sip"), Instant::now());
    let refusal = Refusal { client_version: "TLS 1.1", reason: "version below TLS 1.2" };
    assert_eq!(handshakes.count(refusal, now), Some(1));
    assert_eq!(handshakes.count(refusal, now), None);
    assert_eq!(handshakes.count(Refusal { client_version: "TLS 1.0", ..refusal }, now), Some(1));
    assert_eq!(handshakes.count(refusal, now + PERIOD), Some(2));
    assert_eq!(handshakes.count(refusal, now + PERIOD), None);
}
