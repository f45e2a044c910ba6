//! Calls that the application places.

use super::sip_calls::{BRANCH, body, gone, phone_sdp, text};
use super::{Bench, config, with_sip};
use crate::address::Address;
use crate::call::{CallEvent, CallPhase, EndpointKind, LegProgress};
use crate::command::{Accepted, ApplicationCall, CallCommand, CallRef, CallingAccount, CommandError, ReferOptions};
use crate::config::{Config, LoginName, Routing};
use crate::io::{Input, RouteAnswer, RouteSource, RouteTarget};
use crate::record::CallScheme;
use core::time::Duration;
use offhook_media::command::{Command as Media, Event as MediaEvent, LegKey};
use offhook_signaling::message::SipOptions;
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io::{Cause, Command, Event, Failure, InviteId};

fn call_to(callee: &str) -> ApplicationCall {
    ApplicationCall {
        call_id: None,
        caller: Address::parse("4930123"),
        callee: Address::parse(callee),
        visible_name: Some("Office".to_owned()),
        anonymous: false,
        account: CallingAccount::Relay,
    }
}

fn options(registers: bool) -> SipOptions {
    SipOptions {
        login: Some("1001".to_owned()),
        password: Some("secret".to_owned()),
        domain: Some("example.org".to_owned()),
        register_required: Some(registers),
        ..SipOptions::default()
    }
}

/// A call through an account at `example.org`.
fn call_through_server(callee: &str, registers: bool) -> ApplicationCall {
    ApplicationCall { account: CallingAccount::Given(Box::new(options(registers))), ..call_to(callee) }
}

impl Bench {
    fn start(&mut self, call: ApplicationCall) -> CallRef {
        match self.execute(CallCommand::Start(Box::new(call))) {
            Ok(Accepted::Placed(at)) => at,
            result => panic!("not placed: {result:?}"),
        }
    }

    /// Establishes a call of the application with a phone behind a server.
    fn start_with_phone(&mut self, callee: &str) -> (CallRef, InviteId) {
        let at = self.start(call_through_server(callee, false));
        let invite = self.invite_of_last_call();
        self.answered(invite, Some(&phone_sdp(4000, "sendrecv")));
        (at, invite)
    }

    /// Drops the commands since the last call, and returns the INVITE among them.
    fn invite_of_last_call(&mut self) -> InviteId {
        let mut invites = self.take_commands().into_iter().filter_map(|command| match command {
            Command::Invite { invite, .. } => Some(invite),
            _ => None,
        });
        invites.next_back().expect("an INVITE")
    }

    fn last_end(&self) -> EndReason {
        let ends = self.events.iter().rev().filter_map(|(event, _)| match event {
            CallEvent::Ended { reason } => Some(*reason),
            _ => None,
        });
        ends.into_iter().next().expect("the end of a call")
    }
}

#[test]
fn application_calls_browser_without_bridge() {
    let mut bench = Bench::new(config());
    let bob = bench.login("bob");
    let at = bench.start(call_to("bob"));
    let id = bench.incoming(bob);
    bench.answer(bob, &id);
    assert_eq!(bench.names(bob), ["talk ESTABLISHED"]);
    assert!(bench.bridges().is_empty(), "the application has no media");
    let call = bench.relay.call(at.call).unwrap();
    assert_eq!(call.phase, CallPhase::Established);
    let [application, callee] = &call.participants[..] else { panic!("{call:?}") };
    assert_eq!((application.leg, application.endpoint), (at.leg, EndpointKind::Application));
    assert_eq!((callee.caller.as_str(), callee.visible_name.as_str()), ("4930123", "Office"));
    let (_, record) = bench.events.last().unwrap();
    assert_eq!((record.caller, record.scheme), (EndpointKind::Application, CallScheme::Local));
    assert_eq!(record.codecs, ["PCMU"], "the codecs are those of the callee");
    bench.reload();
    bench.hang_up(bob, id.as_str());
    assert_eq!(bench.last_end(), EndReason::HungUp);
    bench.assert_no_leak(&[]);
}

#[test]
fn callee_of_application_rejects_or_does_not_answer() {
    let mut bench = Bench::new(config());
    let bob = bench.login("bob");
    bench.start(call_to("bob"));
    let id = bench.incoming(bob);
    bench.hang_up(bob, id.as_str());
    assert_eq!(bench.last_end(), EndReason::Rejected);
    bench.start(call_to("bob"));
    bench.wait(Duration::from_secs(61));
    assert_eq!(bench.last_end(), EndReason::NoAnswer);
    bench.start(call_to("unknown"));
    assert_eq!(bench.last_end(), EndReason::NotFound);
    bench.assert_no_leak(&[]);
}

#[test]
fn application_calls_phone_through_given_account() {
    let mut bench = Bench::new(with_sip());
    let at = bench.start(call_through_server("1002", false));
    let commands = bench.take_commands();
    let [Command::AddAccount { account, settings }, Command::Invite { invite, request }] = &commands[..] else {
        panic!("{commands:?}")
    };
    assert_eq!((request.account, settings.registrar.is_none()), (Some(*account), true));
    let offer = text(request.offer.as_ref().unwrap());
    for codec in ["PCMU/8000", "PCMA/8000", "opus/48000/2", "telephone-event/8000"] {
        assert!(offer.contains(codec), "{codec}: {offer}");
    }
    let (invite, account) = (*invite, *account);
    bench.progress(invite, 183, Some(&phone_sdp(4000, "sendrecv")));
    assert!(bench.media.iter().all(|command| !matches!(command, Media::Connect { .. })), "early media are ignored");
    bench.answered(invite, Some(&phone_sdp(4000, "sendrecv")));
    assert!(bench.bridges().is_empty() && bench.take_commands().is_empty());
    assert_eq!(bench.execute(CallCommand::HangUp { at, reason: None }), Ok(Accepted::Passed));
    let expected = [Command::HangUp { invite, reason: None }, Command::RemoveAccount { account }];
    assert_eq!(bench.take_commands(), expected, "the dialog ends before its account");
    bench.assert_no_leak(&[]);
}

#[test]
fn call_waits_for_the_registration_of_its_account() {
    let wrong = Failure::WrongPassword { realm: "example.org".to_owned() };
    for failure in [None, Some(wrong)] {
        let mut bench = Bench::new(with_sip());
        let at = bench.start(call_through_server("1002", true));
        let Command::AddAccount { account, .. } = bench.command() else { panic!("the account is registered first") };
        bench.reload();
        match failure {
            None => {
                bench.sip(Event::Registered { account, expires: Duration::from_secs(600) });
                let (invite, _) = bench.invited();
                bench.ended(invite, Cause::Refused { status: 486, reason: "Busy".to_owned(), contacts: vec![] });
                assert_eq!(bench.last_end(), EndReason::Busy);
            }
            Some(failure) => {
                bench.sip(Event::RegistrationFailed { account, failure, retry_at: None });
                assert_eq!(bench.last_end(), EndReason::Forbidden);
            }
        }
        assert_eq!(bench.command(), Command::RemoveAccount { account });
        assert_eq!(bench.relay.call(at.call), None);
        bench.assert_no_leak(&[]);
    }
}

#[test]
fn call_that_waits_for_registration_is_canceled() {
    let mut bench = Bench::new(with_sip());
    let at = bench.start(call_through_server("1002", true));
    assert_eq!(bench.execute(CallCommand::HangUp { at, reason: None }), Ok(Accepted::Passed));
    assert_eq!(bench.last_end(), EndReason::Canceled);
    bench.start(call_through_server("1002", true));
    bench.wait(Duration::from_secs(61));
    assert_eq!(bench.last_end(), EndReason::ServerTimeout);
    bench.assert_no_leak(&[]);
}

#[test]
fn account_that_is_not_permitted_is_refused() {
    let mut bench = Bench::new(with_sip());
    let elsewhere = SipOptions { domain: Some("elsewhere.test".to_owned()), ..options(false) };
    let account = CallingAccount::Given(Box::new(elsewhere));
    let start = CallCommand::Start(Box::new(ApplicationCall { account, ..call_to("1002") }));
    assert_eq!(bench.execute(start), Err(CommandError::ServerNotAllowed));
    let account = CallingAccount::Given(Box::new(SipOptions { login: None, ..options(false) }));
    let start = CallCommand::Start(Box::new(ApplicationCall { account, ..call_to("1002") }));
    assert_eq!(bench.execute(start), Err(CommandError::BadAccount));
    let account = CallingAccount::Configured(LoginName("nobody".to_owned()));
    let start = CallCommand::Start(Box::new(ApplicationCall { account, ..call_to("1002") }));
    assert_eq!(bench.execute(start), Err(CommandError::UnknownAccount));
    assert!(bench.take_commands().is_empty() && bench.events.is_empty());
}

#[test]
fn call_id_is_unique_among_all_calls() {
    let mut bench = Bench::new(config());
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    bench.call(alice, "a1", "bob");
    bench.incoming(bob);
    let start = |id: &str| CallCommand::Start(Box::new(ApplicationCall { call_id: Some(id.into()), ..call_to("bob") }));
    assert_eq!(bench.execute(start("a1")), Err(CommandError::CallIdInUse));
    let Ok(Accepted::Placed(at)) = bench.execute(start("a2")) else { panic!() };
    assert_eq!(bench.execute(start("a2")), Err(CommandError::CallIdInUse));
    bench.execute(CallCommand::HangUp { at, reason: None }).unwrap();
    assert!(bench.execute(start("a2")).is_ok(), "the identifier is free after the end of the call");
}

#[test]
fn hold_by_phone_and_by_application_is_reported() {
    let mut bench = Bench::new(with_sip());
    let (at, invite) = bench.start_with_phone("1002");
    bench.sip(Event::Offer { invite, branch: BRANCH, body: Some(body(&phone_sdp(4000, "sendonly"))) });
    let Command::AnswerOffer { body: answer, .. } = bench.command() else { panic!() };
    assert!(text(&answer).contains("a=recvonly"));
    assert!(matches!(bench.events.last().unwrap().0, CallEvent::Held { by } if by != at.leg));
    bench.sip(Event::Offer { invite, branch: BRANCH, body: Some(body(&phone_sdp(4000, "sendrecv"))) });
    bench.take_commands();
    assert!(matches!(bench.events.last().unwrap().0, CallEvent::Resumed { .. }));
    for (command, direction, phone) in
        [(CallCommand::Hold { at }, "a=sendonly", "recvonly"), (CallCommand::Resume { at }, "a=sendrecv", "sendrecv")]
    {
        bench.execute(command).unwrap();
        let Command::Offer { body: offer, .. } = bench.command() else { panic!() };
        assert!(text(&offer).contains(direction), "{}", text(&offer));
        bench.sip(Event::OfferAnswered { invite, body: body(&phone_sdp(4000, phone)) });
        let (event, _) = bench.events.last().unwrap();
        assert!(matches!(event, CallEvent::Held { by } | CallEvent::Resumed { by } if *by == at.leg), "{event:?}");
    }
    assert!(bench.bridges().is_empty());
}

#[test]
fn phone_may_change_to_another_codec() {
    let mut bench = Bench::new(with_sip());
    let (_, invite) = bench.start_with_phone("1002");
    let pcma = phone_sdp(4002, "sendrecv").replace("RTP/AVP 0 8 101", "RTP/AVP 8 101");
    bench.sip(Event::Offer { invite, branch: BRANCH, body: Some(body(&pcma)) });
    let Command::AnswerOffer { body: answer, .. } = bench.command() else { panic!("the offer is answered") };
    assert!(text(&answer).contains("RTP/AVP 8 101"), "{}", text(&answer));
}

#[test]
fn two_calls_of_the_application_are_bridged() {
    let mut bench = Bench::new(with_sip());
    let bob = bench.login("bob");
    let (first, invite) = bench.start_with_phone("1002");
    let second = bench.start(call_to("bob"));
    let bridge = CallCommand::Bridge { call: first.call, other: second.call };
    assert_eq!(bench.execute(bridge.clone()), Err(CommandError::NotOfApplication), "the other call rings");
    let id = bench.incoming(bob);
    bench.answer(bob, &id);
    assert_eq!(bench.execute(bridge.clone()), Ok(Accepted::Passed));
    let across = bench.media.iter().filter(|command| matches!(command, Media::BridgeAcross { .. }));
    assert_eq!(across.count(), 2, "the calls are on two workers");
    assert!(bench.events.iter().any(|(event, record)| {
        record.call == second.call && matches!(event, CallEvent::Ended { reason: EndReason::Transferred })
    }));
    let call = bench.relay.call(first.call).unwrap();
    let endpoints: Vec<EndpointKind> = call.participants.iter().map(|one| one.endpoint).collect();
    assert_eq!(endpoints, [EndpointKind::Browser, EndpointKind::SipServer]);
    assert!(call.participants.iter().all(|one| one.progress == LegProgress::Connected));
    assert_eq!(bench.execute(bridge), Err(CommandError::NotOfApplication));
    bench.ended(invite, gone());
    assert_eq!(bench.names(bob), ["talk ESTABLISHED", "finish FINISH"]);
    bench.assert_no_leak(&[]);
}

#[test]
fn application_transfers_its_callee() {
    let mut bench = Bench::new(config());
    let (bob, carol) = (bench.login("bob"), bench.login("carol"));
    let at = bench.start(call_to("bob"));
    let id = bench.incoming(bob);
    bench.answer(bob, &id);
    let target = Address::parse("carol");
    bench.execute(CallCommand::TransferBlind { at, target, refer: ReferOptions::default() }).unwrap();
    let at_carol = bench.incoming(carol);
    bench.answer(carol, &at_carol);
    assert_eq!(bench.bridges().len(), 1);
    bench.hang_up(carol, at_carol.as_str());
    bench.assert_no_leak(&[]);
}

#[test]
fn digits_of_callee_are_reported() {
    let mut bench = Bench::new(with_sip());
    let (at, invite) = bench.start_with_phone("1002");
    let leg = bench.media.iter().find_map(|command| command.opened_leg()).unwrap();
    bench.media_event(MediaEvent::DtmfReceived { leg, digit: '4' });
    let info = crate::call::sdp_body("Signal=5");
    let info = offhook_sip::user_agent::io::Body { content_type: "application/dtmf-relay".to_owned(), ..info };
    bench.sip(Event::Info { invite, body: info });
    let digits: Vec<(LegKey, char)> = bench
        .events
        .iter()
        .filter_map(|(event, _)| match event {
            CallEvent::DtmfReceived { to, digit, .. } => Some((*to, *digit)),
            _ => None,
        })
        .collect();
    assert_eq!(digits, [(at.leg, '4'), (at.leg, '5')]);
}

#[test]
fn shell_routes_call_of_application() {
    let routing = Routing::External { timeout: Duration::from_secs(5) };
    let mut bench = Bench::new(Config { routing, ..config() });
    let bob = bench.login("bob");
    bench.start(call_to("sales"));
    let question = bench.routes.pop().unwrap();
    assert_eq!(question.from, RouteSource::Application(None));
    let answer = RouteAnswer::Targets(vec![RouteTarget::User(LoginName("bob".to_owned()))]);
    bench.input(Input::Routed { request: question.request, answer });
    let id = bench.incoming(bob);
    bench.hang_up(bob, id.as_str());
    assert_eq!(bench.last_end(), EndReason::Rejected);
    bench.assert_no_leak(&[]);
}

#[test]
fn hang_up_has_the_given_reason() {
    let mut bench = Bench::new(with_sip());
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    bench.call(alice, "a1", "bob");
    bench.incoming(bob);
    let (_, callee) = bench.participants();
    bench.execute(CallCommand::HangUp { at: callee, reason: Some(EndReason::Busy) }).unwrap();
    assert_eq!(bench.last_status(alice).sip_status, Some(486));
    let (at, invite) = bench.start_with_phone("1002");
    bench.execute(CallCommand::HangUp { at, reason: Some(EndReason::Unavailable) }).unwrap();
    let hang_up = bench.take_commands().remove(0);
    let Command::HangUp { reason: Some((status, _)), .. } = hang_up else { panic!("{invite:?}: {hang_up:?}") };
    assert_eq!((status, bench.last_end()), (480, EndReason::Unavailable));
    bench.start(ApplicationCall { call_id: None, ..call_to("bob") });
    bench.names(bob);
    let caller = bench.events.last().map(|(_, record)| CallRef { call: record.call, leg: record.caller_leg }).unwrap();
    bench.execute(CallCommand::HangUp { at: caller, reason: Some(EndReason::AnsweredElsewhere) }).unwrap();
    assert_eq!(bench.last_end(), EndReason::AnsweredElsewhere);
}

#[test]
fn session_is_ended_by_command() {
    let mut bench = Bench::new(config());
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    bench.establish(alice, "a1", bob, "bob");
    let session = bench.relay.sessions().find(|session| session.login == Some("alice")).map(|session| session.id);
    let end = CallCommand::EndSession { session: session.unwrap() };
    assert_eq!(bench.execute(end.clone()), Ok(Accepted::Passed));
    assert!(bench.closed.contains_key(&alice) && bench.last_end() == EndReason::SessionLost);
    assert_eq!(bench.execute(end), Err(CommandError::UnknownSession));
    bench.assert_no_leak(&[]);
}

#[test]
fn draining_relay_places_no_call_of_the_application() {
    let mut bench = Bench::new(config());
    let bob = bench.login("bob");
    bench.input(Input::Drain);
    bench.start(call_to("bob"));
    assert!(bench.last_end() == EndReason::ShuttingDown && bench.names(bob).is_empty());
    bench.assert_no_leak(&[]);
}
