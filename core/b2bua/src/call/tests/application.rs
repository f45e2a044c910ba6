//! Calls of the application: every state with every input.

use super::sip::{answered, inputs, outbound, phone_sdp, place, then};
use super::{CALLEE, CALLER, Reach, TARGET, answer_sdp, compare, participant, table};
use crate::call::{Application, Input, Participant, Side};
use crate::presenter::tests::PresentedCall;

fn application() -> Participant {
    let side = Side::Application(Application { call_id: "a1".into(), account: None });
    Participant { side, ..participant(CALLER) }
}

fn calling_phone() -> PresentedCall {
    place(application(), None, outbound(CALLEE))
}

fn calling_browser() -> PresentedCall {
    place(application(), None, participant(CALLEE))
}

fn with_phone() -> PresentedCall {
    then(calling_phone(), answered(CALLEE, Some(phone_sdp())))
}

fn with_browser() -> PresentedCall {
    then(calling_browser(), Input::Answer { leg: CALLEE, sdp: answer_sdp(), lines: vec![] })
}

fn holding() -> PresentedCall {
    then(with_phone(), Input::Hold { leg: CALLER })
}

/// The application transfers the phone.
fn transferring() -> PresentedCall {
    then(with_phone(), Input::Transfer { leg: CALLER, targets: Ok(vec![outbound(TARGET)]) })
}

/// The phone transfers the application.
fn transferred() -> PresentedCall {
    then(with_phone(), Input::Transfer { leg: CALLEE, targets: Ok(vec![outbound(TARGET)]) })
}

/// The phone has transferred the application, and left.
fn handed_over() -> PresentedCall {
    then(transferred(), Input::HangUp { leg: CALLEE, reason: None })
}

#[test]
fn every_state_of_application_call_with_every_input() {
    let states: [(&str, Reach); 8] = [
        ("calling phone", calling_phone),
        ("calling browser", calling_browser),
        ("with phone", with_phone),
        ("with browser", with_browser),
        ("holding", holding),
        ("transferring", transferring),
        ("transferred", transferred),
        ("handed over", handed_over),
    ];
    let made = table(&states, inputs);
    for command in ["bridge 1-", "-1,", "open 1", "connect 1", "close 1", "unbridge 1"] {
        assert!(!made.contains(command), "the application has no leg at a media worker: {command}");
    }
    compare(&made, include_str!("../table_application.txt"), "table_application.txt");
}
