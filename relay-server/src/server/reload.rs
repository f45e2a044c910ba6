//! Reload of the configuration while the relay runs.

use super::machine_config::machine_config;
use super::{RunningRelay, https, own_certificate};
use crate::accounts::Accounts;
use crate::addresses;
use crate::api::token::ApiToken;
use crate::config::Settings;
use crate::signaling_plane::PlaneInput;
use crate::sip;
use crate::sip_transport::TlsSides;
use std::io;
use std::sync::Arc;

/// Certificates and keys that were loaded but are not in use yet.
struct LoadedCertificates {
    https: Option<Arc<rustls::ServerConfig>>,
    sip: Option<TlsSides>,
}

impl RunningRelay {
    /// Puts the live options of `settings` into effect, and loads certificates and keys for new connections; existing ones
    /// continue. Returns the admin token if it was created because `settings` has no token.
    ///
    /// # Errors
    /// If a file cannot be used. Nothing has changed then.
    pub async fn reload(&self, settings: &Settings) -> io::Result<Option<ApiToken>> {
        let certificates = self.load_certificates(settings).inspect_err(|error| {
            tracing::error!(%error, "reloading the certificates failed: the previous ones stay in use");
        })?;
        let (use_api_settings, token) = self.api_state.prepare(&settings.api)?;
        let config = machine_config(settings, self.fixed.clone());
        let accounts = Accounts::new(settings.accounts.clone());
        let configure = PlaneInput::Configure(Box::new(config), accounts);
        self.app.plane.send(configure).await.map_err(|_| io::Error::other("the signaling plane has ended"))?;
        use_api_settings();
        self.use_certificates(certificates);
        Ok(token)
    }

    fn load_certificates(&self, settings: &Settings) -> io::Result<LoadedCertificates> {
        let discovered = addresses::discover()?;
        let https = self.certificate.as_ref().map(|_| https(settings, &discovered)).transpose()?;
        let own = || self.certificate.as_ref().map(|_| own_certificate(settings, &discovered)).transpose();
        let sip = self.sip_tls.as_ref().map(|_| sip::tls_sides(&settings.sip, &self.sip, own)).transpose()?;
        Ok(LoadedCertificates { https, sip })
    }

    fn use_certificates(&self, LoadedCertificates { https, sip }: LoadedCertificates) {
        if let (Some(current), Some(https)) = (&self.certificate, https) {
            current.send_replace(https);
        }
        if let (Some(current), Some(sip)) = (&self.sip_tls, sip) {
            current.replace(sip);
        }
        tracing::info!("certificates reloaded");
    }
}
