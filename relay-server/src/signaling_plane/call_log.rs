//! Log records of calls: one each when a call is first routed, answered and ended. They contain no numbers and names.

use core::time::Duration;
use offhook_b2bua::call::CallEvent;
use offhook_b2bua::record::{CallRecord, LegQuality, LegRole, PeerQuality};
use offhook_clock::Time;

/// The target of the records of calls that are routed. The rate limit of the log does not apply to them, because the
/// limits of the call model bound their number.
pub const TARGET: &str = "offhook::calls";
/// The target of the records of calls that end before they are routed. A client can place any number of them, so the rate limit
/// of the log applies.
const UNROUTED: &str = "offhook::calls::unrouted";

/// Writes the record of an event, if it has one.
pub(super) fn write(event: &CallEvent, record: &CallRecord, at: Time) {
    let CallRecord { call, scheme, caller, callee, codecs, .. } = record;
    let callee = callee.map(tracing::field::display);
    match event {
        CallEvent::Routed { .. } if record.routes.len() == 1 && record.answered_at.is_none() => {
            tracing::info!(target: TARGET, call = call.0, %scheme, %caller, "call placed");
        }
        CallEvent::Answered { .. } => {
            let (codecs, setup_ms) = (codecs.join(","), millis(record.setup_time(at)));
            tracing::info!(target: TARGET, call = call.0, %scheme, %caller, callee, codecs, setup_ms, "call answered");
        }
        CallEvent::Ended { reason } if record.routes.is_empty() => {
            let reason = reason.name();
            tracing::info!(target: UNROUTED, call = call.0, %scheme, %caller, reason, "call ended before it was routed");
        }
        CallEvent::Ended { reason } => {
            let (reason, setup_ms) = (reason.name(), millis(record.setup_time(at)));
            let (codecs, duration_ms) = (codecs.join(","), record.duration(at).map(millis));
            let [a, b, other] =
                [LegRole::Caller, LegRole::Callee, LegRole::Other].map(|role| Figures::of(record, role));
            // A field whose value is `None` is omitted.
            tracing::info!(
                target: TARGET,
                call = call.0, %scheme, %caller, callee, codecs, reason, setup_ms, duration_ms,
                caller_rx_packets = a.rx_packets, caller_rx_lost = a.rx_lost, caller_rx_jitter_ms = a.rx_jitter_ms,
                caller_tx_packets = a.tx_packets, caller_tx_lost = a.tx_lost, caller_tx_jitter_ms = a.tx_jitter_ms,
                caller_rtt_ms = a.rtt_ms, caller_rx_mos = a.rx_mos, caller_tx_mos = a.tx_mos,
                callee_rx_packets = b.rx_packets, callee_rx_lost = b.rx_lost, callee_rx_jitter_ms = b.rx_jitter_ms,
                callee_tx_packets = b.tx_packets, callee_tx_lost = b.tx_lost, callee_tx_jitter_ms = b.tx_jitter_ms,
                callee_rtt_ms = b.rtt_ms, callee_rx_mos = b.rx_mos, callee_tx_mos = b.tx_mos,
                other_rx_packets = other.rx_packets, other_rx_lost = other.rx_lost,
                other_rx_jitter_ms = other.rx_jitter_ms,
                other_tx_packets = other.tx_packets, other_tx_lost = other.tx_lost,
                other_tx_jitter_ms = other.tx_jitter_ms,
                other_rtt_ms = other.rtt_ms, other_rx_mos = other.rx_mos, other_tx_mos = other.tx_mos,
                "call ended"
            );
        }
        event => tracing::trace!(target: TARGET, call = call.0, ?event, "call event"),
    }
}

/// The fields of the legs with one role.
#[derive(Default)]
struct Figures {
    rx_packets: Option<u64>,
    rx_lost: Option<u64>,
    rx_jitter_ms: Option<f64>,
    tx_packets: Option<u64>,
    tx_lost: Option<u64>,
    tx_jitter_ms: Option<f64>,
    rtt_ms: Option<f64>,
    rx_mos: Option<f64>,
    tx_mos: Option<f64>,
}

impl Figures {
    fn of(record: &CallRecord, role: LegRole) -> Self {
        let Some(LegQuality { received, jitter, mos, sent, peer }) = record.quality_of(role) else {
            return Self::default();
        };
        Self {
            rx_packets: Some(received.packets),
            rx_lost: Some(received.lost),
            rx_jitter_ms: Some(tenths(jitter)),
            tx_packets: Some(sent),
            tx_lost: peer.map(|peer| peer.lost),
            tx_jitter_ms: peer.map(|peer| tenths(peer.jitter)),
            rtt_ms: peer.and_then(|PeerQuality { round_trip, .. }| round_trip).map(tenths),
            rx_mos: mos.map(hundredths),
            tx_mos: peer.and_then(|peer| peer.mos).map(hundredths),
        }
    }
}

/// Converts to milliseconds, rounded to tenths.
fn tenths(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

/// Rounds a score to hundredths.
fn hundredths(score: f64) -> f64 {
    (score * 100.0).round() / 100.0
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
