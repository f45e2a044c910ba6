//! The values of the planes as metrics. Structures of counters are destructured field by field, so that a new counter
//! does not compile until it is written here.

use super::exposition::Exposition;
use super::hooks::HookMetrics;
use crate::api::ApiCounters;
use crate::media_plane::{ThreadCounters, Totals};
use crate::records::RecordCounters;
use crate::signaling_plane::Gauges;
use crate::sip_transport::SipCounters;
use crate::telemetry;
use offhook_b2bua::relay::{Counts, Guard, GuardCounters, RelayCounters};
use offhook_media::counters::{Counters, Dropped};
use offhook_sip::transaction::layer::Counters as TransactionCounters;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The planes whose values are written.
#[derive(Clone, Copy, Debug)]
pub struct MetricSources<'a> {
    /// Values of the signaling plane.
    pub gauges: &'a Gauges,
    /// Totals of the media workers, by number.
    pub media: &'a [Totals],
    /// The numbers of commands that are queued for the media workers.
    pub media_queues: &'a [Arc<AtomicUsize>],
    /// Counters of the SIP transport, if SIP is used.
    pub sip: Option<&'a SipCounters>,
    /// Counters of the stores of call detail records.
    pub records: &'a [Arc<RecordCounters>],
    /// Totals of the REST API.
    pub api: &'a ApiCounters,
    /// Totals of webhooks.
    pub hooks: &'a HookMetrics,
}

impl MetricSources<'_> {
    pub(super) fn write_relay(&self, out: &mut Exposition) {
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        out.gauge("offhook_build_info", "Always 1; the label contains the version.").sample(&version, 1);
        let counts = *self.gauges.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let Counts { connections: _, sessions, calls, registrations, legs, ports_in_use, ports } = counts;
        let connections = self.gauges.connections.load(Ordering::Relaxed);
        out.gauge("offhook_websocket_connections", "Open WebSockets.").value(connections);
        out.gauge("offhook_sessions", "Client sessions, with or without a WebSocket.").value(sessions);
        out.gauge("offhook_calls", "Calls that ring or are established.").value(calls);
        out.gauge("offhook_legs", "Legs of calls.").value(legs);
        let help = "Accounts that are registered at a SIP server.";
        out.gauge("offhook_registrations", help).value(registrations);
        out.gauge("offhook_rtp_ports", "RTP ports of the configured range.").value(ports);
        out.gauge("offhook_rtp_ports_in_use", "RTP ports that calls use.").value(ports_in_use);
        let dropped = telemetry::counters().dropped();
        let help = "Log lines that were not written, because the stream was full, slow or failing.";
        out.counter("offhook_log_dropped_lines_total", help).value(dropped);
    }

    pub(super) fn write_calls(&self, out: &mut Exposition) {
        self.gauges.call_metrics.lock().unwrap_or_else(PoisonError::into_inner).write(out);
    }

    pub(super) fn write_signaling(&self, out: &mut Exposition) {
        let age = self.gauges.age().unwrap_or_default().as_secs_f64();
        let help = "Time since the last turn of the signaling plane.";
        out.gauge("offhook_signaling_turn_age_seconds", help).value(age);
        let help = "Inputs that were queued for the signaling plane at the beginning of its last turn, by source.";
        let mut family = out.gauge("offhook_signaling_queue_length", help);
        for (source, length) in self.gauges.queued.lengths() {
            family.sample(&[("source", source)], length);
        }
        let relay = *self.gauges.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let RelayCounters { ignored_by_calls, ignored_by_user_agent, ignored_routing_answers, guards, transactions } =
            relay;
        let help = "Inputs that a call ignored in its state.";
        out.counter("offhook_call_ignored_inputs_total", help).value(ignored_by_calls);
        let help = "Inputs that the SIP user agent ignored.";
        out.counter("offhook_sip_user_agent_ignored_inputs_total", help).value(ignored_by_user_agent);
        let help = "Answers to routing questions that came too late.";
        out.counter("offhook_routing_ignored_answers_total", help).value(ignored_routing_answers);
        write_guards(&guards, out);
        let help = "WebSockets of pages whose origin is not permitted.";
        let refused = self.gauges.foreign_origins.load(Ordering::Relaxed);
        out.counter("offhook_foreign_origin_refusals_total", help).value(refused);
        write_transactions(&transactions, out);
        let help = "SIP datagrams that were dropped because there were too many.";
        out.counter("offhook_sip_dropped_datagrams_total", help).value(self.sip.map_or(0, SipCounters::dropped));
    }

    pub(super) fn write_api(&self, out: &mut Exposition) {
        let ApiCounters { requests, timeouts, no_token, wrong_token, no_scope } = self.api;
        let total = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        out.counter("offhook_api_requests_total", "Requests of the REST API.").value(total(requests));
        let help = "Requests of the REST API that exceeded the time limit.";
        out.counter("offhook_api_timeouts_total", help).value(total(timeouts));
        let help = "Requests of the REST API that were refused, by reason.";
        let mut family = out.counter("offhook_api_refusals_total", help);
        for (reason, count) in [("no_token", no_token), ("wrong_token", wrong_token), ("no_scope", no_scope)] {
            family.sample(&[("reason", reason)], total(count));
        }
    }

    pub(super) fn write_records(&self, out: &mut Exposition) {
        let families: [(_, _, RecordCounter); 3] = [
            ("offhook_records_written_total", "Call detail records written, by store.", |counters| &counters.written),
            (
                "offhook_record_write_failures_total",
                "Failed attempts to write call detail records; each is repeated.",
                |counters| &counters.failures,
            ),
            (
                "offhook_records_lost_total",
                "Call detail records that were lost because the queue was full.",
                |counters| &counters.lost,
            ),
        ];
        for (name, help, counter) in families {
            let mut family = out.counter(name, help);
            for counters in self.records {
                family.sample(&[("store", counters.store)], counter(counters).load(Ordering::Relaxed));
            }
        }
        let help = "Call detail records that are queued or being written.";
        let mut family = out.gauge("offhook_records_queue_length", help);
        for counters in self.records {
            family.sample(&[("store", counters.store)], counters.queued.load(Ordering::Relaxed));
        }
    }

    pub(super) fn write_media(&self, out: &mut Exposition) {
        let help = "Commands that are queued for a media worker.";
        let mut family = out.gauge("offhook_media_queue_length", help);
        for (worker, length) in self.media_queues.iter().enumerate() {
            family.sample(&[("worker", &worker.to_string())], length.load(Ordering::Relaxed));
        }
        let read = |totals: &Totals| *totals.lock().unwrap_or_else(PoisonError::into_inner);
        let workers: Vec<ThreadCounters> = self.media.iter().map(read).collect();
        for (index, (name, help, _)) in media_counters(&Counters::default()).into_iter().enumerate() {
            let mut family = out.counter(name, help);
            for (worker, ThreadCounters { machine, .. }) in workers.iter().enumerate() {
                let value = media_counters(machine).get(index).map_or(0, |(_, _, value)| *value);
                family.sample(&[("worker", &worker.to_string())], value);
            }
        }
        let help = "Datagrams and packets that a media worker dropped, by reason; excess_digits counts digits that were not \
                    reported.";
        let mut family = out.counter("offhook_media_dropped_packets_total", help);
        for (worker, ThreadCounters { machine, queue_full }) in workers.iter().enumerate() {
            for (reason, count) in dropped_by_reason(machine.dropped, *queue_full) {
                family.sample(&[("worker", &worker.to_string()), ("reason", reason)], count);
            }
        }
    }
}

/// The calls and logins that guards have refused, and the calls that they have ended.
fn write_guards(guards: &GuardCounters, out: &mut Exposition) {
    let help = "Calls and logins that a guard against abuse has refused, and calls that it has ended, by guard.";
    let mut family = out.counter("offhook_guard_refusals_total", help);
    for guard in Guard::ALL {
        family.sample(&[("guard", guard.name())], guards.get(guard));
    }
}

/// The totals of the SIP transaction layer.
fn write_transactions(counters: &TransactionCounters, out: &mut Exposition) {
    let TransactionCounters {
        malformed,
        stray_responses,
        repeated_requests,
        merged_requests,
        overloaded,
        resent,
        failovers,
        ignored,
    } = *counters;
    let families = [
        ("offhook_sip_malformed_messages_total", "SIP messages that could not be parsed.", malformed),
        ("offhook_sip_stray_responses_total", "SIP responses that match no transaction.", stray_responses),
        ("offhook_sip_repeated_requests_total", "Retransmitted SIP requests that were absorbed.", repeated_requests),
        (
            "offhook_sip_merged_requests_total",
            "SIP requests that arrived by more than one path (RFC 3261 section 8.2.2.2).",
            merged_requests,
        ),
        (
            "offhook_sip_overload_rejections_total",
            "SIP requests that arrived while the table of server transactions, or the share of their source, was full.",
            overloaded,
        ),
        ("offhook_sip_retransmissions_total", "SIP messages that the relay retransmitted.", resent),
        ("offhook_sip_failovers_total", "SIP requests that were sent to another server after a failure.", failovers),
        (
            "offhook_sip_transaction_ignored_inputs_total",
            "Inputs for a SIP request, query or transaction that no longer exists.",
            ignored,
        ),
    ];
    for (name, help, value) in families {
        out.counter(name, help).value(value);
    }
}

/// Returns a counter of a store.
type RecordCounter = fn(&RecordCounters) -> &AtomicU64;

/// Name, description and value of a counter.
type DescribedCounter = (&'static str, &'static str, u64);

/// The counters of a media worker other than those of dropped packets.
const fn media_counters(counters: &Counters) -> [DescribedCounter; 8] {
    let Counters {
        rx_datagrams,
        tx_datagrams,
        rx_rtp,
        tx_rtp,
        rx_rtcp,
        tx_rtcp,
        stun_checks,
        legs_connected,
        dropped: _,
    } = *counters;
    [
        ("offhook_media_received_datagrams_total", "Datagrams received.", rx_datagrams),
        ("offhook_media_sent_datagrams_total", "Datagrams sent.", tx_datagrams),
        (
            "offhook_media_received_rtp_packets_total",
            "RTP packets received that were authentic and not replayed.",
            rx_rtp,
        ),
        (
            "offhook_media_sent_rtp_packets_total",
            "RTP packets sent, both forwarded and generated by the relay.",
            tx_rtp,
        ),
        ("offhook_media_received_rtcp_datagrams_total", "RTCP datagrams received that were authentic.", rx_rtcp),
        ("offhook_media_sent_rtcp_datagrams_total", "RTCP datagrams sent.", tx_rtcp),
        ("offhook_media_stun_checks_total", "STUN checks that were answered with a success response.", stun_checks),
        ("offhook_media_connected_legs_total", "WebRTC legs whose transport was established.", legs_connected),
    ]
}

/// Returns the numbers of dropped packets by reason.
pub(crate) const fn dropped_by_reason(dropped: Dropped, queue_full: u64) -> [(&'static str, u64); 19] {
    let Dropped {
        unknown_protocol,
        unknown_address,
        foreign_address,
        on_probation,
        bad_stun,
        bad_credentials,
        early_dtls,
        no_association,
        no_keys,
        malformed,
        unauthentic,
        replayed,
        unknown_stream,
        not_bridged,
        not_negotiated,
        replaced,
        excess_digits,
        bad_command,
    } = dropped;
    [
        ("unknown_protocol", unknown_protocol),
        ("unknown_address", unknown_address),
        ("foreign_address", foreign_address),
        ("on_probation", on_probation),
        ("bad_stun", bad_stun),
        ("bad_credentials", bad_credentials),
        ("early_dtls", early_dtls),
        ("no_association", no_association),
        ("no_keys", no_keys),
        ("malformed", malformed),
        ("unauthentic", unauthentic),
        ("replayed", replayed),
        ("unknown_stream", unknown_stream),
        ("not_bridged", not_bridged),
        ("not_negotiated", not_negotiated),
        ("replaced", replaced),
        ("excess_digits", excess_digits),
        ("bad_command", bad_command),
        ("queue_full", queue_full),
    ]
}
