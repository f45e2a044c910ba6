//! One negotiated stream of a leg: what is known of it and what is sent in it.

use super::cache::Cache;
use crate::bridge::Route;
use crate::command::Stream;
use crate::dtmf::Player;
use crate::rtp::rewrite::Rewriter;
use offhook_sdp::codec::{MediaKind, Payload};
use offhook_sdp::webrtc::Section;
use serde::{Deserialize, Serialize};

/// A stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MediaStream {
    pub(crate) negotiated: Stream,
    pub(crate) rewriter: Rewriter,
    /// Where its packets come from; made anew from both legs' streams when the leg is restored.
    #[serde(skip)]
    pub(crate) route: Option<Route>,
    pub(crate) player: Player,
    /// Timestamp of the telephone-event being sent.
    pub(crate) event_timestamp: u32,
    /// Not saved: who misses a packet of before gets it from its source.
    #[serde(skip)]
    pub(crate) cache: Option<Cache>,
    pub(crate) packets: u32,
    pub(crate) octets: u32,
    /// Clock rate of what was sent last.
    pub(crate) rate: u32,
}

impl MediaStream {
    pub(crate) fn new(negotiated: Stream, sequence: u16, timestamp: u32) -> Self {
        let section = &negotiated.remote;
        let primary = section.payloads.iter().find(|payload| payload.codec.is_primary());
        Self {
            rate: primary.map_or(8000, |payload| payload.codec.clock_rate),
            cache: fresh_cache(section),
            negotiated,
            rewriter: Rewriter::new(sequence, timestamp),
            route: None,
            player: Player::default(),
            event_timestamp: 0,
            packets: 0,
            octets: 0,
        }
    }

    /// As it was saved, to go on.
    pub(crate) fn restored(self) -> Self {
        Self { cache: fresh_cache(&self.negotiated.remote), ..self }
    }

    pub(crate) fn is_video(&self) -> bool {
        self.negotiated.remote.kind == MediaKind::Video
    }

    /// The negotiated payload of that number.
    pub(crate) fn payload(&self, number: u8) -> Option<&Payload> {
        self.negotiated.remote.payloads.iter().find(|payload| payload.number == number)
    }

    /// The telephone-event that goes with what is sent (RFC 4733 §2.1): of the same clock rate if there is one.
    pub(crate) fn telephone_event(&self) -> Option<(u8, u32)> {
        let mut events = self.negotiated.remote.payloads.iter().filter(|payload| payload.codec.is_telephone_event());
        let of_rate = events.clone().find(|payload| payload.codec.clock_rate == self.rate);
        of_rate.or_else(|| events.next()).map(|payload| (payload.number, payload.codec.clock_rate))
    }

    /// Whether any payload negotiated that feedback (RFC 4585 §4.2).
    pub(crate) fn has_feedback(&self, value: &str) -> bool {
        self.negotiated.remote.payloads.iter().any(|payload| payload.feedback.iter().any(|f| f == value))
    }
}

fn fresh_cache(section: &Section) -> Option<Cache> {
    let has_nack = section.payloads.iter().any(|payload| payload.feedback.iter().any(|f| f == "nack"));
    (has_nack && section.kind == MediaKind::Video).then(Cache::default)
}
