//! Statistics of a leg: the report to the signaling plane, and the peer's report blocks about the packets of the relay.

use super::Leg;
use super::stream::MediaStream;
use crate::command::{LegReport, PeerReception, ReportStage, StreamStatistics};
use crate::quality::SpeechCodec;
use crate::rtcp::statistics::{Reception, ReceptionTotals, ReportBlock, duration_of_ticks, middle_of};
use crate::rtp::rewrite::SourceId;
use core::time::Duration;
use offhook_clock::Time;
use offhook_sdp::codec::Payload;

/// The number of sender reports whose time is stored. A report block usually refers to the last one.
const KEPT: usize = 4;

/// The times at which the last sender reports of a stream were sent. A report may have the clock of its source, so that
/// the round-trip time cannot be computed from its NTP timestamp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SentReports([Option<(u32, Time)>; KEPT]);

impl SentReports {
    /// Records a sender report with this NTP timestamp.
    pub(super) const fn push(&mut self, ntp: u64, now: Time) {
        self.0.rotate_right(1);
        self.0[0] = Some((middle_of(ntp), now));
    }

    /// The round-trip time according to a report block that arrives now (RFC 3550 §6.4.1).
    fn round_trip(&self, block: &ReportBlock, now: Time) -> Option<Duration> {
        let sent = self.0.iter().flatten().find(|(middle, _)| *middle == block.last_sr);
        sent.map(|(_, at)| now.since(*at).saturating_sub(duration_of_ticks(u64::from(block.delay), 65_536)))
    }
}

/// The reception statistics of the sources that were removed from a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct PastReception {
    totals: ReceptionTotals,
    /// The jitter of the source that was removed last.
    jitter: Duration,
}

impl PastReception {
    fn add(&mut self, reception: &Reception) {
        self.totals = self.totals.plus(reception.totals());
        self.jitter = reception.jitter();
    }
}

impl MediaStream {
    /// Applies a report block about this stream.
    pub(super) fn apply_report(&mut self, block: &ReportBlock, now: Time) {
        self.peer = Some(PeerReception {
            fraction_lost: block.fraction_lost,
            // Sign extension of the 24 bits.
            lost: (block.lost << 8).cast_signed() >> 8,
            jitter: duration_of_ticks(u64::from(block.jitter), self.rate),
            round_trip: self.reports_sent.round_trip(block, now),
        });
    }
}

impl Leg {
    /// Applies the report blocks of a received SR or RR.
    pub(super) fn apply_report_blocks(&mut self, blocks: impl Iterator<Item = ReportBlock>, now: Time) {
        for block in blocks {
            let of_block = |stream: &&mut MediaStream| stream.negotiated.local_ssrc == block.ssrc;
            if let Some(stream) = self.streams.iter_mut().find(of_block) {
                stream.apply_report(&block, now);
            }
        }
    }

    /// Removes a source; its stream keeps the totals.
    pub(super) fn remove_source(&mut self, id: SourceId) -> bool {
        let Some(source) = self.sources.remove(id) else { return false };
        if let (Some(stream), Some(reception)) = (self.streams.get_mut(source.stream), &source.reception) {
            stream.past.add(reception);
        }
        true
    }

    /// The statistics of its streams.
    pub(crate) fn report(&self, stage: ReportStage) -> LegReport {
        let streams = self.streams.iter().enumerate().map(|(index, stream)| self.statistics(index, stream)).collect();
        LegReport { leg: self.key, stage, streams }
    }

    fn statistics(&self, index: usize, stream: &MediaStream) -> StreamStatistics {
        let receptions = || {
            let sources = self.sources.iter().filter(|(_, source)| source.stream == index);
            sources.filter_map(|(_, source)| source.reception.as_ref())
        };
        let received = receptions().fold(stream.past.totals, |sum, reception| sum.plus(reception.totals()));
        let last = receptions().max_by_key(|reception| reception.received_at());
        StreamStatistics {
            kind: stream.negotiated.remote.kind,
            received_codec: speech_codec(&stream.negotiated.received),
            sent_codec: speech_codec(&stream.negotiated.remote.payloads),
            received,
            jitter: last.map_or(stream.past.jitter, Reception::jitter),
            sent_packets: stream.packets,
            sent_octets: stream.octets,
            peer: stream.peer,
        }
    }
}

/// The codec that is preferred in a list of payloads.
fn speech_codec(payloads: &[Payload]) -> Option<SpeechCodec> {
    let primary = payloads.iter().find(|payload| payload.codec.is_primary())?;
    SpeechCodec::of(&primary.codec)
}
