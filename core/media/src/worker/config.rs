//! Configuration of a media worker.

use crate::audio::{AudioFactory, NoLoadedAudio};
use crate::command::WorkerId;
use crate::graph::codec::CodecFactory;
use crate::graph::g711::G711Codecs;
use crate::identity::DtlsIdentity;
use crate::transport::latch::LatchRules;
use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;

/// The supported DTLS versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DtlsVersions {
    /// DTLS 1.2 only, which every browser supports.
    #[default]
    Only12,
    /// DTLS 1.3 with peers that support it, else 1.2.
    UpTo13,
}

/// Configuration of a media worker.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// The number of the worker.
    pub id: WorkerId,
    /// The relay's certificate.
    pub identity: DtlsIdentity,
    /// The value of the shell's monotonic clock when the worker is created. It is needed because the DTLS
    /// implementation uses [`Instant`].
    pub instant: Instant,
    /// The longest time from [`Command::Connect`](crate::command::Command::Connect) until ICE and DTLS are established.
    pub connect_timeout: Duration,
    /// The longest time that a WebRTC leg may receive nothing. It applies if its peer sends consent checks, or has
    /// announced media in an answered call.
    pub media_timeout: Duration,
    /// The same for a SIP peer that uses RTP and whose direction is sendrecv; `None` for no limit. It is long, because
    /// such a peer may suppress silence (RFC 3551 §4.1), and session timers detect a dead call (RFC 4028).
    pub rtp_timeout: Option<Duration>,
    /// The supported DTLS versions.
    pub dtls_versions: DtlsVersions,
    /// Makes decoders and encoders for streams with different codecs.
    pub codecs: Arc<dyn CodecFactory>,
    /// Makes the sources of playbacks and the sinks of recordings.
    pub audio: Arc<dyn AudioFactory>,
    /// Rules for following a SIP peer to an address that it did not describe.
    pub latch: LatchRules,
    /// The interval of interim reports of each connected leg ([`Event::LegReports`](crate::command::Event::LegReports)).
    pub report_interval: Duration,
}

impl WorkerConfig {
    /// The defaults: 15 s to connect, media timeout 30 s for WebRTC and 10 min for RTP, DTLS 1.2, latching after
    /// probation, interim reports every 5 s.
    #[must_use]
    pub fn new(identity: DtlsIdentity, instant: Instant) -> Self {
        Self {
            id: WorkerId(0),
            identity,
            instant,
            connect_timeout: Duration::from_secs(15),
            media_timeout: Duration::from_secs(30),
            rtp_timeout: Some(Duration::from_secs(600)),
            dtls_versions: DtlsVersions::default(),
            codecs: Arc::new(G711Codecs),
            audio: Arc::new(NoLoadedAudio),
            latch: LatchRules::default(),
            report_interval: Duration::from_secs(5),
        }
    }
}
