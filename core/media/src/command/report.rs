//! RTP statistics of a leg, as the worker reports them to the signaling plane.

use super::LegKey;
use crate::rtcp::statistics::ReceptionTotals;
use core::time::Duration;
use offhook_sdp::codec::MediaKind;
use serde::{Deserialize, Serialize};

/// The statistics of a leg's media since it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegReport {
    /// The leg.
    pub leg: LegKey,
    /// Whether more reports of the leg follow.
    pub stage: ReportStage,
    /// Its streams, in the order of the description; empty if it was never connected.
    pub streams: Vec<StreamStatistics>,
}

/// Whether a report concerns an open or a closed leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportStage {
    /// The leg is open.
    Interim,
    /// The leg has been closed. No other report and no event follow for it, except its failure.
    Final,
}

/// The statistics of one stream, both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamStatistics {
    /// Audio or video.
    pub kind: MediaKind,
    /// Totals of the packets that the relay received from the peer, of all sources of the stream.
    pub received: ReceptionTotals,
    /// The interarrival jitter of the source that was received last (RFC 3550 §6.4.1); zero if nothing was received.
    pub jitter: Duration,
    /// Packets that the relay sent to the peer, without retransmissions.
    pub sent_packets: u64,
    /// Payload octets in these packets.
    pub sent_octets: u64,
    /// The last report of the peer about these packets.
    pub peer: Option<PeerReception>,
}

/// The report of a peer about the packets of one stream that it received (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerReception {
    /// The fraction of packets lost since its previous report, in units of 1/256.
    pub fraction_lost: u8,
    /// The number of packets lost since the beginning; negative if more duplicates arrived than packets were lost.
    pub lost: i32,
    /// Its interarrival jitter.
    pub jitter: Duration,
    /// The round-trip time, if the peer has received a sender report of the relay.
    pub round_trip: Option<Duration>,
}
