//! Certificates: the operator's, the self-signed one for HTTPS, and the one for DTLS.

use offhook_media::identity::DtlsIdentity;
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A new ECDSA P-256 certificate for DTLS; one is made at every start.
///
/// # Errors
/// When key or certificate cannot be made.
pub fn dtls_identity() -> io::Result<DtlsIdentity> {
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let params = CertificateParams::new(vec!["offhook".to_owned()]).map_err(io::Error::other)?;
    let certificate = params.self_signed(&key).map_err(io::Error::other)?;
    DtlsIdentity::from_der(certificate.der(), &key.serialize_der()).map_err(io::Error::other)
}

/// PEM files of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertifiedFiles {
    /// The chain, own certificate first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl CertifiedFiles {
    /// An error about them.
    pub(crate) fn wrong(&self, error: &dyn core::fmt::Display) -> io::Error {
        wrong(&self.certificate, error)
    }
}

fn wrong(path: &Path, error: &dyn core::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {error}", path.display()))
}

/// Chain and key.
pub(crate) fn read_chain(files: &CertifiedFiles) -> io::Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let CertifiedFiles { certificate, key } = files;
    let chain = CertificateDer::pem_file_iter(certificate).map_err(|error| wrong(certificate, &error))?;
    let chain = chain.collect::<Result<Vec<_>, _>>().map_err(|error| wrong(certificate, &error))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, &error))?;
    Ok((chain, private))
}

/// The TLS configuration of HTTPS.
///
/// # Errors
/// When a file cannot be read or certificate and key do not belong together.
pub fn https(files: &CertifiedFiles) -> io::Result<Arc<ServerConfig>> {
    let (chain, private) = read_chain(files)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = builder
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| files.wrong(&error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// A self-signed certificate for `names`, made at the first start and kept in `directory`.
///
/// # Errors
/// When the directory cannot be written or read.
pub fn self_signed(directory: &Path, names: Vec<String>) -> io::Result<CertifiedFiles> {
    let (certificate, key) = (directory.join("tls-certificate.pem"), directory.join("tls-key.pem"));
    if !(certificate.exists() && key.exists()) {
        make(directory, &certificate, &key, names).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error} ([tls] state_directory)", directory.display()))
        })?;
        tracing::info!(directory = %directory.display(), "made a self-signed certificate");
    }
    Ok(CertifiedFiles { certificate, key })
}

fn make(directory: &Path, certificate: &Path, key: &Path, names: Vec<String>) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let pair = KeyPair::generate().map_err(io::Error::other)?;
    let made = CertificateParams::new(names).map_err(io::Error::other)?.self_signed(&pair).map_err(io::Error::other)?;
    write(key, &pair.serialize_pem(), 0o600)?;
    write(certificate, &made.pem(), 0o644)
}

fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())
}

/// Where the self-signed certificate is kept when `tls.state_directory` does not say: what systemd hands out, else the
/// user's state directory (XDG Base Directory Specification).
#[must_use]
pub fn default_state_directory(variable: impl Fn(&str) -> Option<String>) -> PathBuf {
    let given = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    given("STATE_DIRECTORY")
        .or_else(|| given("XDG_STATE_HOME").map(|path| path.join("offhook-relay")))
        .or_else(|| given("HOME").map(|path| path.join(".local/state/offhook-relay")))
        .unwrap_or_else(|| PathBuf::from("/var/lib/offhook-relay"))
}
