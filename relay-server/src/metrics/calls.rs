//! Counters and histograms of calls, from the events of the call model.

use super::exposition::Exposition;
use super::histogram::Histogram;
use super::streams::StreamMetrics;
use offhook_b2bua::call::{CallEvent, EndpointKind};
use offhook_b2bua::record::{CallRecord, CallScheme};
use offhook_clock::Time;
use offhook_signaling::reason::EndReason;
use std::collections::BTreeMap;

/// Bounds of the time until the caller is informed of alerting, in seconds (RFC 6076 calls it session request delay).
const ALERTING: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Bounds of the time until the answer, in seconds. Users answer after some seconds; the default `ring_timeout` is a
/// minute.
const SETUP: &[f64] = &[0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 120.0];
/// Bounds of the duration of answered calls, in seconds.
const DURATION: &[f64] = &[1.0, 5.0, 10.0, 30.0, 60.0, 180.0, 300.0, 600.0, 1_800.0, 3_600.0, 7_200.0];

const KINDS: [EndpointKind; 4] =
    [EndpointKind::Browser, EndpointKind::SipEndpoint, EndpointKind::SipServer, EndpointKind::Application];
const SCHEMES: [CallScheme; 3] = [CallScheme::Local, CallScheme::Proxied, CallScheme::SignalingOnly];

/// Totals of calls since the relay was started.
#[derive(Clone, Debug)]
pub struct CallMetrics {
    placed: BTreeMap<&'static str, u64>,
    answered: BTreeMap<&'static str, u64>,
    ended: BTreeMap<EndReason, u64>,
    alerting: Histogram,
    setup: Histogram,
    duration: Histogram,
    streams: StreamMetrics,
}

impl Default for CallMetrics {
    fn default() -> Self {
        Self {
            placed: KINDS.into_iter().map(|kind| (kind_name(kind), 0)).collect(),
            answered: SCHEMES.into_iter().map(|scheme| (scheme_name(scheme), 0)).collect(),
            ended: EndReason::ALL.into_iter().map(|reason| (reason, 0)).collect(),
            alerting: Histogram::new(ALERTING),
            setup: Histogram::new(SETUP),
            duration: Histogram::new(DURATION),
            streams: StreamMetrics::default(),
        }
    }
}

impl CallMetrics {
    /// Counts an event of a call.
    pub fn count(&mut self, event: &CallEvent, record: &CallRecord, at: Time) {
        match event {
            CallEvent::Placed { endpoint, .. } => *self.placed.entry(kind_name(*endpoint)).or_default() += 1,
            CallEvent::Answered { .. } => {
                *self.answered.entry(scheme_name(record.scheme)).or_default() += 1;
                self.observe_alerting(record);
                self.setup.observe(record.setup_time(at).as_secs_f64());
            }
            CallEvent::Ended { reason } => {
                *self.ended.entry(*reason).or_default() += 1;
                record.legs.values().flatten().for_each(|stream| self.streams.observe(stream));
                match record.duration(at) {
                    Some(duration) => self.duration.observe(duration.as_secs_f64()),
                    None => self.observe_alerting(record),
                }
            }
            _ => {}
        }
    }

    fn observe_alerting(&mut self, record: &CallRecord) {
        if let Some(alerted) = record.alerted_at {
            self.alerting.observe(alerted.since(record.placed_at).as_secs_f64());
        }
    }

    /// Writes the totals.
    pub(super) fn write(&self, out: &mut Exposition) {
        let mut family = out.counter("offhook_calls_placed_total", "Calls placed, by the endpoint of the caller.");
        for (kind, count) in &self.placed {
            family.sample(&[("caller", kind)], count);
        }
        let mut family = out.counter("offhook_calls_answered_total", "Calls answered, by routing scheme.");
        for (scheme, count) in &self.answered {
            family.sample(&[("scheme", scheme)], count);
        }
        let mut family = out.counter("offhook_calls_ended_total", "Calls ended, by end reason.");
        for (reason, count) in &self.ended {
            family.sample(&[("reason", reason.name())], count);
        }
        let help = "Time from placing a call until the caller is informed of alerting or progress, for calls that reach \
                    this state; observed when the call is answered or ends.";
        out.histogram("offhook_call_alerting_delay_seconds", help, &self.alerting);
        out.histogram("offhook_call_setup_seconds", "Time from placing a call to its answer.", &self.setup);
        let help = "Time from the answer of a call to its end; observed when the call ends.";
        out.histogram("offhook_call_duration_seconds", help, &self.duration);
        self.streams.write(out);
    }
}

const fn kind_name(kind: EndpointKind) -> &'static str {
    match kind {
        EndpointKind::Browser => "browser",
        EndpointKind::SipEndpoint => "sip-endpoint",
        EndpointKind::SipServer => "sip-server",
        EndpointKind::Application => "application",
    }
}

const fn scheme_name(scheme: CallScheme) -> &'static str {
    match scheme {
        CallScheme::Local => "local",
        CallScheme::Proxied => "proxied",
        CallScheme::SignalingOnly => "signaling-only",
    }
}
