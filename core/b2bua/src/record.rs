//! Call records: a summary of each call for the log, call detail records and metrics.

use crate::call::{CallEvent, CallKey, EndpointKind};
use core::fmt;
use core::time::Duration;
use offhook_clock::Time;
use offhook_media::command::LegKey;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The routing of a call, and the path of its media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallScheme {
    /// The relay routes the call: all participants are its own users or unknown sources.
    Local,
    /// A SIP server routes the call; the media flow through its RTP address.
    Proxied,
    /// A SIP server routes the call back to this relay, which bridges the two browsers.
    SignalingOnly,
}

impl CallScheme {
    /// The scheme of a call that does not return to this relay.
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

/// The summary of a call at the time of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// The call.
    pub call: CallKey,
    /// Its routing.
    pub scheme: CallScheme,
    /// The caller's endpoint.
    pub caller: EndpointKind,
    /// The endpoint of the callee that answered.
    pub callee: Option<EndpointKind>,
    /// The codecs in use when the call was answered.
    pub codecs: Vec<String>,
    /// The time of [`CallEvent::Placed`].
    pub placed_at: Time,
    /// The time of [`CallEvent::Answered`].
    pub answered_at: Option<Time>,
    /// The number of legs that the call was routed to before it was answered.
    pub routes: u32,
    /// The callees that were alerted, until one answers.
    alerted: BTreeMap<LegKey, EndpointKind>,
}

impl CallRecord {
    fn new(call: CallKey, caller: EndpointKind, now: Time) -> Self {
        Self {
            call,
            scheme: CallScheme::between(caller, None),
            caller,
            callee: None,
            codecs: Vec::new(),
            placed_at: now,
            answered_at: None,
            routes: 0,
            alerted: BTreeMap::new(),
        }
    }

    /// The time from placing the call to its answer, or to `now` if it was not answered.
    #[must_use]
    pub fn setup_time(&self, now: Time) -> Duration {
        self.answered_at.unwrap_or(now).since(self.placed_at)
    }

    /// The time since the call was answered.
    #[must_use]
    pub fn duration(&self, now: Time) -> Option<Duration> {
        self.answered_at.map(|answered| now.since(answered))
    }

    fn update(&mut self, event: &CallEvent, now: Time) {
        match event {
            // Later targets are those of a transfer, which changes neither the callee nor the scheme of the record.
            CallEvent::Routed { .. } if self.answered_at.is_some() => {}
            CallEvent::Routed { callee, endpoint, .. } => {
                self.routes += 1;
                self.alerted.insert(*callee, *endpoint);
                if *endpoint == EndpointKind::SipServer && self.scheme == CallScheme::Local {
                    self.scheme = CallScheme::Proxied;
                }
            }
            CallEvent::Looped => self.scheme = CallScheme::SignalingOnly,
            CallEvent::Answered { callee, codecs, .. } => {
                self.callee = core::mem::take(&mut self.alerted).remove(callee);
                if self.scheme != CallScheme::SignalingOnly {
                    self.scheme = CallScheme::between(self.caller, self.callee);
                }
                self.codecs.clone_from(codecs);
                self.answered_at = Some(now);
            }
            _ => {}
        }
    }
}

/// The records of all calls that have not ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CallRecords {
    records: BTreeMap<CallKey, CallRecord>,
}

impl CallRecords {
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Applies an event to the record of its call, and returns the record.
    pub(crate) fn apply(&mut self, call: CallKey, event: &CallEvent, now: Time) -> Option<CallRecord> {
        match event {
            CallEvent::Placed { endpoint, .. } => {
                let record = CallRecord::new(call, *endpoint, now);
                self.records.insert(call, record.clone());
                Some(record)
            }
            CallEvent::Ended { .. } => self.records.remove(&call),
            event => {
                let record = self.records.get_mut(&call)?;
                record.update(event, now);
                Some(record.clone())
            }
        }
    }
}

#[cfg(test)]
mod tests;
