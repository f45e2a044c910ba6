//! Authorization of sessions and commands by the application, and its answers to routing questions.

use super::accounts::{hello_sip, registered};
use super::sip_calls::{from_phone, phone_sdp};
use super::{Bench, config, hello, with_sip};
use crate::address::Address;
use crate::authorization::{
    ApplicationRefusal, AuthorizationInput, AuthorizationOutput, CommandGrant, CommandKind, SessionApplicant,
    SessionGrant, Submission,
};
use crate::config::{AcceptedLogins, Authorization, Config, LoginName, Routing};
use crate::io::{ConnectionId, Input, RequestId, RouteAnswer};
use core::time::Duration;
use offhook_signaling::message::{CallStatus, ClientMessage, ConnectionMessage, ServerMessage, SipOptions};
use offhook_sip::auth::Login;
use offhook_sip::user_agent::io::{Command, Event, InviteId, Origin};
use std::net::IpAddr;

const TIMEOUT: Duration = Duration::from_secs(5);
const INVITE: InviteId = InviteId::Inbound(7);

fn external(config: Config) -> Config {
    Config { authorization: Authorization::External { timeout: TIMEOUT }, ..config }
}

fn accounts(config: Config) -> Config {
    Config { admission: AcceptedLogins::Accounts, ..external(config) }
}

fn refusal(sip_status: u16, info: &str) -> ApplicationRefusal {
    ApplicationRefusal { sip_status, info: info.to_owned() }
}

fn sip(login: &str) -> SipOptions {
    SipOptions { login: Some(login.to_owned()), ..SipOptions::default() }
}

fn holds(kind: CommandKind) -> SessionGrant {
    SessionGrant { submitted: [(kind, Submission::Held)].into(), ..SessionGrant::default() }
}

impl Bench {
    /// Returns the only open question about a session.
    fn applicant(&mut self) -> (RequestId, SessionApplicant) {
        let reports = core::mem::take(&mut self.authorizations);
        match <[AuthorizationOutput; 1]>::try_from(reports) {
            Ok([AuthorizationOutput::Session { request, applicant, .. }]) => (request, *applicant),
            other => panic!("one question: {other:?}"),
        }
    }

    fn grant(&mut self, request: RequestId, grant: SessionGrant) {
        let answer = Ok(Box::new(grant));
        self.input(Input::Authorization(AuthorizationInput::Session { request, answer }));
    }

    fn login_granted(&mut self, login: &str, grant: SessionGrant) -> ConnectionId {
        let connection = self.connect(hello(login));
        let (request, _) = self.applicant();
        self.grant(request, grant);
        assert_eq!(self.names(connection), ["getUserData", "registered"]);
        self.authorizations.clear();
        connection
    }

    /// Returns the only submitted command.
    fn submitted(&mut self) -> (Option<RequestId>, ClientMessage) {
        let reports = core::mem::take(&mut self.authorizations).into_iter();
        let mut commands = reports.filter_map(|report| match report {
            AuthorizationOutput::Command { request, message, .. } => Some((request, *message)),
            _ => None,
        });
        let command = commands.next().expect("a command");
        assert!(commands.next().is_none(), "one command");
        command
    }

    fn decide_command(&mut self, request: Option<RequestId>, answer: Result<CommandGrant, ApplicationRefusal>) {
        let request = request.expect("the command waits");
        self.input(Input::Authorization(AuthorizationInput::Command { request, answer }));
    }

    /// Returns an established call of a session whose commands of this kind are held.
    fn establish_held(&mut self, kind: CommandKind) -> (ConnectionId, ConnectionId) {
        let alice = self.login_granted("alice", holds(kind));
        let bob = self.login_granted("bob", SessionGrant::default());
        self.establish(alice, "a1", bob, "bob");
        self.authorizations.clear();
        (alice, bob)
    }

    fn fails_with(&mut self, connection: ConnectionId, text: &str) {
        let messages = self.take(connection);
        let is_failure = |message: &ServerMessage| matches!(message, ServerMessage::Fail { status, info, .. } if status == "FAILED" && info.contains(text));
        assert!(messages.iter().any(is_failure), "{messages:?}");
    }
}

fn digits(digits: &str) -> ClientMessage {
    ClientMessage::SendDtmf { call_id: "a1".into(), kind: Default::default(), digits: digits.to_owned() }
}

const HOLD: fn() -> ClientMessage = || ClientMessage::Hold { call_id: "a1".into(), for_transfer: false };

#[test]
fn local_authorization_asks_no_question() {
    let mut bench = Bench::new(config());
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    bench.establish(alice, "a1", bob, "bob");
    bench.hang_up(alice, "a1");
    assert!(bench.authorizations.is_empty());
}

#[test]
fn verified_login_is_authorized_after_its_password() {
    let mut bench = Bench::new(accounts(config()));
    let mut hello = hello("carol");
    hello.sip.password = Some("tulip".to_owned());
    let carol = bench.connect(hello);
    assert!(bench.authorizations.is_empty(), "the password is checked first");
    let (request, ..) = bench.checks.pop().unwrap();
    bench.input(Input::PasswordVerified { request, matches: true });
    let (request, applicant) = bench.applicant();
    assert_eq!(applicant.verified.map(|login| login.0), Some("carol".to_owned()));
    assert!(bench.names(carol).is_empty());
    bench.reload();
    bench.grant(request, SessionGrant::default());
    assert_eq!(bench.names(carol), ["getUserData", "registered"]);
    let informed = bench.authorizations.iter().map(|report| match report {
        AuthorizationOutput::Informed { message, .. } => message.name(),
        other => panic!("{other:?}"),
    });
    assert_eq!(informed.collect::<Vec<_>>(), ["getUserData", "registered"]);
}

#[test]
fn wrong_password_is_refused_without_a_question() {
    let mut bench = Bench::new(accounts(config()));
    let mut hello = hello("carol");
    hello.sip.password = Some("rose".to_owned());
    let carol = bench.connect(hello);
    let (request, ..) = bench.checks.pop().unwrap();
    bench.input(Input::PasswordVerified { request, matches: false });
    bench.fails_with(carol, "wrong login or password");
    assert!(bench.authorizations.is_empty());
}

#[test]
fn page_without_credentials_gets_account_and_does_not_receive_it() {
    let mut bench = Bench::new(accounts(with_sip()));
    let page = bench.connect(ConnectionMessage { app_key: "shop".into(), ..ConnectionMessage::default() });
    let (request, applicant) = bench.applicant();
    assert_eq!((applicant.verified, applicant.hello.app_key.as_str()), (None, "shop"));
    let supplied = SipOptions {
        password: Some("secret".to_owned()),
        domain: Some("example.org".to_owned()),
        authentication_name: Some("auth".to_owned()),
        ..sip("alice")
    };
    let grant = SessionGrant { sip: Some(Box::new(supplied)), visible_name: Some("Shop".into()), ..Default::default() };
    bench.grant(request, grant);
    let (account, settings) = bench.opened();
    assert_eq!(settings.login, Some(Login::new("auth", "secret")));
    let messages = bench.take(page);
    let [ServerMessage::UserData(data)] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!(data.connection.sip, SipOptions::default(), "the page does not receive the account");
    bench.sip(registered(account));
    assert_eq!(bench.names(page), ["registered"]);
    bench.call(page, "a1", "+4930200");
    let (_, invite) = bench.invited();
    assert_eq!(invite.from.unwrap().name.as_deref(), Some("Shop"));
}

#[test]
fn unverified_login_is_accepted_only_if_supplied() {
    let echoed = SessionGrant { sip: Some(Box::new(sip("carol"))), ..SessionGrant::default() };
    let replaced = SessionGrant { sip: Some(Box::new(sip("dave"))), ..SessionGrant::default() };
    let with_password = SipOptions { password: Some("x".to_owned()), ..sip("carol") };
    let with_password = SessionGrant { sip: Some(Box::new(with_password)), ..SessionGrant::default() };
    for (grant, is_accepted) in
        [(SessionGrant::default(), false), (echoed, false), (replaced, true), (with_password, true)]
    {
        let mut bench = Bench::new(accounts(config()));
        let page = bench.connect(hello("carol"));
        let (request, applicant) = bench.applicant();
        assert_eq!(applicant.verified, None);
        bench.grant(request, grant);
        assert_eq!(bench.relay.counts().sessions, usize::from(is_accepted));
        if !is_accepted {
            bench.fails_with(page, "wrong login or password");
        }
    }
}

#[test]
fn refused_session_receives_reason_and_is_closed() {
    let mut bench = Bench::new(external(config()));
    let page = bench.connect(hello("alice"));
    let (request, _) = bench.applicant();
    let answer = Err(refusal(403, "not today"));
    bench.input(Input::Authorization(AuthorizationInput::Session { request, answer }));
    bench.fails_with(page, "not today");
    assert_eq!(bench.closed[&page].1, "not today");
    assert!(matches!(bench.authorizations[..], [AuthorizationOutput::Disconnected { is_kept: false, .. }]));
    assert_eq!(bench.offenses.len(), 0, "demo mode verifies the login");
}

#[test]
fn session_question_ends_with_deadline_or_socket() {
    let mut bench = Bench::new(external(config()));
    let page = bench.connect(hello("alice"));
    let (request, _) = bench.applicant();
    bench.wait(TIMEOUT);
    bench.fails_with(page, "in time");
    bench.grant(request, SessionGrant::default());
    assert_eq!(bench.relay.counts().sessions, 0, "the answer is late");
    bench.authorizations.clear();
    let page = bench.connect(hello("alice"));
    bench.applicant();
    bench.input(Input::Disconnected { connection: page });
    assert!(matches!(bench.authorizations[..], [AuthorizationOutput::Disconnected { is_kept: false, .. }]));
    bench.assert_no_leak(&[]);
}

#[test]
fn held_command_is_executed_with_changes_after_its_answer() {
    let mut bench = Bench::new(external(config()));
    let (alice, _) = bench.establish_held(CommandKind::Transfer);
    bench.login_granted("carol", SessionGrant::default());
    bench.send(alice, &ClientMessage::Transfer { call_id: "a1".into(), target: "sales".to_owned() });
    bench.send(alice, &HOLD());
    assert!(bench.names(alice).is_empty(), "the hold waits behind the transfer");
    bench.reload();
    let (request, message) = bench.submitted();
    assert!(matches!(message, ClientMessage::Transfer { target, .. } if target == "sales"));
    let change = CommandGrant { target: Some("carol".to_owned()), ..CommandGrant::default() };
    bench.decide_command(request, Ok(change));
    assert!(bench.names(alice).contains(&"hold HOLD".to_owned()));
    assert_eq!(bench.inbox.len(), 1, "carol rings: {:?}", bench.inbox);
}

#[test]
fn refused_command_is_dropped_and_later_commands_continue() {
    let mut bench = Bench::new(external(config()));
    let (alice, _) = bench.establish_held(CommandKind::SendDtmf);
    bench.send(alice, &digits("1"));
    bench.send(alice, &digits("2"));
    bench.send(alice, &HOLD());
    let (request, _) = bench.submitted();
    bench.decide_command(request, Err(refusal(403, "no digits")));
    bench.fails_with(alice, "no digits");
    let (request, message) = bench.submitted();
    assert_eq!(message, digits("2"));
    // Without an answer, the command is refused.
    bench.wait(TIMEOUT);
    let names = bench.names(alice);
    assert_eq!(names, ["fail", "hold HOLD"]);
    bench.decide_command(request, Ok(CommandGrant::default()));
    assert!(bench.names(alice).is_empty(), "the answer is late");
}

#[test]
fn hang_up_does_not_wait_for_held_command() {
    let mut bench = Bench::new(external(config()));
    let (alice, bob) = bench.establish_held(CommandKind::Hold);
    bench.send(alice, &HOLD());
    let (request, _) = bench.submitted();
    bench.call(alice, "a2", "bob");
    bench.hang_up(alice, "a2");
    bench.hang_up(alice, "a1");
    assert_eq!(bench.names(alice), ["finish FINISH"]);
    assert_eq!(bench.names(bob), ["finish FINISH"]);
    bench.decide_command(request, Ok(CommandGrant::default()));
    assert_eq!(
        bench.names(alice),
        ["notifyTryingResponse TRYING", "ring RING", "finish FINISH"],
        "a2 was placed, then ended"
    );
    bench.assert_no_leak(&[]);
}

#[test]
fn notified_command_does_not_wait() {
    let mut bench = Bench::new(external(config()));
    let submitted = [(CommandKind::Hold, Submission::Notified), (CommandKind::HangUp, Submission::Held)];
    let grant = SessionGrant { submitted: submitted.into(), ..SessionGrant::default() };
    let alice = bench.login_granted("alice", grant);
    let bob = bench.login_granted("bob", SessionGrant::default());
    bench.establish(alice, "a1", bob, "bob");
    bench.authorizations.clear();
    bench.send(alice, &HOLD());
    assert_eq!(bench.names(alice), ["hold HOLD"]);
    assert_eq!(bench.submitted(), (None, HOLD()));
    bench.hang_up(alice, "a1");
    assert_eq!(bench.names(alice), ["finish FINISH"]);
    assert_eq!(bench.submitted().0, None, "a hang-up is never held");
}

#[test]
fn lost_session_forgets_held_command() {
    let mut bench = Bench::new(external(config()));
    let (alice, bob) = bench.establish_held(CommandKind::Hold);
    bench.send(alice, &HOLD());
    let (request, _) = bench.submitted();
    bench.input(Input::Disconnected { connection: alice });
    assert_eq!(bench.names(bob), ["finish FINISH"]);
    bench.decide_command(request, Ok(CommandGrant::default()));
    bench.assert_no_leak(&[]);
}

#[test]
fn too_many_waiting_commands_end_session() {
    let mut bench = Bench::new(external(config()));
    let (alice, _) = bench.establish_held(CommandKind::Hold);
    for _ in 0..258 {
        bench.send(alice, &HOLD());
    }
    assert_eq!(bench.closed[&alice].0, 1008);
    bench.assert_no_leak(&[]);
}

#[test]
fn routing_answer_replaces_callee_or_leaves_it() {
    let routed = Config { routing: Routing::External { timeout: TIMEOUT }, ..config() };
    let mut bench = Bench::new(routed);
    let (alice, bob, carol) = (bench.login("alice"), bench.login("bob"), bench.login("carol"));
    bench.call(alice, "a1", "bob");
    let question = bench.routes.pop().unwrap();
    let subject = question.subject.unwrap();
    assert_eq!((subject.call.call_id.as_str(), subject.call.callee.as_str()), ("a1", "bob"));
    bench.input(Input::Routed { request: question.request, answer: RouteAnswer::Callee(Address::parse("carol")) });
    assert!(bench.names(bob).is_empty());
    let messages = bench.take(carol);
    let Some(ServerMessage::IncomingCall(call)) = messages.get(1) else { panic!("{messages:?}") };
    assert_eq!((call.caller.as_str(), call.callee.as_str()), ("alice", "carol"));
    bench.hang_up(alice, "a1");
    bench.names(alice);
    bench.call(alice, "a2", "bob");
    let request = bench.routes.pop().unwrap().request;
    bench.input(Input::Routed { request, answer: RouteAnswer::Local });
    bench.incoming(bob);
}

#[test]
fn refusal_by_application_reaches_callers_with_status_and_info() {
    let routed = Config { routing: Routing::External { timeout: TIMEOUT }, ..with_sip() };
    let mut bench = Bench::new(routed);
    let alice = bench.login("alice");
    bench.call(alice, "a1", "bob");
    let request = bench.routes.pop().unwrap().request;
    bench.input(Input::Routed { request, answer: RouteAnswer::RefusedBy(refusal(480, "after hours")) });
    let last = bench.last_status(alice);
    assert_eq!(
        (last.status, last.sip_status, last.info.as_deref()),
        (CallStatus::Failed, Some(480), Some("after hours"))
    );
    let request = from_phone(Origin::Unknown, Some(phone_sdp(4000, "sendrecv")));
    bench.sip(Event::Incoming { invite: INVITE, request: Box::new(request) });
    let request = bench.routes.pop().unwrap().request;
    bench.input(Input::Routed { request, answer: RouteAnswer::RefusedBy(refusal(486, "after hours")) });
    let Command::Reject { status, reason, .. } = bench.command() else { panic!("rejected") };
    assert_eq!((status, reason.as_deref()), (486, Some("after hours")));
    bench.assert_no_leak(&[]);
}

#[test]
fn inbound_call_is_redirected_to_user() {
    let routed = Config { routing: Routing::External { timeout: TIMEOUT }, ..with_sip() };
    let mut bench = Bench::new(routed);
    let bob = bench.login("bob");
    let request = from_phone(Origin::Unknown, Some(phone_sdp(4000, "sendrecv")));
    bench.sip(Event::Incoming { invite: INVITE, request: Box::new(request) });
    let request = bench.routes.pop().unwrap().request;
    bench.input(Input::Routed { request, answer: RouteAnswer::Callee(Address::parse("bob")) });
    bench.incoming(bob);
}

#[test]
fn session_of_sip_server_is_authorized_before_it_registers() {
    let mut bench = Bench::new(external(with_sip()));
    bench.connect(hello_sip("alice", "secret"));
    assert!(bench.commands.is_empty(), "no REGISTER yet");
    let (request, applicant) = bench.applicant();
    assert_eq!(applicant.password.map(|password| password.reveal().to_owned()).as_deref(), Some("secret"));
    bench.grant(request, SessionGrant::default());
    let (_, settings) = bench.opened();
    assert_eq!(settings.login, Some(Login::new("alice", "secret")));
}

#[test]
fn open_question_about_removed_account_creates_no_session() {
    let with = |logins: &[&str]| Config {
        accounts: logins.iter().map(|login| LoginName((*login).to_owned())).collect(),
        ..accounts(config())
    };
    let mut bench = Bench::new(with(&["carol"]));
    let mut hello = hello("carol");
    hello.sip.password = Some("tulip".to_owned());
    let carol = bench.connect(hello);
    let (request, ..) = bench.checks.pop().unwrap();
    bench.input(Input::PasswordVerified { request, matches: true });
    let (request, _) = bench.applicant();
    bench.input(Input::Configure(Box::new(with(&[]))));
    bench.fails_with(carol, "wrong login or password");
    bench.grant(request, SessionGrant::default());
    assert_eq!(bench.relay.counts().sessions, 0);
}

#[test]
fn open_questions_of_one_source_are_limited() {
    let mut bench = Bench::new(external(config()));
    let [source, other] = [[198, 51, 100, 1], [192, 0, 2, 1]].map(IpAddr::from);
    for number in 0..32 {
        bench.connect_from(source, hello(&format!("x{number}")));
    }
    assert_eq!(core::mem::take(&mut bench.authorizations).len(), 32);
    let refused = bench.connect_from(source, hello("y"));
    bench.fails_with(refused, "too many logins");
    assert_eq!(bench.authorizations.len(), 0);
    bench.connect_from(other, hello("alice"));
    bench.applicant();
}

#[test]
fn octets_of_waiting_commands_are_limited() {
    let mut bench = Bench::new(external(config()));
    let (alice, _) = bench.establish_held(CommandKind::Hold);
    bench.send(alice, &HOLD());
    for number in 0..5 {
        assert!(!bench.closed.contains_key(&alice), "{number}");
        bench.send(alice, &ClientMessage::Transfer { call_id: "a1".into(), target: "x".repeat(60_000) });
    }
    assert_eq!(bench.closed[&alice].0, 1008);
    assert!(bench.closed[&alice].1.contains("too many commands"), "{:?}", bench.closed);
    bench.assert_no_leak(&[]);
}
