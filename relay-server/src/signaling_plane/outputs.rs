//! Outputs of the relay machine, performed by the signaling plane.

use super::{Frame, PlaneInput, QUEUED_OCTETS, SignalingPlane, call_log};
use crate::records::CallDetailRecord;
use crate::security_log;
use crate::trace::Flow;
use core::time::Duration;
use offhook_b2bua::call::CallEvent;
use offhook_b2bua::config::LoginName;
use offhook_b2bua::io::{ConnectionId, Input, Output, RequestId};
use offhook_b2bua::record::CallRecord;
use offhook_b2bua::token::TokenRefusal;
use offhook_clock::Time;
use offhook_sip::auth::Secret;
use offhook_sip::location::Question;
use offhook_sip::transport;
use offhook_sip::user_agent::io::Failure;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc::error::TrySendError;

impl SignalingPlane {
    /// Performs the outputs of the machine, until it has none.
    pub(super) fn drain(&mut self) {
        while let Some(output) = self.relay.poll_output() {
            self.perform(output);
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Send { connection, text } => {
                self.capture_frame(connection, Flow::Sent, &text);
                self.send(connection, Frame::Text(text));
            }
            Output::Close { connection, code, reason } => {
                self.send(connection, Frame::Close(code, reason));
                self.queues.remove(&connection);
            }
            Output::VerifyPassword { request, login, password } => self.verify_password(request, login, password),
            Output::VerifyToken { request, token, origin } => self.verify_token(request, token, origin),
            Output::ResolveHost { request, host } => self.resolve_host(request, host),
            Output::Route { request, subject, .. } => {
                let answer = self.hooks.route(request, subject);
                answer.into_iter().for_each(|answer| self.input(answer));
            }
            Output::Authorization(output) => {
                let answer = self.hooks.handle(output);
                answer.into_iter().for_each(|answer| self.input(answer));
            }
            Output::Offense(report) => security_log::write(&report),
            Output::CommandResult { request, result } => self.api.finish(request, result),
            Output::CallEvent { event, record, at } => self.report_call_event(&event, *record, at),
            Output::Sip(output) => self.perform_sip(output),
            Output::RegistrationFailed { is_trunk, failure, retry_in } => {
                log_failed_registration(is_trunk, &failure, retry_in);
            }
            Output::ServerNotPermitted { server, informed } => log_server_not_permitted(&server, informed),
            Output::Media { worker, command } => {
                let thread = self.workers.get(usize::from(worker.0));
                if !thread.is_some_and(|thread| thread.send_command(command)) {
                    tracing::error!(worker = worker.0, "media worker has ended or accepts no more commands");
                    self.broken = true;
                }
            }
        }
    }

    /// Performs an output for the SIP transport. An immediate result is passed back to the machine.
    fn perform_sip(&mut self, output: transport::io::Output) {
        if let transport::io::Output::Send { hop, octets, .. } = &output {
            self.capture_sent(hop, octets);
        }
        let Some(sip) = &mut self.sip else { return };
        let input = match output {
            transport::io::Output::Send { transmission, hop, octets } => sip.send(transmission, &hop, octets),
            transport::io::Output::Resolve { query, host, port, transport, secure } => {
                sip.resolve(query, Question { host, port, transport, secure })
            }
            transport::io::Output::Close { flow } => {
                sip.close(flow);
                None
            }
            transport::io::Output::KeepFlow { flow } => {
                sip.keep_flow(flow);
                None
            }
            transport::io::Output::ReleaseFlow { flow } => {
                sip.release_flow(flow);
                None
            }
        };
        if let Some(input) = input {
            self.input(Input::Sip(input));
        }
    }

    /// Starts the verification of a token, which may fetch keys.
    fn verify_token(&mut self, request: RequestId, token: Secret, origin: Option<String>) {
        let Some(verifier) = self.tokens.clone() else {
            return self.input(Input::TokenVerified { request, result: Err(TokenRefusal::Unavailable) });
        };
        let (answers, now) = (self.answers.clone(), self.clock.now());
        tokio::spawn(async move {
            let result = verifier.verify(token.reveal(), origin.as_deref(), now).await;
            let _ = answers.send(PlaneInput::Input(Input::TokenVerified { request, result })).await;
        });
    }

    /// Starts a password check, without waiting for its result.
    fn verify_password(&self, request: RequestId, login: LoginName, password: Secret) {
        let (accounts, answers) = (Arc::clone(&self.accounts), self.answers.clone());
        tokio::spawn(async move {
            let matches = accounts.verify(&login.0, password).await;
            let answer = PlaneInput::Input(Input::PasswordVerified { request, matches });
            let _ = answers.send(answer).await;
        });
    }

    /// Passes an event of a call to the log, the metrics, the records and the REST API.
    fn report_call_event(&self, event: &CallEvent, record: CallRecord, at: Time) {
        call_log::write(event, &record, at);
        self.trace.iter().for_each(|trace| trace.call_changed(event, &record, at));
        self.gauges.count_call_event(event, &record, at);
        if let (CallEvent::Ended { reason }, true) = (event, self.records.is_on()) {
            self.records.send(&CallDetailRecord::new(&record, reason.name(), at));
        }
        if let (CallEvent::RecordingEnded { recording, .. }, Some(recordings)) = (event, &self.recordings) {
            recordings.complete(*recording);
        }
        self.hooks.call_changed(event, record.call, &self.relay);
        self.api.call_changed(event, record, at, &self.relay);
    }

    /// Starts a DNS query for the addresses of a host, without waiting for the response.
    fn resolve_host(&mut self, request: RequestId, host: String) {
        let Some(lookup) = self.sip.as_ref().and_then(|sip| sip.addresses_of(host)) else {
            return self.input(Input::HostResolved { request, addresses: Vec::new() });
        };
        let answers = self.answers.clone();
        tokio::spawn(async move {
            let addresses = lookup.await;
            let _ = answers.send(PlaneInput::Input(Input::HostResolved { request, addresses })).await;
        });
    }

    /// Queues a frame. A client whose queue is full is disconnected, which bounds the memory that it uses.
    fn send(&mut self, connection: ConnectionId, frame: Frame) {
        let Some(queue) = self.queues.get(&connection) else { return };
        let octets = if let Frame::Text(text) = &frame { text.len() } else { 0 };
        // Added before the frame is queued, so that the WebSocket task does not subtract it first.
        let waiting = queue.queued.fetch_add(octets, Ordering::Relaxed);
        let sent = if waiting > 0 && waiting.saturating_add(octets) > QUEUED_OCTETS {
            Err(TrySendError::Full(frame))
        } else {
            queue.frames.try_send(frame)
        };
        match sent {
            Ok(()) => {}
            Err(TrySendError::Closed(_)) => {} // The WebSocket task has ended; its `Disconnected` follows.
            Err(TrySendError::Full(frame)) => {
                tracing::info!(connection = connection.0, "WebSocket closed: send queue is full");
                queue.kill.notify_one();
                self.queues.remove(&connection);
                if matches!(frame, Frame::Text(_)) {
                    self.input(Input::Disconnected { connection });
                }
            }
        }
    }
}

fn log_failed_registration(is_trunk: bool, failure: &Failure, retry_in: Option<Duration>) {
    let section = if is_trunk { "[sip.trunk]" } else { "[[sip.accounts]]" };
    let retry_s = retry_in.map(|wait| wait.as_secs());
    match failure {
        Failure::Refused { status, .. } => {
            tracing::warn!(section, status, retry_s, "registrar rejected the registration of an account");
        }
        Failure::WrongPassword { .. } => {
            tracing::warn!(
                section,
                retry_s,
                "registrar rejected the credentials of an account: check its username and password"
            );
        }
        Failure::Timeout | Failure::Unreachable | Failure::NoSuchHost => {
            tracing::warn!(section, ?failure, retry_s, "registration of an account failed");
        }
    }
}

/// Logs that a client session is not registered at the SIP server that it names.
fn log_server_not_permitted(server: &str, informed: bool) {
    tracing::debug!(%server, "SIP server of a client session is not listed in [sip] servers");
    if informed {
        tracing::warn!(
            "registration skipped: SIP server is not listed in [sip] servers; the client was notified, and the server's \
             name is logged at level debug"
        );
    } else {
        tracing::info!(
            "registration skipped: [sip] servers is empty, so calls of this client go to users of this relay; the server's \
             name is logged at level debug"
        );
    }
}
