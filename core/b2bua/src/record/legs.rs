//! The media statistics of a call's legs.

use super::CallRecord;
use core::time::Duration;
use offhook_media::command::{LegKey, StreamStatistics};
use offhook_media::rtcp::statistics::ReceptionTotals;
use offhook_sdp::codec::MediaKind;
use serde::{Deserialize, Serialize};

/// The role of a leg in the record of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LegRole {
    /// The caller.
    Caller,
    /// The callee that answered.
    Callee,
    /// Another callee, or the target of a transfer.
    Other,
}

/// A summary of the media of one leg, or of several.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LegQuality {
    /// Totals of the packets that the relay received.
    pub received: ReceptionTotals,
    /// The interarrival jitter of the received audio, or of the video if there is no audio; the greatest one of several legs.
    pub jitter: Duration,
    /// The mean opinion score of the received audio; the lowest one of several legs.
    pub mos: Option<f64>,
    /// Packets that the relay sent.
    pub sent: u64,
    /// The reports of the peers about these packets, if they sent any.
    pub peer: Option<PeerQuality>,
}

/// A summary of the reports of one peer, or of several.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PeerQuality {
    /// Packets lost on the path from the relay.
    pub lost: u64,
    /// The interarrival jitter at the peer, chosen like that of [`LegQuality`].
    pub jitter: Duration,
    /// The round-trip time, if it could be measured.
    pub round_trip: Option<Duration>,
    /// The mean opinion score of the audio at the peer; the lowest one of several peers.
    pub mos: Option<f64>,
}

/// The lower one of two scores.
fn lower(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.zip(other).map(|(one, other)| one.min(other)).or(one).or(other)
}

impl PeerQuality {
    fn with(self, other: Self) -> Self {
        Self {
            lost: self.lost + other.lost,
            jitter: self.jitter.max(other.jitter),
            round_trip: self.round_trip.max(other.round_trip),
            mos: lower(self.mos, other.mos),
        }
    }
}

impl LegQuality {
    /// Summarizes the streams of a leg.
    fn of_leg(streams: &[StreamStatistics]) -> Self {
        let is_audio = |stream: &&StreamStatistics| stream.kind == MediaKind::Audio;
        let measured = streams.iter().find(is_audio).or(streams.first());
        let mut quality = Self { jitter: measured.map_or(Duration::ZERO, |stream| stream.jitter), ..Self::default() };
        let mut lost = 0;
        let mut sent_mos = None;
        for stream in streams {
            quality.received = quality.received.plus(stream.received);
            quality.sent += stream.sent_packets;
            quality.mos = lower(quality.mos, stream.received_quality().map(|speech| speech.mos));
            sent_mos = lower(sent_mos, stream.sent_quality().map(|speech| speech.mos));
            // A negative number of losses means duplicates.
            lost += stream.peer.map_or(0, |peer| u64::try_from(peer.lost).unwrap_or(0));
        }
        let reported = measured.and_then(|stream| stream.peer).or(streams.iter().find_map(|stream| stream.peer));
        quality.peer =
            reported.map(|peer| PeerQuality { lost, jitter: peer.jitter, round_trip: peer.round_trip, mos: sent_mos });
        quality
    }

    fn with(self, other: Self) -> Self {
        Self {
            received: self.received.plus(other.received),
            jitter: self.jitter.max(other.jitter),
            mos: lower(self.mos, other.mos),
            sent: self.sent + other.sent,
            peer: match (self.peer, other.peer) {
                (Some(one), Some(other)) => Some(one.with(other)),
                (one, other) => one.or(other),
            },
        }
    }
}

impl CallRecord {
    /// Returns the role of a leg.
    #[must_use]
    pub fn role_of(&self, leg: LegKey) -> LegRole {
        match leg {
            leg if leg == self.caller_leg => LegRole::Caller,
            leg if Some(leg) == self.callee_leg => LegRole::Callee,
            _ => LegRole::Other,
        }
    }

    /// Summarizes the media of all legs with a role; `None` if no media were negotiated with them.
    #[must_use]
    pub fn quality_of(&self, role: LegRole) -> Option<LegQuality> {
        let legs = self.legs.iter().filter(|(leg, _)| self.role_of(**leg) == role);
        legs.map(|(_, streams)| LegQuality::of_leg(streams)).reduce(LegQuality::with)
    }
}
