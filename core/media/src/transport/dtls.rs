//! The DTLS handshake of one leg (RFC 5764, RFC 8842), implemented by the crate `dimpl`.
//!
//! ```text
//! Handshaking ──certificate matches, keys exported──▶ Connected ──close_notify──▶ Closed
//!      └── certificate does not match, or an error ──▶ Failed
//! ```
//!
//! `dimpl` and its cryptographic library obtain random numbers from the operating system. This is the only place
//! in `core` where equal inputs result in different octets. No decision depends on these octets.

use crate::command::TransportFailure;
use crate::identity::{DtlsIdentity, has_fingerprint};
use crate::transport::srtp::{DtlsRole, Inbound, Outbound, Profile, contexts};
use crate::worker::DtlsVersions;
use core::time::Duration;
use dimpl::{Config, Dtls, Output, SrtpProfile};
use offhook_clock::Time;
use offhook_sdp::webrtc::Fingerprint;
use std::sync::Arc;
use std::time::Instant;

/// Initial size of the output buffer, larger than any record of a handshake.
const SCRATCH: usize = 2048;

/// Settings of all DTLS associations of a worker.
#[derive(Clone)]
pub struct DtlsSettings {
    config: Arc<Config>,
    identity: DtlsIdentity,
    versions: DtlsVersions,
    instant: Instant,
    time: Time,
}

impl core::fmt::Debug for DtlsSettings {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "DtlsSettings({:?}, {:?})", self.versions, self.identity)
    }
}

impl DtlsSettings {
    /// Creates the settings. `instant` and `time` denote the same moment.
    #[must_use]
    pub fn new(identity: DtlsIdentity, versions: DtlsVersions, instant: Instant, time: Time) -> Self {
        // No cookie exchange is needed, because ICE has already verified the peer's address. Lost flights are
        // retransmitted sooner than by default.
        let tuned = Config::builder()
            .use_server_cookie(false)
            .flight_start_rto(Duration::from_millis(200))
            .flight_retries(6)
            .build();
        Self { config: Arc::new(tuned.unwrap_or_default()), identity, versions, instant, time }
    }

    /// The fingerprint of the certificate.
    #[cfg(test)]
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.identity.fingerprint()
    }

    fn instant_of(&self, time: Time) -> Instant {
        self.instant.checked_add(time.since(self.time)).unwrap_or(self.instant)
    }

    fn time_of(&self, instant: Instant) -> Time {
        // Rounded up: otherwise a timeout could be handled a fraction of a microsecond early and would not advance.
        self.time + (instant.saturating_duration_since(self.instant) + Duration::from_nanos(999))
    }
}

/// An output of the handshake.
#[derive(Debug)]
pub enum DtlsOutput {
    /// Send the datagram in the buffer.
    Transmit,
    /// The peer's certificate is verified; media can be protected with these contexts.
    Connected(Box<(Inbound, Outbound)>),
    /// The handshake failed.
    Failed(TransportFailure),
    /// The peer sent close_notify.
    Closed,
}

/// One DTLS association.
#[derive(Debug)]
pub struct DtlsTransport {
    settings: DtlsSettings,
    dtls: Dtls,
    role: DtlsRole,
    expected: Fingerprint,
    is_peer_verified: bool,
    is_connected: bool,
    is_failed: bool,
    keys: Option<(Inbound, Outbound)>,
    deadline: Option<Time>,
}

impl DtlsTransport {
    /// Creates an association. In the client role, the first poll returns the first flight.
    #[must_use]
    pub fn new(settings: &DtlsSettings, role: DtlsRole, expected: Fingerprint, now: Time) -> Self {
        let (config, identity) = (Arc::clone(&settings.config), settings.identity.for_dtls());
        let at = settings.instant_of(now);
        let mut dtls = match settings.versions {
            DtlsVersions::Only12 => Dtls::new_12(config, identity, at),
            DtlsVersions::UpTo13 => Dtls::new_auto(config, identity, at),
        };
        if role == DtlsRole::Client {
            dtls.set_active(true);
        }
        let mut transport = Self {
            settings: settings.clone(),
            dtls,
            role,
            expected,
            is_peer_verified: false,
            is_connected: false,
            is_failed: false,
            keys: None,
            deadline: Some(now),
        };
        transport.handle_timeout(now);
        transport
    }

    /// The negotiated version.
    #[cfg(test)]
    pub(crate) fn protocol_version(&self) -> Option<dimpl::ProtocolVersion> {
        self.dtls.protocol_version()
    }

    /// Processes a datagram.
    pub fn handle_packet(&mut self, packet: &[u8], now: Time) {
        self.handle_timeout(now);
        let is_refused = !self.is_connected && is_fatal_alert(packet);
        if !self.is_failed && (is_refused || self.dtls.handle_packet(packet).is_err()) {
            self.is_failed = true;
        }
    }

    /// Retransmits the last flight, if the retransmission timer has expired.
    pub fn handle_timeout(&mut self, now: Time) {
        if !self.is_failed && self.dtls.handle_timeout(self.settings.instant_of(now)).is_err() {
            self.is_failed = true;
        }
    }

    /// Sends close_notify, if the association is established.
    pub fn close(&mut self) {
        if !self.is_failed && self.is_connected && self.dtls.close().is_err() {
            self.is_failed = true;
        }
    }

    /// The time at which [`DtlsTransport::handle_timeout`] must be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.deadline.filter(|_| !self.is_failed)
    }

    /// Returns the next output; for `Transmit`, the datagram is in `out`.
    pub fn poll(&mut self, out: &mut Vec<u8>) -> Option<DtlsOutput> {
        loop {
            if self.is_failed {
                // A failed handshake is reported once; the failure of an established association is not reported.
                let was_connected = core::mem::replace(&mut self.is_connected, true);
                self.deadline = None;
                return (!was_connected).then_some(DtlsOutput::Failed(TransportFailure::DtlsError));
            }
            if out.len() < SCRATCH {
                out.resize(SCRATCH, 0);
            }
            match self.dtls.poll_output(out) {
                Output::Packet(packet) => {
                    let length = packet.len();
                    out.truncate(length);
                    return Some(DtlsOutput::Transmit);
                }
                Output::BufferTooSmall { needed } => out.resize(needed, 0),
                Output::Timeout(at) => {
                    self.deadline = Some(self.settings.time_of(at));
                    return None;
                }
                Output::PeerCert(certificate) => {
                    if !has_fingerprint(certificate, &self.expected) {
                        return Some(self.fail(TransportFailure::FingerprintMismatch));
                    }
                    self.is_peer_verified = true;
                }
                Output::KeyingMaterial(material, profile) => {
                    let keys = profile_of(profile).and_then(|profile| contexts(profile, &material, self.role).ok());
                    match keys {
                        Some(keys) => self.keys = Some(keys),
                        None => return Some(self.fail(TransportFailure::DtlsError)),
                    }
                }
                Output::Connected => self.is_connected = true,
                Output::CloseNotify => return Some(DtlsOutput::Closed),
                _ => {}
            }
            if self.is_connected
                && let Some(keys) = self.keys.take()
            {
                if !self.is_peer_verified {
                    return Some(self.fail(TransportFailure::FingerprintMismatch));
                }
                return Some(DtlsOutput::Connected(Box::new(keys)));
            }
        }
    }

    fn fail(&mut self, failure: TransportFailure) -> DtlsOutput {
        self.is_failed = true;
        self.is_connected = true;
        DtlsOutput::Failed(failure)
    }
}

/// Whether a datagram is an unencrypted fatal alert (RFC 5246 §7.2): the peer aborts the handshake, for example because
/// it only has an RSA certificate. The alert arrived on a pair that ICE has checked, so the relay does not wait for the
/// timeout.
fn is_fatal_alert(packet: &[u8]) -> bool {
    const ALERT: u8 = 21;
    const FATAL: u8 = 2;
    let epoch = packet.get(3..5);
    packet.first() == Some(&ALERT) && epoch == Some(&[0, 0]) && packet.get(13) == Some(&FATAL)
}

fn profile_of(profile: SrtpProfile) -> Option<Profile> {
    match profile {
        SrtpProfile::AES128_CM_SHA1_80 => Some(Profile::AesCm128HmacSha1),
        SrtpProfile::AEAD_AES_128_GCM => Some(Profile::AeadAes128Gcm),
        SrtpProfile::AEAD_AES_256_GCM => Some(Profile::AeadAes256Gcm),
        _ => None,
    }
}
