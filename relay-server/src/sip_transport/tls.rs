//! TLS for SIP: the relay's own certificate, and verification of server certificates (RFC 5922).

use crate::config::Verify;
use crate::tls::{CertifiedFiles, read_chain};
use rcgen::{CertificateParams, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// TLS configurations for accepted and for opened connections.
#[derive(Clone, Debug)]
pub struct TlsSides {
    /// For accepted connections; none if the relay does not listen for TLS.
    pub server: Option<Arc<ServerConfig>>,
    /// For connections to servers.
    pub client: Arc<ClientConfig>,
}

/// The certificate that is presented on accepted connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// None: the relay does not listen for TLS.
    Nothing,
    /// The certificate in these files.
    Files(CertifiedFiles),
    /// A self-signed certificate that is created at start, if none is configured.
    MadeNow,
}

impl TlsSides {
    /// Loads the certificates: `shown` for accepted connections, `as_client` for servers that request a client certificate.
    ///
    /// # Errors
    /// A file that cannot be read or used, with its name.
    pub fn load(
        shown: &Shown,
        as_client: Option<&CertifiedFiles>,
        authorities: Option<&Path>,
        verify: Verify,
    ) -> io::Result<Self> {
        let server = match shown {
            Shown::Nothing => None,
            Shown::Files(files) => Some(server(read_chain(files)?).map_err(|error| files.wrong(&error))?),
            Shown::MadeNow => Some(server(made_now()?)?),
        };
        Ok(Self { server, client: client(as_client, authorities, verify)? })
    }
}

/// Maximum number of names of a certificate in a log line.
const MAX_NAMES: usize = 16;

type Chain = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn made_now() -> io::Result<Chain> {
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let params = CertificateParams::new(vec!["offhook.invalid".to_owned()]).map_err(io::Error::other)?;
    let certificate = params.self_signed(&key).map_err(io::Error::other)?;
    let private = PrivateKeyDer::try_from(key.serialize_der()).map_err(io::Error::other)?;
    Ok((vec![certificate.der().clone()], private))
}

fn server((chain, key): Chain) -> io::Result<Arc<ServerConfig>> {
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let config = builder.map_err(io::Error::other)?.with_no_client_auth().with_single_cert(chain, key);
    Ok(Arc::new(config.map_err(io::Error::other)?))
}

fn client(own: Option<&CertifiedFiles>, authorities: Option<&Path>, verify: Verify) -> io::Result<Arc<ClientConfig>> {
    let rules = match verify {
        Verify::Off => Rules::Nothing,
        Verify::Strict | Verify::Wildcards => {
            Rules::Domain { roots: roots(authorities)?, wildcards: verify == Verify::Wildcards }
        }
    };
    let verifier = Arc::new(Verifier { provider: provider(), rules });
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(io::Error::other)?.dangerous().with_custom_certificate_verifier(verifier);
    let config = match own {
        Some(own) => {
            let (chain, key) = read_chain(own)?;
            builder.with_client_auth_cert(chain, key).map_err(|error| own.wrong(&error))?
        }
        None => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Loads the authorities in a file, or those that the system trusts.
fn roots(file: Option<&Path>) -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let Some(file) = file else {
        let found = rustls_native_certs::load_native_certs();
        for error in found.errors {
            tracing::debug!(%error, "reading the system's certification authorities failed");
        }
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            tracing::warn!(
                "this system has no trusted certification authorities: TLS connections to SIP servers will fail; install \
                 them, or set [sip] tls_authorities"
            );
        }
        return Ok(roots);
    };
    let wrong = |error: &dyn core::fmt::Display| io::Error::other(format!("{}: {error}", file.display()));
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| wrong(&error))? {
        roots.add(certificate.map_err(|error| wrong(&error))?).map_err(|error| wrong(&error))?;
    }
    if roots.is_empty() {
        return Err(wrong(&"the file contains no certificate ([sip] tls_authorities)"));
    }
    Ok(roots)
}

#[derive(Debug)]
enum Rules {
    Nothing,
    Domain { roots: RootCertStore, wildcards: bool },
}

/// Verifies server certificates.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    rules: Rules,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Rules::Domain { roots, wildcards } = &self.rules {
            let algorithms = self.provider.signature_verification_algorithms.all;
            let parsed = ParsedCertificate::try_from(end_entity)?;
            verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, algorithms)
                .and_then(|()| verify_domain(end_entity, &parsed, server_name, *wildcards))
                .inspect_err(|error| warn_of(error, end_entity, &parsed, server_name))?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Logs the names of a rejected certificate, and the option that would accept it.
fn warn_of(
    error: &rustls::Error,
    certificate: &CertificateDer<'_>,
    parsed: &ParsedCertificate<'_>,
    wanted: &ServerName<'_>,
) {
    let server = wanted.to_str();
    let names = webpki::EndEntityCert::try_from(certificate).map(|certificate| {
        let names = certificate.valid_uri_names().chain(certificate.valid_dns_names());
        names.take(MAX_NAMES).collect::<Vec<_>>().join(", ")
    });
    let names = names.ok().filter(|names| !names.is_empty()).unwrap_or_else(|| "none".to_owned());
    let is_of_name = matches!(
        error,
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        )
    );
    let what_to_do = if is_of_name && verify_server_name(parsed, wanted).is_ok() {
        "set [sip] tls_verify = \"wildcards\""
    } else if is_of_name {
        "use one of these names for the server, or set [sip] tls_verify = \"off\""
    } else {
        "add the authority that signed it to [sip] tls_authorities, or have it renewed if it has expired"
    };
    // Names are text from the peer and are quoted. The error contains them, too, so only its kind is logged.
    let error = kind_of(error);
    tracing::warn!(%server, certificate_names = ?names, error, "certificate of a SIP server rejected: {what_to_do}");
}

/// The reason for the rejection, without any text of the certificate.
const fn kind_of(error: &rustls::Error) -> &'static str {
    let rustls::Error::InvalidCertificate(error) = error else { return "the handshake failed" };
    match error {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "not valid for this name"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "not valid yet",
        CertificateError::UnknownIssuer => "signed by an unknown authority",
        CertificateError::Revoked => "revoked",
        CertificateError::BadSignature => "invalid signature",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => "not valid for servers",
        CertificateError::BadEncoding => "malformed",
        _ => "not usable",
    }
}

/// Verifies that a certificate is valid for the domain (RFC 5922 §7.1, §7.2). A `sip:` URI without user identifies a domain; DNS names
/// are used only if there is no such URI. Wildcards do not match, unless `wildcards` is set.
fn verify_domain(
    certificate: &CertificateDer<'_>,
    parsed: &ParsedCertificate<'_>,
    wanted: &ServerName<'_>,
    wildcards: bool,
) -> Result<(), rustls::Error> {
    let ServerName::DnsName(name) = wanted else { return verify_server_name(parsed, wanted) };
    let names = webpki::EndEntityCert::try_from(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let is_required = |found: &str| found.eq_ignore_ascii_case(name.as_ref());
    let domains: Vec<&str> = names.valid_uri_names().filter_map(sip_domain).collect();
    let is_proven = if !domains.is_empty() {
        domains.into_iter().any(is_required)
    } else if wildcards {
        return verify_server_name(parsed, wanted);
    } else {
        names.valid_dns_names().any(is_required)
    };
    if is_proven { Ok(()) } else { Err(CertificateError::NotValidForName.into()) }
}

/// The domain that a URI in a certificate identifies.
fn sip_domain(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once(':')?;
    let is_domain = scheme.eq_ignore_ascii_case("sip") && !rest.contains('@');
    is_domain.then(|| rest.split([';', '?', ':']).next().unwrap_or(rest))
}

#[cfg(test)]
pub(crate) mod tests;
