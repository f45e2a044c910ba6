//! Client sessions with an account at a SIP server.

use super::{Bench, config, hello, sip_config, with_sip};
use crate::config::{AcceptedLogins, Config, Destinations, LoginName, Servers, Sip};
use crate::io::{ConnectionId, Input};
use crate::relay::AccountRegistration;
use core::time::Duration;
use offhook_limits::offense::Kind;
use offhook_signaling::message::{ConnectionMessage, ServerMessage, SipOptions};
use offhook_sip::auth::Login;
use offhook_sip::user_agent::io::{Account, AccountId, CalledNumberSource, Cause, Command, Event, Failure, Identity};
use std::net::{IpAddr, Ipv4Addr};

pub(in crate::relay) fn hello_sip(login: &str, password: &str) -> ConnectionMessage {
    let sip = SipOptions {
        domain: Some("example.org".to_owned()),
        password: Some(password.to_owned()),
        port: Some("5060".to_owned()),
        ..hello(login).sip
    };
    ConnectionMessage { sip, ..hello(login) }
}

pub(super) fn registered(account: AccountId) -> Event {
    Event::Registered { account, expires: Duration::from_secs(600) }
}

fn failed(account: AccountId, failure: Failure, bench: &Bench, retries: bool) -> Event {
    Event::RegistrationFailed { account, failure, retry_at: retries.then(|| bench.now + Duration::from_secs(30)) }
}

impl Bench {
    /// Returns the only account that was opened since the last call.
    pub(super) fn opened(&mut self) -> (AccountId, Account) {
        match &core::mem::take(&mut self.commands)[..] {
            [Command::AddAccount { account, settings }] => (*account, (**settings).clone()),
            commands => panic!("not one account: {commands:?}"),
        }
    }

    /// Logs in at the server, and drops the first messages.
    pub(super) fn login_sip(&mut self, login: &str) -> (ConnectionId, AccountId) {
        let connection = self.connect(hello_sip(login, "secret"));
        let (account, _) = self.opened();
        self.sip(registered(account));
        assert_eq!(self.names(connection), ["getUserData", "registered"]);
        (connection, account)
    }
}

#[test]
fn page_is_registered_when_its_server_accepts() {
    let mut bench = Bench::new(with_sip());
    let alice = bench.connect(hello_sip("alice", "secret"));
    let messages = bench.take(alice);
    let [ServerMessage::UserData(data)] = &messages[..] else { panic!("{messages:?}") };
    assert!(!format!("{data:?}").contains("secret"));
    let (account, settings) = bench.opened();
    assert_eq!(settings.identity.uri.to_string(), "sip:alice@example.org");
    assert_eq!(settings.registrar, Some("sip:example.org".parse().unwrap()));
    assert_eq!(settings.login, Some(Login::new("alice", "secret")));
    assert!(settings.contact_user.len() >= 32);
    bench.sip(registered(account));
    assert_eq!(bench.names(alice), ["registered"]);
    bench.sip(registered(account));
    assert!(bench.names(alice).is_empty(), "reported once");
}

#[test]
fn refused_registration_is_reported_and_closes_socket() {
    let refused = Failure::Refused { status: 403, reason: "No".into() };
    let failures = [
        (refused, false, "403 No"),
        (Failure::WrongPassword { realm: "example.org".into() }, false, "password"),
        (Failure::Timeout, true, "does not answer"),
        (Failure::Unreachable, true, "reached"),
        (Failure::NoSuchHost, true, "resolve"),
    ];
    for (failure, retries, text) in failures {
        let mut bench = Bench::new(with_sip());
        let alice = bench.connect(hello_sip("alice", "wrong"));
        bench.names(alice);
        let (account, _) = bench.opened();
        let event = failed(account, failure, &bench, retries);
        bench.sip(event);
        let messages = bench.take(alice);
        let [ServerMessage::Fail { api_method, id, status, info }] = &messages[..] else { panic!("{messages:?}") };
        assert_eq!((api_method.as_str(), id.as_deref()), ("RegistrationStatusEvent", Some("alice")));
        assert!(status == "FAILED" && info.contains(text), "{info}");
        assert_eq!(bench.closed[&alice].0, 1008);
        assert_eq!(bench.commands, [Command::RemoveAccount { account }]);
        assert_eq!(bench.relay.counts().sessions, 0);
        assert!(bench.relay.accounts.is_empty());
    }
}

#[test]
fn expired_registration_is_reported_and_retried() {
    let mut bench = Bench::new(with_sip());
    let (alice, account) = bench.login_sip("alice");
    let event = failed(account, Failure::Timeout, &bench, true);
    bench.sip(event);
    assert_eq!(bench.names(alice), ["fail"]);
    assert!(bench.closed.is_empty());
    bench.sip(registered(account));
    assert!(bench.names(alice).is_empty(), "the page is registered as it believes");
    let event = failed(account, Failure::WrongPassword { realm: "r".into() }, &bench, false);
    bench.sip(event);
    assert_eq!(bench.names(alice), ["fail"]);
    assert_eq!(bench.closed[&alice].0, 1008);
}

#[test]
fn browsers_of_one_login_share_one_registration() {
    let mut bench = Bench::new(with_sip());
    let (desk, account) = bench.login_sip("alice");
    let mobile = bench.connect(hello_sip("alice", "secret"));
    assert_eq!(bench.names(mobile), ["getUserData", "registered"]);
    assert!(bench.commands.is_empty());
    bench.input(Input::Disconnected { connection: desk });
    assert!(bench.commands.is_empty());
    bench.input(Input::Disconnected { connection: mobile });
    assert_eq!(bench.commands, [Command::RemoveAccount { account }]);
    assert!(bench.relay.accounts.is_empty());
}

#[test]
fn session_with_another_password_shares_no_registration() {
    let mut bench = Bench::new(with_sip());
    let (alice, account) = bench.login_sip("alice");
    let mallory = bench.connect(hello_sip("alice", "guess"));
    assert_eq!(bench.names(mallory), ["getUserData"]);
    let (other, settings) = bench.opened();
    assert_ne!(other, account);
    assert_ne!(settings.contact_user, bench.relay.accounts.get(account).unwrap().settings().contact_user);
    let event = failed(other, Failure::WrongPassword { realm: "r".into() }, &bench, false);
    bench.sip(event);
    assert_eq!(bench.closed[&mallory].0, 1008);
    assert!(bench.names(alice).is_empty());
    assert_eq!(bench.relay.accounts.len(), 1);
}

#[test]
fn kept_session_keeps_its_registration() {
    let mut bench = Bench::new(with_sip());
    let alice = bench.connect(ConnectionMessage { keep_alive: Some(true), ..hello_sip("alice", "secret") });
    let (account, _) = bench.opened();
    bench.sip(registered(account));
    let messages = bench.take(alice);
    let Some(ServerMessage::UserData(data)) = messages.first() else { panic!() };
    let token = data.connection.auth_token.clone();
    bench.input(Input::Disconnected { connection: alice });
    bench.wait(Duration::from_secs(30));
    let alice =
        bench.connect(ConnectionMessage { auth_token: token, keep_alive: Some(true), ..ConnectionMessage::default() });
    assert_eq!(bench.names(alice), ["getUserData", "registered"]);
    assert!(bench.commands.is_empty());
    bench.input(Input::Disconnected { connection: alice });
    bench.wait(Duration::from_secs(60));
    assert_eq!(bench.commands, [Command::RemoveAccount { account }]);
}

#[test]
fn account_without_registration_is_not_reported_as_registered() {
    let mut bench = Bench::new(with_sip());
    let mut hello = hello_sip("alice", "secret");
    hello.sip.register_required = Some(false);
    let alice = bench.connect(hello);
    assert_eq!(bench.names(alice), ["getUserData"]);
    assert_eq!(bench.opened().1.registrar, None);
}

/// The `connection` of a page that names this server.
fn hello_naming(login: &str, server: &str) -> ConnectionMessage {
    let mut hello = hello_sip(login, "secret");
    hello.sip.domain = Some(server.to_owned());
    hello
}

#[test]
fn forbidden_server_is_reported_and_relay_routes_calls() {
    let mut bench = Bench::new(with_sip());
    let alice = bench.connect(hello_naming("alice", "Elsewhere.test:5080"));
    let messages = bench.take(alice);
    let [ServerMessage::UserData(_), ServerMessage::Registered, ServerMessage::Fail { status, info, .. }] =
        &messages[..]
    else {
        panic!("{messages:?}")
    };
    assert_eq!(status, "WARN");
    assert!(info.contains("elsewhere.test") && info.contains("[sip] servers"), "{info}");
    assert!(bench.commands.is_empty() && bench.closed.is_empty());
    let bob = bench.login("bob");
    bench.establish(bob, "b1", alice, "alice");
}

#[test]
fn forbidden_server_is_logged_once() {
    let mut bench = Bench::new(with_sip());
    for (login, server) in [("a", "one.test"), ("b", "ONE.test"), ("c", "two.test"), ("d", "example.org")] {
        bench.connect(hello_naming(login, server));
    }
    assert_eq!(bench.servers_not_permitted, [("one.test".to_owned(), true), ("two.test".to_owned(), true)]);
    for number in 0..100 {
        bench.connect(hello_naming(&format!("e{number}"), &format!("{number}.test")));
    }
    assert_eq!(bench.servers_not_permitted.len(), 64, "pages can think of any number");
}

#[test]
fn forbidden_server_is_only_logged_without_sip_servers() {
    let mut no_servers = sip_config();
    no_servers.user_agent.destinations = Destinations::new(Servers::listed([]), false);
    for config in [config(), Config { sip: Some(Box::new(no_servers)), ..config() }] {
        let mut bench = Bench::new(config);
        let alice = bench.connect(hello_naming("alice", "localhost"));
        assert_eq!(bench.names(alice), ["getUserData", "registered"]);
        assert_eq!(bench.servers_not_permitted, [("localhost".to_owned(), false)]);
    }
}

#[test]
fn relay_or_configured_account_is_no_forbidden_server() {
    let settings = Account {
        identity: Identity { name: None, uri: "sip:1001@pbx.test".parse().unwrap() },
        login: None,
        registrar: None,
        route: Vec::new(),
        transport: None,
        expires: Duration::from_secs(600),
        options_interval: Duration::ZERO,
        sources: Vec::new(),
        called_number: CalledNumberSource::ALL.to_vec(),
        is_trunk: false,
        persists: false,
        retry_interval: Duration::from_secs(60),
        contact_user: String::new(),
    };
    let sip = Sip { accounts: [(LoginName("bob".into()), settings)].into(), ..sip_config() };
    let mut bench = Bench::new(Config { sip: Some(Box::new(sip)), ..config() });
    let alice = bench.connect(hello_naming("alice", "Relay.test"));
    assert_eq!(bench.names(alice), ["getUserData", "registered"]);
    let bob = bench.connect(hello_naming("bob", "pbx.test"));
    assert!(!bench.names(bob).contains(&"fail".to_owned()));
    assert!(bench.servers_not_permitted.is_empty());
}

#[test]
fn bad_options_are_refused() {
    let mut bench = Bench::new(with_sip());
    let mut hello = hello_sip("alice", "secret");
    hello.sip.port = Some("x".to_owned());
    let alice = bench.connect(hello);
    assert_eq!(bench.names(alice), ["fail"]);
    assert_eq!(bench.closed[&alice].0, 1008);
}

#[test]
fn configured_account_needs_no_password_of_page() {
    let settings = Account {
        identity: Identity { name: None, uri: "sip:1001@pbx.test".parse().unwrap() },
        login: Some(Login::new("1001", "hidden")),
        registrar: Some("sip:pbx.test".parse().unwrap()),
        route: Vec::new(),
        transport: None,
        expires: Duration::from_secs(600),
        options_interval: Duration::ZERO,
        sources: Vec::new(),
        called_number: CalledNumberSource::ALL.to_vec(),
        is_trunk: false,
        persists: false,
        retry_interval: Duration::from_secs(60),
        contact_user: String::new(),
    };
    let sip = Sip { accounts: [(LoginName("alice".into()), settings)].into(), ..sip_config() };
    let mut bench = Bench::new(Config { admission: AcceptedLogins::Accounts, sip: Some(Box::new(sip)), ..config() });
    let alice = bench.connect(hello("alice"));
    assert!(bench.commands.is_empty(), "not before the login is checked");
    let (request, ..) = bench.checks.pop().unwrap();
    bench.input(Input::PasswordVerified { request, matches: true });
    assert_eq!(bench.names(alice), ["getUserData"]);
    let (account, settings) = bench.opened();
    assert_eq!(settings.login, Some(Login::new("1001", "hidden")));
    bench.sip(registered(account));
    assert_eq!(bench.names(alice), ["registered"]);
    bench.input(Input::Disconnected { connection: alice });
    assert_eq!(bench.commands, [Command::RemoveAccount { account }]);
}

#[test]
fn shutdown_unregisters_accounts() {
    let mut bench = Bench::new(with_sip());
    let (alice, account) = bench.login_sip("alice");
    bench.input(Input::Shutdown);
    assert_eq!(bench.closed[&alice].0, 1001);
    assert_eq!(bench.commands.first(), Some(&Command::RemoveAccount { account }));
}

#[test]
fn page_that_names_the_relay_itself_is_local() {
    let options = |domain: &str, outbound: &str, port: &str| {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        (given(domain), given(outbound), given(port))
    };
    let local = [
        options("192.0.2.1", "192.0.2.1", "0"),
        options("example.org", "example.org", "0"),
        options("192.0.2.1", "192.0.2.1", "5060"),
        options("192.0.2.1:8443", "", ""),
        options("192.0.2.1:9999", "", ""),
        options("Relay.test", "", "5060"),
        options("relay.test.", "", ""),
        options("relay.page.test", "relay.page.test", ""),
        options("example.org", "192.0.2.1", ""),
        options("192.0.2.1", "example.org", ""),
    ];
    for (domain, outbound_proxy, port) in local {
        let mut bench = Bench::new(with_sip());
        let sip = SipOptions {
            domain: domain.clone(),
            outbound_proxy: outbound_proxy.clone(),
            port: port.clone(),
            register_required: Some(false),
            ..hello("alice").sip
        };
        let alice = bench.connect(ConnectionMessage { sip, ..hello("alice") });
        assert_eq!(bench.names(alice), ["getUserData"], "{domain:?} {outbound_proxy:?} {port:?}");
        assert!(
            bench.commands.is_empty() && bench.servers_not_permitted.is_empty(),
            "{domain:?} {outbound_proxy:?} {port:?}"
        );
        let bob = bench.login("bob");
        bench.establish(bob, "b1", alice, "alice");
    }
}

#[test]
fn server_at_another_port_is_not_the_relay() {
    let asked = |servers: Servers, domain: &str| {
        let mut sip = sip_config();
        sip.user_agent.destinations = Destinations::new(servers, false);
        let mut bench = Bench::new(Config { sip: Some(Box::new(sip)), ..config() });
        let sip = SipOptions { domain: Some(domain.to_owned()), ..hello("alice").sip };
        bench.connect(ConnectionMessage { sip, ..hello("alice") });
        matches!(bench.commands.first(), Some(Command::AddAccount { .. }))
    };
    assert!(asked(Servers::listed(["192.0.2.1"]), "192.0.2.1"), "listed");
    assert!(asked(Servers::listed(["192.0.2.1"]), "192.0.2.1:5070"));
    assert!(!asked(Servers::listed(["192.0.2.1"]), "192.0.2.1:8443"), "the relay's own port");
    assert!(asked(Servers::listed(["192.0.2.1"]), "192.0.2.1:8443;transport=tcp"), "the relay has no SIP there");
    assert!(!asked(Servers::listed(["192.0.2.1"]), "192.0.2.1:5062"));
    assert!(asked(Servers::listed(["192.0.2.1"]), "192.0.2.1:5062;transport=tcp"), "the relay's port of UDP");
    assert!(!asked(Servers::listed(["192.0.2.1"]), "192.0.2.1:5063;transport=tls"));
    assert!(asked(Servers::listed(["192.0.2.1"]), "192.0.2.1:5063"), "UDP, which the relay has not there");
    assert!(asked(Servers::listed(["2001:db8::1"]), "[2001:db8::1]:5062"), "the relay's port of IPv4");
    assert!(asked(Servers::Any, "192.0.2.1:5070"));
    assert!(!asked(Servers::Any, "192.0.2.1"));
}

/// The source address of [`Bench::connect`].
const USER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 100));
const ATTACKER: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 66));

/// Tries a password at the server; returns whether the server was requested to check it.
fn try_password(bench: &mut Bench, number: usize, failure: &Failure, keep_alive: bool) -> bool {
    let hello = ConnectionMessage { keep_alive: Some(keep_alive), ..hello_sip("alice", &format!("guess {number}")) };
    let mallory = bench.connect_from(ATTACKER, hello);
    let commands = core::mem::take(&mut bench.commands);
    let Some(Command::AddAccount { account, .. }) = commands.first() else {
        assert!(bench.closed[&mallory].1.contains("too many wrong passwords from your address"));
        return false;
    };
    let event = failed(*account, failure.clone(), bench, false);
    bench.sip(event);
    bench.commands.clear();
    true
}

#[test]
fn wrong_passwords_at_server_lock_out_their_source() {
    let wrong = Failure::WrongPassword { realm: "example.org".into() };
    let refused = |status| Failure::Refused { status, reason: "No".into() };
    for failure in [wrong, refused(403), refused(404)] {
        let mut bench = Bench::new(with_sip());
        let asked = (0..100).filter(|number| try_password(&mut bench, *number, &failure, number % 2 == 0)).count();
        assert_eq!(asked, 11, "{failure:?}");
        assert!(bench.offenses.iter().any(|report| report.kind == Kind::WrongPassword && report.address == ATTACKER));
        bench.login_sip("alice");
        bench.wait(Duration::from_secs(2));
        assert!(try_password(&mut bench, 100, &failure, false), "the lockout has ended");
    }
}

#[test]
fn server_failure_locks_no_source_out() {
    let mut bench = Bench::new(with_sip());
    for failure in [Failure::Timeout, Failure::Unreachable, Failure::Refused { status: 503, reason: "Busy".into() }] {
        assert!((0..20).all(|number| try_password(&mut bench, number, &failure, false)), "{failure:?}");
    }
    assert!(bench.offenses.is_empty());
    let (alice, account) = bench.login_sip("alice");
    let wrong = Failure::WrongPassword { realm: "r".into() };
    let event = failed(account, wrong.clone(), &bench, false);
    bench.sip(event);
    assert!(bench.closed.contains_key(&alice));
    bench.commands.clear();
    // Wrong attempts at other logins from the same address do not lock the user out.
    for number in 0..200 {
        bench.relay.checks.count(USER, &format!("sip:user{number}@example.org"), false, bench.now);
    }
    bench.login_sip("alice");
}

#[test]
fn wrong_password_of_unregistered_call_counts() {
    let mut bench = Bench::new(with_sip());
    let mut calls = 0;
    for number in 0..30 {
        let mut hello = hello_sip("alice", &format!("guess {number}"));
        hello.sip.register_required = Some(false);
        let mallory = bench.connect_from(ATTACKER, hello);
        if bench.closed.contains_key(&mallory) {
            continue;
        }
        calls += 1;
        bench.call(mallory, "1", "bob");
        let invite = bench.commands.iter().find_map(|command| match command {
            Command::Invite { invite, .. } => Some(*invite),
            _ => None,
        });
        let cause = Cause::Failed(Failure::WrongPassword { realm: "example.org".into() });
        bench.sip(Event::Ended { invite: invite.expect("a call to the server"), cause });
        bench.input(Input::Disconnected { connection: mallory });
        bench.commands.clear();
    }
    assert_eq!(calls, 11);
}

#[test]
fn unverified_sessions_are_small_and_not_kept() {
    let mut bench = Bench::new(with_sip());
    let mut hello = hello_sip("alice", "secret");
    hello.client_browser_version = "x".repeat(8_192);
    let long = bench.connect(hello);
    assert_eq!(bench.closed[&long].0, 1008);
    assert!(
        bench.closed[&long].1.contains("the maximum with an account at a SIP server is 8192"),
        "{}",
        bench.closed[&long].1
    );
    for (number, register_required) in [Some(true), Some(false)].into_iter().enumerate() {
        let mut hello = hello_sip(&format!("user{number}"), "secret");
        hello.keep_alive = Some(true);
        hello.sip.register_required = register_required;
        let page = bench.connect(hello);
        assert_eq!(bench.names(page), ["getUserData"]);
        assert_eq!(bench.relay.counts().sessions, 1);
        bench.input(Input::Disconnected { connection: page });
        assert_eq!(bench.relay.counts().sessions, 0);
    }
}

#[test]
fn snapshots_show_sessions_and_accounts() {
    let mut bench = Bench::new(with_sip());
    let alice = bench.connect(hello_sip("alice", "secret"));
    let (account, _) = bench.opened();
    let state = |bench: &Bench| {
        let account = bench.relay.accounts().next().unwrap();
        (account.registration, account.last_failure.map(str::to_owned))
    };
    assert_eq!(state(&bench), (AccountRegistration::Pending, None));
    bench.sip(registered(account));
    assert_eq!(state(&bench), (AccountRegistration::Registered, None));
    let lost = failed(account, Failure::Timeout, &bench, true);
    bench.sip(lost);
    assert_eq!(state(&bench), (AccountRegistration::Lost, Some("the SIP server does not answer".to_owned())));
    bench.sip(registered(account));
    assert_eq!(state(&bench), (AccountRegistration::Registered, None));
    let found = bench.relay.accounts().next().unwrap();
    assert_eq!((found.id, found.uri.to_string().as_str(), found.sessions), (account, "sip:alice@example.org", 1));
    assert!(!found.is_trunk && !found.is_configured);
    bench.call(alice, "a1", "bob");
    let session = bench.relay.sessions().next().unwrap();
    assert_eq!((session.login, session.account), (Some("sip:alice@example.org"), Some(account)));
    assert_eq!((session.is_connected, session.calls), (true, 1));
}
