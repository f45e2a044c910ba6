//! Logins with passwords, and sessions without a login.

use super::sip_phones::with_trunk;
use super::{Bench, Config, config, hello};
use crate::config::AcceptedLogins;
use crate::io::{ConnectionId, Input};
use core::time::Duration;
use offhook_limits::offense::Kind;
use offhook_signaling::message::{ClientMessage, ConnectionMessage, Json, ServerMessage};
use offhook_sip::user_agent::io::Command;
use std::net::IpAddr;

const ATTACKER: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(198, 51, 100, 66));
const USER: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 1));

fn bench() -> Bench {
    Bench::new(Config { admission: AcceptedLogins::Accounts, ..config() })
}

impl Bench {
    /// Completes the running checks; returns their number.
    fn verify(&mut self, matches: bool) -> usize {
        let checks = core::mem::take(&mut self.checks);
        let count = checks.len();
        for (request, ..) in checks {
            self.input(Input::PasswordVerified { request, matches });
        }
        count
    }

    fn is_signed_in(&mut self, connection: ConnectionId) -> bool {
        matches!(self.take(connection).first(), Some(ServerMessage::UserData(_)))
    }
}

#[test]
fn two_password_checks_run_at_a_time() {
    let mut bench = bench();
    for _ in 0..100 {
        bench.connect_from(ATTACKER, hello("zoe"));
    }
    assert_eq!(bench.checks.len(), 2);
    let user = bench.connect_from(USER, hello("carol"));
    assert_eq!(bench.verify(false), 2);
    assert!(bench.checks.iter().any(|(_, login, _)| login.0 == "carol"), "the user is next: {:?}", bench.checks);
    bench.verify(true);
    assert!(bench.is_signed_in(user));
}

#[test]
fn wrong_passwords_lock_out_their_source_only() {
    let mut bench = bench();
    let mut looked_at = 0;
    for _ in 0..100 {
        bench.connect_from(ATTACKER, hello("carol"));
        looked_at += bench.verify(false);
    }
    assert_eq!(looked_at, 11);
    let locked = bench.connect_from(ATTACKER, hello("carol"));
    let [ServerMessage::Fail { info, .. }] = &bench.take(locked)[..] else { panic!("refused") };
    assert_eq!(info, "too many wrong passwords from your address: try again in 2 s");
    assert!(bench.checks.is_empty(), "the password is not even looked at");
    assert_eq!(bench.closed[&locked].0, 1008);
    let user = bench.connect_from(USER, hello("carol"));
    assert_eq!(bench.verify(true), 1);
    assert!(bench.is_signed_in(user));
    bench.now = bench.now + Duration::from_secs(2);
    bench.connect_from(ATTACKER, hello("carol"));
    assert_eq!(bench.checks.len(), 1, "the lockout has ended");
}

#[test]
fn guessing_source_is_reported_once_a_minute() {
    let mut bench = bench();
    for _ in 0..4 {
        bench.connect_from(ATTACKER, hello("carol"));
        bench.verify(false);
    }
    assert!(bench.offenses.is_empty(), "a user may mistype a password");
    for _ in 0..600 {
        bench.now = bench.now + Duration::from_millis(200);
        bench.connect_from(ATTACKER, hello("carol"));
        bench.verify(false);
    }
    let reports: Vec<_> = bench.offenses.iter().map(|report| (report.kind, report.address, report.count)).collect();
    let expected = [(Kind::WrongPassword, ATTACKER, 5), (Kind::WrongPassword, ATTACKER, 300)];
    assert_eq!(reports, expected);
}

#[test]
fn check_of_closed_socket_counts() {
    let mut bench = bench();
    let mut looked_at = 0;
    for _ in 0..100 {
        let connection = bench.connect_from(ATTACKER, hello("carol"));
        bench.input(Input::Disconnected { connection });
        looked_at += bench.verify(false);
    }
    assert_eq!(looked_at, 11);
    assert_eq!(bench.relay.counts().connections, 0);
}

#[test]
fn session_without_login_needs_the_option() {
    let anonymous = ConnectionMessage { app_key: "defaultApp".into(), ..ConnectionMessage::default() };
    let mut bench = bench();
    let page = bench.connect(anonymous.clone());
    let [ServerMessage::Fail { info, .. }] = &bench.take(page)[..] else { panic!("refused") };
    assert_eq!(info, "this relay requires a login: connect with sipLogin and sipPassword");
    assert_eq!((bench.closed[&page].0, bench.relay.counts().sessions), (1008, 0));

    let mut bench = Bench::new(Config { admission: AcceptedLogins::Accounts, anonymous: true, ..config() });
    let carol = bench.connect(hello("carol"));
    bench.verify(true);
    assert!(bench.is_signed_in(carol));
    let page = bench.connect(anonymous.clone());
    assert_eq!(bench.names(page), ["getUserData"]);
    bench.call(page, "a1", "carol");
    bench.incoming(carol);
    bench.hang_up(page, "a1");
    let custom = Json::from_valid(format!("\"{}\"", "x".repeat(10_000)));
    let page = bench.connect(ConnectionMessage { custom: Some(custom), ..anonymous });
    let [ServerMessage::Fail { info, .. }] = &bench.take(page)[..] else { panic!("refused") };
    assert!(info.contains("the maximum without a login is 8192"), "{info}");
}

#[test]
fn session_without_login_never_reaches_the_trunk() {
    let mut bench = Bench::new(Config { admission: AcceptedLogins::Accounts, anonymous: true, ..with_trunk() });
    let carol = bench.connect(hello("carol"));
    bench.verify(true);
    assert!(bench.is_signed_in(carol));
    let page = bench.connect(ConnectionMessage::default());
    bench.take(page);
    bench.call(page, "a1", "+900123456");
    assert_eq!(bench.last_status(page).sip_status, Some(404));
    bench.establish(page, "a2", carol, "carol");
    bench.commands.clear();
    bench.send(page, &ClientMessage::Transfer { call_id: "a2".into(), target: "+900123456".to_owned() });
    let invites = bench.commands.iter().any(|command| matches!(command, Command::Invite { .. }));
    assert!(!invites, "{:?}", bench.commands);
    bench.call(carol, "c1", "+900123456");
    assert!(bench.commands.iter().any(|command| matches!(command, Command::Invite { .. })), "a user may");
}

#[test]
fn known_login_without_free_session_costs_no_check() {
    let mut bench = Bench::new(Config { admission: AcceptedLogins::Accounts, max_sessions_per_login: 1, ..config() });
    let first = bench.connect_from(USER, hello("carol"));
    bench.verify(true);
    assert!(bench.is_signed_in(first));
    let second = bench.connect_from(USER, hello("carol"));
    assert!(bench.checks.is_empty());
    assert!(bench.closed[&second].1.contains("1 sessions of this login"));
    // From another address, only the right password reveals that there is such a session.
    let stranger = bench.connect_from(ATTACKER, hello("carol"));
    bench.verify(false);
    assert_eq!(bench.closed[&stranger].1, "wrong login or password");
}
