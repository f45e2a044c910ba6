//! Every state of the four machines with every input, against the tables that are committed here.

use super::{
    Class, ClientInput, ClientOutput, InviteClient, InviteServer, NonInviteClient, NonInviteServer, ServerInput,
    ServerOutput, Timers,
};
use crate::transport::Transport;
use core::fmt::Debug;
use core::time::Duration;
use offhook_clock::Time;
use serde::Serialize;

/// What the four have in common.
trait Machine: Clone + Serialize {
    type Input: Copy + Debug + 'static;
    type Output: Copy + Debug;
    const INPUTS: &'static [Self::Input];

    fn begin(transport: Transport) -> Self;
    fn input(&mut self, input: Self::Input, now: Time);
    fn timeout(&mut self, now: Time);
    fn output(&mut self) -> Option<Self::Output>;
    fn deadline(&self) -> Option<Time>;
}

macro_rules! machine {
    ($machine:ty, $input:ty, $output:ty, $inputs:expr) => {
        impl Machine for $machine {
            type Input = $input;
            type Output = $output;
            const INPUTS: &'static [$input] = $inputs;

            fn begin(transport: Transport) -> Self {
                Self::new(Timers::default(), transport, Time::EPOCH)
            }
            fn input(&mut self, input: $input, now: Time) {
                self.handle_input(input, now);
            }
            fn timeout(&mut self, now: Time) {
                self.handle_timeout(now);
            }
            fn output(&mut self) -> Option<$output> {
                self.poll_output()
            }
            fn deadline(&self) -> Option<Time> {
                self.poll_timeout()
            }
        }
    };
}

const CLIENT: &[ClientInput] = &[
    ClientInput::Response(Class::Provisional),
    ClientInput::Response(Class::Success),
    ClientInput::Response(Class::Failure),
    ClientInput::Cancel,
    ClientInput::Unreachable,
];

const SERVER: &[ServerInput] = &[
    ServerInput::Request,
    ServerInput::Ack,
    ServerInput::Respond(Class::Provisional),
    ServerInput::Respond(Class::Success),
    ServerInput::Respond(Class::Failure),
    ServerInput::Unreachable,
];

machine!(InviteClient, ClientInput, ClientOutput, CLIENT);
machine!(NonInviteClient, ClientInput, ClientOutput, CLIENT);
machine!(InviteServer, ServerInput, ServerOutput, SERVER);
machine!(NonInviteServer, ServerInput, ServerOutput, SERVER);

/// Takes what the machine wants done; nothing is in one line.
fn told<M: Machine>(machine: &mut M) -> String {
    let words: Vec<String> = core::iter::from_fn(|| machine.output()).map(|output| format!("{output:?}")).collect();
    if words.is_empty() { "-".to_owned() } else { words.join(", ") }
}

/// The name of the state, which serde knows.
fn state<M: Machine>(machine: &M) -> String {
    let saved = serde_json::to_value(machine).unwrap();
    let state = &saved["state"];
    state.as_str().map_or_else(|| state.as_object().unwrap().keys().next().unwrap().clone(), str::to_owned)
}

fn row<M: Machine>(from: &M, what: &str, act: impl FnOnce(&mut M)) -> String {
    let mut machine = from.clone();
    act(&mut machine);
    let told = told(&mut machine);
    let due = machine.deadline().map_or_else(|| "never".to_owned(), |at| format!("{:?}", at.since(Time::EPOCH)));
    format!("{} | {what} | {told} | {} until {due}\n", state(from), state(&machine))
}

/// Walks the machine through each of `ways`, the inputs that lead to its states, 1 s apart.
fn walk<M: Machine>(ways: &[&[M::Input]], committed: &str) {
    let mut table = String::new();
    for transport in [Transport::Udp, Transport::Tcp] {
        table.push_str(&format!("{transport}\n"));
        for way in ways {
            let mut machine = M::begin(transport);
            let mut now = Time::EPOCH;
            for input in *way {
                now = now + Duration::from_secs(1);
                machine.input(*input, now);
            }
            told(&mut machine);
            let now = now + Duration::from_secs(1);
            for input in M::INPUTS {
                table.push_str(&row(&machine, &format!("{input:?}"), |machine| machine.input(*input, now)));
            }
            if let Some(due) = machine.deadline() {
                let early = due - Duration::from_micros(1);
                table.push_str(&row(&machine, "just before its deadline", |machine| machine.timeout(early)));
                table.push_str(&row(&machine, "deadline", |machine| machine.timeout(due)));
            }
            let late = now + Duration::from_secs(3_600);
            table.push_str(&row(&machine, "an hour later", |machine| machine.timeout(late)));
        }
    }
    if table != committed {
        println!("{table}");
    }
    assert!(table == committed, "the machine does not do what its table says; see the output for what it does");
}

#[test]
fn invite_client_in_every_state_with_every_input() {
    use ClientInput::{Cancel, Response};
    let ways: &[&[ClientInput]] = &[
        &[],
        &[Cancel],
        &[Response(Class::Provisional)],
        &[Response(Class::Provisional), Cancel],
        &[Response(Class::Failure)],
        &[Response(Class::Success)],
        &[ClientInput::Unreachable],
    ];
    walk::<InviteClient>(ways, include_str!("tables/invite_client.txt"));
}

#[test]
fn non_invite_client_in_every_state_with_every_input() {
    use ClientInput::{Response, Unreachable};
    let ways: &[&[ClientInput]] = &[&[], &[Response(Class::Provisional)], &[Response(Class::Success)], &[Unreachable]];
    walk::<NonInviteClient>(ways, include_str!("tables/non_invite_client.txt"));
}

#[test]
fn invite_server_in_every_state_with_every_input() {
    use ServerInput::{Ack, Respond};
    let ways: &[&[ServerInput]] = &[
        &[],
        &[Respond(Class::Provisional)],
        &[Respond(Class::Failure)],
        &[Respond(Class::Failure), Ack],
        &[Respond(Class::Success)],
    ];
    walk::<InviteServer>(ways, include_str!("tables/invite_server.txt"));
}

#[test]
fn non_invite_server_in_every_state_with_every_input() {
    use ServerInput::Respond;
    let ways: &[&[ServerInput]] = &[&[], &[Respond(Class::Provisional)], &[Respond(Class::Success)]];
    walk::<NonInviteServer>(ways, include_str!("tables/non_invite_server.txt"));
}

/// When something is sent, in milliseconds after the beginning, until the end.
fn times<M: Machine>(machine: &mut M) -> Vec<(u64, String)> {
    let mut sent = Vec::new();
    let mut now = Time::EPOCH;
    loop {
        sent.extend(core::iter::from_fn(|| machine.output()).map(|output| (now.as_millis(), format!("{output:?}"))));
        let Some(due) = machine.deadline() else { return sent };
        assert!(due >= now, "a deadline lies before the last one");
        now = due;
        machine.timeout(now);
    }
}

fn sends(at: &[u64], then: &[(u64, &str)]) -> Vec<(u64, String)> {
    let sends = at.iter().map(|at| (*at, "Send".to_owned()));
    sends.chain(then.iter().map(|(at, what)| (*at, (*what).to_owned()))).collect()
}

#[test]
fn an_invite_that_nobody_answers_is_sent_seven_times_in_32_seconds() {
    let mut client = InviteClient::begin(Transport::Udp);
    let failed = (32_000, "Fail(Timeout)");
    assert_eq!(times(&mut client), sends(&[0, 500, 1_500, 3_500, 7_500, 15_500, 31_500], &[failed]));
    let mut client = InviteClient::begin(Transport::Tcp);
    assert_eq!(times(&mut client), sends(&[0], &[failed]));
}

#[test]
fn another_request_that_nobody_answers_is_sent_eleven_times_in_32_seconds() {
    let mut client = NonInviteClient::begin(Transport::Udp);
    let at = [0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
    assert_eq!(times(&mut client), sends(&at, &[(32_000, "Fail(Timeout)")]));
}

#[test]
fn a_refusal_that_nobody_acknowledges_is_sent_eleven_times_in_32_seconds() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut server = InviteServer::begin(transport);
        server.handle_input(ServerInput::Respond(Class::Failure), Time::EPOCH);
        let at: &[u64] = match transport {
            Transport::Udp => &[0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500],
            _ => &[0],
        };
        assert_eq!(times(&mut server), sends(at, &[(32_000, "Unacknowledged")]));
    }
}

#[test]
fn a_phone_that_rings_without_a_sign_of_life_is_canceled() {
    let mut client = InviteClient::begin(Transport::Udp);
    client.handle_input(ClientInput::Response(Class::Provisional), Time::EPOCH);
    let told = [(0, "Deliver"), (200_000, "Cancel"), (232_000, "Fail(Timeout)")];
    assert_eq!(times(&mut client), sends(&[0], &told));
}

#[test]
fn a_slow_user_of_another_request_is_excused_once_the_client_waits_t2() {
    let mut server = NonInviteServer::begin(Transport::Udp);
    assert_eq!(times(&mut server), sends(&[], &[(3_500, "Trying")]));
}

#[test]
fn classes_follow_the_first_digit() {
    let classes: Vec<Class> = [100, 199, 200, 299, 300, 699].into_iter().map(Class::of).collect();
    use Class::{Failure, Provisional, Success};
    assert_eq!(classes, [Provisional, Provisional, Success, Success, Failure, Failure]);
}
