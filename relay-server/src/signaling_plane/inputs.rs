//! Inputs of the signaling plane: from WebSockets, media workers, SIP and the REST API to the relay machine.

use super::intake::Arrived;
use super::{Client, MediaReport, PlaneInput, SignalingPlane};
use crate::sip_transport::Report;
use crate::trace::Flow;
use offhook_b2bua::io::Input;
use offhook_media::command::Event;
use std::sync::Arc;

impl SignalingPlane {
    pub(super) fn take(&mut self, arrived: Arrived) {
        match arrived {
            Arrived::Media(MediaReport::Event(event)) => {
                if let Event::LegFailed { leg, failure } = &event {
                    tracing::warn!(leg = leg.0, reason = failure.reason(), "media leg failed");
                }
                self.input(Input::Media(event));
            }
            Arrived::Media(MediaReport::Ended(worker)) => {
                tracing::error!(worker, "media worker has ended");
                self.broken = true;
            }
            Arrived::WebSocket(inbound) => self.take_inbound(inbound),
            Arrived::Sip(report) => self.take_report(report),
        }
    }

    fn take_inbound(&mut self, inbound: PlaneInput) {
        let input = match inbound {
            PlaneInput::Opened(connection, Client { address, host, origin }, queue) => {
                self.queues.insert(connection, queue);
                Input::Connected { connection, address, host, origin }
            }
            PlaneInput::Request(request) => match self.api.take(request, &self.relay) {
                Some(input) => input,
                None => return,
            },
            PlaneInput::Configure(config, accounts) => {
                self.accounts = Arc::new(accounts);
                Input::Configure(config)
            }
            PlaneInput::Drain(drained) => {
                self.drained.push(drained);
                Input::Drain
            }
            PlaneInput::Hook(answer) => self.hooks.take(*answer),
            #[cfg(test)]
            PlaneInput::Stall(duration) => return std::thread::sleep(duration),
            #[cfg(test)]
            PlaneInput::Panic => panic!("expected in this test"),
            PlaneInput::Input(input) => {
                if let Input::Text { connection, text } = &input {
                    self.capture_frame(*connection, Flow::Received, text);
                }
                match &input {
                    // The machine has closed this connection while the message was queued.
                    Input::Text { connection, .. } | Input::Binary { connection, .. }
                        if !self.queues.contains_key(connection) =>
                    {
                        return;
                    }
                    Input::Disconnected { connection } => {
                        if self.queues.remove(connection).is_none() {
                            return;
                        }
                    }
                    Input::Connected { .. }
                    | Input::Text { .. }
                    | Input::Binary { .. }
                    | Input::PasswordVerified { .. }
                    | Input::TokenVerified { .. }
                    | Input::HostResolved { .. }
                    | Input::Routed { .. }
                    | Input::Authorization(_)
                    | Input::Command { .. }
                    | Input::Media(_)
                    | Input::Sip(_)
                    | Input::Configure(_)
                    | Input::Drain
                    | Input::Shutdown => {}
                }
                input
            }
        };
        self.input(input);
    }

    fn take_report(&mut self, report: Report) {
        if let Report::Received { source, octets, .. } = &report {
            self.capture_received(source, octets);
        }
        let inputs = self.sip.as_mut().map_or_else(Vec::new, |sip| sip.take(report));
        for input in inputs {
            self.input(Input::Sip(input));
            self.drain();
        }
    }

    pub(super) fn input(&mut self, input: Input) {
        self.relay.handle_input(input, self.clock.now());
        // Updated before the outputs are performed, so that `/healthz` is up to date for the receiver of an output.
        self.count();
    }
}
