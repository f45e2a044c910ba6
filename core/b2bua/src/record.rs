//! Call records: a summary of each call for the log, call detail records and metrics.

mod calls;
mod identity;
mod legs;

pub(crate) use calls::{CallRecords, EndedCall, REPORT_TIMEOUT};
pub use identity::LegIdentity;
pub use legs::{LegQuality, LegRole, PeerQuality};

use crate::call::{CallEvent, CallKey, EndpointKind};
use core::fmt;
use core::time::Duration;
use offhook_clock::Time;
use offhook_media::command::{LegKey, StreamStatistics};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The routing of a call, and the path of its media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallScheme {
    /// The relay routes the call: all participants are its own users or unknown sources.
    Local,
    /// A SIP server routes the call; the media flow between the relay and the RTP address that the server sends.
    Proxied,
    /// A SIP server routes the call back to this relay, which bridges the two browsers.
    SignalingOnly,
}

impl CallScheme {
    /// Returns the scheme of a call that is not looped through a SIP server.
    fn between(caller: EndpointKind, callee: Option<EndpointKind>) -> Self {
        let is_proxied = caller == EndpointKind::SipServer || callee == Some(EndpointKind::SipServer);
        if is_proxied { Self::Proxied } else { Self::Local }
    }
}

impl fmt::Display for CallScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "local",
            Self::Proxied => "proxied",
            Self::SignalingOnly => "signaling-only",
        })
    }
}

/// A callee to which a call was routed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRoute {
    /// Its endpoint.
    pub endpoint: EndpointKind,
    /// The login of a browser, or the URI of a SIP endpoint.
    pub address: String,
}

/// The summary of a call at the time of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// The call.
    pub call: CallKey,
    /// Its routing.
    pub scheme: CallScheme,
    /// The caller's login, number or address, as it is shown to callees.
    pub from: String,
    /// The callee as dialed.
    pub to: String,
    /// The caller's endpoint.
    pub caller: EndpointKind,
    /// The endpoint of the callee that answered.
    pub callee: Option<EndpointKind>,
    /// The login or URI of the callee that answered.
    pub callee_address: Option<String>,
    /// The codecs in use when the call was answered.
    pub codecs: Vec<String>,
    /// The time of [`CallEvent::Placed`].
    pub placed_at: Time,
    /// The time at which the caller was first informed of the callee's alerting or progress.
    pub alerted_at: Option<Time>,
    /// The time of [`CallEvent::Answered`].
    pub answered_at: Option<Time>,
    /// The caller's leg.
    pub caller_leg: LegKey,
    /// The leg of the callee that answered.
    pub callee_leg: Option<LegKey>,
    /// The identifiers of the legs in the protocols of their endpoints.
    pub identities: BTreeMap<LegKey, LegIdentity>,
    /// For each leg at a media worker, the last statistics of its streams. A leg that an attended transfer moved to
    /// another call is in the record of that call only.
    pub legs: BTreeMap<LegKey, Vec<StreamStatistics>>,
    /// The callees that the call was routed to before it was answered.
    pub routes: BTreeMap<LegKey, CallRoute>,
    /// The SIP status for the participant that left last.
    pub sip_status: Option<u16>,
    /// The files in which the call was recorded.
    pub recordings: Vec<String>,
}

impl CallRecord {
    fn new(call: CallKey, (caller_leg, caller): (LegKey, EndpointKind), from: &str, to: &str, now: Time) -> Self {
        Self {
            call,
            scheme: CallScheme::between(caller, None),
            from: from.to_owned(),
            to: to.to_owned(),
            caller,
            callee: None,
            callee_address: None,
            codecs: Vec::new(),
            placed_at: now,
            alerted_at: None,
            answered_at: None,
            caller_leg,
            callee_leg: None,
            identities: BTreeMap::new(),
            legs: BTreeMap::new(),
            routes: BTreeMap::new(),
            sip_status: None,
            recordings: Vec::new(),
        }
    }

    /// Returns the time from the placement of the call to its answer, or to `now` if it was not answered.
    #[must_use]
    pub fn setup_time(&self, now: Time) -> Duration {
        self.answered_at.unwrap_or(now).since(self.placed_at)
    }

    /// Returns the time since the call was answered; `None` if it was not.
    #[must_use]
    pub fn duration(&self, now: Time) -> Option<Duration> {
        self.answered_at.map(|answered| now.since(answered))
    }

    fn update(&mut self, event: &CallEvent, now: Time) {
        match event {
            // Targets after the answer belong to a transfer, which changes neither the callee nor the scheme.
            CallEvent::Routed { .. } if self.answered_at.is_some() => {}
            CallEvent::Routed { callee, endpoint, address, .. } => {
                self.routes.insert(*callee, CallRoute { endpoint: *endpoint, address: address.clone() });
                if *endpoint == EndpointKind::SipServer && self.scheme == CallScheme::Local {
                    self.scheme = CallScheme::Proxied;
                }
            }
            CallEvent::Looped => self.scheme = CallScheme::SignalingOnly,
            CallEvent::Answered { callee, codecs, .. } => {
                let route = self.routes.get(callee);
                self.callee = route.map(|route| route.endpoint);
                self.callee_address = route.map(|route| route.address.clone());
                if self.scheme != CallScheme::SignalingOnly {
                    self.scheme = CallScheme::between(self.caller, self.callee);
                }
                self.codecs.clone_from(codecs);
                self.callee_leg = Some(*callee);
                self.answered_at = Some(now);
            }
            CallEvent::Ringing { .. } | CallEvent::Progressing { .. } | CallEvent::EarlyMedia { .. }
                if self.answered_at.is_none() =>
            {
                self.alerted_at.get_or_insert(now);
            }
            CallEvent::RecordingStarted { file, .. } => self.recordings.push(file.clone()),
            CallEvent::Unanswered { end, .. } | CallEvent::Left { end, .. } => self.sip_status = Some(end.status()),
            CallEvent::QualityReported { leg, streams } => {
                self.legs.insert(*leg, streams.clone());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
