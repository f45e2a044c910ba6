//! Routing: from a browser's message to the call it is about, and from a name to those who ring.

use super::sessions::{DIGIT_BURST, features};
use super::{CallRef, Relay};
use crate::address::address_of_record;
use crate::call::{self, Call, CallKey, JsonText, LegMaker, Party, RelaySide, SessionId, Setup};
use crate::config::{Admission, CallWaiting};
use crate::io::{ConnectionId, Output};
use offhook_clock::Time;
use offhook_media::command::LegKey;
use offhook_sdp::offer_answer::can_bridge;
use offhook_signaling::message::{self, CallId, CallStatus, ClientMessage, DataStatus, ServerMessage};
use offhook_signaling::reason::EndReason;
use rand_core::Rng;

/// How a call looks to those it rings.
#[derive(Clone)]
struct Alert {
    caller: String,
    callee: String,
    visible_name: String,
    custom: Option<JsonText>,
}

impl Relay {
    pub(super) fn deliver(&mut self, connection: ConnectionId, message: ClientMessage, now: Time) {
        if let ClientMessage::Connection(hello) = message {
            return self.admit(connection, *hello, now);
        }
        let Some(session) = self.sockets.get(&connection).and_then(|socket| socket.session) else { return };
        match message {
            ClientMessage::Call(request) => self.place(session, *request, now),
            ClientMessage::Answer(answer) => {
                let sdp = answer.sdp;
                self.on_call(session, &answer.call_id, now, |leg| call::Input::Answer { leg, sdp });
            }
            ClientMessage::Hangup(id) => self.on_call(session, &id, now, |leg| call::Input::HangUp { leg }),
            ClientMessage::Hold { call_id, .. } => {
                self.on_call(session, &call_id, now, |leg| call::Input::Hold { leg });
            }
            ClientMessage::Unhold(id) => self.on_call(session, &id, now, |leg| call::Input::Unhold { leg }),
            ClientMessage::SendDtmf { call_id, digits, .. } => self.send_dtmf(session, &call_id, &digits, now),
            ClientMessage::Transfer { call_id, target } => self.transfer(session, &call_id, &target, now),
            ClientMessage::Direct(direct) => {
                let message::Direct { call_id, attempt, step } = *direct;
                self.on_call(session, &call_id, now, |leg| call::Input::Direct { leg, attempt, step });
            }
            ClientMessage::SendData { operation_id, .. } if operation_id.len() <= 128 => {
                let info = Some("no application takes data on this relay".to_owned());
                self.tell(session, &ServerMessage::DataStatus { operation_id, status: DataStatus::Failed, info });
            }
            ClientMessage::SessionDebug { command } => {
                let status = if command == "start" { "STARTED" } else { "STOPPED" }.to_owned();
                self.tell(session, &ServerMessage::SessionDebug { status });
            }
            ClientMessage::Unsupported { name } if name != "connectMediaTransport" => {
                let name: String = name.chars().take(64).collect();
                let info = format!("this relay has no `{name}`");
                self.tell(session, &fail(&name, None, info));
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

    /// Unknown call ids are passed over: a page may hang up what is over, or was never announced (contract §5).
    fn on_call(&mut self, session: SessionId, id: &CallId, now: Time, input: impl FnOnce(LegKey) -> call::Input) {
        if let Some(at) = self.find_call(session, id) {
            self.call_input(at.call, input(at.leg), now);
        }
    }

    fn find_call(&self, session: SessionId, id: &CallId) -> Option<CallRef> {
        self.call_ids.get(&session)?.get(id).copied()
    }

    pub(super) fn call_input(&mut self, key: CallKey, input: call::Input, now: Time) {
        if let Some(call) = self.calls.get_mut(&key) {
            call.handle_input(input, now);
            self.drain_call(key);
        }
    }

    pub(super) fn drain_call(&mut self, key: CallKey) {
        let Some(worker) = self.calls.get(&key).map(Call::worker) else { return };
        while let Some(output) = self.calls.get_mut(&key).and_then(Call::poll_output) {
            match output {
                call::Output::Tell { session, message } => self.tell(session, &message),
                call::Output::Media(command) => self.outputs.push_back(Output::Media { worker, command }),
                call::Output::Left { session, call_id, leg } => {
                    self.legs.remove(&leg);
                    if let Some(ids) = self.call_ids.get_mut(&session) {
                        ids.remove(&call_id);
                        if ids.is_empty() {
                            self.call_ids.remove(&session);
                        }
                    }
                }
                call::Output::Ended(_) => {
                    self.calls.remove(&key);
                    return;
                }
            }
        }
    }

    pub(super) fn end_calls_of(&mut self, session: SessionId, now: Time) {
        let calls: Vec<CallRef> = self.call_ids.get(&session).into_iter().flatten().map(|(_, at)| *at).collect();
        for CallRef { call, leg } in calls {
            self.call_input(call, call::Input::SessionLost { leg }, now);
        }
    }

    fn place(&mut self, session: SessionId, request: message::Call, now: Time) {
        let message::Call { call_id, callee, visible_name, sdp, custom, .. } = request;
        if self.find_call(session, &call_id).is_some() {
            let info = "this session has a call with this callId already: make a new one".to_owned();
            return self.tell(session, &fail("call", Some(&call_id), info));
        }
        let Some((login, caller)) =
            self.sessions.get(&session).map(|session| (session.login.clone(), session.caller().to_owned()))
        else {
            return;
        };
        let alert = Alert {
            visible_name: visible_name.filter(|name| !name.is_empty()).unwrap_or_else(|| caller.clone()),
            caller,
            callee,
            custom: custom.map(JsonText),
        };
        let targets = if login.is_none() && self.config.admission == Admission::Accounts {
            Err(EndReason::Rejected)
        } else if self.call_ids.get(&session).is_some_and(|ids| ids.len() >= self.config.max_calls_per_session) {
            Err(EndReason::Overloaded)
        } else {
            self.route(session, &alert.callee)
        };
        let mut near = vec![session];
        near.extend(targets.iter().flatten().copied());
        let worker = self.choose_worker(&near);
        let key = CallKey(self.fresh_id());
        let own = self.party(session, key, call_id, false, &alert);
        let targets = targets.map(|targets| self.ring_targets(targets, key, &alert));
        let setup = Setup {
            worker,
            busy_status: self.config.busy_status,
            ring_timeout: self.config.ring_timeout,
            maker: self.leg_maker(worker.0),
            direct_media: self.config.direct_media,
        };
        self.calls.insert(key, Call::place(setup, own, &sdp, targets, now));
        self.drain_call(key);
    }

    fn leg_maker(&mut self, worker: u16) -> LegMaker {
        let candidates = self.config.workers.get(usize::from(worker)).cloned().unwrap_or_default();
        let side = RelaySide { fingerprint: self.config.fingerprint, candidates, codecs: self.config.codecs.clone() };
        let mut seed = [0; 32];
        self.random.fill_bytes(&mut seed);
        LegMaker::new(side, seed)
    }

    /// Enters a browser's side of a call in the books.
    fn party(&mut self, session: SessionId, call: CallKey, call_id: CallId, incoming: bool, alert: &Alert) -> Party {
        let leg = LegKey(self.fresh_id());
        self.legs.insert(leg, call);
        self.call_ids.entry(session).or_default().insert(call_id.clone(), CallRef { call, leg });
        let (dtmf_events, end_reasons, direct_media) = self.sessions.get(&session).map(features).unwrap_or_default();
        let Alert { caller, callee, visible_name, custom } = alert.clone();
        Party {
            session,
            call_id,
            leg,
            incoming,
            caller,
            callee,
            visible_name,
            custom,
            dtmf_events,
            end_reasons,
            direct_media,
        }
    }

    fn ring_targets(&mut self, targets: Vec<SessionId>, call: CallKey, alert: &Alert) -> Vec<Party> {
        targets
            .into_iter()
            .map(|target| {
                let call_id = CallId(self.token());
                self.party(target, call, call_id, true, alert)
            })
            .collect()
    }

    /// Whose browsers ring: all sessions of the login but the one that calls.
    fn route(&self, from: SessionId, callee: &str) -> Result<Vec<SessionId>, EndReason> {
        let login = address_of_record(callee);
        let online = |id: &SessionId| self.sessions.get(id).is_some_and(|session| session.connection().is_some());
        let registered: Vec<SessionId> = self.registrar.sessions(&login).filter(online).collect();
        if registered.is_empty() {
            let known = match self.config.admission {
                Admission::Accounts => self.config.accounts.contains(&login),
                Admission::Anyone => self.registrar.sessions(&login).next().is_some(),
            };
            return Err(if known { EndReason::Unavailable } else { EndReason::NotFound });
        }
        let free = |id: &SessionId| match self.config.call_waiting {
            CallWaiting::Rings => true,
            CallWaiting::Busy => !self.call_ids.contains_key(id),
        };
        let targets: Vec<SessionId> = registered.into_iter().filter(|id| *id != from && free(id)).collect();
        if targets.is_empty() { Err(EndReason::Busy) } else { Ok(targets) }
    }

    fn send_dtmf(&mut self, session: SessionId, id: &CallId, digits: &str, now: Time) {
        let digits = digits.to_ascii_uppercase();
        if let Some(wrong) = digits.chars().find(|digit| !matches!(digit, '0'..='9' | 'A'..='D' | '*' | '#')) {
            let info = format!("`{wrong}` is no DTMF digit: use 0-9, A-D, * and #");
            return self.tell(session, &fail("sendDtmf", Some(id), info));
        }
        if !self.takes_digits(session, digits.len(), now) {
            let info = format!("too many digits: {DIGIT_BURST} at once are the most");
            return self.tell(session, &fail("sendDtmf", Some(id), info));
        }
        self.on_call(session, id, now, |leg| call::Input::SendDtmf { leg, digits });
    }

    /// Each digit is a message to the other side: nobody may be flooded with them.
    fn takes_digits(&mut self, session: SessionId, digits: usize, now: Time) -> bool {
        let Some(session) = self.sessions.get_mut(&session) else { return false };
        digits <= DIGIT_BURST as usize && (0..digits).all(|_| session.digits.take(now))
    }

    fn transfer(&mut self, session: SessionId, id: &CallId, target: &str, now: Time) {
        let Some(at) = self.find_call(session, id) else { return };
        if let Some(other) = self.call_with(session, target, at) {
            return self.join(session, id, at, other, now);
        }
        let Some(stays) = self.calls.get(&at.call).and_then(|call| call.other_leg(at.leg)) else {
            let info = "the call is not established: transfer it when it is".to_owned();
            return self.tell(session, &fail("transfer", Some(id), info));
        };
        let stays = stays.party.clone();
        let caller = if stays.incoming { stays.callee } else { stays.caller };
        let alert = Alert { visible_name: caller.clone(), caller, callee: target.to_owned(), custom: stays.custom };
        let targets = self
            .route(stays.session, target)
            .map(|targets| targets.into_iter().filter(|target| *target != session).collect::<Vec<_>>())
            .and_then(|targets| if targets.is_empty() { Err(EndReason::Busy) } else { Ok(targets) })
            .map(|targets| self.ring_targets(targets, at.call, &alert));
        self.call_input(at.call, call::Input::Transfer { leg: at.leg, targets }, now);
    }

    /// Another established call of the session, with the one that `target` names.
    fn call_with(&self, session: SessionId, target: &str, except: CallRef) -> Option<CallRef> {
        let target = address_of_record(target);
        self.call_ids.get(&session)?.values().copied().find(|at| {
            at.call != except.call
                && self.calls.get(&at.call).and_then(|call| call.other_leg(at.leg)).is_some_and(|other| {
                    // From there, the name of the one there is the callee's of a call that came in, else the caller's.
                    let party = &other.party;
                    let name = if party.incoming { &party.callee } else { &party.caller };
                    address_of_record(name) == target
                })
        })
    }

    /// Attended transfer: the far ends of two calls of one session get each other.
    fn join(&mut self, session: SessionId, id: &CallId, first: CallRef, second: CallRef, now: Time) {
        let (Some(one), Some(other)) = (self.calls.get(&first.call), self.calls.get(&second.call)) else { return };
        let (Some(stays), Some(joins)) = (one.other_leg(first.leg), other.other_leg(second.leg)) else { return };
        let obstacle = if stays.party.session == joins.party.session {
            Some("both calls are with the same browser")
        } else if one.worker() != other.worker() {
            Some("the two calls are on different media workers: transfer blind instead")
        } else if !can_bridge(&stays.streams, &joins.streams) {
            Some(EndReason::NoCommonCodecs.info())
        } else {
            None
        };
        if let Some(obstacle) = obstacle {
            self.tell(session, &fail("TransferStatusEvent", Some(id), obstacle.to_owned()));
            // The unchanged status releases the page's buttons.
            return self.call_input(first.call, call::Input::RepeatStatus { leg: first.leg }, now);
        }
        let (joined_session, joined_id, joined_leg) =
            (joins.party.session, joins.party.call_id.clone(), joins.party.leg);
        let Some(released) = self.calls.get_mut(&second.call).and_then(|call| call.release(second.leg)) else { return };
        self.drain_call(second.call);
        self.legs.insert(joined_leg, first.call);
        if let Some(at) = self.call_ids.get_mut(&joined_session).and_then(|ids| ids.get_mut(&joined_id)) {
            at.call = first.call;
        }
        let completed = message::TransferStatus::Completed;
        self.tell(session, &ServerMessage::Transfer { call_id: id.clone(), status: completed });
        if let Some(call) = self.calls.get_mut(&first.call) {
            call.join(first.leg, released);
        }
        self.drain_call(first.call);
    }
}

fn fail(api_method: &str, id: Option<&CallId>, info: String) -> ServerMessage {
    ServerMessage::Fail {
        api_method: api_method.to_owned(),
        id: id.map(|id| id.as_str().to_owned()),
        status: CallStatus::Failed.name().to_owned(),
        info,
    }
}
