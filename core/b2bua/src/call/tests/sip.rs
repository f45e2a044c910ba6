//! Every state with every input, with SIP endpoints on either side.

use super::{CALLEE, CALLER, OFFER, Reach, TARGET, answer_sdp, compare, participant, table};
use crate::address::Address;
use crate::call::{
    Call, DtmfMethod, Fallback, Input, LegMaker, Participant, Path, Peer, PeerDialog, PeerSetup, RelaySide,
    RemoteOffer, Setup, Side, SipEvent,
};
use crate::config::{RtpAddress, Srtp};
use crate::presenter::tests::PresentedCall;
use core::time::Duration;
use offhook_clock::Time;
use offhook_media::command::{LegKey, TransportFailure, WorkerId};
use offhook_media::ports::PortPool;
use offhook_sdp::plan::Conversions;
use offhook_sdp::section::Section;
use offhook_sdp::sip::SipDescription;
use offhook_sdp::webrtc::{Fingerprint, WebRtcDescription};
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io::{Branch, Cause, Command, Destination, InviteId, OutboundInvite};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

const BACK: LegKey = LegKey(4);

/// A command for the user agent in a few words; an INVITE has the number of its leg.
pub(super) fn describe_command(command: &Command) -> String {
    let number = |invite: &InviteId| match invite {
        InviteId::Outbound(number) | InviteId::Inbound(number) => *number,
    };
    match command {
        Command::Invite { invite, .. } => format!("INVITE {}", number(invite)),
        Command::Ring { invite, status, body } => {
            format!("{status} {}{}", number(invite), if body.is_some() { " with media" } else { "" })
        }
        Command::Accept { invite, .. } => format!("200 {}", number(invite)),
        Command::Reject { invite, status, .. } => format!("{status} {}", number(invite)),
        Command::HangUp { invite, reason } => {
            let reason = reason.as_ref().map(|(status, _)| format!("({status})")).unwrap_or_default();
            format!("hang up {}{reason}", number(invite))
        }
        Command::Offer { invite, .. } => format!("offer {}", number(invite)),
        Command::AnswerOffer { invite, .. } => format!("answer {}", number(invite)),
        Command::RefuseOffer { invite, status, .. } => format!("refuse {} {status}", number(invite)),
        Command::Refer { invite, .. } => format!("REFER {}", number(invite)),
        Command::NotifyRefer { invite, status, .. } => format!("NOTIFY {} {status}", number(invite)),
        Command::Info { invite, .. } => format!("INFO {}", number(invite)),
        other => format!("{other:?}"),
    }
}

pub(super) fn phone_sdp() -> String {
    crate::relay::tests::sip_calls::phone_sdp(4000, "sendrecv")
}

fn peer(leg: LegKey, dialog: PeerDialog) -> Participant {
    let address = "192.0.2.1".parse().unwrap();
    let first = 20_000 + u16::try_from(leg.0).unwrap() * 10;
    let invite = match dialog {
        PeerDialog::Inbound => InviteId::Inbound(leg.0),
        _ => InviteId::Outbound(leg.0),
    };
    let setup = PeerSetup {
        invite,
        account: None,
        uri: "sip:1002@example.org".parse().unwrap(),
        dialog,
        ports: PortPool::new(first, first + 1, Duration::ZERO).take(1, Time::EPOCH).unwrap(),
        mark: None,
        path: Path::Rtp,
        address: RtpAddress { advertised: address, local: address },
        source: None,
        srtp: Srtp::Off,
        extra: Vec::new(),
        session_id: leg.0,
        cname: "cname".into(),
        first_ssrc: 1,
    };
    Participant { side: Side::Sip(Box::new(Peer::new(setup))), ..participant(leg) }
}

pub(super) fn outbound(leg: LegKey) -> Participant {
    let request = OutboundInvite {
        account: None,
        from: None,
        to: Destination::Uri("sip:1002@example.org".parse().unwrap()),
        offer: None,
        headers: Vec::new(),
        anonymous: false,
        asserted: None,
        referred_by: None,
        diverted_by: None,
        replaces: None,
    };
    peer(leg, PeerDialog::Planned(Box::new(request)))
}

fn offer_of(participant: &mut Participant) -> (RemoteOffer, Vec<Section>) {
    let Side::Sip(peer) = &mut participant.side else { unreachable!() };
    let mut random = ChaCha20Rng::seed_from_u64(1);
    let offer = peer.check_offer(SipDescription::parse(&phone_sdp()).unwrap(), &mut random);
    let media = offer.media();
    (offer, media)
}

pub(super) fn place(caller: Participant, offer: Option<Vec<Section>>, callee: Participant) -> PresentedCall {
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
        direct_media: false,
    };
    let participants = [caller.clone(), callee.clone()];
    PresentedCall::new(Call::place(setup, caller, Ok(offer), Ok(vec![callee]), Time::EPOCH), &participants)
}

fn sip(leg: LegKey, event: SipEvent) -> Input {
    Input::Sip { leg, event }
}

pub(super) fn then(call: PresentedCall, input: Input) -> PresentedCall {
    call.handle_input(input, Time::EPOCH)
}

pub(super) fn answered(leg: LegKey, sdp: Option<String>) -> Input {
    sip(leg, SipEvent::Answered { branch: Branch(0), sdp })
}

fn progress(leg: LegKey, status: u16, sdp: Option<String>) -> Input {
    sip(leg, SipEvent::Progress { branch: Branch(0), status, sdp })
}

fn ended(leg: LegKey) -> Input {
    sip(leg, SipEvent::Ended(Cause::Remote { reason: None }))
}

/// A browser calls a phone.
fn calling() -> PresentedCall {
    let offer = WebRtcDescription::parse(OFFER).unwrap();
    let mut caller = participant(CALLER);
    let Side::Browser(browser) = &mut caller.side else { unreachable!() };
    browser.offer = Some(Box::new(offer.clone()));
    place(caller, Some(offer.sections), outbound(CALLEE))
}

fn early() -> PresentedCall {
    then(calling(), progress(CALLEE, 183, Some(phone_sdp())))
}

fn established() -> PresentedCall {
    then(calling(), answered(CALLEE, Some(phone_sdp())))
}

fn holding() -> PresentedCall {
    then(established(), Input::Hold { leg: CALLER })
}

fn referring() -> PresentedCall {
    let fallback = Fallback::CallTarget { target: Address::parse("1005") };
    then(established(), Input::Refer { leg: CALLER, target: "sip:1005@example.org".parse().unwrap(), fallback })
}

fn transferring() -> PresentedCall {
    then(established(), Input::Transfer { leg: CALLER, targets: Ok(vec![outbound(TARGET)]) })
}

fn handed_over() -> PresentedCall {
    then(transferring(), Input::HangUp { leg: CALLER, reason: None })
}

/// The phone transfers the browser.
fn transferred() -> PresentedCall {
    then(established(), Input::Transfer { leg: CALLEE, targets: Ok(vec![outbound(TARGET)]) })
}

/// A phone calls a browser.
fn called() -> PresentedCall {
    let mut caller = peer(CALLER, PeerDialog::Inbound);
    let (offer, media) = offer_of(&mut caller);
    let Side::Sip(peer) = &mut caller.side else { unreachable!() };
    peer.set_offer(offer);
    place(caller, Some(media), participant(CALLEE))
}

/// A phone that made no offer received one, and has not answered it.
fn answer_pending() -> PresentedCall {
    let call = place(peer(CALLER, PeerDialog::Inbound), None, participant(CALLEE));
    then(call, Input::Answer { leg: CALLEE, sdp: answer_sdp(), lines: vec![] })
}

/// A phone calls a phone.
fn phones() -> PresentedCall {
    let mut caller = peer(CALLER, PeerDialog::Inbound);
    let (offer, media) = offer_of(&mut caller);
    let Side::Sip(peer) = &mut caller.side else { unreachable!() };
    peer.set_offer(offer);
    then(place(caller, Some(media), outbound(CALLEE)), answered(CALLEE, Some(phone_sdp())))
}

fn looped() -> PresentedCall {
    let mut back = peer(BACK, PeerDialog::Inbound);
    let Side::Sip(peer) = &mut back.side else { unreachable!() };
    peer.accept_at_discard_port(SipDescription::parse(&phone_sdp()).unwrap(), &mut ChaCha20Rng::seed_from_u64(1));
    then(
        calling(),
        Input::LoopedInvite { leg: CALLEE, participant: Box::new(back), targets: vec![participant(TARGET)] },
    )
}

fn looped_and_answered() -> PresentedCall {
    then(looped(), Input::Answer { leg: TARGET, sdp: answer_sdp(), lines: vec![] })
}

/// The server's copy of the answer of [`looped_and_answered`].
fn mirrored() -> String {
    phone_sdp().replace("o=phone 1", &format!("o=- {}", BACK.0))
}

fn looped_and_bridged() -> PresentedCall {
    then(looped_and_answered(), answered(CALLEE, Some(mirrored())))
}

pub(super) fn inputs() -> Vec<(&'static str, Input)> {
    let replacing = || {
        let mut participant = peer(LegKey(5), PeerDialog::Inbound);
        let (offer, _) = offer_of(&mut participant);
        (Box::new(participant), Some(Box::new(offer)))
    };
    let (participant, offer) = replacing();
    let refused = |status| Cause::Refused { status, reason: String::new(), contacts: vec![] };
    let offered = |sdp| SipEvent::Offered { branch: Branch(0), sdp };
    let referred = |status, is_final, is_refused| SipEvent::ReferProgress { status, is_final, is_refused };
    vec![
        ("180 of 2", progress(CALLEE, 180, None)),
        ("183 of 2 with media", progress(CALLEE, 183, Some(phone_sdp()))),
        ("183 of 3 with media", progress(TARGET, 183, Some(phone_sdp()))),
        ("200 of 2", answered(CALLEE, Some(phone_sdp()))),
        ("200 of 2, mirrored", answered(CALLEE, Some(mirrored()))),
        ("200 of 2 without media", answered(CALLEE, None)),
        ("200 of 3", answered(TARGET, Some(phone_sdp()))),
        ("486 of 2", sip(CALLEE, SipEvent::Ended(refused(486)))),
        ("603 of 3", sip(TARGET, SipEvent::Ended(refused(603)))),
        ("1 ended", ended(CALLER)),
        ("2 ended", ended(CALLEE)),
        ("3 ended", ended(TARGET)),
        ("4 ended", ended(BACK)),
        ("answer of browser 2", Input::Answer { leg: CALLEE, sdp: answer_sdp(), lines: vec![] }),
        ("answer of browser 3", Input::Answer { leg: TARGET, sdp: answer_sdp(), lines: vec![] }),
        ("hang-up by 1", Input::HangUp { leg: CALLER, reason: None }),
        ("hang-up by 2", Input::HangUp { leg: CALLEE, reason: None }),
        ("hang-up by 3", Input::HangUp { leg: TARGET, reason: None }),
        ("hold by 1", Input::Hold { leg: CALLER }),
        ("unhold by 1", Input::Unhold { leg: CALLER }),
        ("offer answered by 1", sip(CALLER, SipEvent::OfferAnswered { sdp: Some(phone_sdp()) })),
        ("offer answered by 2", sip(CALLEE, SipEvent::OfferAnswered { sdp: Some(phone_sdp()) })),
        ("offer answered by 2 with nothing", sip(CALLEE, SipEvent::OfferAnswered { sdp: None })),
        ("offer refused by 1", sip(CALLER, SipEvent::OfferRefused)),
        ("offer refused by 2", sip(CALLEE, SipEvent::OfferRefused)),
        ("offer of 1", sip(CALLER, offered(Some(phone_sdp())))),
        ("offer of 2", sip(CALLEE, offered(Some(phone_sdp())))),
        ("offer requested by 2", sip(CALLEE, offered(None))),
        ("offer of 4", sip(BACK, offered(Some(phone_sdp())))),
        ("REFER requested by 1", {
            let fallback = Fallback::CallTarget { target: Address::parse("1006") };
            Input::Refer { leg: CALLER, target: "sip:1006@example.org".parse().unwrap(), fallback }
        }),
        ("transfer by 1", Input::Transfer { leg: CALLER, targets: Ok(vec![outbound(LegKey(6))]) }),
        ("NOTIFY 180 of 2", sip(CALLEE, referred(180, false, false))),
        ("NOTIFY 200 of 2", sip(CALLEE, referred(200, true, false))),
        ("NOTIFY 486 of 2", sip(CALLEE, referred(486, true, false))),
        ("REFER refused by 2", sip(CALLEE, referred(501, true, true))),
        ("2 replaced", Input::Replace { leg: CALLEE, participant, offer }),
        ("digits by 1", Input::SendDtmf { leg: CALLER, method: DtmfMethod::TelephoneEvent, digits: "1".into() }),
        ("digits by 1, by INFO", Input::SendDtmf { leg: CALLER, method: DtmfMethod::Info, digits: "1".into() }),
        ("digit received from 2", Input::DtmfReceived { leg: CALLEE, digit: '1' }),
        ("digits of 2 by INFO", {
            Input::SendDtmf { leg: CALLEE, method: DtmfMethod::TelephoneEvent, digits: "1".into() }
        }),
        ("key frame requested of 2", Input::KeyFrameWanted { leg: CALLEE }),
        ("key frame requested by 2", sip(CALLEE, SipEvent::KeyFrameRequested)),
        ("session of 1 lost", Input::SessionLost { leg: CALLER }),
        ("port of 2 missing", Input::LegFailed { leg: CALLEE, failure: TransportFailure::NoPort }),
        ("media of 2 dead", Input::LegDead { leg: CALLEE }),
        ("shutdown", Input::End { reason: EndReason::ShuttingDown }),
    ]
}

#[test]
fn every_state_with_a_sip_endpoint_with_every_input() {
    let states: [(&str, Reach); 13] = [
        ("calling", calling),
        ("early", early),
        ("established", established),
        ("holding", holding),
        ("referring", referring),
        ("transferring", transferring),
        ("handed over", handed_over),
        ("transferred", transferred),
        ("called", called),
        ("answer pending", answer_pending),
        ("phones", phones),
        ("looped", looped),
        ("looped and answered", looped_and_answered),
    ];
    let mut made = table(&states, inputs);
    made.push_str(&table(&[("looped and bridged", looped_and_bridged)], inputs));
    compare(&made, include_str!("../table_sip.txt"), "table_sip.txt");
}
