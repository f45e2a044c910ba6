//! Events for applications, from reports of the relay machine.

use super::body::{self, Object};
use super::method::HookMethod;
use super::{HookSession, HookSide, SessionState};
use offhook_b2bua::call::{CallEvent, CallKey, SessionId};
use offhook_b2bua::relay::Relay;
use offhook_signaling::message::ServerMessage;
use serde_json::json;

impl HookSession {
    fn send(&self, session: SessionId, method: HookMethod, mut body: Object) {
        if let Some(policy) = self.policies.of(method) {
            policy.filter_body(&mut body);
            self.application.send_event(session.0, method, &body);
        }
    }

    fn event(&self, session: SessionId, method: HookMethod, fields: &impl serde::Serialize) {
        let mut body = body::context(Some(session), &self.app_key);
        body::extend(&mut body, fields);
        self.send(session, method, body);
    }

    fn registration(&self, session: SessionId, status: &str, info: Option<&str>) {
        let fields = json!({ "sipLogin": self.login, "status": status, "info": info });
        self.event(session, HookMethod::RegistrationStatus, &fields);
    }
}

impl HookSide {
    /// Handles the report of a message to a session.
    pub(super) fn informed(&mut self, session: SessionId, message: &ServerMessage) {
        let Some(known) = self.sessions.get_mut(&session) else { return };
        match message {
            ServerMessage::UserData(data) => {
                known.state = SessionState::Online;
                let mut body = body::connection(session, &data.connection, "ESTABLISHED");
                body.insert("appKey".to_owned(), known.app_key.clone().into());
                known.send(session, HookMethod::ConnectionStatus, body);
            }
            ServerMessage::Registered => {
                known.is_registered = true;
                known.registration(session, "REGISTERED", None);
            }
            ServerMessage::CallStatus(call) | ServerMessage::Busy(call) => {
                known.event(session, HookMethod::CallStatus, call);
            }
            ServerMessage::Transfer { call_id, status } => {
                let fields = json!({ "callId": call_id, "status": status });
                known.event(session, HookMethod::TransferStatus, &fields);
            }
            ServerMessage::Fail { api_method, id, status, info } => match api_method.as_str() {
                "RegistrationStatusEvent" if status == "FAILED" => {
                    known.is_registered = false;
                    known.registration(session, "FAILED", Some(info));
                }
                "TransferStatusEvent" => {
                    let fields = json!({ "callId": id, "status": status, "info": info });
                    known.event(session, HookMethod::TransferStatus, &fields);
                }
                _ => {
                    let fields = json!({ "apiMethod": api_method, "id": id, "status": status, "info": info });
                    known.event(session, HookMethod::Error, &fields);
                }
            },
            // `ring`, which follows, contains the same call.
            ServerMessage::IncomingCall(_) => {}
            _ => {}
        }
    }

    /// Handles the loss of a session's browser, or the end of the session.
    pub(super) fn disconnected(&mut self, session: SessionId, is_kept: bool) {
        let Some(known) = self.sessions.get_mut(&session) else { return };
        let (status, info) = match known.state {
            SessionState::Online => (Some("DISCONNECTED"), None),
            SessionState::Granted => (Some("FAILED"), Some("the relay refused the connection")),
            SessionState::Pending | SessionState::Away => (None, None),
        };
        if !is_kept && known.is_registered {
            known.registration(session, "UNREGISTERED", None);
        }
        if let Some(status) = status {
            let fields = json!({ "status": status, "info": info, "sipLogin": known.login });
            known.event(session, HookMethod::ConnectionStatus, &fields);
        }
        if is_kept {
            known.state = SessionState::Away;
        } else {
            self.sessions.remove(&session);
        }
    }

    /// Handles an event of a call: reports a transfer to the browser that is transferred.
    pub(crate) fn call_changed(&self, event: &CallEvent, call: CallKey, relay: &Relay) {
        let CallEvent::TransferStarted { by } = event else { return };
        if self.sessions.is_empty() {
            return;
        }
        let Some(call) = relay.call(call) else { return };
        for participant in call.participants.iter().filter(|participant| participant.leg != *by) {
            let Some((session, _)) = &participant.browser else { continue };
            if let Some(known) = self.sessions.get(session) {
                let fields = body::participant_json(&call, participant);
                known.event(*session, HookMethod::TransferredByPeer, &fields);
            }
        }
    }
}
