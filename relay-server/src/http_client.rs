//! The HTTP client for servers of the application: TLS with the certificate authorities of the system, no redirects.

use core::time::Duration;
use std::io;
use std::sync::Arc;

/// Creates a client whose requests, including their response bodies, take at most `timeout`.
///
/// # Errors
/// If the certificate authorities of the system cannot be read.
pub fn client(timeout: Duration) -> io::Result<reqwest::Client> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let builder = reqwest::Client::builder().tls_backend_preconfigured(tls).redirect(reqwest::redirect::Policy::none());
    builder.timeout(timeout).build().map_err(io::Error::other)
}
