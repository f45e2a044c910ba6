//! Call records: updates by events and media statistics, and completion after the end of a call.

use super::Relay;
use super::call_table::LegEndpoint;
use super::deadlines::Owner;
use crate::call::{CallEvent, CallKey, SessionId};
use crate::io::{ConnectionId, Output};
use crate::record::{CallRecord, EndedCall, LegIdentity, REPORT_TIMEOUT};
use offhook_clock::Time;
use offhook_media::command::{LegKey, LegReport};
use offhook_signaling::reason::EndReason;

impl Relay {
    /// Returns whether records of ended calls wait for the final reports of media workers. Each waits for at most 1 s.
    #[must_use]
    pub fn has_pending_records(&self) -> bool {
        self.records.has_ended_calls()
    }

    /// Handles the media statistics that a worker reports for its legs.
    pub(super) fn leg_reports(&mut self, reports: &[LegReport], now: Time) {
        for report in reports {
            let Some(call) = self.records.call_of(report.leg) else { continue };
            if !report.streams.is_empty() {
                let event = CallEvent::QualityReported { leg: report.leg, streams: report.streams.clone() };
                self.record_event(call, event, now);
            }
            let complete = self.records.reported(report);
            self.finish_record(complete);
        }
    }

    /// Applies an event to the record of its call, and reports both to the shell.
    pub(super) fn record_event(&mut self, call: CallKey, event: CallEvent, now: Time) {
        let leg = match &event {
            CallEvent::Placed { caller: leg, .. } | CallEvent::Routed { callee: leg, .. } => Some(*leg),
            _ => None,
        };
        if let Some(record) = self.records.apply(call, &event, now) {
            let identified = leg.filter(|leg| self.identify_leg(*leg)).and_then(|_| self.records.get(call).cloned());
            let record = identified.unwrap_or(record);
            self.outputs.push_back(Output::CallEvent { event, record: Box::new(record), at: now });
        }
    }

    /// Stores the identifiers of a leg in the record of its call. Returns whether they are known.
    pub(super) fn identify_leg(&mut self, leg: LegKey) -> bool {
        let Some((call, endpoint)) = self.calls.endpoint_of(leg) else { return false };
        let identity = match endpoint {
            LegEndpoint::Browser { session, call_id } => {
                Some(LegIdentity::Browser { session: *session, call_id: call_id.clone() })
            }
            LegEndpoint::Application { .. } => None,
            LegEndpoint::Sip(sip) => {
                // An outbound INVITE has no Call-ID before it is sent.
                let call_id = self.agent.as_ref().and_then(|agent| agent.call_id(sip.invite));
                call_id.map(|call_id| LegIdentity::Sip { call_id: call_id.to_owned() })
            }
        };
        let is_known = identity.is_some();
        identity.into_iter().for_each(|identity| self.records.identify(call, leg, identity));
        is_known
    }

    /// Returns the client session that is online on a socket.
    #[must_use]
    pub fn session_at(&self, connection: ConnectionId) -> Option<SessionId> {
        self.clients.session_at(connection)
    }

    /// Returns the record of a call that has not been reported completely.
    #[must_use]
    pub fn call_record(&self, call: CallKey) -> Option<&CallRecord> {
        self.records.get(call)
    }

    /// Ends the record of a call. The record is reported to the shell when the final reports of all legs have arrived.
    pub(super) fn end_record(&mut self, call: CallKey, reason: EndReason, now: Time) {
        let complete = self.records.end(call, reason, now);
        if complete.is_none() {
            self.deadlines.set(Owner::Record(call), Some(now + REPORT_TIMEOUT));
        }
        self.finish_record(complete);
    }

    pub(super) fn record_overdue(&mut self, call: CallKey) {
        let ended = self.records.give_up(call);
        self.finish_record(ended);
    }

    /// Records that a leg moves to another call.
    pub(super) fn move_recorded_leg(&mut self, leg: LegKey, call: CallKey) {
        let complete = self.records.leg_moved(leg, call);
        self.finish_record(complete);
    }

    fn finish_record(&mut self, complete: Option<EndedCall>) {
        let Some(EndedCall { record, reason, at }) = complete else { return };
        self.deadlines.set(Owner::Record(record.call), None);
        self.audio.forget(record.call);
        self.outputs.push_back(Output::CallEvent { event: CallEvent::Ended { reason }, record: Box::new(record), at });
    }
}
