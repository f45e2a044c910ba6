//! Transition tables of the four transaction state machines: every state with every input, compared with committed
//! tables.

use super::{
    Class, ClientInput, ClientOutput, InviteClient, InviteServer, NonInviteClient, NonInviteServer, ServerInput,
    ServerOutput, TransactionTimers,
};
use crate::transport::Transport;
use core::fmt::Debug;
use core::time::Duration;
use offhook_clock::Time;
use serde::Serialize;

/// The interface that the four machines share.
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
                Self::new(TransactionTimers::default(), transport, Time::EPOCH)
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

/// Returns the machine's outputs on one line, or `-`.
fn outputs_of<M: Machine>(machine: &mut M) -> String {
    let words: Vec<String> = core::iter::from_fn(|| machine.output()).map(|output| format!("{output:?}")).collect();
    if words.is_empty() { "-".to_owned() } else { words.join(", ") }
}

/// Returns the name of the state, from its serialized form.
fn state<M: Machine>(machine: &M) -> String {
    let saved = serde_json::to_value(machine).unwrap();
    let state = &saved["state"];
    state.as_str().map_or_else(|| state.as_object().unwrap().keys().next().unwrap().clone(), str::to_owned)
}

fn row<M: Machine>(from: &M, what: &str, act: impl FnOnce(&mut M)) -> String {
    let mut machine = from.clone();
    act(&mut machine);
    let outputs = outputs_of(&mut machine);
    let due = machine.deadline().map_or_else(|| "never".to_owned(), |at| format!("{:?}", at.since(Time::EPOCH)));
    format!("{} | {what} | {outputs} | {} until {due}\n", state(from), state(&machine))
}

/// Drives the machine along each of `paths`, inputs 1 s apart that lead to its states, and applies every input there.
fn walk<M: Machine>(paths: &[&[M::Input]], committed: &str) {
    let mut table = String::new();
    for transport in [Transport::Udp, Transport::Tcp] {
        table.push_str(&format!("{transport}\n"));
        for path in paths {
            let mut machine = M::begin(transport);
            let mut now = Time::EPOCH;
            for input in *path {
                now = now + Duration::from_secs(1);
                machine.input(*input, now);
            }
            outputs_of(&mut machine);
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
    assert!(
        table == committed,
        "the transition table differs from the committed one; the actual table is printed above"
    );
}

#[test]
fn invite_client_state_table_matches_committed() {
    use ClientInput::{Cancel, Response};
    let paths: &[&[ClientInput]] = &[
        &[],
        &[Cancel],
        &[Response(Class::Provisional)],
        &[Response(Class::Provisional), Cancel],
        &[Response(Class::Failure)],
        &[Response(Class::Success)],
        &[ClientInput::Unreachable],
    ];
    walk::<InviteClient>(paths, include_str!("tables/invite_client.txt"));
}

#[test]
fn non_invite_client_state_table_matches_committed() {
    use ClientInput::{Response, Unreachable};
    let paths: &[&[ClientInput]] = &[&[], &[Response(Class::Provisional)], &[Response(Class::Success)], &[Unreachable]];
    walk::<NonInviteClient>(paths, include_str!("tables/non_invite_client.txt"));
}

#[test]
fn invite_server_state_table_matches_committed() {
    use ServerInput::{Ack, Respond};
    let paths: &[&[ServerInput]] = &[
        &[],
        &[Respond(Class::Provisional)],
        &[Respond(Class::Failure)],
        &[Respond(Class::Failure), Ack],
        &[Respond(Class::Success)],
    ];
    walk::<InviteServer>(paths, include_str!("tables/invite_server.txt"));
}

#[test]
fn non_invite_server_state_table_matches_committed() {
    use ServerInput::Respond;
    let paths: &[&[ServerInput]] = &[&[], &[Respond(Class::Provisional)], &[Respond(Class::Success)]];
    walk::<NonInviteServer>(paths, include_str!("tables/non_invite_server.txt"));
}

/// Returns the outputs and their times in milliseconds after the start, until the transaction ends.
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
fn unanswered_invite_is_sent_seven_times_then_fails() {
    let mut client = InviteClient::begin(Transport::Udp);
    let failed = (32_000, "Fail(Timeout)");
    assert_eq!(times(&mut client), sends(&[0, 500, 1_500, 3_500, 7_500, 15_500, 31_500], &[failed]));
    let mut client = InviteClient::begin(Transport::Tcp);
    assert_eq!(times(&mut client), sends(&[0], &[failed]));
}

#[test]
fn unanswered_non_invite_is_sent_eleven_times() {
    let mut client = NonInviteClient::begin(Transport::Udp);
    let at = [0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
    assert_eq!(times(&mut client), sends(&at, &[(32_000, "Fail(Timeout)")]));
}

#[test]
fn unacknowledged_failure_response_is_sent_eleven_times() {
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
fn ringing_invite_is_canceled_by_timer_c() {
    let mut client = InviteClient::begin(Transport::Udp);
    client.handle_input(ClientInput::Response(Class::Provisional), Time::EPOCH);
    let expected = [(0, "Deliver"), (200_000, "Cancel"), (232_000, "Fail(Timeout)")];
    assert_eq!(times(&mut client), sends(&[0], &expected));
}

#[test]
fn unanswered_non_invite_sends_100_after_t2_backoff() {
    let mut server = NonInviteServer::begin(Transport::Udp);
    assert_eq!(times(&mut server), sends(&[], &[(3_500, "Trying")]));
}

#[test]
fn response_class_follows_first_digit() {
    let classes: Vec<Class> = [100, 199, 200, 299, 300, 699].into_iter().map(Class::of).collect();
    use Class::{Failure, Provisional, Success};
    assert_eq!(classes, [Provisional, Provisional, Success, Success, Failure, Failure]);
}
