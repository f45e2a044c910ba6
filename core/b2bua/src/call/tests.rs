//! Every state with every input, compared with committed tables.

mod application;
mod sip;

use super::{
    Browser, Call, DirectMediaStep, DtmfMethod, Input, JsonText, LegMaker, Output, Participant, RelaySide, SessionId,
    Setup, Side,
};
use crate::address::Address;
use crate::presenter::tests::PresentedCall;
use crate::relay::tests::{OFFER, answer_sdp};
use core::time::Duration;
use offhook_clock::Time;
use offhook_media::command::{
    Command, LegKey, LocalTransport, RemoteTransport, RemoteWebRtc, TransportFailure, WebRtcEndpoint, WorkerId,
};
use offhook_sdp::plan::Conversions;
use offhook_sdp::webrtc::{Fingerprint, WebRtcDescription};
use offhook_signaling::message::Json;
use offhook_signaling::reason::EndReason;

const CALLER: LegKey = LegKey(1);
const CALLEE: LegKey = LegKey(2);
const TARGET: LegKey = LegKey(3);

fn participant(leg: LegKey) -> Participant {
    let browser = Browser { session: SessionId(leg.0), has_direct_media: true, offer: None };
    Participant {
        leg,
        address: if leg == CALLER { "alice".into() } else { "bob".into() },
        incoming: leg != CALLER,
        caller: Address::parse("alice"),
        callee: Address::parse("bob"),
        visible_name: "Alice".into(),
        custom: None,
        anonymous: false,
        side: Side::Browser(browser),
    }
}

fn ringing() -> PresentedCall {
    place(false)
}

fn place(direct: bool) -> PresentedCall {
    let side = RelaySide {
        fingerprint: Fingerprint::sha256([7; 32]),
        candidates: vec!["192.0.2.1:4000".parse().unwrap()],
        codecs: vec![],
        conversions: Conversions::G711,
    };
    let setup = Setup {
        worker: WorkerId(0),
        ring_timeout: Duration::from_secs(60),
        maker: LegMaker::new(side, [3; 32]),
        direct_media: direct,
    };
    let offer = WebRtcDescription::parse(OFFER).unwrap();
    let mut caller = participant(CALLER);
    let Side::Browser(browser) = &mut caller.side else { unreachable!() };
    browser.offer = Some(Box::new(offer.clone()));
    let participants = [caller.clone(), participant(CALLEE)];
    let call = Call::place(setup, caller, Ok(Some(offer.sections)), Ok(vec![participant(CALLEE)]), Time::EPOCH);
    PresentedCall::new(call, &participants)
}

fn established() -> PresentedCall {
    let call = ringing();
    call.handle_input(Input::Answer { leg: CALLEE, sdp: answer_sdp(), lines: vec![] }, Time::EPOCH)
}

fn transferring() -> PresentedCall {
    let call = established();
    call.handle_input(Input::Transfer { leg: CALLER, targets: Ok(vec![participant(TARGET)]) }, Time::EPOCH)
}

fn handed_over() -> PresentedCall {
    let call = transferring();
    call.handle_input(Input::HangUp { leg: CALLER, reason: None }, Time::EPOCH)
}

fn trying_direct() -> PresentedCall {
    let call = place(true);
    call.handle_input(Input::Answer { leg: CALLEE, sdp: answer_sdp(), lines: vec![] }, Time::EPOCH)
}

fn switched() -> PresentedCall {
    let mut call = trying_direct();
    for leg in [CALLER, CALLEE] {
        call = call.handle_input(Input::Direct { leg, attempt: 1, step: DirectMediaStep::Connected }, Time::EPOCH);
    }
    call
}

fn ended() -> PresentedCall {
    let call = established();
    call.handle_input(Input::HangUp { leg: CALLER, reason: None }, Time::EPOCH)
}

fn inputs() -> Vec<(&'static str, Input)> {
    vec![
        ("answer by callee", Input::Answer { leg: CALLEE, sdp: answer_sdp(), lines: vec![] }),
        ("answer by target", Input::Answer { leg: TARGET, sdp: answer_sdp(), lines: vec![] }),
        ("bad answer by callee", Input::Answer { leg: CALLEE, sdp: "?".into(), lines: vec![] }),
        ("bad answer by target", Input::Answer { leg: TARGET, sdp: "?".into(), lines: vec![] }),
        ("hang-up by caller", Input::HangUp { leg: CALLER, reason: None }),
        ("hang-up by callee", Input::HangUp { leg: CALLEE, reason: None }),
        ("hang-up by target", Input::HangUp { leg: TARGET, reason: None }),
        ("hold by caller", Input::Hold { leg: CALLER }),
        ("unhold by caller", Input::Unhold { leg: CALLER }),
        ("hold by callee", Input::Hold { leg: CALLEE }),
        ("status requested by caller", Input::RepeatStatus { leg: CALLER }),
        ("digits by caller", Input::SendDtmf { leg: CALLER, method: DtmfMethod::TelephoneEvent, digits: "1".into() }),
        ("digit received from callee", Input::DtmfReceived { leg: CALLEE, digit: '1' }),
        ("transfer by callee", Input::Transfer { leg: CALLEE, targets: Ok(vec![participant(TARGET)]) }),
        ("session of callee lost", Input::SessionLost { leg: CALLEE }),
        ("transport of target failed", Input::LegFailed { leg: TARGET, failure: TransportFailure::DtlsError }),
        ("media of callee dead", Input::LegDead { leg: CALLEE }),
        ("direct offer of caller", direct(CALLER, 1, DirectMediaStep::Offer("o".into()))),
        ("direct offer of callee", direct(CALLEE, 1, DirectMediaStep::Offer("o".into()))),
        ("direct answer of callee", direct(CALLEE, 1, DirectMediaStep::Answer("a".into()))),
        (
            "direct candidate of callee",
            direct(CALLEE, 1, DirectMediaStep::Candidate(JsonText(Json::from_valid("{}".into())))),
        ),
        (
            "old candidate of callee",
            direct(CALLEE, 0, DirectMediaStep::Candidate(JsonText(Json::from_valid("{}".into())))),
        ),
        ("caller is up", direct(CALLER, 1, DirectMediaStep::Connected)),
        ("callee gives up", direct(CALLEE, 1, DirectMediaStep::End)),
        ("shutdown", Input::End { reason: EndReason::ShuttingDown }),
    ]
}

fn direct(leg: LegKey, attempt: u32, step: DirectMediaStep) -> Input {
    Input::Direct { leg, attempt, step }
}

/// The outputs of a call in one line: `>N` with a status or message to the browser of leg N, and the worker's commands.
fn outputs_line(presented: &mut PresentedCall) -> String {
    let outputs: Vec<Output> = core::iter::from_fn(|| presented.call.poll_output()).collect();
    let words = outputs.into_iter().flat_map(|output| match output {
        Output::Event { event, has_video } => presented.messages(&event, has_video),
        output => vec![order(output)],
    });
    let line = words.collect::<Vec<_>>().join(", ");
    if line.is_empty() { "-".to_owned() } else { line }
}

fn order(output: Output) -> String {
    match output {
        Output::Event { event, .. } => format!("{event:?}"),
        Output::Media(command) => match command {
            Command::ReservePorts { .. } => "reserve ports".to_owned(),
            Command::Open { leg, transport } => match transport {
                LocalTransport::WebRtc { .. } => format!("open {}", leg.0),
                LocalTransport::Rtp { .. } => format!("open RTP {}", leg.0),
            },
            Command::Connect { leg, transport, .. } => match transport {
                RemoteTransport::WebRtc(RemoteWebRtc { endpoint: WebRtcEndpoint::Browser, .. }) => {
                    format!("connect {}", leg.0)
                }
                RemoteTransport::WebRtc(_) => format!("connect peer {}", leg.0),
                RemoteTransport::Rtp { .. } => format!("connect RTP {}", leg.0),
            },
            Command::Bridge { a, b } => format!("bridge {}-{}", a.0, b.0),
            Command::Unbridge { leg } => format!("unbridge {}", leg.0),
            Command::SendDtmf { leg, .. } => format!("dtmf {}", leg.0),
            Command::Play { leg, .. } => format!("play to {}", leg.0),
            Command::StopPlayback { leg, .. } => format!("stop playing to {}", leg.0),
            Command::Mute { leg, direction } => format!("mute {} {direction:?}", leg.0),
            Command::Unmute { leg, direction } => format!("unmute {} {direction:?}", leg.0),
            Command::Record { leg, to } => format!("record {} on {:?}", leg.0, to.channel),
            Command::PauseRecording { leg, .. } => format!("pause recording {}", leg.0),
            Command::ResumeRecording { leg, .. } => format!("resume recording {}", leg.0),
            Command::StopRecording { leg, .. } => format!("stop recording {}", leg.0),
            Command::Close { leg } => format!("close {}", leg.0),
            Command::RestartIce { leg, .. } => format!("restart ICE {}", leg.0),
            Command::BridgeAcross { .. } => panic!("a call has legs on one worker only"),
            Command::RequestKeyFrame { leg } => format!("key frame for {}", leg.0),
        },
        Output::Sip(command) => sip::describe_command(&command),
        Output::Redirected { leg, contacts } => {
            let contacts: Vec<String> = contacts.iter().map(ToString::to_string).collect();
            format!("redirected {} to {}", leg.0, contacts.join(" "))
        }
        Output::FreePorts(ports) => format!("free {}", ports.len()),
        Output::ReferRefused { leg, .. } => format!("do it here {}", leg.0),
        Output::Release { leg, .. } => format!("left {}", leg.0),
        Output::Ended(reason) => format!("ended {}", reason.name()),
    }
}

/// A constructor of a call in some state.
type Reach = fn() -> PresentedCall;

/// Every state with every input, one line each.
fn table(states: &[(&str, Reach)], inputs: fn() -> Vec<(&'static str, Input)>) -> String {
    let mut table = String::new();
    for (name, state) in states {
        for (what, input) in inputs() {
            let mut call = state();
            outputs_line(&mut call);
            let mut call = call.handle_input(input, Time::EPOCH);
            table.push_str(&format!("{name} | {what} | {}\n", outputs_line(&mut call)));
        }
        let mut call = state();
        outputs_line(&mut call);
        if let Some(at) = call.call.poll_timeout() {
            call = call.handle_timeout(at);
        }
        table.push_str(&format!("{name} | timeout | {}\n", outputs_line(&mut call)));
    }
    table
}

fn compare(table: &str, committed: &str, file: &str) {
    if table != committed {
        println!("{table}");
    }
    assert!(table == committed, "the call machine differs from call/{file}; see the output for its actual behavior");
}

#[test]
fn every_state_with_every_input() {
    let states: [(&str, Reach); 7] = [
        ("ringing", ringing),
        ("established", established),
        ("transferring", transferring),
        ("handed over", handed_over),
        ("trying direct", trying_direct),
        ("direct", switched),
        ("ended", ended),
    ];
    compare(&table(&states, inputs), include_str!("table.txt"), "table.txt");
}

#[test]
fn media_that_were_direct_return_to_the_relay() {
    let mut presented = switched();
    outputs_line(&mut presented);
    presented.call = presented.call.keep_media_here(Time::EPOCH);
    assert_eq!(outputs_line(&mut presented), "bridge 1-2, >1 direct 1 end, >2 direct 1 end");
    let mut resumed = presented.handle_input(Input::Unhold { leg: CALLER }, Time::EPOCH);
    assert_eq!(outputs_line(&mut resumed), "bridge 1-2, >1 ESTABLISHED", "no other attempt is made");
}
