//! The legs of a call in its record.

use core::time::Duration;
use offhook_b2bua::record::{CallRecord, LegIdentity, LegRole};
use offhook_media::command::{LegKey, StreamStatistics};
use offhook_sdp::codec::MediaKind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// One leg.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LegDetail {
    /// `caller`, `callee` (the one that answered) or `other`.
    pub role: String,
    /// The identifier of the call in the client session of a browser.
    pub call_id: Option<String>,
    /// The Call-ID of the SIP dialog.
    pub sip_call_id: Option<String>,
    /// Its streams, in the order of the description; none if the leg was not connected to the relay.
    pub streams: Vec<StreamDetail>,
}

/// One stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StreamDetail {
    /// `audio` or `video`.
    pub kind: String,
    /// The packets that the relay received from the peer.
    pub received: DirectionDetail,
    /// The packets that the relay sent to the peer. Losses and jitter are those of the peer's last report.
    pub sent: DirectionDetail,
}

/// One direction of a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DirectionDetail {
    /// The number of packets.
    pub packets: u64,
    /// Payload octets in these packets.
    pub octets: u64,
    /// Packets lost on the path; none if the peer sent no report.
    pub lost: Option<u64>,
    /// The interarrival jitter in ms (RFC 3550); none if the peer sent no report.
    pub jitter_ms: Option<f64>,
    /// The round-trip time in ms, for sent packets only, if it could be measured.
    pub round_trip_ms: Option<f64>,
    /// The transmission rating factor R of audio by ITU-T G.107, 0 to 93.2; none if it cannot be estimated.
    pub r_factor: Option<f64>,
    /// The mean opinion score of audio by ITU-T G.107, 1 to 4.5; none if it cannot be estimated.
    pub mos: Option<f64>,
}

impl LegDetail {
    /// The legs of a call.
    pub(super) fn of_call(record: &CallRecord) -> Vec<Self> {
        let legs: BTreeSet<LegKey> = record.legs.keys().chain(record.identities.keys()).copied().collect();
        let streams = |leg: LegKey| record.legs.get(&leg).map(Vec::as_slice).unwrap_or_default();
        legs.into_iter().map(|leg| Self::new(record, leg, streams(leg))).collect()
    }

    fn new(record: &CallRecord, leg: LegKey, streams: &[StreamStatistics]) -> Self {
        let role = match record.role_of(leg) {
            LegRole::Caller => "caller",
            LegRole::Callee => "callee",
            LegRole::Other => "other",
        };
        let (call_id, sip_call_id) = match record.identities.get(&leg) {
            Some(LegIdentity::Browser { call_id, .. }) => (Some(call_id.as_str().to_owned()), None),
            Some(LegIdentity::Sip { call_id }) => (None, Some(call_id.clone())),
            None => (None, None),
        };
        Self { role: role.to_owned(), call_id, sip_call_id, streams: streams.iter().map(StreamDetail::new).collect() }
    }
}

impl StreamDetail {
    fn new(stream: &StreamStatistics) -> Self {
        let kind = match stream.kind {
            MediaKind::Audio => "audio",
            MediaKind::Video => "video",
        };
        let (totals, peer) = (stream.received, stream.peer);
        let (of_received, of_sent) = (stream.received_quality(), stream.sent_quality());
        Self {
            kind: kind.to_owned(),
            received: DirectionDetail {
                packets: totals.packets,
                octets: totals.octets,
                lost: Some(totals.lost),
                jitter_ms: Some(millis(stream.jitter)),
                round_trip_ms: None,
                r_factor: of_received.map(|speech| hundredths(speech.rating)),
                mos: of_received.map(|speech| hundredths(speech.mos)),
            },
            sent: DirectionDetail {
                packets: stream.sent_packets,
                octets: stream.sent_octets,
                // The number of losses is negative if the peer received duplicates.
                lost: peer.map(|peer| u64::try_from(peer.lost).unwrap_or(0)),
                jitter_ms: peer.map(|peer| millis(peer.jitter)),
                round_trip_ms: peer.and_then(|peer| peer.round_trip).map(millis),
                r_factor: of_sent.map(|speech| hundredths(speech.rating)),
                mos: of_sent.map(|speech| hundredths(speech.mos)),
            },
        }
    }
}

/// Rounds to hundredths.
fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Milliseconds with a resolution of a microsecond.
fn millis(duration: Duration) -> f64 {
    Duration::from_micros(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)).as_secs_f64() * 1e3
}
