//! The log records of calls: one when a call is placed, answered and ended. Numbers and names do not appear in them.

use offhook_b2bua::call::CallEvent;
use offhook_b2bua::record::CallRecord;
use offhook_clock::Time;

/// The target of the records of calls that are routed. The rate limit of the log exempts them: limits of the call model
/// bound their number.
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
            tracing::info!(
                target: TARGET,
                call = call.0, %scheme, %caller, callee, codecs, reason, setup_ms, duration_ms, "call ended"
            );
        }
        event => tracing::trace!(target: TARGET, call = call.0, ?event, "call event"),
    }
}

fn millis(duration: core::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
