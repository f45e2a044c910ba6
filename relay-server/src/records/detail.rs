//! The record of one call attempt.

use super::legs::LegDetail;
use crate::timestamp::rfc3339;
use core::time::Duration;
use offhook_b2bua::record::CallRecord;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A callee to which a call was routed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RouteDetail {
    /// `browser`, `sip-endpoint` or `sip-server`.
    pub kind: String,
    /// The login of a browser, or the URI of a SIP endpoint.
    pub address: String,
}

/// The record of one call attempt. Times have a resolution of a millisecond.
#[derive(Clone, Debug, PartialEq)]
pub struct CallDetailRecord {
    /// Unique among all records of a relay, also after a restart.
    pub uid: String,
    /// The call id of the log, unique since the start of the relay.
    pub call: u64,
    /// `local`, `proxied` or `signaling-only`.
    pub scheme: String,
    /// The caller's login, number or address, as shown to callees.
    pub from: String,
    /// The callee as dialed.
    pub to: String,
    /// The kind of the caller's endpoint, as in [`RouteDetail::kind`].
    pub caller_kind: String,
    /// The callee that answered.
    pub callee: Option<RouteDetail>,
    /// The callees to which the call was routed before it was answered.
    pub routes: Vec<RouteDetail>,
    /// Names of the codecs in use when the call was answered.
    pub codecs: Vec<String>,
    /// The time at which the call was placed.
    pub placed_at: Time,
    /// The time at which the caller was first informed of alerting or progress.
    pub alerted_at: Option<Time>,
    /// The time of the answer.
    pub answered_at: Option<Time>,
    /// The time of the end.
    pub ended_at: Time,
    /// The end reason, as in the log.
    pub end_reason: String,
    /// The SIP status of the end: the one received from the SIP peer, else the one that corresponds to the end reason.
    pub sip_status: Option<u16>,
    /// The legs of the call.
    pub legs: Vec<LegDetail>,
    /// The files in which the call was recorded.
    pub recordings: Vec<String>,
}

impl CallDetailRecord {
    /// The record of a call that ended at `ended_at` with the reason `end_reason`.
    #[must_use]
    pub fn new(record: &CallRecord, end_reason: &str, ended_at: Time) -> Self {
        let routes = record.routes.values();
        let route = |kind: String, address: &str| RouteDetail { kind, address: address.to_owned() };
        let callee = record.callee.zip(record.callee_address.as_deref());
        let placed_at = record.placed_at.since(Time::EPOCH).as_micros();
        Self {
            uid: format!("{placed_at:x}-{:x}", record.call.0),
            call: record.call.0,
            scheme: record.scheme.to_string(),
            from: record.from.clone(),
            to: record.to.clone(),
            caller_kind: record.caller.to_string(),
            callee: callee.map(|(kind, address)| route(kind.to_string(), address)),
            routes: routes.map(|to| route(to.endpoint.to_string(), &to.address)).collect(),
            codecs: record.codecs.clone(),
            placed_at: in_millis(record.placed_at),
            alerted_at: record.alerted_at.map(in_millis),
            answered_at: record.answered_at.map(in_millis),
            ended_at: in_millis(ended_at),
            end_reason: end_reason.to_owned(),
            sip_status: record.sip_status,
            legs: LegDetail::of_call(record),
            recordings: record.recordings.clone(),
        }
    }

    /// The record as it is written in JSON.
    #[must_use]
    pub fn to_json(&self) -> RecordJson<'_> {
        let millis = |from: Time, to: Time| u64::try_from(to.since(from).as_millis()).unwrap_or(u64::MAX);
        RecordJson {
            uid: &self.uid,
            call: self.call.to_string(),
            scheme: &self.scheme,
            from: &self.from,
            to: &self.to,
            caller_kind: &self.caller_kind,
            callee: self.callee.as_ref(),
            routes: &self.routes,
            codecs: &self.codecs,
            placed_at: rfc3339(self.placed_at),
            alerted_at: self.alerted_at.map(rfc3339),
            answered_at: self.answered_at.map(rfc3339),
            ended_at: rfc3339(self.ended_at),
            setup_ms: self.answered_at.map(|answered| millis(self.placed_at, answered)),
            duration_ms: self.answered_at.map(|answered| millis(answered, self.ended_at)),
            end_reason: &self.end_reason,
            sip_status: self.sip_status,
            legs: &self.legs,
            recordings: &self.recordings,
        }
    }
}

/// A call detail record in JSON.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordJson<'a> {
    /// Unique among all records of a relay.
    uid: &'a str,
    /// The call id of the log, unique since the start of the relay.
    call: String,
    /// `local`, `proxied` or `signaling-only`.
    scheme: &'a str,
    /// The caller, as shown to callees.
    from: &'a str,
    /// The callee as dialed.
    to: &'a str,
    /// `browser`, `sip-endpoint` or `sip-server`.
    caller_kind: &'a str,
    /// The callee that answered.
    callee: Option<&'a RouteDetail>,
    /// The callees to which the call was routed before it was answered.
    routes: &'a [RouteDetail],
    /// The codecs in use when the call was answered.
    codecs: &'a [String],
    /// The time at which the call was placed.
    placed_at: String,
    /// The time at which the caller was first informed of alerting or progress.
    alerted_at: Option<String>,
    /// The time of the answer.
    answered_at: Option<String>,
    /// The time of the end.
    ended_at: String,
    /// The time from placing the call to the answer.
    setup_ms: Option<u64>,
    /// The time from the answer to the end.
    duration_ms: Option<u64>,
    /// The end reason.
    end_reason: &'a str,
    /// The SIP status that corresponds to the end.
    sip_status: Option<u16>,
    /// The legs.
    legs: &'a [LegDetail],
    /// The files in which the call was recorded.
    recordings: &'a [String],
}

/// Truncates a time to milliseconds, so that a record does not change when it is stored and read.
fn in_millis(time: Time) -> Time {
    let millis = u64::try_from(time.since(Time::EPOCH).as_millis()).unwrap_or(u64::MAX);
    Time::EPOCH + Duration::from_millis(millis)
}
