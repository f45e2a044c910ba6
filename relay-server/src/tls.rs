//! X.509 certificates: configured ones, the self-signed one for HTTPS, and the one for DTLS.

pub(crate) mod handshake;

use core::time::Duration;
use offhook_media::identity::DtlsIdentity;
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Creates an ECDSA P-256 certificate for DTLS, at every start.
///
/// # Errors
/// If key or certificate cannot be created.
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
    /// Returns a warning if a certificate of the chain has expired, expires soon or is not valid yet.
    #[must_use]
    pub fn expiry(&self, now: SystemTime) -> Option<String> {
        let chain = CertificateDer::pem_file_iter(&self.certificate).ok()?;
        let problem = chain.filter_map(Result::ok).find_map(|certificate| validity_problem(&certificate, now))?;
        Some(format!("the certificate in {} {problem}", self.certificate.display()))
    }

    /// An error that contains the path of the certificate.
    pub(crate) fn wrong(&self, error: &dyn core::fmt::Display) -> io::Error {
        wrong(&self.certificate, error)
    }
}

fn wrong(path: &Path, error: &dyn core::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {error}", path.display()))
}

/// Reads chain and key.
pub(crate) fn read_chain(files: &CertifiedFiles) -> io::Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let CertifiedFiles { certificate, key } = files;
    let chain = CertificateDer::pem_file_iter(certificate).map_err(|error| wrong(certificate, &error))?;
    let chain = chain.collect::<Result<Vec<_>, _>>().map_err(|error| wrong(certificate, &error))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, &error))?;
    if let Some(problem) = files.expiry(SystemTime::now()) {
        tracing::warn!("{problem}");
    }
    Ok((chain, private))
}

/// Remaining validity below which a warning is logged.
const EXPIRES_SOON: Duration = Duration::from_secs(14 * 86_400);

/// Describes why a certificate is not valid at `now` or soon after; the text follows the name of its file.
fn validity_problem(certificate: &CertificateDer<'_>, now: SystemTime) -> Option<String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let validity = parsed.validity();
    let at = |time: i64| UNIX_EPOCH + Duration::from_secs(u64::try_from(time).unwrap_or_default());
    let (begin, end) = (at(validity.not_before.timestamp()), at(validity.not_after.timestamp()));
    if now < begin {
        return Some(format!("is not valid before {}: clients reject it", validity.not_before));
    }
    match end.duration_since(now) {
        Err(_) => Some(format!("expired on {}: clients reject it; renew it and send SIGHUP", validity.not_after)),
        Ok(left) if left < EXPIRES_SOON => {
            let days = left.as_secs() / 86_400;
            Some(format!("expires in {days} days, on {}: renew it and send SIGHUP", validity.not_after))
        }
        Ok(_) => None,
    }
}

/// The TLS configuration of HTTPS.
///
/// # Errors
/// If a file cannot be read, or certificate and key do not match.
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

/// The self-signed certificate in `directory`, which is created for `names` at the first start.
///
/// # Errors
/// If the directory cannot be written.
pub fn self_signed(directory: &Path, names: Vec<String>) -> io::Result<CertifiedFiles> {
    let (certificate, key) = (directory.join("tls-certificate.pem"), directory.join("tls-key.pem"));
    if !(certificate.exists() && key.exists()) {
        make(directory, &certificate, &key, names).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error} ([tls] state_directory)", directory.display()))
        })?;
        tracing::info!(directory = %directory.display(), "self-signed certificate created");
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

/// The directory of the self-signed certificate if `tls.state_directory` is empty: that of systemd, else the user's state
/// directory (XDG Base Directory Specification).
#[must_use]
pub fn default_state_directory(variable: impl Fn(&str) -> Option<String>) -> PathBuf {
    let given = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    given("STATE_DIRECTORY")
        .or_else(|| given("XDG_STATE_HOME").map(|path| path.join("offhook-relay")))
        .or_else(|| given("HOME").map(|path| path.join(".local/state/offhook-relay")))
        .unwrap_or_else(|| PathBuf::from("/var/lib/offhook-relay"))
}

#[cfg(test)]
mod tests {
    use super::{CertificateDer, CertificateParams, Duration, KeyPair, SystemTime, UNIX_EPOCH, validity_problem};

    #[test]
    fn certificate_outside_its_validity_causes_a_warning() {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2030, 1, 1);
        params.not_after = rcgen::date_time_ymd(2030, 4, 1);
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let certificate: &CertificateDer<'_> = made.der();
        // 2030-01-01.
        let begin = UNIX_EPOCH + Duration::from_secs(1_893_456_000);
        let day = Duration::from_secs(86_400);
        let problem = |now: SystemTime| validity_problem(certificate, now).unwrap_or_default();
        assert!(problem(begin - day).contains("not valid before"));
        assert_eq!(problem(begin + day), "");
        assert_eq!(problem(begin + 75 * day), "");
        assert!(problem(begin + 80 * day).contains("expires in 10 days"), "{}", problem(begin + 80 * day));
        assert!(problem(begin + 91 * day).contains("expired on"), "{}", problem(begin + 91 * day));
    }
}
