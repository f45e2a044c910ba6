//! SIP phones that are registered at the relay, and a trunk: the relay routes the calls.

use super::sip_calls::{from_phone, gone, phone_sdp, text};
use super::{Bench, config, sip_config, with_sip};
use crate::config::{Config, LoginName, Numbering, Sip, Trunk};
use core::time::Duration;
use offhook_media::command::Command as MediaCommand;
use offhook_signaling::message::{CallStatus, ClientMessage};
use offhook_sip::auth::Login;
use offhook_sip::user_agent::io::{
    Account, BindingId, Branch, CalledNumberSource, Cause, Command, Destination, Event, Failure, Identity,
    InboundInvite, InviteId, Origin,
};

pub(crate) fn call_to(origin: Origin, callee: &str) -> InboundInvite {
    let uri: offhook_sip::message::Uri = format!("sip:{callee}@relay.test").parse().unwrap();
    InboundInvite {
        request_uri: uri.clone(),
        to: Identity { name: None, uri },
        ..from_phone(origin, Some(phone_sdp(4000, "sendrecv")))
    }
}

impl Bench {
    pub(super) fn bind(&mut self, user: &str, binding: u64) {
        self.sip(Event::PhoneBound { user: user.into(), binding: BindingId(binding) });
    }
}

#[test]
fn login_rings_on_browsers_and_phones() {
    let mut bench = Bench::new(with_sip());
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    bench.bind("bob", 1);
    bench.call(alice, "a1", "bob");
    let (invite, request) = bench.invited();
    assert_eq!((request.account, request.to), (None, Destination::Binding(BindingId(1))));
    assert_eq!(request.from.unwrap().uri.to_string(), "sip:alice@relay.test");
    let at_bob = bench.incoming(bob);
    // Early media of one of several callees are not forwarded before the answer.
    bench.progress(invite, 183, Some(&phone_sdp(4000, "sendrecv")));
    assert_eq!(bench.names(alice), ["notifyTryingResponse TRYING", "ring RING"]);
    bench.answered(invite, None);
    assert_eq!(bench.names(bob), ["finish FINISH"]);
    assert_eq!(bench.names(alice), ["setRemoteSDP", "talk ESTABLISHED"]);
    bench.hang_up(alice, "a1");
    assert_eq!(bench.command(), Command::HangUp { invite, reason: None });
    bench.assert_no_leak(&[]);

    bench.names(alice);
    bench.call(alice, "a2", "bob");
    let (invite, _) = bench.invited();
    let at_bob = (bench.incoming(bob), at_bob).0;
    bench.answer(bob, &at_bob);
    let reason = Some((200, "Answered elsewhere".to_owned()));
    assert_eq!(bench.command(), Command::HangUp { invite, reason });
    bench.hang_up(bob, at_bob.as_str());
    bench.assert_no_leak(&[]);
}

#[test]
fn failure_of_one_device_leaves_others_ringing() {
    let mut bench = Bench::new(with_sip());
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    bench.bind("bob", 1);
    bench.call(alice, "a1", "bob");
    let (invite, _) = bench.invited();
    bench.incoming(bob);
    bench.names(alice);
    bench.ended(invite, Cause::Refused { status: 486, reason: "Busy".into(), contacts: vec![] });
    assert!(bench.names(alice).is_empty() && bench.names(bob).is_empty());
    bench.call(alice, "a2", "bob");
    bench.names(bob);
    let (invite, _) = bench.invited();
    bench.ended(invite, Cause::Refused { status: 603, reason: "No".into(), contacts: vec![] });
    assert_eq!(bench.last_status(alice).sip_status, Some(603), "a person's no is for all devices");
    assert_eq!(bench.names(bob), ["finish FINISH"]);
}

#[test]
fn unregistered_phone_does_not_ring() {
    let mut bench = Bench::new(with_sip());
    let alice = bench.login("alice");
    bench.bind("bob", 1);
    bench.sip(Event::PhoneUnbound { user: "bob".into(), binding: BindingId(1) });
    bench.call(alice, "a1", "bob");
    assert_eq!(bench.last_status(alice).sip_status, Some(404));
    assert!(bench.commands.is_empty());
}

#[test]
fn phone_calls_login() {
    let mut bench = Bench::new(with_sip());
    let alice = bench.login("alice");
    let invite = InviteId::Inbound(7);
    let request = call_to(Origin::Phone("carol".into()), "alice");
    bench.sip(Event::Incoming { invite, request: Box::new(request) });
    let id = bench.incoming(alice);
    assert_eq!(bench.command(), Command::Ring { invite, status: 180, body: None });
    bench.answer(alice, &id);
    assert!(matches!(bench.command(), Command::Accept { .. }));
    bench.ended(invite, gone());
    assert_eq!(bench.names(alice), ["talk ESTABLISHED", "finish FINISH"]);
    bench.assert_no_leak(&[]);
}

#[test]
fn call_to_unknown_or_own_login_is_rejected() {
    let mut bench = Bench::new(with_sip());
    bench.login("alice");
    bench.bind("carol", 1);
    for (origin, callee, status) in [
        (Origin::Phone("carol".into()), "nobody", 404),
        // Its own login, without another device.
        (Origin::Phone("carol".into()), "carol", 480),
        (Origin::Unknown, "nobody", 404),
    ] {
        let invite = InviteId::Inbound(7);
        bench.sip(Event::Incoming { invite, request: Box::new(call_to(origin, callee)) });
        assert!(matches!(bench.command(), Command::Reject { status: said, .. } if said == status), "{callee}");
        bench.assert_no_leak(&[]);
    }
}

#[test]
fn relay_bridges_two_phones() {
    for caller_hangs_up in [true, false] {
        let mut bench = Bench::new(with_sip());
        bench.bind("bob", 1);
        let caller = InviteId::Inbound(7);
        let request = call_to(Origin::Phone("carol".into()), "bob");
        bench.sip(Event::Incoming { invite: caller, request: Box::new(request) });
        let (callee, request) = bench.invited();
        assert!(text(&request.offer.unwrap()).contains("m=audio 2"));
        bench.progress(callee, 180, None);
        assert_eq!(bench.command(), Command::Ring { invite: caller, status: 180, body: None });
        bench.progress(callee, 183, Some(&phone_sdp(5000, "sendrecv")));
        let Command::Ring { status: 183, body: Some(early), .. } = bench.command() else { panic!() };
        bench.answered(callee, None);
        let Command::Accept { body: Some(answer), .. } = bench.command() else { panic!() };
        assert_eq!(text(&early), text(&answer), "said twice, if the first was lost");
        assert_eq!(bench.bridges().len(), 1);
        // Hold between two phones is not reported to a browser.
        bench.sip(Event::Offer {
            invite: caller,
            branch: Branch(0),
            body: Some(super::sip_calls::body(&phone_sdp(4000, "sendonly"))),
        });
        assert!(matches!(bench.command(), Command::AnswerOffer { .. }));
        let (ends, other) = if caller_hangs_up { (caller, callee) } else { (callee, caller) };
        bench.ended(ends, gone());
        assert_eq!(bench.command(), Command::HangUp { invite: other, reason: None });
        bench.assert_no_leak(&[]);
    }
}

#[test]
fn relay_bridges_phones_without_offer_in_invite() {
    let mut bench = Bench::new(with_sip());
    bench.bind("bob", 1);
    let caller = InviteId::Inbound(7);
    let request = InboundInvite { offer: None, ..call_to(Origin::Phone("carol".into()), "bob") };
    bench.sip(Event::Incoming { invite: caller, request: Box::new(request) });
    let (callee, _) = bench.invited();
    bench.answered(callee, Some(&phone_sdp(5000, "sendrecv")));
    assert!(matches!(bench.command(), Command::Accept { body: Some(_), .. }));
    let answer = super::sip_calls::body(&phone_sdp(4000, "sendrecv"));
    bench.sip(Event::OfferAnswered { invite: caller, body: answer });
    assert_eq!(bench.bridges().len(), 1);
    bench.ended(caller, gone());
    bench.assert_no_leak(&[]);
}

#[test]
fn status_of_callee_is_sent_to_calling_phone() {
    let mut bench = Bench::new(with_sip());
    bench.bind("bob", 1);
    for (cause, status) in [
        (Cause::Refused { status: 486, reason: "Busy Here".into(), contacts: vec![] }, 486),
        (Cause::Refused { status: 302, reason: "Moved".into(), contacts: vec!["sip:x@y".parse().unwrap()] }, 480),
        (Cause::Failed(Failure::Timeout), 408),
    ] {
        let caller = InviteId::Inbound(7);
        let request = call_to(Origin::Phone("carol".into()), "bob");
        bench.sip(Event::Incoming { invite: caller, request: Box::new(request) });
        let (callee, _) = bench.invited();
        bench.ended(callee, cause);
        assert!(matches!(bench.command(), Command::Reject { status: said, .. } if said == status));
        bench.assert_no_leak(&[]);
    }
}

#[test]
fn relay_executes_transfer_of_local_phone() {
    let mut bench = Bench::new(with_sip());
    let (alice, carol) = (bench.login("alice"), bench.login("carol"));
    bench.bind("bob", 1);
    bench.call(alice, "a1", "bob");
    let (phone, _) = bench.invited();
    bench.answered(phone, Some(&phone_sdp(4000, "sendrecv")));
    bench.names(alice);
    bench.send(alice, &ClientMessage::Transfer { call_id: "a1".into(), target: "carol".into() });
    let at_carol = bench.incoming(carol);
    bench.answer(carol, &at_carol);
    assert_eq!(bench.names(alice), ["notifyTransferEvent", "finish FINISH"]);
    assert_eq!(bench.names(carol), ["talk ESTABLISHED"]);
    bench.hang_up(carol, at_carol.as_str());
    assert_eq!(bench.last_command(), Some(Command::HangUp { invite: phone, reason: None }));
    bench.assert_no_leak(&[]);
}

impl Bench {
    fn last_command(&mut self) -> Option<Command> {
        self.take_commands().pop()
    }
}

pub(crate) fn with_trunk() -> Config {
    let account = Account {
        identity: Identity { name: None, uri: "sip:trunk@pbx.test".parse().unwrap() },
        login: Some(Login::new("trunk", "hidden")),
        registrar: Some("sip:pbx.test".parse().unwrap()),
        route: Vec::new(),
        transport: None,
        expires: Duration::from_secs(600),
        options_interval: Duration::ZERO,
        sources: Vec::new(),
        called_number: CalledNumberSource::ALL.to_vec(),
        is_trunk: true,
        persists: false,
        retry_interval: Duration::from_secs(60),
        contact_user: String::new(),
    };
    let numbers = [(LoginName("alice".into()), "+4930100".to_owned())].into();
    let trunk = Trunk { account, numbers, numbering: Numbering::default(), asserts_identity: true };
    Config { sip: Some(Box::new(Sip { trunk: Some(trunk), ..sip_config() })), ..config() }
}

#[test]
fn call_to_unknown_name_is_routed_to_trunk() {
    let mut bench = Bench::new(with_trunk());
    let (trunk, _) = bench.opened();
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    bench.call(alice, "a1", "+49 89 5");
    let (invite, request) = bench.invited();
    assert_eq!((request.account, request.to), (Some(trunk), Destination::Uri("sip:+49895@pbx.test".parse().unwrap())));
    assert_eq!(request.from.as_ref().unwrap().uri.to_string(), "sip:%2B4930100@pbx.test".replace("%2B", "+"));
    assert_eq!(request.asserted, request.from);
    bench.ended(invite, Cause::Failed(Failure::Timeout));
    bench.names(alice);
    bench.establish(alice, "a2", bob, "bob");
    bench.call(alice, "a3", "carol");
    assert_eq!(bench.last_status(alice).sip_status, Some(480), "the account has no session");
    assert!(bench.commands.is_empty());
}

#[test]
fn trunk_call_rings_login_of_number() {
    let mut bench = Bench::new(with_trunk());
    let (trunk, _) = bench.opened();
    let (alice, bob) = (bench.login("alice"), bench.login("bob"));
    let ring = |bench: &mut Bench, number: &str| {
        let invite = InviteId::Inbound(7);
        bench.sip(Event::Incoming { invite, request: Box::new(call_to(Origin::Account(trunk), number)) });
        invite
    };
    let invite = ring(&mut bench, "+4930100");
    let id = bench.incoming(alice);
    bench.take_commands();
    bench.hang_up(alice, id.as_str());
    assert_eq!(bench.command(), Command::Reject { invite, status: 603, reason: None, contacts: vec![] });
    ring(&mut bench, "bob");
    bench.incoming(bob);
    bench.take_commands();
    bench.input(crate::io::Input::Disconnected { connection: bob });
    assert!(matches!(bench.command(), Command::Reject { status: 480, .. }));
    ring(&mut bench, "+49891");
    assert!(matches!(bench.command(), Command::Reject { status: 404, .. }), "not out again by the same trunk");
    bench.assert_no_leak(&[]);
}

pub(super) fn moved(contacts: &[&str]) -> Cause {
    let contacts = contacts.iter().map(|contact| contact.parse().unwrap()).collect();
    Cause::Refused { status: 302, reason: "Moved Temporarily".into(), contacts }
}

#[test]
fn redirect_of_phone_to_user_is_followed() {
    let mut bench = Bench::new(with_sip());
    let (alice, carol) = (bench.login("alice"), bench.login("carol"));
    bench.bind("bob", 1);
    bench.call(alice, "a1", "bob");
    let (first, _) = bench.invited();
    // Neither itself nor another host, but the first user of this relay.
    bench.ended(first, moved(&["sip:bob@relay.test", "sip:carol@evil.test", "sip:carol@relay.test"]));
    let id = bench.incoming(carol);
    assert!(bench.commands.is_empty());
    assert_eq!(bench.names(alice), ["notifyTryingResponse TRYING", "ring RING"]);
    bench.answer(carol, &id);
    assert_eq!(bench.last_status(alice).status, CallStatus::Established);
    bench.hang_up(alice, "a1");
    bench.assert_no_leak(&[]);
}

#[test]
fn redirect_of_phone_to_trunk_needs_permission() {
    for (is_stranger, is_followed) in [(false, true), (true, false)] {
        let mut bench = Bench::new(with_trunk());
        let (trunk, _) = bench.opened();
        bench.bind("bob", 1);
        let origin = if is_stranger { Origin::Unknown } else { Origin::Phone("carol".into()) };
        let caller = InviteId::Inbound(7);
        bench.sip(Event::Incoming { invite: caller, request: Box::new(call_to(origin, "bob")) });
        let (first, _) = bench.invited();
        bench.ended(first, moved(&["sip:+4930123@relay.test"]));
        if is_followed {
            let (second, request) = bench.invited();
            assert_eq!(
                (request.account, request.diverted_by),
                (Some(trunk), Some("sip:bob@relay.test".parse().unwrap()))
            );
            bench.ended(second, moved(&["sip:+900@relay.test"]));
        }
        // A redirect of the trunk's server is followed by the user agent only.
        assert!(matches!(bench.command(), Command::Reject { status: 480, .. }));
        bench.assert_no_leak(&[]);
    }
}

#[test]
fn redirect_after_early_media_is_followed() {
    let mut bench = Bench::new(with_sip());
    let (alice, carol) = (bench.login("alice"), bench.login("carol"));
    bench.bind("bob", 1);
    bench.call(alice, "a1", "bob");
    let (first, _) = bench.invited();
    bench.progress(first, 183, Some(&phone_sdp(4000, "sendrecv")));
    let bridges =
        |bench: &Bench| bench.media.iter().filter(|order| matches!(order, MediaCommand::Bridge { .. })).count();
    assert_eq!(bridges(&bench), 1, "the announcement is bridged");
    bench.ended(first, moved(&["sip:carol@relay.test"]));
    let id = bench.incoming(carol);
    bench.answer(carol, &id);
    assert_eq!(bench.last_status(alice).status, CallStatus::Established);
    assert_eq!(bridges(&bench), 2, "and so is the other");
    bench.hang_up(alice, "a1");
    bench.assert_no_leak(&[]);
}

#[test]
fn looping_redirect_is_not_followed() {
    for by in ["sip:bob@relay.test", "sip:eve@relay.test"] {
        let mut bench = Bench::new(with_trunk());
        let (trunk, _) = bench.opened();
        bench.bind("bob", 1);
        let mut request = call_to(Origin::Account(trunk), "bob");
        request.diverted_by = vec![Identity { name: None, uri: by.parse().unwrap() }];
        bench.sip(Event::Incoming { invite: InviteId::Inbound(7), request: Box::new(request) });
        let (first, _) = bench.invited();
        bench.login("carol");
        bench.ended(first, moved(&["sip:carol@relay.test"]));
        let is_refused = matches!(bench.commands.first(), Some(Command::Reject { status: 480, .. }));
        assert_eq!(is_refused, by.contains("bob"), "{by}");
    }
}

#[test]
fn number_of_redirects_is_limited() {
    let mut bench = Bench::new(with_sip());
    bench.bind("bob", 1);
    bench.bind("carol", 2);
    let caller = InviteId::Inbound(7);
    bench.sip(Event::Incoming { invite: caller, request: Box::new(call_to(Origin::Phone("dave".into()), "bob")) });
    for to in ["carol", "bob", "carol", "bob", "carol"] {
        let (invite, _) = bench.invited();
        bench.ended(invite, moved(&[&format!("sip:{to}@relay.test")]));
    }
    let (invite, _) = bench.invited();
    bench.ended(invite, moved(&["sip:bob@relay.test"]));
    assert!(matches!(bench.command(), Command::Reject { status: 480, .. }));
    bench.assert_no_leak(&[]);
}

#[test]
fn unknown_source_is_presented_with_its_host() {
    let mut bench = Bench::new(with_trunk());
    bench.opened();
    let alice = bench.login("alice");
    bench.login("bob");
    bench.bind("alice", 1);
    let invite = InviteId::Inbound(7);
    for (name, shown) in [(None, "bob@evil.test"), (Some("bob"), "bob@evil.test"), (Some("Bob B."), "Bob B.")] {
        let mut request = call_to(Origin::Unknown, "alice");
        request.from = Identity { name: name.map(str::to_owned), uri: "sip:bob@evil.test;x=y".parse().unwrap() };
        bench.sip(Event::Incoming { invite, request: Box::new(request) });
        let call = bench.last_status(alice);
        assert_eq!((call.caller.as_str(), call.visible_name.as_str()), ("bob@evil.test", shown));
        let commands = bench.take_commands();
        let from = commands.iter().find_map(|command| match command {
            Command::Invite { request, .. } => request.from.clone(),
            _ => None,
        });
        assert_eq!(from.expect("the phone rings, too").uri.to_string(), "sip:bob@evil.test");
        bench.ended(invite, gone());
        bench.take_commands();
    }
    bench.assert_no_leak(&[]);
}

#[test]
fn unknown_source_transfers_no_call_to_trunk() {
    let mut bench = Bench::new(with_trunk());
    bench.opened();
    let alice = bench.login("alice");
    let invite = InviteId::Inbound(7);
    bench.sip(Event::Incoming { invite, request: Box::new(call_to(Origin::Unknown, "alice")) });
    let id = bench.incoming(alice);
    bench.answer(alice, &id);
    bench.take_commands();
    let target = Box::new("sip:+900123456@relay.test".parse().unwrap());
    bench.sip(Event::Refer { invite, target, replaces: None, replaced: None, referred_by: None });
    let commands = bench.take_commands();
    assert!(!commands.iter().any(|command| matches!(command, Command::Invite { .. })), "{commands:?}");
    assert!(matches!(commands.last(), Some(Command::AnswerRefer { status: 403, .. })), "{commands:?}");
    bench.ended(invite, gone());
    bench.assert_no_leak(&[]);
}

#[test]
fn unknown_source_calls_users_only() {
    let mut bench = Bench::new(with_trunk());
    bench.opened();
    let alice = bench.login("alice");
    let invite = InviteId::Inbound(7);
    bench.sip(Event::Incoming { invite, request: Box::new(call_to(Origin::Unknown, "alice")) });
    bench.incoming(alice);
    assert_eq!(bench.command(), Command::Ring { invite, status: 180, body: None });
    bench.ended(invite, gone());
    assert_eq!(bench.last_status(alice).status, CallStatus::Finish);
    bench.sip(Event::Incoming { invite, request: Box::new(call_to(Origin::Unknown, "+49895")) });
    assert!(matches!(bench.command(), Command::Reject { status: 404, .. }));
    // An anonymous caller has no name.
    let mut request = call_to(Origin::Unknown, "alice");
    request.anonymous = true;
    bench.sip(Event::Incoming { invite, request: Box::new(request) });
    let messages = bench.take(alice);
    let text = format!("{messages:?}");
    assert!(text.contains("anonymous") && !text.contains("1003") && !text.contains("Carol"), "{text}");
}

#[test]
fn refused_trunk_is_not_counted_until_it_is_registered_again() {
    let mut bench = Bench::new(with_trunk());
    let (trunk, _) = bench.opened();
    let registered = Event::Registered { account: trunk, expires: Duration::from_secs(60) };
    bench.sip(registered.clone());
    assert_eq!(bench.relay.counts().registrations, 1);
    let failure = Failure::Refused { status: 403, reason: "Forbidden".into() };
    for _ in 0..2 {
        let retry_at = Some(bench.now + Duration::from_secs(60));
        bench.sip(Event::RegistrationFailed { account: trunk, failure: failure.clone(), retry_at });
        assert_eq!(bench.relay.counts().registrations, 0);
    }
    assert_eq!(bench.registration_failures, 2, "the log has each");
    bench.sip(registered);
    assert_eq!(bench.relay.counts().registrations, 1);
}

#[test]
fn trunk_call_rings_the_number_in_any_of_three_places() {
    let mut config = with_trunk();
    let trunk = config.sip.as_mut().unwrap().trunk.as_mut().unwrap();
    trunk.numbering =
        Numbering { country_code: "49".into(), international_prefix: "00".into(), national_prefix: "0".into() };
    let other = "sip:+4930999999@pbx.test";
    let calls = [
        ("sip:+4930100@192.0.2.1:5060", None, other),
        ("sip:token@192.0.2.1", Some("sip:+4930100@pbx.test"), other),
        ("sip:token@192.0.2.1", None, "tel:+49-30-100"),
        ("sip:token@192.0.2.1", None, "sip:+4930100;npdi@pbx.test;user=phone"),
        ("sip:token@192.0.2.1", None, "sip:004930100@pbx.test"),
        ("sip:token@192.0.2.1", None, "sip:030100@pbx.test"),
    ];
    for (request_uri, called_party, to) in calls {
        let mut bench = Bench::new(config.clone());
        let (trunk, _) = bench.opened();
        let alice = bench.login("alice");
        let request = InboundInvite {
            request_uri: request_uri.parse().unwrap(),
            called_party: called_party.map(|uri| uri.parse().unwrap()),
            to: Identity { name: None, uri: to.parse().unwrap() },
            ..call_to(Origin::Account(trunk), "x")
        };
        bench.sip(Event::Incoming { invite: InviteId::Inbound(7), request: Box::new(request) });
        bench.incoming(alice);
    }
}

#[test]
fn trunk_call_rings_the_number_in_the_configured_place() {
    use CalledNumberSource::{CalledPartyId, RequestUri, To};
    for (order, expected) in [
        (vec![RequestUri, CalledPartyId, To], "alice"),
        (vec![CalledPartyId, RequestUri], "bob"),
        (vec![To, CalledPartyId], "carol"),
        (vec![To], "carol"),
    ] {
        let mut config = with_trunk();
        let trunk = config.sip.as_mut().unwrap().trunk.as_mut().unwrap();
        trunk.account.called_number.clone_from(&order);
        let mut bench = Bench::new(config);
        let (trunk, _) = bench.opened();
        let logins = ["alice", "bob", "carol"].map(|login| (login, bench.login(login)));
        let request = InboundInvite {
            request_uri: "sip:+4930100@192.0.2.1".parse().unwrap(),
            called_party: Some("sip:bob@pbx.test".parse().unwrap()),
            to: Identity { name: None, uri: "sip:carol@pbx.test".parse().unwrap() },
            ..call_to(Origin::Account(trunk), "x")
        };
        bench.sip(Event::Incoming { invite: InviteId::Inbound(7), request: Box::new(request) });
        let (_, called) = logins.into_iter().find(|(login, _)| *login == expected).unwrap();
        bench.incoming(called);
    }
}

#[test]
fn trunk_call_is_refused_where_only_an_unlisted_place_names_a_user() {
    let mut config = with_trunk();
    let trunk = config.sip.as_mut().unwrap().trunk.as_mut().unwrap();
    trunk.account.called_number = vec![CalledNumberSource::RequestUri];
    let mut bench = Bench::new(config);
    let (trunk, _) = bench.opened();
    bench.login("alice");
    let request = InboundInvite {
        request_uri: "sip:token@192.0.2.1".parse().unwrap(),
        to: Identity { name: None, uri: "sip:+4930100@pbx.test".parse().unwrap() },
        ..call_to(Origin::Account(trunk), "x")
    };
    bench.sip(Event::Incoming { invite: InviteId::Inbound(7), request: Box::new(request) });
    assert!(matches!(bench.command(), Command::Reject { status: 404, .. }));
}
