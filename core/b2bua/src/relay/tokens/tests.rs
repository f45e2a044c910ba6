use crate::authorization::{AuthorizationInput, AuthorizationOutput, SessionGrant};
use crate::call::SessionId;
use crate::config::{AcceptedLogins, Authorization, Config, LoginName, Pattern};
use crate::io::{ConnectionId, Input};
use crate::relay::Guard;
use crate::relay::tests::sip_phones::with_trunk;
use crate::relay::tests::{Bench, config};
use crate::token::{AllowedCallees, TokenAccount, TokenGrant, TokenRefusal, TokenRights, TokenUses};
use core::time::Duration;
use offhook_limits::offense::Kind;
use offhook_signaling::message::{CallStatus, ClientMessage, ConnectionMessage, DataStatus, ServerMessage};
use offhook_signaling::reason::EndReason;
use offhook_signaling::version::Extension;
use offhook_sip::user_agent::io::Command;

const TOKEN: &str = "e30.e30.c2ln";

fn token_config() -> Config {
    let token_notice = Some(Duration::from_secs(60));
    Config { admission: AcceptedLogins::Accounts, token_notice, ..config() }
}

fn grant(bench: &Bench, login: &str, seconds: u64) -> TokenGrant {
    let rights = TokenRights {
        name: None,
        callees: AllowedCallees::Any,
        uses: TokenUses::Unlimited,
        expires_at: bench.now + Duration::from_secs(seconds),
    };
    let login = (!login.is_empty()).then(|| LoginName(login.to_owned()));
    TokenGrant { login, account: TokenAccount::OfLogin, rights }
}

fn counted(logins: Option<u32>, calls: Option<u32>) -> TokenUses {
    TokenUses::Counted { id: "jti-1".to_owned(), logins, calls }
}

fn callees(patterns: &[&str]) -> AllowedCallees {
    AllowedCallees::Matching(patterns.iter().map(|pattern| Pattern::parse(pattern).unwrap()).collect())
}

impl Bench {
    fn present(&mut self, offhook: Option<Extension>) -> ConnectionId {
        let auth_token = Some(TOKEN.to_owned());
        self.connect(ConnectionMessage { auth_token, offhook, keep_alive: Some(true), ..ConnectionMessage::default() })
    }

    /// Answers the request to verify a token.
    fn verified(&mut self, result: Result<TokenGrant, TokenRefusal>) {
        let (request, token, _) = self.tokens.remove(0);
        assert_eq!(token, TOKEN);
        self.input(Input::TokenVerified { request, result: result.map(Box::new) });
    }

    fn login_by(&mut self, grant: TokenGrant) -> ConnectionId {
        let connection = self.present(Some(Extension::ours()));
        self.verified(Ok(grant));
        let messages = self.take(connection);
        assert!(matches!(messages.first(), Some(ServerMessage::UserData(_))), "{messages:?}");
        connection
    }

    fn renew(&mut self, connection: ConnectionId) {
        let renewal = ClientMessage::RenewToken { operation_id: "r1".to_owned(), token: TOKEN.to_owned() };
        self.send(connection, &renewal);
    }

    fn failure(&mut self, connection: ConnectionId) -> Option<String> {
        let last = self.last_status(connection);
        last.info.filter(|_| last.status == CallStatus::Failed)
    }
}

#[test]
fn token_logs_in_and_makes_user_callable() {
    let mut bench = Bench::new(token_config());
    bench.origin = Some("https://shop.example".to_owned());
    let connection = bench.present(None);
    assert_eq!(bench.tokens[0].2.as_deref(), Some("https://shop.example"));
    let mut granted = grant(&bench, "alice", 3_600);
    granted.rights.name = Some("Alice A.".to_owned());
    bench.verified(Ok(granted));
    let messages = bench.take(connection);
    let [ServerMessage::UserData(data), ServerMessage::Registered] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!(data.connection.sip.login.as_deref(), Some("alice"));
    let own = data.connection.auth_token.as_deref().unwrap();
    assert!(!own.contains('.'), "the token for reconnecting is the relay's own: {own}");
    let bob = bench.login_by(grant(&bench, "bob", 3_600));
    bench.call(bob, "x", "alice");
    bench.incoming(connection);
    bench.hang_up(bob, "x");
    bench.call(connection, "y", "bob");
    let messages = bench.take(bob);
    let shown = messages.iter().find_map(|message| match message {
        ServerMessage::IncomingCall(call) => Some((call.caller.clone(), call.visible_name.clone())),
        _ => None,
    });
    assert_eq!(shown, Some(("alice".to_owned(), "Alice A.".to_owned())));
}

#[test]
fn refused_tokens_count_as_failed_logins_of_their_source() {
    let mut bench = Bench::new(token_config());
    for _ in 0..5 {
        let connection = bench.present(None);
        bench.verified(Err(TokenRefusal::Invalid("the signature is wrong".to_owned())));
        let [ServerMessage::Fail { info, .. }] = &bench.take(connection)[..] else { panic!("refused") };
        assert_eq!(info, "the token is not accepted: the signature is wrong");
        assert_eq!(bench.closed.get(&connection).map(|(code, _)| *code), Some(1008));
    }
    let [report] = &bench.offenses[..] else { panic!("{:?}", bench.offenses) };
    assert_eq!((report.kind, report.count), (Kind::WrongToken, 5));
    assert_eq!(bench.relay.counters().guards.get(Guard::Token), 5);
    // A server of keys that does not respond is not the client's fault.
    let connection = bench.present(None);
    bench.verified(Err(TokenRefusal::Unavailable));
    assert_eq!(bench.take(connection).len(), 1);
    assert_eq!(bench.relay.counters().guards.get(Guard::Token), 5);
    // After many failures, passwords from there are not verified, and valid tokens still are.
    for _ in 0..100 {
        bench.present(None);
        bench.verified(Err(TokenRefusal::Invalid("wrong".to_owned())));
    }
    let guess = bench.connect(crate::relay::tests::hello("carol"));
    assert!(bench.checks.is_empty() && matches!(bench.take(guess)[..], [ServerMessage::Fail { .. }]));
    bench.login_by(grant(&bench, "alice", 3_600));
}

#[test]
fn expired_tokens_are_no_failed_logins() {
    let mut bench = Bench::new(token_config());
    for _ in 0..200 {
        let connection = bench.present(None);
        bench.verified(Err(TokenRefusal::Expired));
        let [ServerMessage::Fail { info, .. }] = &bench.take(connection)[..] else { panic!("refused") };
        assert_eq!(info, "the token is not accepted: it has expired; request a new one from the application");
    }
    assert!(bench.offenses.is_empty(), "{:?}", bench.offenses);
    let guards = bench.relay.counters().guards;
    assert_eq!((guards.get(Guard::TokenExpiry), guards.get(Guard::Token)), (200, 0));
    // The address is not locked out: a password from there is verified.
    bench.connect(crate::relay::tests::hello("carol"));
    assert_eq!(bench.checks.len(), 1);
}

#[test]
fn token_is_refused_without_configuration_or_if_too_long() {
    let mut bench = Bench::new(Config { token_notice: None, ..token_config() });
    let connection = bench.present(None);
    let [ServerMessage::Fail { info, .. }] = &bench.take(connection)[..] else { panic!("refused") };
    assert!(info.contains("[tokens]") && bench.tokens.is_empty());
    let mut bench = Bench::new(token_config());
    let auth_token = Some(format!("e30.{}.c2ln", "A".repeat(8_192)));
    let connection = bench.connect(ConnectionMessage { auth_token, ..ConnectionMessage::default() });
    let [ServerMessage::Fail { info, .. }] = &bench.take(connection)[..] else { panic!("refused") };
    assert!(info.contains("the maximum is 8192") && bench.tokens.is_empty());
}

#[test]
fn pending_verifications_are_limited_by_source() {
    let mut bench = Bench::new(token_config());
    for _ in 0..100 {
        bench.present(None);
    }
    assert_eq!(bench.tokens.len(), 32);
    let other = bench.connect_from(
        [203, 0, 113, 1].into(),
        ConnectionMessage { auth_token: Some(TOKEN.to_owned()), ..ConnectionMessage::default() },
    );
    assert_eq!((bench.tokens.len(), bench.take(other).len()), (33, 0));
}

#[test]
fn single_use_token_is_accepted_once() {
    let mut bench = Bench::new(token_config());
    let mut once = grant(&bench, "alice", 600);
    once.rights.uses = counted(Some(1), None);
    bench.login_by(once.clone());
    let replayed = bench.present(None);
    bench.verified(Ok(once.clone()));
    let [ServerMessage::Fail { info, .. }] = &bench.take(replayed)[..] else { panic!("refused") };
    assert!(info.ends_with("the token has been used before"), "{info}");
    assert_eq!(bench.relay.counters().guards.get(Guard::Token), 1);
    bench.reload();
    let replayed = bench.present(None);
    bench.verified(Ok(once));
    assert!(matches!(bench.take(replayed)[..], [ServerMessage::Fail { .. }]), "after a restore too");
}

#[test]
fn expired_single_use_tokens_are_forgotten() {
    let mut tokens = super::Tokens::default();
    let mut bench = Bench::new(token_config());
    for number in 0..super::MAX_USED {
        let mut rights = grant(&bench, "a", 10).rights;
        rights.uses = TokenUses::Counted { id: number.to_string(), logins: Some(1), calls: None };
        assert_eq!(tokens.take_login(&rights, bench.now), Ok(()));
    }
    let mut rights = grant(&bench, "a", 20).rights;
    rights.uses = TokenUses::Counted { id: "next".to_owned(), logins: Some(1), calls: None };
    assert!(tokens.take_login(&rights, bench.now).is_err(), "no valid entry is removed");
    bench.wait(Duration::from_secs(11));
    assert_eq!(tokens.take_login(&rights, bench.now), Ok(()));
    assert_eq!(tokens.used.len(), 1);
}

#[test]
fn click_to_call_token_permits_one_callee_and_number_of_calls() {
    let mut bench = Bench::new(token_config());
    let sales = bench.login_by(grant(&bench, "sales", 3_600));
    bench.login_by(grant(&bench, "boss", 3_600));
    let mut click = grant(&bench, "", 600);
    click.rights.callees = callees(&["sales"]);
    click.rights.uses = counted(None, Some(2));
    let visitor = bench.login_by(click.clone());
    bench.call(visitor, "a", "boss");
    assert_eq!(bench.failure(visitor).as_deref(), Some(EndReason::CalleeNotAllowed.info()));
    bench.call(visitor, "b", "sales");
    bench.incoming(sales);
    bench.hang_up(visitor, "b");
    bench.take(sales);
    // The number is counted for all sessions of the token.
    let other = bench.login_by(click);
    bench.call(other, "c", "sales");
    bench.incoming(sales);
    bench.hang_up(other, "c");
    for session in [visitor, other] {
        bench.call(session, "d", "sales");
        assert_eq!(bench.failure(session).as_deref(), Some(EndReason::TokenUsedUp.info()));
    }
    let counters = bench.relay.counters().guards;
    assert_eq!((counters.get(Guard::TokenCallee), counters.get(Guard::TokenCalls)), (1, 2));
    // The visitor has no login and cannot be called.
    bench.call(sales, "e", "anonymous");
    assert_eq!(bench.failure(sales).as_deref(), Some(EndReason::NotFound.info()));
}

#[test]
fn transfer_target_must_be_permitted_by_the_token() {
    let mut bench = Bench::new(token_config());
    let (bob, carol) = (bench.login_by(grant(&bench, "bob", 3_600)), bench.login_by(grant(&bench, "carol", 3_600)));
    let mut restricted = grant(&bench, "alice", 600);
    restricted.rights.callees = callees(&["bob"]);
    let alice = bench.login_by(restricted);
    bench.establish(alice, "x", bob, "bob");
    let transfer = ClientMessage::Transfer { call_id: "x".into(), target: "carol".to_owned() };
    bench.send(alice, &transfer);
    let messages = bench.take(alice);
    let info = messages.iter().find_map(|message| match message {
        ServerMessage::Fail { info, .. } => Some(info.clone()),
        _ => None,
    });
    assert!(info.is_some_and(|info| info.contains(EndReason::CalleeNotAllowed.info())), "{messages:?}");
    assert_eq!(bench.take(carol), []);
}

#[test]
fn restricted_token_without_login_calls_through_the_trunk() {
    let mut bench = Bench::new(Config { admission: AcceptedLogins::Accounts, ..with_trunk() });
    bench.relay.config.token_notice = Some(Duration::from_secs(60));
    bench.commands.clear();
    let mut free = grant(&bench, "", 600);
    free.rights.name = Some("Shop".to_owned());
    let visitor = bench.login_by(free.clone());
    bench.call(visitor, "a", "+4930100");
    assert!(bench.commands.is_empty(), "a token without callees and login causes no costs: {:?}", bench.commands);
    free.rights.callees = callees(&["+4930*"]);
    let visitor = bench.login_by(free);
    bench.call(visitor, "b", "+4930 100");
    assert!(bench.commands.iter().any(|command| matches!(command, Command::Invite { .. })), "{:?}", bench.commands);
}

#[test]
fn expiry_is_announced_and_renewal_continues_the_session() {
    let mut bench = Bench::new(token_config());
    let alice = bench.login_by(grant(&bench, "alice", 600));
    bench.wait(Duration::from_secs(539));
    assert_eq!(bench.take(alice), []);
    bench.wait(Duration::from_secs(1));
    assert_eq!(bench.take(alice), [ServerMessage::TokenExpiring { expires_in: 60 }]);
    bench.renew(alice);
    bench.verified(Ok(grant(&bench, "mallory", 600)));
    let status = |status, expires_in, info: Option<&str>| {
        let (operation_id, info) = ("r1".to_owned(), info.map(str::to_owned));
        [ServerMessage::TokenStatus { operation_id, status, expires_in, info }]
    };
    assert_eq!(bench.take(alice), status(DataStatus::Failed, None, Some("the token is for another login")));
    bench.renew(alice);
    bench.renew(alice);
    assert_eq!(bench.take(alice), status(DataStatus::Failed, None, Some("another renewal is in progress")));
    bench.verified(Ok(grant(&bench, "alice", 3_600)));
    assert_eq!(bench.take(alice), status(DataStatus::Accepted, Some(3_600), None));
    bench.wait(Duration::from_secs(600));
    assert_eq!((bench.take(alice), bench.closed.get(&alice)), (vec![], None), "the first token has expired");
    bench.wait(Duration::from_secs(2_940));
    assert_eq!(bench.take(alice), [ServerMessage::TokenExpiring { expires_in: 60 }]);
    bench.wait(Duration::from_secs(60));
    assert_eq!(bench.closed.get(&alice).map(|(code, _)| *code), Some(1008));
}

#[test]
fn expired_session_finishes_its_call_and_places_no_other() {
    let mut bench = Bench::new(token_config());
    let bob = bench.login_by(grant(&bench, "bob", 36_000));
    let alice = bench.login_by(grant(&bench, "alice", 600));
    bench.establish(alice, "x", bob, "bob");
    bench.wait(Duration::from_secs(540));
    bench.wait(Duration::from_secs(60));
    bench.take(alice);
    assert_eq!((bench.relay.counts().calls, bench.closed.get(&alice)), (1, None));
    bench.call(alice, "y", "bob");
    assert_eq!(bench.failure(alice).as_deref(), Some(EndReason::TokenExpired.info()));
    bench.call(bob, "z", "alice");
    assert_eq!(bench.failure(bob).as_deref(), Some(EndReason::Unavailable.info()), "it receives no calls either");
    bench.hang_up(alice, "x");
    let (code, reason) = bench.closed.get(&alice).unwrap();
    assert_eq!(*code, 1008);
    assert!(reason.contains("expired"), "{reason}");
    bench.assert_no_leak(&[]);
}

#[test]
fn expired_session_with_call_is_renewed() {
    let mut bench = Bench::new(token_config());
    let bob = bench.login_by(grant(&bench, "bob", 36_000));
    let alice = bench.login_by(grant(&bench, "alice", 60));
    bench.establish(alice, "x", bob, "bob");
    bench.wait(Duration::from_secs(60));
    bench.renew(alice);
    bench.verified(Ok(grant(&bench, "alice", 600)));
    bench.hang_up(alice, "x");
    bench.take(alice);
    assert_eq!(bench.closed.get(&alice), None);
    bench.call(bob, "z", "alice");
    bench.incoming(alice);
}

#[test]
fn reconnected_page_is_informed_again_and_away_session_expires() {
    let mut bench = Bench::new(token_config());
    let alice = bench.present(Some(Extension::ours()));
    bench.verified(Ok(grant(&bench, "alice", 70)));
    let messages = bench.take(alice);
    let Some(ServerMessage::UserData(data)) = messages.first() else { panic!("{messages:?}") };
    let own = data.connection.auth_token.clone();
    bench.wait(Duration::from_secs(20));
    assert_eq!(bench.take(alice), [ServerMessage::TokenExpiring { expires_in: 50 }]);
    bench.input(Input::Disconnected { connection: alice });
    let again = ConnectionMessage { auth_token: own, offhook: Some(Extension::ours()), ..ConnectionMessage::default() };
    let again = bench.connect(again);
    let messages = bench.take(again);
    assert!(matches!(messages.last(), Some(ServerMessage::TokenExpiring { expires_in: 50 })), "{messages:?}");
    bench.input(Input::Disconnected { connection: again });
    assert_eq!(bench.relay.counts().sessions, 1);
    bench.wait(Duration::from_secs(50));
    assert_eq!(bench.relay.counts().sessions, 0, "the token has expired before the time for reconnecting is over");
}

#[test]
fn closed_connection_is_not_admitted_later() {
    let mut bench = Bench::new(token_config());
    let connection = bench.present(None);
    bench.input(Input::Disconnected { connection });
    let mut once = grant(&bench, "alice", 600);
    once.rights.uses = counted(Some(1), None);
    bench.verified(Ok(once.clone()));
    assert_eq!(bench.relay.counts().sessions, 0);
    bench.login_by(once);
    assert_eq!(bench.relay.sessions().map(|session| session.id).collect::<Vec<SessionId>>().len(), 1);
}

#[test]
fn token_session_is_authorized_after_its_verification() {
    let authorization = Authorization::External { timeout: Duration::from_secs(5) };
    let mut bench = Bench::new(Config { authorization, ..token_config() });
    let connection = bench.present(None);
    let mut once = grant(&bench, "alice", 600);
    once.rights.callees = callees(&["nobody"]);
    bench.verified(Ok(once));
    let Some(AuthorizationOutput::Session { request, applicant, .. }) = bench.authorizations.pop() else {
        panic!("{:?}", bench.authorizations)
    };
    assert_eq!(applicant.verified, Some(LoginName("alice".to_owned())));
    assert_eq!(bench.take(connection), []);
    let answer = Ok(Box::new(SessionGrant::default()));
    bench.input(Input::Authorization(AuthorizationInput::Session { request, answer }));
    assert!(matches!(bench.take(connection).first(), Some(ServerMessage::UserData(_))));
    bench.call(connection, "x", "bob");
    assert_eq!(bench.failure(connection).as_deref(), Some(EndReason::CalleeNotAllowed.info()));
}

#[test]
fn session_by_token_continues_without_an_account() {
    let accounts = std::collections::BTreeSet::from([LoginName("alice".to_owned())]);
    let mut bench = Bench::new(Config { accounts, ..token_config() });
    let alice = bench.login_by(grant(&bench, "alice", 3_600));
    bench.input(Input::Configure(Box::new(token_config())));
    assert_eq!(bench.closed.get(&alice), None);
    assert_eq!(bench.relay.counts().sessions, 1);
}
