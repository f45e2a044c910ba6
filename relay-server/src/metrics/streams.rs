//! Histograms of jitter, loss, round-trip time and estimated quality of audio streams, from the records of calls that have ended.

use super::exposition::Exposition;
use super::histogram::Histogram;
use offhook_media::command::StreamStatistics;
use offhook_media::quality::SpeechQuality;
use offhook_sdp::codec::MediaKind;

/// Bounds of the interarrival jitter, in seconds: a jitter buffer compensates for about 0.1 s.
const JITTER: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5];
/// Bounds of the fraction of lost packets: Opus conceals about 5 %.
const LOSS: &[f64] = &[0.0, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5];
/// Bounds of the round-trip time, in seconds: a delay of 0.15 s in one direction is not noticed (ITU-T G.114).
const ROUND_TRIP: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0];
/// Bounds of the mean opinion score: the limits of the categories of ITU-T G.107 Annex B, and finer steps above.
const SCORE: &[f64] = &[2.0, 2.58, 3.1, 3.6, 3.8, 4.03, 4.2, 4.34, 4.4, 4.5];

/// Histograms of one direction.
#[derive(Clone, Debug)]
struct DirectionMetrics {
    jitter: Histogram,
    loss: Histogram,
    score: Histogram,
}

impl Default for DirectionMetrics {
    fn default() -> Self {
        Self { jitter: Histogram::new(JITTER), loss: Histogram::new(LOSS), score: Histogram::new(SCORE) }
    }
}

impl DirectionMetrics {
    fn observe(&mut self, jitter: f64, (lost, expected): (u64, u64), quality: Option<SpeechQuality>) {
        self.jitter.observe(jitter);
        if let Some(quality) = quality {
            self.score.observe(quality.mos);
        }
        if expected > 0 {
            #[expect(clippy::cast_precision_loss, reason = "a ratio of numbers of packets, which are far below 2^52")]
            self.loss.observe(lost.min(expected) as f64 / expected as f64);
        }
    }
}

/// Histograms of audio streams.
#[derive(Clone, Debug)]
pub(super) struct StreamMetrics {
    received: DirectionMetrics,
    sent: DirectionMetrics,
    round_trip: Histogram,
}

impl Default for StreamMetrics {
    fn default() -> Self {
        let (received, sent) = Default::default();
        Self { received, sent, round_trip: Histogram::new(ROUND_TRIP) }
    }
}

impl StreamMetrics {
    pub(super) fn observe(&mut self, stream: &StreamStatistics) {
        if stream.kind != MediaKind::Audio {
            return;
        }
        let received = stream.received;
        if received.packets > 0 {
            let counts = (received.lost, received.packets + received.lost);
            self.received.observe(stream.jitter.as_secs_f64(), counts, stream.received_quality());
        }
        let Some(peer) = stream.peer else { return };
        // The number of losses is negative if the peer received duplicates.
        let counts = (u64::try_from(peer.lost).unwrap_or(0), stream.sent_packets);
        self.sent.observe(peer.jitter.as_secs_f64(), counts, stream.sent_quality());
        if let Some(round_trip) = peer.round_trip {
            self.round_trip.observe(round_trip.as_secs_f64());
        }
    }

    pub(super) fn write(&self, out: &mut Exposition) {
        let Self { received, sent, round_trip } = self;
        let help = "Interarrival jitter of audio streams that the relay received, or sent by the last report of the peer; observed \
                    when the call ends.";
        let jitter = [("received", &received.jitter), ("sent", &sent.jitter)];
        out.histograms(("offhook_stream_jitter_seconds", help), "direction", jitter);
        let help = "Fraction of lost packets of audio streams that the relay received, or sent by the last report of the peer; \
                    observed when the call ends.";
        let loss = [("received", &received.loss), ("sent", &sent.loss)];
        out.histograms(("offhook_stream_loss_ratio", help), "direction", loss);
        let help = "Mean opinion score by ITU-T G.107 of audio streams that the relay received, or sent by the last report of the \
                    peer; observed when the call ends.";
        let score = [("received", &received.score), ("sent", &sent.score)];
        out.histograms(("offhook_stream_mos", help), "direction", score);
        let help = "Round-trip time of audio streams by the last report of the peer; observed when the call ends.";
        out.histogram("offhook_stream_round_trip_seconds", help, round_trip);
    }
}
