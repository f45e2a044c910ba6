//! What a worker must be told once.

use crate::command::WorkerId;
use crate::identity::DtlsIdentity;
use crate::transport::latch::LatchRules;
use core::time::Duration;
use std::time::Instant;

/// Which versions of DTLS are spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DtlsVersions {
    /// 1.2 only: what every browser speaks.
    #[default]
    Only12,
    /// 1.3 with those who offer it, else 1.2.
    UpTo13,
}

/// Configuration of a media worker.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// The worker's own number.
    pub id: WorkerId,
    /// The relay's certificate.
    pub identity: DtlsIdentity,
    /// The shell's monotonic clock at the `now` the worker is made with: DTLS counts in this type.
    pub instant: Instant,
    /// How long a leg may take from `ConnectLeg` until ICE and DTLS are up.
    pub connect_timeout: Duration,
    /// How long nothing may arrive from a browser, or a SIP peer that is WebRTC itself: they consent all the time.
    pub media_timeout: Duration,
    /// The same for a SIP peer that speaks RTP and says that it sends; `None`: for ever. Such a peer may stop sending in
    /// silence (RFC 3551 §4.1), and whether the call lives is for session timers to find out (RFC 4028).
    pub rtp_timeout: Option<Duration>,
    /// Versions of DTLS.
    pub dtls_versions: DtlsVersions,
    /// When media of SIP legs follow a peer to an address that it did not signal.
    pub latch: LatchRules,
}

impl WorkerConfig {
    /// The defaults: 15 s to connect, 30 s of silence, 10 min of a SIP peer, DTLS 1.2, SIP peers followed after probation.
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
            latch: LatchRules::default(),
        }
    }
}
