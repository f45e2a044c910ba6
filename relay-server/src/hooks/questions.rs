//! Questions of the relay machine to an application, and their answers.

use super::application::Application;
use super::body::{self, Object, text_of};
use super::exchange::{HookFailure, HookResult};
use super::method::HookMethod;
use super::policy::{MethodPolicy, OnError, Policies};
use super::{ANY_KEY, DEFAULT_KEY, HookSession, HookSide, SessionState, TARGET};
use crate::signaling_plane::PlaneInput;
use offhook_b2bua::address::Address;
use offhook_b2bua::authorization::{
    ApplicationRefusal, AuthorizationInput, AuthorizationOutput, CommandGrant, CommandKind, SessionApplicant,
    SessionGrant, Submission,
};
use offhook_b2bua::call::{CallSnapshot, SessionId};
use offhook_b2bua::config::LoginName;
use offhook_b2bua::io::{Input, RequestId, RouteAnswer, RouteSubject, RouteTarget};
use offhook_media::command::LegKey;
use offhook_signaling::message::{ClientMessage, DtmfType};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The answer to a question, or its failure.
#[derive(Debug)]
pub struct HookAnswer {
    question: HookQuestion,
    /// The body of the request.
    sent: Object,
    result: HookResult,
    policy: MethodPolicy,
}

/// A question.
#[derive(Debug)]
enum HookQuestion {
    Session { request: RequestId, session: SessionId, applicant: Box<SessionApplicant> },
    Command { request: RequestId },
    Route { request: RequestId },
}

/// The SIP status for a caller if the application is not available.
const UNAVAILABLE: u16 = 503;
/// The SIP status for a caller that the application refuses without a status.
const REFUSED: u16 = 403;

impl HookSide {
    /// Handles a question or report of the machine. Returns the answer if it is known at once.
    pub(crate) fn handle(&mut self, output: AuthorizationOutput) -> Option<Input> {
        match output {
            AuthorizationOutput::Session { request, session, applicant } => {
                self.authorize_session(request, session, applicant)
            }
            AuthorizationOutput::Command { request, session, at, call, message } => {
                self.submit(request, session, (at.leg, call.as_deref()), &message)
            }
            AuthorizationOutput::Informed { session, message } => {
                self.informed(session, &message);
                None
            }
            AuthorizationOutput::Disconnected { session, is_kept } => {
                self.disconnected(session, is_kept);
                None
            }
        }
    }

    fn authorize_session(
        &mut self,
        request: RequestId,
        session: SessionId,
        applicant: Box<SessionApplicant>,
    ) -> Option<Input> {
        let app_key = match applicant.hello.app_key.as_str() {
            // The name is reserved for the configuration.
            "" | ANY_KEY => DEFAULT_KEY,
            key => key,
        };
        let Some(application) = self.hooks.of_key(app_key).map(Arc::clone) else {
            let info = "there is no application with this appKey: see [hooks.applications]".to_owned();
            let answer = Err(ApplicationRefusal { sip_status: REFUSED, info });
            return Some(Input::Authorization(AuthorizationInput::Session { request, answer }));
        };
        let policies = application.policies.clone();
        let known = HookSession {
            application: Arc::clone(&application),
            app_key: app_key.to_owned(),
            policies: policies.clone(),
            login: applicant.hello.sip.login.clone().unwrap_or_default(),
            state: SessionState::Pending,
            is_registered: false,
        };
        self.sessions.insert(session, known);
        match policies.of(HookMethod::Connect) {
            Some(policy) => {
                let sent = body::connect(session, &applicant);
                let question = HookQuestion::Session { request, session, applicant };
                self.ask(&application, HookMethod::Connect, question, sent, policy.clone());
                None
            }
            None => Some(self.grant(request, session, SessionGrant::default())),
        }
    }

    /// Grants a session, with the policies that apply to its commands.
    fn grant(&mut self, request: RequestId, session: SessionId, grant: SessionGrant) -> Input {
        let submitted = self.sessions.get_mut(&session).map(|known| {
            known.state = SessionState::Granted;
            submissions(&known.policies)
        });
        let grant = SessionGrant { submitted: submitted.unwrap_or_default(), ..grant };
        Input::Authorization(AuthorizationInput::Session { request, answer: Ok(Box::new(grant)) })
    }

    fn submit(
        &self,
        request: Option<RequestId>,
        session: SessionId,
        (leg, call): (LegKey, Option<&CallSnapshot>),
        message: &ClientMessage,
    ) -> Option<Input> {
        let granted = |request| {
            let answer = Ok(CommandGrant::default());
            Some(Input::Authorization(AuthorizationInput::Command { request, answer }))
        };
        let known = self.sessions.get(&session);
        let method = method_of(message);
        let policy = known.zip(method).and_then(|(known, method)| known.policies.of(method));
        let (Some(known), Some(method), Some(policy)) = (known, method, policy) else {
            return request.and_then(granted);
        };
        let context = body::context(Some(session), &known.app_key);
        let mut sent = body::command(context, call, leg, message);
        policy.filter_body(&mut sent);
        match request {
            Some(request) => {
                self.ask(&known.application, method, HookQuestion::Command { request }, sent, policy.clone());
            }
            None => known.application.send_event(session.0, method, &sent),
        }
        None
    }

    /// Handles the routing question of a call. Returns the answer if it is known at once.
    pub(crate) fn route(&self, request: RequestId, subject: Option<Box<RouteSubject>>) -> Option<Input> {
        let local = Some(Input::Routed { request, answer: RouteAnswer::Local });
        let Some(subject) = subject else { return local };
        let RouteSubject { session, call } = *subject;
        let method = if call.incoming { HookMethod::IncomingCall } else { HookMethod::Call };
        let known = session.and_then(|session| self.sessions.get(&session));
        let (application, app_key) = match known {
            Some(known) => (&known.application, known.app_key.as_str()),
            None => match self.hooks.of_key(DEFAULT_KEY) {
                Some(application) => (application, DEFAULT_KEY),
                None => return local,
            },
        };
        let policies = known.map_or(&application.policies, |known| &known.policies);
        let Some(policy) = policies.of(method) else { return local };
        let mut sent = body::context(session, app_key);
        body::extend(&mut sent, &call);
        policy.filter_body(&mut sent);
        if policy.waits() {
            self.ask(application, method, HookQuestion::Route { request }, sent, policy.clone());
            return None;
        }
        application.send_event(session.map_or(0, |session| session.0), method, &sent);
        local
    }

    /// Starts a request, without waiting for its answer.
    fn ask(
        &self,
        application: &Arc<Application>,
        method: HookMethod,
        question: HookQuestion,
        sent: Object,
        policy: MethodPolicy,
    ) {
        let (caller, answers) = (application.caller(), self.answers.clone());
        tokio::spawn(async move {
            let result = caller.ask(method, &sent).await;
            let answer = HookAnswer { question, sent, result, policy };
            let _ = answers.send(PlaneInput::Hook(Box::new(answer))).await;
        });
    }

    /// Handles an answer. Returns the input for the machine.
    pub(crate) fn take(&mut self, answer: HookAnswer) -> Input {
        let HookAnswer { question, sent, result, policy } = answer;
        let changes = match result {
            Ok(answer) => Ok((policy.changes(&sent, answer.clone()), answer)),
            Err(failure) if policy.on_error == OnError::Fail => Err(refusal(failure)),
            Err(failure) => {
                tracing::info!(target: TARGET, %failure, "webhook failure ignored, as on_error is log");
                Ok((Object::new(), Object::new()))
            }
        };
        match question {
            HookQuestion::Session { request, session, applicant } => match changes {
                Ok((changes, answer)) => {
                    if let (Some(known), Some(config)) =
                        (self.sessions.get_mut(&session), answer.get("restClientConfig"))
                    {
                        known.policies.apply_client_config(config);
                    }
                    self.grant(request, session, body::session_grant(&applicant, &changes))
                }
                Err(refusal) => Input::Authorization(AuthorizationInput::Session { request, answer: Err(refusal) }),
            },
            HookQuestion::Command { request } => {
                let answer = changes.map(|(changes, _)| command_grant(&changes));
                Input::Authorization(AuthorizationInput::Command { request, answer })
            }
            HookQuestion::Route { request } => {
                let answer = match changes {
                    Ok((changes, _)) => route_answer(&changes),
                    Err(refusal) => RouteAnswer::RefusedBy(refusal),
                };
                Input::Routed { request, answer }
            }
        }
    }
}

/// Returns the commands of a session that the machine submits.
fn submissions(policies: &Policies) -> BTreeMap<CommandKind, Submission> {
    let submission = |(kind, method): (CommandKind, HookMethod)| {
        let waits = policies.of(method)?.waits() && method.is_question();
        Some((kind, if waits { Submission::Held } else { Submission::Notified }))
    };
    [
        (CommandKind::Answer, HookMethod::Answer),
        (CommandKind::HangUp, HookMethod::HangUp),
        (CommandKind::Hold, HookMethod::Hold),
        (CommandKind::Resume, HookMethod::Unhold),
        (CommandKind::Transfer, HookMethod::Transfer),
        (CommandKind::SendDtmf, HookMethod::SendDtmf),
    ]
    .into_iter()
    .filter_map(submission)
    .collect()
}

const fn method_of(message: &ClientMessage) -> Option<HookMethod> {
    Some(match message {
        ClientMessage::Answer(_) => HookMethod::Answer,
        ClientMessage::Hangup(_) => HookMethod::HangUp,
        ClientMessage::Hold { .. } => HookMethod::Hold,
        ClientMessage::Unhold(_) => HookMethod::Unhold,
        ClientMessage::Transfer { .. } => HookMethod::Transfer,
        ClientMessage::SendDtmf { .. } => HookMethod::SendDtmf,
        _ => return None,
    })
}

/// Returns the refusal that follows from a failure. The application may state a reason and a SIP status.
fn refusal(failure: HookFailure) -> ApplicationRefusal {
    match failure {
        HookFailure::Refused { status, answer } if status < 500 => {
            let sip_status = answer.get("sipStatus").map(text_of).and_then(|status| status.parse().ok());
            let sip_status = sip_status.filter(|status| (400..700).contains(status)).unwrap_or(REFUSED);
            let info = answer.get("info").and_then(Value::as_str).unwrap_or("refused by the application");
            // A reason phrase is one line, and `info` is shown to users.
            let info = info.chars().filter(|c| !c.is_control()).take(100).collect();
            ApplicationRefusal { sip_status, info }
        }
        failure => {
            ApplicationRefusal { sip_status: UNAVAILABLE, info: format!("the application is not available: {failure}") }
        }
    }
}

fn command_grant(changes: &Object) -> CommandGrant {
    let text = |name: &str| changes.get(name).map(text_of).filter(|text| !text.is_empty());
    let kind = text("type").and_then(|name| {
        [DtmfType::Rfc2833, DtmfType::Info, DtmfType::InfoRelay].into_iter().find(|kind| kind.name() == name)
    });
    CommandGrant { target: text("target"), digits: text("dtmf"), kind }
}

fn route_answer(changes: &Object) -> RouteAnswer {
    if let Some(targets) = changes.get("targets").and_then(Value::as_array) {
        return RouteAnswer::Targets(targets.iter().filter_map(route_target).collect());
    }
    match changes.get("callee").map(text_of).filter(|callee| !callee.is_empty()) {
        Some(callee) => RouteAnswer::Callee(Address::parse(&callee)),
        None => RouteAnswer::Local,
    }
}

/// Returns a target: a login, `{"user": login}` or `{"address": number or URI}`.
fn route_target(target: &Value) -> Option<RouteTarget> {
    let user = target.as_str().or_else(|| target.get("user")?.as_str());
    let address = || Some(RouteTarget::Address(Address::parse(target.get("address")?.as_str()?)));
    user.map(|login| RouteTarget::User(LoginName(login.to_owned()))).or_else(address)
}
