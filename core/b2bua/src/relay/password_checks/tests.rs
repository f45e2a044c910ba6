use super::{Attempt, MAX_WAITING, PasswordChecks, Step};
use crate::config::LoginName;
use crate::io::{ConnectionId, RequestId};
use core::time::Duration;
use offhook_clock::Time;
use offhook_signaling::message::ConnectionMessage;
use offhook_sip::auth::Secret;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

/// Duration of one check, on two cores.
const COST: Duration = Duration::from_millis(30);
const AT_A_TIME: usize = 2;

/// Password checks with a shell that needs [`COST`] for each; the right password is `right`.
struct Bench {
    checks: PasswordChecks,
    now: Time,
    next: u64,
    running: BTreeMap<(Time, RequestId), bool>,
    connections: BTreeMap<ConnectionId, Time>,
    /// Connections that were admitted, and the time until then.
    admitted: BTreeMap<ConnectionId, Duration>,
    verified: usize,
}

impl Bench {
    fn new() -> Self {
        Self {
            checks: PasswordChecks::new(),
            now: Time::EPOCH,
            next: 0,
            running: BTreeMap::new(),
            connections: BTreeMap::new(),
            admitted: BTreeMap::new(),
            verified: 0,
        }
    }

    fn submit(&mut self, from: u32, login: &str, password: &str) -> ConnectionId {
        self.next += 1;
        let connection = ConnectionId(self.next);
        let attempt = Attempt {
            connection,
            address: IpAddr::V4(Ipv4Addr::from_bits(from)),
            login: LoginName(login.to_owned()),
            password: Secret::new(password),
            hello: ConnectionMessage::default(),
        };
        self.connections.insert(connection, self.now);
        if let Some(refused) = self.checks.submit(RequestId(self.next), attempt, self.now) {
            self.connections.remove(&refused.connection);
        }
        self.drain();
        connection
    }

    fn drain(&mut self) {
        while let Some(step) = self.checks.next(AT_A_TIME, self.now) {
            match step {
                Step::Verify { request, password, .. } => {
                    self.verified += 1;
                    self.running.insert((self.now + COST, request), password.reveal() == "right");
                }
                Step::Refuse { attempt, .. } => {
                    self.connections.remove(&attempt.connection);
                }
            }
        }
    }

    /// Advances the time; returns the number of connections that have ended.
    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(entry) = self.running.first_entry().filter(|entry| entry.key().0 <= end) {
            let ((at, request), matches) = (*entry.key(), entry.remove());
            self.now = at;
            let finished = self.checks.finish(request, matches, at).expect("a check that was asked for");
            if let Some((connection, _)) = finished.waiter {
                let since = self.connections.remove(&connection).expect("a connection that waits");
                if matches {
                    self.admitted.insert(connection, at.since(since));
                }
            }
            self.drain();
        }
        self.now = end;
    }
}

#[test]
fn user_is_served_while_others_name_the_same_login() {
    let mut bench = Bench::new();
    for round in 0..100 {
        // 100 sockets of ten sources try the user's own login repeatedly.
        for socket in 0..100 {
            bench.submit(socket % 10, "alice", "wrong");
        }
        let user = bench.submit(1_000 + round, "alice", "right");
        bench.run(Duration::from_millis(200));
        let took = bench.admitted.get(&user).expect("served within 200 ms");
        // The first attempt of each source precedes a user without an earlier success.
        assert!(*took <= if round == 0 { 6 * COST } else { 3 * COST }, "{took:?} in round {round}");
    }
    assert!(bench.verified < 500, "{} wrong passwords of 10,000 were looked at", bench.verified);
}

#[test]
fn user_precedes_first_attempts_of_thousands_of_sources() {
    let mut bench = Bench::new();
    for source in 0..1_000 {
        bench.submit(source, "alice", "wrong");
    }
    // A user who has logged in from that address before precedes all others.
    bench.checks.lockouts.succeed(super::SourceNetwork::of(Ipv4Addr::from_bits(5_000).into()), "alice");
    let user = bench.submit(5_000, "alice", "right");
    bench.run(Duration::from_secs(1));
    assert!(bench.admitted[&user] <= 2 * COST);
}

#[test]
fn user_behind_the_attackers_nat_is_served() {
    let mut bench = Bench::new();
    for _ in 0..50 {
        for _ in 0..100 {
            bench.submit(1, "zoe", "wrong");
        }
        bench.run(Duration::from_secs(1));
    }
    let user = bench.submit(1, "alice", "right");
    bench.run(Duration::from_secs(1));
    assert!(bench.admitted.contains_key(&user), "ten guesses at one login do not lock the others out");
}

#[test]
fn check_of_closed_connection_completes_and_counts() {
    let mut bench = Bench::new();
    for _ in 0..1_000 {
        let connection = bench.submit(1, "alice", "wrong");
        bench.checks.forget(connection);
        bench.connections.remove(&connection);
        bench.run(Duration::from_millis(1));
        assert!(bench.running.len() <= AT_A_TIME);
    }
    assert!(bench.verified <= 11 + AT_A_TIME, "{} guesses in a second", bench.verified);
    assert!(bench.checks.waiting.is_empty());
}

#[test]
fn full_queue_drops_check_of_busiest_source() {
    let mut bench = Bench::new();
    let ours: Vec<ConnectionId> = (0..10).map(|number| bench.submit(1_000 + number, "bob", "right")).collect();
    for number in 0..2 * MAX_WAITING {
        bench.submit(1, &format!("user{number}"), "wrong");
    }
    assert_eq!(bench.checks.waiting.len(), MAX_WAITING);
    let late = bench.submit(2_000, "alice", "right");
    bench.run(Duration::from_secs(1));
    assert!(ours.iter().chain([&late]).all(|connection| bench.admitted.contains_key(connection)));
}

#[test]
fn users_behind_one_address_log_in_together() {
    let mut bench = Bench::new();
    let users: Vec<ConnectionId> = (0..200).map(|user| bench.submit(1, &format!("user{user}"), "right")).collect();
    bench.run(200 * COST);
    assert!(users.iter().all(|connection| bench.admitted.contains_key(connection)));
}

#[test]
fn repeated_valid_login_does_not_block_others() {
    let mut bench = Bench::new();
    let mut users = Vec::new();
    // 20 sockets log in with a valid password repeatedly; each is admitted and replaced by the next one.
    for round in 0..200 {
        while bench.connections.len() < 20 {
            bench.submit(1, "mallory", "right");
        }
        if round % 10 == 0 {
            users.push(bench.submit(1_000 + round, &format!("user{round}"), "right"));
        }
        bench.run(COST);
    }
    for user in users {
        let took = bench.admitted.get(&user).expect("a first login is served");
        assert!(*took <= 4 * COST, "{took:?}");
    }
}

#[test]
fn every_second_check_is_of_a_new_login() {
    let mut bench = Bench::new();
    for number in 0..1_000 {
        let source = super::SourceNetwork::of(Ipv4Addr::from_bits(number).into());
        bench.checks.lockouts.succeed(source, "mallory");
    }
    for number in 0..100 {
        bench.submit(number, "mallory", "right");
    }
    let users: Vec<ConnectionId> = (0..10).map(|n| bench.submit(5_000 + n, "alice", "right")).collect();
    bench.run(12 * COST);
    assert!(users.iter().all(|user| bench.admitted.contains_key(user)), "{} served", bench.admitted.len());
    assert_eq!(bench.admitted.len(), 24, "the others are served meanwhile");
}
