use super::{Shown, TlsSides, sip_domain};
use crate::config::Verify;
use crate::tls::CertifiedFiles;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use rustls::pki_types::ServerName;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::io::duplex;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// A certification authority with a temporary directory for its certificates.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: PathBuf,
}

impl Authority {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("offhook-ca-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(directory.join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, directory }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    /// A certificate for names, addresses and `sip:` URIs.
    pub(crate) fn sign(&self, file: &str, names: &[&str]) -> CertifiedFiles {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = names.iter().map(|name| subject(name)).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = CertifiedFiles {
            certificate: self.directory.join(format!("{file}.pem")),
            key: self.directory.join(format!("{file}.key")),
        };
        std::fs::write(&files.certificate, certificate.pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }
}

fn subject(name: &str) -> SanType {
    if let Ok(address) = name.parse() {
        return SanType::IpAddress(address);
    }
    if name.contains(':') { SanType::URI(name.try_into().unwrap()) } else { SanType::DnsName(name.try_into().unwrap()) }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Whether a client that connects to `host` accepts a server certificate with these names.
async fn accepts(authority: &Authority, verify: Verify, names: &[&str], host: &str) -> bool {
    let own = authority.sign("server", names);
    let sides = TlsSides::load(&Shown::Files(own), None, Some(&authority.file()), verify).unwrap();
    let (near, far) = duplex(65_536);
    let server = tokio::spawn(TlsAcceptor::from(sides.server.unwrap()).accept(far));
    let connector = TlsConnector::from(Arc::clone(&sides.client));
    let connected = connector.connect(ServerName::try_from(host.to_owned()).unwrap(), near).await.is_ok();
    drop(server);
    connected
}

#[tokio::test]
async fn certificate_is_valid_for_its_exact_domains_only() {
    let authority = Authority::new();
    let strict = [
        (&["example.org"][..], "example.org", true),
        (&["Example.ORG"], "example.org", true),
        (&["example.org"], "sip.example.org", false),
        (&["*.example.org"], "sip.example.org", false),
        (&["sip:example.org", "host.example.net"], "example.org", true),
        // DNS names are not used if there is a URI (RFC 5922 §7.1).
        (&["sip:example.org", "host.example.net"], "host.example.net", false),
        (&["sip:alice@example.org", "host.example.net"], "example.org", false),
        (&["sip:alice@example.org", "host.example.net"], "host.example.net", true),
        (&["192.0.2.7"], "192.0.2.7", true),
        (&["192.0.2.7"], "192.0.2.8", false),
    ];
    for (names, host, is_valid) in strict {
        assert_eq!(accepts(&authority, Verify::Strict, names, host).await, is_valid, "{names:?} for {host}");
    }
    assert!(accepts(&authority, Verify::Wildcards, &["*.example.org"], "sip.example.org").await);
    assert!(!accepts(&authority, Verify::Wildcards, &["*.example.org"], "example.com").await);
    assert!(accepts(&authority, Verify::Off, &["elsewhere.test"], "example.org").await);
}

#[tokio::test]
async fn certificate_of_an_unknown_authority_is_rejected() {
    let (authority, unknown) = (Authority::new(), Authority::new());
    let own = unknown.sign("server", &["example.org"]);
    let sides = TlsSides::load(&Shown::Files(own), None, Some(&authority.file()), Verify::Strict).unwrap();
    let (near, far) = duplex(65_536);
    let server = tokio::spawn(TlsAcceptor::from(sides.server.unwrap()).accept(far));
    let connector = TlsConnector::from(sides.client);
    let error = connector.connect(ServerName::try_from("example.org").unwrap(), near).await.unwrap_err();
    assert!(error.to_string().contains("invalid peer certificate"), "{error}");
    drop(server);
}

#[test]
fn error_contains_the_unusable_file() {
    let authority = Authority::new();
    let own = authority.sign("server", &["example.org"]);
    let nonsense = authority.directory.join("nonsense.pem");
    std::fs::write(&nonsense, "nonsense").unwrap();
    let error = TlsSides::load(&Shown::Nothing, None, Some(&nonsense), Verify::Strict).unwrap_err().to_string();
    assert!(error.contains("nonsense.pem") && error.contains("tls_authorities"), "{error}");
    let other = authority.sign("other", &["example.org"]);
    let mixed = CertifiedFiles { certificate: own.certificate.clone(), key: other.key };
    assert!(TlsSides::load(&Shown::Files(mixed.clone()), None, Some(&authority.file()), Verify::Strict).is_err());
    let error =
        TlsSides::load(&Shown::Nothing, Some(&mixed), Some(&authority.file()), Verify::Strict).unwrap_err().to_string();
    assert!(error.contains("server.pem"), "{error}");
    assert!(TlsSides::load(&Shown::MadeNow, None, Some(&authority.file()), Verify::Strict).unwrap().server.is_some());
    // A system without authorities does not prevent the start.
    assert!(TlsSides::load(&Shown::Files(own), None, None, Verify::Strict).is_ok());
}

#[test]
fn uri_without_user_identifies_a_domain() {
    assert_eq!(sip_domain("sip:example.org"), Some("example.org"));
    assert_eq!(sip_domain("SIP:example.org;transport=tcp"), Some("example.org"));
    assert_eq!(sip_domain("sip:alice@example.org"), None);
    assert_eq!(sip_domain("https://example.org"), None);
    assert_eq!(sip_domain("example.org"), None);
}

#[derive(Clone, Default)]
struct Buffer(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Buffer {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn certificate_names_cannot_forge_log_lines() {
    let buffer = Buffer::default();
    let writer = buffer.clone();
    // Without the relay's log formatter, which also escapes line feeds.
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let authority = Authority::new();
        let forged = "sip:a\n2026-03-01T09:30:00Z  WARN offhook::security: repeated offenses of one address";
        for verify in [Verify::Strict, Verify::Wildcards] {
            assert!(!runtime.block_on(accepts(&authority, verify, &[forged], "example.org")));
        }
    });
    let text = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
    let refused: Vec<&str> =
        text.lines().filter(|line| line.contains("certificate of a SIP server rejected")).collect();
    assert_eq!(refused.len(), 2, "{text}");
    assert!(refused.iter().all(|line| line.contains(r#"certificate_names="sip:a\n2026"#)), "{text}");
    assert!(refused.iter().all(|line| line.contains(r#"error="not valid for this name""#)), "{text}");
    assert!(!text.lines().any(|line| line.starts_with("2026-03-01")), "{text}");
}
