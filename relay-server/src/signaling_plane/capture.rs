//! Stores the messages of calls for their traces.

use super::SignalingPlane;
use crate::trace::{Capture, Flow, TraceKey, TraceStore};
use offhook_b2bua::io::ConnectionId;
use offhook_sip::transport::{Hop, Source};
use std::sync::Arc;

impl SignalingPlane {
    /// Sets the store of traces, if they are on.
    #[must_use]
    pub fn with_trace(self, trace: Option<Arc<TraceStore>>) -> Self {
        Self { trace, ..self }
    }

    /// Stores a signaling message of a client session.
    pub(super) fn capture_frame(&self, connection: ConnectionId, flow: Flow, text: &str) {
        let Some(trace) = &self.trace else { return };
        let Some(session) = self.relay.session_at(connection) else { return };
        if let Some(key) = TraceKey::of_frame(session, text) {
            trace.record(key, &Capture::frame(session, flow, text, self.clock.now()));
        }
    }

    /// Stores a received SIP message.
    pub(super) fn capture_received(&self, source: &Source, octets: &[u8]) {
        if let Some(trace) = &self.trace
            && let Some(key) = TraceKey::of_sip(octets)
        {
            trace.record(key, &Capture::received(source, octets, self.clock.now()));
        }
    }

    /// Stores a sent SIP message.
    pub(super) fn capture_sent(&self, hop: &Hop, octets: &[u8]) {
        if let Some(trace) = &self.trace
            && let Some(key) = TraceKey::of_sip(octets)
        {
            trace.record(key, &Capture::sent(hop, octets, self.clock.now()));
        }
    }
}
