//! Transition table test: every state with every input.

use super::{Direct, Input, Output};
use crate::message::{CallId, ClientMessage, DirectStep, Json};

fn received(attempt: u32, step: DirectStep) -> Input {
    Input::Received { attempt, step }
}

fn candidate() -> Json {
    Json::from_valid("{}".to_owned())
}

fn name(output: &Output) -> String {
    match output {
        Output::CreateOffer => "create offer".to_owned(),
        Output::CreateAnswer { .. } => "create answer".to_owned(),
        Output::Apply(_) => "apply".to_owned(),
        Output::Add(_) => "add".to_owned(),
        Output::Switch { direct } => format!("switch direct={direct}"),
        Output::Close => "close".to_owned(),
        Output::Send(ClientMessage::Direct(direct)) => format!("send {} {}", direct.attempt, direct.step.name()),
        Output::Send(message) => format!("send {}", message.name()),
    }
}

fn feed(direct: &mut Direct, input: Input) -> Vec<String> {
    direct.handle_input(input);
    core::iter::from_fn(|| direct.poll_output()).map(|output| name(&output)).collect()
}

fn reach(inputs: impl IntoIterator<Item = Input>) -> Direct {
    let mut direct = Direct::new(CallId::from("c1"));
    for input in inputs {
        feed(&mut direct, input);
    }
    direct
}

fn states() -> Vec<(&'static str, Direct)> {
    let begin = || received(1, DirectStep::Begin);
    vec![
        ("off", reach([])),
        ("offering", reach([begin()])),
        ("answering", reach([received(1, DirectStep::Offer("o".to_owned()))])),
        ("connected", reach([begin(), Input::Connected])),
        ("switched", reach([begin(), Input::Connected, received(1, DirectStep::Switch)])),
        ("ended", reach([begin(), received(1, DirectStep::End)])),
    ]
}

fn inputs() -> Vec<(&'static str, Input)> {
    vec![
        ("begin", received(1, DirectStep::Begin)),
        ("begin of another", received(2, DirectStep::Begin)),
        ("offer", received(1, DirectStep::Offer("o".to_owned()))),
        ("answer", received(1, DirectStep::Answer("a".to_owned()))),
        ("candidate", received(1, DirectStep::Candidate(candidate()))),
        ("candidate of another", received(2, DirectStep::Candidate(candidate()))),
        ("up", received(1, DirectStep::Up)),
        ("switch", received(1, DirectStep::Switch)),
        ("end", received(1, DirectStep::End)),
        ("end of another", received(2, DirectStep::End)),
        ("described", Input::Described("d".to_owned())),
        ("own candidate", Input::Candidate(candidate())),
        ("connected", Input::Connected),
        ("failed", Input::Failed),
        ("closed", Input::Closed),
    ]
}

#[test]
fn transitions_match_table() {
    let mut table = String::new();
    for (name, state) in states() {
        for (input, value) in inputs() {
            let mut direct = state.clone();
            let did = feed(&mut direct, value);
            let after = format!("{:?}", direct.state);
            table += &format!("{name} + {input} -> {after}: {}\n", did.join(", "));
        }
    }
    assert_eq!(table, include_str!("table.txt"), "{table}");
}

#[test]
fn call_end_closes_direct_media_without_switching_back() {
    let mut direct = reach([received(1, DirectStep::Begin), Input::Connected, received(1, DirectStep::Switch)]);
    assert!(direct.is_switched());
    assert_eq!(feed(&mut direct, Input::Closed), ["close"]);
}
