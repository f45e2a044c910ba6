//! `GET /healthz`: the state of the relay and, with `?verbose`, every counter. `GET /readyz`: whether it accepts calls. `GET /metrics`: all metrics for Prometheus.

use super::App;
use super::client_address::Peer;
use super::router::is_own_host;
use crate::lifecycle::Phase;
use crate::media_plane::{ThreadCounters, Totals};
use crate::metrics::{self, Format, MetricSources, dropped_by_reason};
use crate::signaling_plane::STUCK_AFTER;
use crate::telemetry;
use axum::extract::{RawQuery, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use core::time::Duration;
use offhook_b2bua::relay::{Guard, GuardCounters, RelayCounters};
use offhook_media::counters::{Counters, Dropped};
use serde_json::{Map, Value, json};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

pub(super) async fn healthz(State(app): State<Arc<App>>, RawQuery(query): RawQuery, request: Request) -> Response {
    let is_verbose =
        query.is_some_and(|query| query.split('&').any(|field| field.split('=').next() == Some("verbose")));
    if is_verbose && !is_local(&request) {
        return refuse_foreign("/healthz?verbose");
    }
    let age = app.gauges.age().unwrap_or_default();
    let (code, status) = health(app.lifecycle.phase(), age);
    let counts = *app.gauges.counts.lock().unwrap_or_else(PoisonError::into_inner);
    let mut body = json!({
        "status": status,
        "version": env!("CARGO_PKG_VERSION"),
        "sessions": counts.sessions,
        "calls": counts.calls,
        "connections": app.gauges.connections.load(Ordering::Relaxed),
        "workers": app.workers,
        "registrations": counts.registrations,
        "sipDropped": app.sip.as_ref().map_or(0, |sip| sip.dropped()),
        "logDropped": telemetry::counters().dropped(),
        "planeAgeMs": age.as_millis(),
    });
    if let Some(object) = body.as_object_mut().filter(|_| is_verbose) {
        let relay = *app.gauges.counters.lock().unwrap_or_else(PoisonError::into_inner);
        object.insert("signaling".to_owned(), signaling(&relay));
        object.insert("foreignOrigins".to_owned(), app.gauges.foreign_origins.load(Ordering::Relaxed).into());
        object.insert("media".to_owned(), app.media.iter().map(media).collect());
    }
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (code, headers, body.to_string()).into_response()
}

pub(super) async fn readyz(State(app): State<Arc<App>>) -> Response {
    let (code, status) = readiness(app.lifecycle.phase(), app.gauges.age().unwrap_or_default());
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (code, headers, json!({ "status": status }).to_string()).into_response()
}

pub(super) async fn metrics(State(app): State<Arc<App>>, request: Request) -> Response {
    if !is_local(&request) {
        return refuse_foreign("/metrics");
    }
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let format = Format::accepted(accept);
    let sources = MetricSources {
        gauges: &app.gauges,
        media: &app.media,
        media_queues: &app.media_queues,
        sip: app.sip.as_deref(),
        records: &app.records.counters,
        api: &app.api,
        hooks: &app.hooks,
    };
    let headers = [(header::CONTENT_TYPE, format.content_type()), (header::CACHE_CONTROL, "no-store")];
    (headers, metrics::render(&sources, format)).into_response()
}

fn refuse_foreign(path: &str) -> Response {
    let why = format!("the counters are served only to this machine: request http://127.0.0.1:PORT{path} on it\n");
    (StatusCode::FORBIDDEN, why).into_response()
}

/// Returns whether a request comes from this machine, without a proxy, and with a host name of this machine (a foreign
/// one indicates DNS rebinding). Other clients must not see the counters, because they show whether packets of a source
/// were accepted.
fn is_local(request: &Request) -> bool {
    let is_loopback = request.extensions().get::<Peer>().is_some_and(|Peer(peer)| peer.to_canonical().is_loopback());
    let is_forwarded = FORWARDING.iter().any(|name| request.headers().contains_key(*name));
    is_loopback && !is_forwarded && is_own_host(request.headers())
}

/// Header fields that proxies add.
const FORWARDING: [&str; 4] = ["forwarded", "via", "x-forwarded-for", "x-real-ip"];

/// Returns the status of the health check. `age` is the time since the signaling plane's last turn.
fn health(phase: Phase, age: Duration) -> (StatusCode, &'static str) {
    match (phase, age > STUCK_AFTER) {
        (Phase::Stopping, _) => (StatusCode::SERVICE_UNAVAILABLE, "shutting down"),
        (Phase::Running | Phase::Draining, true) => (StatusCode::SERVICE_UNAVAILABLE, "signaling is stuck"),
        // A relay that drains is healthy: it must not be restarted while its calls continue.
        (Phase::Draining, false) => (StatusCode::OK, "draining"),
        (Phase::Running, false) => (StatusCode::OK, "ok"),
    }
}

/// Returns the status of the readiness check: whether a load balancer may send new clients and calls.
fn readiness(phase: Phase, age: Duration) -> (StatusCode, &'static str) {
    match (phase, health(phase, age)) {
        (Phase::Draining, (StatusCode::OK, status)) => (StatusCode::SERVICE_UNAVAILABLE, status),
        (_, health) => health,
    }
}

/// The totals of the call model and the SIP user agent.
fn signaling(relay: &RelayCounters) -> Value {
    let sip = relay.transactions;
    json!({
        "callInputsIgnored": relay.ignored_by_calls,
        "sipInputsIgnored": relay.ignored_by_user_agent,
        "routingAnswersIgnored": relay.ignored_routing_answers,
        "refusals": refusals(&relay.guards),
        "sip": {
            "malformed": sip.malformed,
            "strayResponses": sip.stray_responses,
            "repeatedRequests": sip.repeated_requests,
            "mergedRequests": sip.merged_requests,
            "overloaded": sip.overloaded,
            "resent": sip.resent,
            "failovers": sip.failovers,
            "ignored": sip.ignored,
        },
    })
}

/// The calls and logins that guards have refused, by guard.
fn refusals(guards: &GuardCounters) -> Value {
    let members = Guard::ALL.into_iter().map(|guard| (camel_case(guard.name()), guards.get(guard).into()));
    members.collect::<Map<_, _>>().into()
}

/// The totals of a media worker.
fn media(worker: &Totals) -> Value {
    let ThreadCounters { machine, queue_full } = *worker.lock().unwrap_or_else(PoisonError::into_inner);
    // The pattern names every field, so that a new counter does not compile until it is shown here.
    let Counters { rx_datagrams, tx_datagrams, rx_rtp, tx_rtp, rx_rtcp, tx_rtcp, stun_checks, legs_connected, dropped } =
        machine;
    json!({
        "rxDatagrams": rx_datagrams,
        "txDatagrams": tx_datagrams,
        "rxRtp": rx_rtp,
        "txRtp": tx_rtp,
        "rxRtcp": rx_rtcp,
        "txRtcp": tx_rtcp,
        "stunChecks": stun_checks,
        "legsConnected": legs_connected,
        "dropped": dropped_members(dropped, queue_full),
    })
}

/// The numbers of dropped packets by reason, with the names of JSON members.
fn dropped_members(dropped: Dropped, queue_full: u64) -> Value {
    let members = dropped_by_reason(dropped, queue_full);
    members.into_iter().map(|(reason, packets)| (camel_case(reason), packets.into())).collect::<Map<_, _>>().into()
}

/// Returns a name in snake case as the name of a JSON member.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let (initial, rest) = word.split_at(word.len().min(1));
        name + &initial.to_ascii_uppercase() + rest
    })
}

#[cfg(test)]
mod tests {
    use super::{Duration, Phase, STUCK_AFTER, StatusCode, health, readiness};

    #[test]
    fn blocked_plane_fails_the_health_check() {
        let usual = Duration::from_millis(500);
        assert_eq!(health(Phase::Running, usual), (StatusCode::OK, "ok"));
        let stuck = STUCK_AFTER + Duration::from_millis(1);
        assert_eq!(health(Phase::Running, stuck), (StatusCode::SERVICE_UNAVAILABLE, "signaling is stuck"));
        assert_eq!(health(Phase::Stopping, Duration::ZERO), (StatusCode::SERVICE_UNAVAILABLE, "shutting down"));
    }

    #[test]
    fn draining_relay_is_healthy_but_not_ready() {
        let usual = Duration::from_millis(500);
        assert_eq!(health(Phase::Draining, usual), (StatusCode::OK, "draining"));
        assert_eq!(readiness(Phase::Draining, usual), (StatusCode::SERVICE_UNAVAILABLE, "draining"));
        assert_eq!(readiness(Phase::Running, usual), (StatusCode::OK, "ok"));
        let stuck = STUCK_AFTER + Duration::from_millis(1);
        assert_eq!(readiness(Phase::Draining, stuck), (StatusCode::SERVICE_UNAVAILABLE, "signaling is stuck"));
    }
}
