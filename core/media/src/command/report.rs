//! RTP statistics of a leg, as the worker reports them to the signaling plane.

use super::LegKey;
use crate::quality::{SpeechCodec, SpeechPath, SpeechQuality};
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
    /// The codec that the peer is expected to send, if its quality can be estimated.
    pub received_codec: Option<SpeechCodec>,
    /// The codec that the peer prefers to receive, if its quality can be estimated.
    pub sent_codec: Option<SpeechCodec>,
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

impl StreamStatistics {
    /// Estimates the quality of the received speech; `None` if there is none, or its codec is not known.
    #[must_use]
    pub fn received_quality(&self) -> Option<SpeechQuality> {
        let codec = self.received_codec.filter(|_| self.received.packets > 0)?;
        let loss = ratio(self.received.lost, self.received.packets + self.received.lost);
        Some(SpeechPath { codec, loss, jitter: self.jitter, round_trip: self.round_trip() }.quality())
    }

    /// Estimates the quality of the sent speech as the peer receives it; `None` if the peer sent no report.
    #[must_use]
    pub fn sent_quality(&self) -> Option<SpeechQuality> {
        let (codec, peer) = self.sent_codec.zip(self.peer).filter(|_| self.sent_packets > 0)?;
        // A negative number of losses means duplicates.
        let loss = ratio(u64::try_from(peer.lost).unwrap_or(0), self.sent_packets);
        Some(SpeechPath { codec, loss, jitter: peer.jitter, round_trip: self.round_trip() }.quality())
    }

    fn round_trip(&self) -> Duration {
        self.peer.and_then(|peer| peer.round_trip).unwrap_or_default()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a ratio of numbers of packets, which are far below 2^52")]
fn ratio(lost: u64, expected: u64) -> f64 {
    if expected == 0 { 0.0 } else { lost.min(expected) as f64 / expected as f64 }
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
