//! Handling of the messages of browsers, creation of calls, and dispatch of the inputs and outputs of calls.

use super::clients::DIGIT_BURST;
use super::deadlines::Owner;
use super::participants::{Alert, CallPlan};
use super::port_shares::Payer;
use super::routing::Target;
use super::routing_questions::{PlacedCall, RoutedCall};
use super::{Relay, headers};
use crate::address::{Address, shortened};
use crate::call::{
    self, Call, CallEvent, CallKey, CollectionEnd, End, JsonText, LegMaker, Participant, RelaySide, SessionId, Setup,
    Side,
};
use crate::command::{Accepted, CallCommand, CallRef, CommandError, CommandResult, Digits, NewCall, ReferOptions};
use crate::config::LoginName;
use crate::io::ConnectionId;
use crate::presenter::{self, ClientMethod};
use offhook_clock::Time;
use offhook_media::command::WorkerId;
use offhook_sdp::section::Section;
use offhook_sdp::webrtc::WebRtcDescription;
use offhook_signaling::message::{self, CallId, ClientMessage, DataStatus, DtmfType, ServerMessage};
use offhook_signaling::reason::EndReason;
use rand_core::Rng;

impl Relay {
    pub(super) fn deliver(&mut self, connection: ConnectionId, message: ClientMessage, now: Time) {
        if let ClientMessage::Connection(hello) = message {
            return self.admit(connection, *hello, now);
        }
        let Some(session) = self.clients.session_at(connection) else { return };
        // Any other message shows that the page has received its new token. `pushLogs` may be sent before that.
        if !matches!(message, ClientMessage::PushLogs { .. }) {
            self.clients.confirm_token(connection);
        }
        if let Some(message) = self.submit(session, message, now) {
            self.perform(session, message, now);
        }
    }

    /// Executes a message of a browser.
    pub(super) fn perform(&mut self, session: SessionId, message: ClientMessage, now: Time) {
        match message {
            ClientMessage::Call(request) => {
                let call_id = request.call_id.clone();
                self.execute_for(session, &call_id, CallCommand::Place(Box::new(new_call(session, *request))), now);
            }
            ClientMessage::Answer(answer) => {
                let (sdp, lines) = (answer.sdp, Alert::lines_of_page(&answer.sip_sdp));
                self.on_call(session, &answer.call_id, now, |at| CallCommand::Answer { at, sdp, lines });
            }
            ClientMessage::Hangup(id) => self.on_call(session, &id, now, |at| CallCommand::HangUp { at, reason: None }),
            ClientMessage::Hold { call_id, .. } => self.on_call(session, &call_id, now, |at| CallCommand::Hold { at }),
            ClientMessage::Unhold(id) => self.on_call(session, &id, now, |at| CallCommand::Resume { at }),
            ClientMessage::SendDtmf { call_id, kind, digits } => self.send_dtmf(session, &call_id, kind, &digits, now),
            ClientMessage::Transfer { call_id, target } => {
                let target = Address::parse(&target);
                self.on_call_with(session, &call_id, now, |relay, at| match relay.call_with(session, &target, at) {
                    Some(other) => CallCommand::TransferAttended { at, other },
                    None => CallCommand::TransferBlind { at, target, refer: ReferOptions::default() },
                });
            }
            ClientMessage::RenewToken { operation_id, token } => {
                self.renew_by_token(session, operation_id, token);
            }
            ClientMessage::Direct(direct) => {
                let message::DirectMessage { call_id, attempt, step } = *direct;
                if let Some(CallRef { call, leg }) = self.find_call(session, &call_id) {
                    self.call_input(call, call::Input::Direct { leg, attempt, step: step.into() }, now);
                }
            }
            ClientMessage::SendData { operation_id, .. } if operation_id.len() <= 128 => {
                let info = Some("this relay has no application that accepts data".to_owned());
                self.send_to_session(
                    session,
                    &ServerMessage::DataStatus { operation_id, status: DataStatus::Failed, info },
                );
            }
            ClientMessage::SessionDebug { command } => {
                let status = if command == "start" { "STARTED" } else { "STOPPED" }.to_owned();
                self.send_to_session(session, &ServerMessage::SessionDebug { status });
            }
            ClientMessage::Unsupported { name } if name != "connectMediaTransport" => {
                let name: String = name.chars().take(64).collect();
                let info = format!("this relay has no `{name}`");
                self.send_to_session(session, &presenter::failure(&name, None, info));
            }
            ClientMessage::Unsupported { .. }
            | ClientMessage::SendData { .. }
            | ClientMessage::SubmitBugReport(_)
            | ClientMessage::PushLogs { .. }
            | ClientMessage::Connection(_)
            | ClientMessage::Ping
            | ClientMessage::Pong => {}
        }
    }

    /// Executes a command for a call of a session. Unknown call ids are ignored, because a browser may send a command
    /// before it is informed that the call has ended.
    fn on_call(&mut self, session: SessionId, id: &CallId, now: Time, command: impl FnOnce(CallRef) -> CallCommand) {
        self.on_call_with(session, id, now, |_, at| command(at));
    }

    fn on_call_with(
        &mut self,
        session: SessionId,
        id: &CallId,
        now: Time,
        command: impl FnOnce(&Self, CallRef) -> CallCommand,
    ) {
        if let Some(at) = self.find_call(session, id) {
            let command = command(self, at);
            self.execute_for(session, id, command, now);
        }
    }

    pub(super) fn find_call(&self, session: SessionId, id: &CallId) -> Option<CallRef> {
        self.calls.by_call_id(session, id)
    }

    pub(super) fn call_input(&mut self, key: CallKey, input: call::Input, now: Time) {
        if self.end_unrouted(key, &input, now) {
            return;
        }
        self.calls.update(key, |call| call.handle_input(input, now));
        self.drain_call(key, now);
    }

    pub(super) fn drain_call(&mut self, key: CallKey, now: Time) {
        let Some(worker) = self.calls.get(key).map(Call::worker) else { return };
        let (mut left, mut accounts) = (Vec::new(), Vec::new());
        self.calls.count_ignored(key);
        while let Some(output) = self.calls.get_mut(key).and_then(Call::poll_output) {
            match output {
                call::Output::Event { event, has_video } => self.report(key, event, has_video, now),
                call::Output::Media(command) => self.dispatch_media(command, key, worker),
                call::Output::Sip(command) => self.command(command),
                call::Output::Release { leg, sip } => {
                    self.end_collection(leg, CollectionEnd::Left, now);
                    self.audio.forget_leg(leg);
                    let worker = self.calls.worker_of(leg).unwrap_or(worker);
                    let account = self.release_leg(leg, sip, worker, now);
                    accounts.extend(account.map(|account| (account, leg)));
                    left.push(leg);
                }
                call::Output::FreePorts(ports) => self.free_ports(&ports, worker, now),
                call::Output::ReferRefused { leg, fallback } => self.transfer_here(key, leg, fallback, now),
                call::Output::Redirected { leg, contacts } => self.redirect(key, leg, &contacts, now),
                call::Output::Ended(_) => {
                    self.end_recordings_of(key);
                    self.calls.remove(key);
                    self.workers.end_call(key);
                    self.end_guarded(key);
                }
            }
        }
        self.follow_sides(key);
        // The workers of removed legs are needed until the commands that close the legs have been sent.
        self.calls.forget_removed(&left);
        // After the commands that end the SIP dialogs of the account.
        for (account, leg) in accounts {
            self.leave_account_of_call(account, leg);
        }
        let at = self.calls.get(key).and_then(Call::poll_timeout);
        self.deadlines.set(Owner::Call(key), at);
    }

    /// Reports an event to the browsers that it concerns, and to the shell.
    pub(super) fn report(&mut self, call: CallKey, event: CallEvent, has_video: bool, now: Time) {
        for (session, message) in self.presenter.present(&event, has_video, self.config.busy_status) {
            self.send_to_session(session, &message);
        }
        if matches!(event, CallEvent::Answered { .. }) {
            self.limit_duration(call, now);
        }
        match event {
            CallEvent::Ended { reason } => self.end_record(call, reason, now),
            event => self.record_event(call, event, now),
        }
    }

    pub(super) fn end_calls_of(&mut self, session: SessionId, now: Time) {
        for CallRef { call, leg } in self.calls.of_session(session) {
            self.call_input(call, call::Input::SessionLost { leg }, now);
        }
    }

    /// Places a call of a browser.
    pub(super) fn place(&mut self, new_call: NewCall, now: Time) -> CommandResult {
        let NewCall { session, call_id, callee, visible_name, sdp, custom, headers, anonymous, lines } = new_call;
        if self.find_call(session, &call_id).is_some() {
            return Err(CommandError::CallIdInUse);
        }
        // A session without a WebSocket cannot receive the messages of the call, and may expire while the callee is
        // alerted.
        let caller = self.clients.get(session).filter(|session| session.connection().is_some());
        let granted_name = caller.and_then(|session| session.granted().visible_name.clone());
        let visible_name = visible_name.filter(|name| !name.is_empty()).or(granted_name);
        let visible_name = self.token_name(session).map(str::to_owned).or(visible_name);
        let caller = caller.map(|session| session.caller().to_owned()).ok_or(CommandError::UnknownSession)?;
        let mut alert = Alert {
            is_named: visible_name.is_some(),
            visible_name: shortened(visible_name.as_deref().unwrap_or(&caller)).to_owned(),
            custom,
            headers,
            anonymous,
            lines,
            ..Alert::new(Address::of_login(LoginName(caller)), callee)
        };
        let is_full = self.calls.count_of_session(session) >= self.config.max_calls_per_session;
        let source = self.source_of_session(session);
        let offer = WebRtcDescription::parse(&sdp).map(Box::new).map_err(|_| EndReason::BadSessionDescription);
        let sections = offer.as_ref().map(|offer| offer.sections.clone()).map_err(|reason| *reason);
        let call = CallKey(self.fresh_id());
        // No callee is alerted for a caller without usable media.
        let accepted = sections.as_ref().map_or_else(|reason| Err(*reason), |_| self.admission.check());
        let accepted = match accepted {
            Ok(()) if is_full => Err(EndReason::Overloaded),
            Ok(()) => self.admit_call(call, session, &alert.callee, now).map(|callee| alert.callee = callee),
            Err(reason) => Err(reason),
        };
        let is_asked = accepted.is_ok() && self.routes_externally();
        let targets = match accepted {
            Ok(()) if is_asked => Ok(Vec::new()),
            Ok(()) => self.route(&source, &alert.callee),
            Err(reason) => Err(reason),
        };
        self.note_denied(targets.as_ref().err().copied(), session, now);
        let plan = CallPlan {
            call,
            worker: self.choose_worker(&involved_sessions(Some(session), targets.as_deref().unwrap_or_default())),
            sections: sections.as_ref().map_or(0, Vec::len),
        };
        self.workers.begin_call(plan.call, Payer::of_session(session, self.clients.get(session)));
        let mut own = self.browser_participant(session, plan, call_id, &alert, false);
        if let Side::Browser(browser) = &mut own.side {
            browser.offer = offer.ok();
        }
        let at = CallRef { call: plan.call, leg: own.leg };
        match sections {
            Ok(offer) if is_asked => {
                self.report(plan.call, own.placed(), false, now);
                let to = alert.callee.clone();
                let subject = self.subject_of_placed(session, &own, &offer);
                let placed = PlacedCall { plan, caller: own, offer: Some(offer), alert };
                self.request_route(source, to, subject, RoutedCall::Placed(Box::new(placed)), now);
            }
            sections => {
                let targets = targets.and_then(|targets| self.admit_ringing(targets, &alert, now));
                let targets = targets.and_then(|targets| self.ring_targets(targets, plan, &alert, now));
                self.begin_call(plan, own, sections.map(Some), targets, now);
            }
        }
        Ok(Accepted::Placed(at))
    }

    /// Starts a call of a browser or of the application, which has been reported as placed, to its targets, or ends it
    /// with the reason why there is none.
    pub(super) fn begin_placed(&mut self, placed: PlacedCall, targets: Result<Vec<Target>, End>, now: Time) {
        let PlacedCall { plan, caller, offer, alert } = placed;
        if let Side::Browser(browser) = &caller.side {
            self.note_denied(targets.as_ref().err().map(|end| end.reason), browser.session, now);
        }
        let targets = targets.and_then(|targets| Ok(self.admit_ringing(targets, &alert, now)?));
        let targets = targets.and_then(|targets| Ok(self.ring_targets(targets, plan, &alert, now)?));
        let setup = self.call_setup(plan.worker);
        self.calls.insert(plan.call, Call::place_routed(setup, caller, offer, targets, now));
        self.drain_call(plan.call, now);
    }

    /// Creates a call with its caller and the participants to be alerted.
    pub(super) fn begin_call(
        &mut self,
        plan: CallPlan,
        caller: Participant,
        offer: Result<Option<Vec<Section>>, EndReason>,
        targets: Result<Vec<Participant>, EndReason>,
        now: Time,
    ) {
        let CallPlan { call, worker, .. } = plan;
        let setup = self.call_setup(worker);
        self.calls.insert(call, Call::place(setup, caller, offer, targets, now));
        self.drain_call(call, now);
    }

    fn call_setup(&mut self, worker: WorkerId) -> Setup {
        Setup {
            worker,
            ring_timeout: self.config.ring_timeout,
            maker: self.leg_maker(worker.0),
            direct_media: self.config.direct_media,
        }
    }

    fn leg_maker(&mut self, worker: u16) -> LegMaker {
        let candidates = self.config.workers.get(usize::from(worker)).cloned().unwrap_or_default();
        let crate::config::Config { fingerprint, codecs, conversions, .. } = &self.config;
        let side =
            RelaySide { fingerprint: *fingerprint, candidates, codecs: codecs.clone(), conversions: *conversions };
        let mut seed = [0; 32];
        self.random.fill_bytes(&mut seed);
        LegMaker::new(side, seed)
    }

    fn send_dtmf(&mut self, session: SessionId, id: &CallId, kind: DtmfType, digits: &str, now: Time) {
        let digits = Digits::parse(digits).and_then(|digits| {
            let is_allowed = self.allows_digits(session, digits.as_str().len(), now);
            if is_allowed { Ok(digits) } else { Err(CommandError::TooManyDigits { most: DIGIT_BURST }) }
        });
        match digits {
            Ok(digits) => {
                self.on_call(session, id, now, |at| CallCommand::SendDtmf { at, method: kind.into(), digits });
            }
            Err(error) => {
                let message = presenter::refusal(ClientMethod::SendDtmf, id, error);
                message.iter().for_each(|message| self.send_to_session(session, message));
            }
        }
    }

    /// Returns whether a session may send more digits. The limit exists because each digit can cause a message to the
    /// other side.
    fn allows_digits(&mut self, session: SessionId, digits: usize, now: Time) -> bool {
        let Some(session) = self.clients.get_mut(session) else { return false };
        digits <= DIGIT_BURST as usize && (0..digits).all(|_| session.digits.take(now))
    }
}

fn new_call(session: SessionId, request: message::CallMessage) -> NewCall {
    let message::CallMessage { call_id, callee, visible_name, sdp, custom, sip_sdp, sip_headers, .. } = request;
    let callee = Address::parse(&callee);
    let (headers, anonymous) = headers::of_page(&sip_headers);
    let (custom, lines) = (custom.map(JsonText), Alert::lines_of_page(&sip_sdp));
    NewCall { session, call_id, callee, visible_name, sdp, custom, headers, anonymous, lines }
}

/// Returns the client sessions of the caller and of the targets.
pub(super) fn involved_sessions(caller: Option<SessionId>, targets: &[Target]) -> Vec<SessionId> {
    let ringing = targets.iter().filter_map(|target| match target {
        Target::Session(session) => Some(*session),
        Target::Phone(_) | Target::Uri { .. } => None,
    });
    caller.into_iter().chain(ringing).collect()
}
