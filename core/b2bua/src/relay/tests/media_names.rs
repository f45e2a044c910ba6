//! Host names in the descriptions of SIP peers; the user agent and the resolver are the test.

use super::sip_calls::{BRANCH, body, from_phone, gone, phone_sdp, text};
use super::{Bench, with_sip};
use crate::io::Input;
use crate::relay::media_names::{MAX_EVENTS, MAX_NAMES, RESOLVE_TIMEOUT};
use offhook_sip::user_agent::io::{AccountId, Body, Command, Event, InviteId, Origin};
use std::net::{IpAddr, SocketAddr};

const NAME: &str = "media.example.org";
const FOUND: &str = "203.0.113.9";
const PEER: [u8; 4] = [198, 51, 100, 1];
const CALLER: InviteId = InviteId::Inbound(7);

/// A description that has a host name in place of the address.
fn named(port: u16) -> String {
    phone_sdp(port, "sendrecv").replace("c=IN IP4 198.51.100.7", &format!("c=IN IP4 {NAME}"))
}

fn incoming(account: AccountId, offer: &str) -> Event {
    let request = from_phone(Origin::Account(account), Some(offer.to_owned()));
    Event::Incoming { invite: CALLER, request: Box::new(request) }
}

fn offered(invite: InviteId, offer: &str) -> Event {
    Event::Offer { invite, branch: BRANCH, body: Some(body(offer)) }
}

/// The rejection of an offer with the reason, which the user agent repeats in `Warning`.
fn refused(invite: InviteId) -> Command {
    let reason = Some("Host Name in SDP Has No Usable Address".to_owned());
    Command::RefuseOffer { invite, branch: BRANCH, status: 488, reason }
}

impl Bench {
    /// Returns the hosts that were to be resolved since the last call.
    fn asked(&self) -> Vec<&str> {
        self.questions.iter().map(|(_, host)| host.as_str()).collect()
    }

    /// Responds to the pending requests.
    fn resolve(&mut self, addresses: &[&str]) {
        let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        for (request, _) in core::mem::take(&mut self.questions) {
            self.input(Input::HostResolved { request, addresses: addresses.clone() });
        }
    }

    fn remote(&self) -> SocketAddr {
        self.connected().0[0].remote.expect("an address").rtp
    }

    /// A call of alice's page through a server whose address is known; the callee has sent no media description.
    fn called(&mut self) -> (crate::io::ConnectionId, InviteId) {
        let (alice, _) = self.login_sip("alice");
        self.call(alice, "a1", "1002");
        let (invite, _) = self.invited();
        self.sip(Event::SourceChanged { invite, source: PEER.into() });
        self.names(alice);
        (alice, invite)
    }
}

#[test]
fn host_name_in_offer_is_resolved() {
    let mut bench = Bench::new(with_sip());
    let (alice, account) = bench.login_sip("alice");
    bench.sip(incoming(account, &named(4000)));
    assert_eq!(bench.asked(), [NAME]);
    assert!(bench.names(alice).is_empty() && bench.take_commands().is_empty(), "the call waits for the address");
    bench.resolve(&["2001:db8::9", FOUND]);
    let id = bench.incoming(alice);
    bench.answer(alice, &id);
    assert_eq!(bench.remote(), SocketAddr::new(FOUND.parse().unwrap(), 4000));
    bench.ended(CALLER, gone());
    bench.assert_no_leak(&[]);
}

#[test]
fn host_without_address_is_refused_with_reason() {
    for addresses in [&[][..], &["2001:db8::9"], &["10.0.0.1"]] {
        let mut bench = Bench::new(with_sip());
        let (alice, account) = bench.login_sip("alice");
        let mut request = from_phone(Origin::Account(account), Some(named(4000)));
        // The names of a public peer must not lead to private addresses.
        request.source = PEER.into();
        bench.sip(Event::Incoming { invite: CALLER, request: Box::new(request) });
        bench.resolve(addresses);
        let Command::Reject { status: 488, reason: Some(reason), .. } = bench.command() else { panic!("not refused") };
        assert_eq!(reason, "Host Name in SDP Has No Usable Address");
        assert!(bench.names(alice).is_empty());
        bench.assert_no_leak(&[]);
    }
}

#[test]
fn events_behind_a_host_name_stay_in_order() {
    let mut bench = Bench::new(with_sip());
    let (alice, invite) = bench.called();
    bench.progress(invite, 183, Some(&named(4000)));
    bench.answered(invite, Some(&named(4002)));
    assert!(bench.names(alice).is_empty(), "both wait");
    bench.resolve(&[FOUND]);
    assert_eq!(bench.remote().port(), 4000);
    assert_eq!(bench.names(alice), ["setRemoteSDP", "ring RING_MEDIA"]);
    assert_eq!(bench.asked(), [NAME], "the answer has its own question");
    bench.resolve(&[FOUND]);
    assert_eq!(bench.remote(), SocketAddr::new(FOUND.parse().unwrap(), 4002));
    assert_eq!(bench.names(alice), ["talk ESTABLISHED"]);
    bench.hang_up(alice, "a1");
    bench.ended(invite, gone());
    bench.assert_no_leak(&[]);
}

#[test]
fn resolver_without_response_delays_for_limited_time() {
    let mut bench = Bench::new(with_sip());
    let (alice, invite) = bench.called();
    bench.progress(invite, 183, Some(&named(4000)));
    bench.answered(invite, Some(&phone_sdp(4002, "sendrecv")));
    assert_eq!(bench.relay.poll_timeout(), Some(bench.now + RESOLVE_TIMEOUT));
    bench.wait(RESOLVE_TIMEOUT);
    assert_eq!(bench.remote().port(), 4002, "the answer has an address");
    assert!(bench.names(alice).contains(&"talk ESTABLISHED".to_owned()));
    // A late response changes nothing.
    let media = bench.media.len();
    bench.resolve(&[FOUND]);
    assert_eq!(bench.media.len(), media);
    bench.hang_up(alice, "a1");
    bench.ended(invite, gone());
    bench.assert_no_leak(&[]);
}

#[test]
fn new_offer_with_host_name_moves_media() {
    let mut bench = Bench::new(with_sip());
    let (alice, invite) = bench.called();
    bench.answered(invite, Some(&phone_sdp(4000, "sendrecv")));
    bench.names(alice);
    bench.sip(offered(invite, &named(5000)));
    assert!(bench.take_commands().is_empty());
    bench.resolve(&[FOUND]);
    assert!(matches!(bench.command(), Command::AnswerOffer { .. }));
    assert_eq!(bench.remote(), SocketAddr::new(FOUND.parse().unwrap(), 5000));
    let media = bench.media.len();
    bench.sip(offered(invite, &named(6000)));
    bench.resolve(&[]);
    assert_eq!(bench.command(), refused(invite));
    assert_eq!((bench.media.len(), bench.names(alice).len()), (media, 0));
}

#[test]
fn host_name_in_answer_is_resolved() {
    let mut bench = Bench::new(with_sip());
    let (alice, account) = bench.login_sip("alice");
    let request = from_phone(Origin::Account(account), None);
    bench.sip(Event::Incoming { invite: CALLER, request: Box::new(request) });
    let id = bench.incoming(alice);
    bench.answer(alice, &id);
    let accepted = bench.take_commands().pop();
    assert!(matches!(accepted, Some(Command::Accept { body: Some(_), .. })), "{accepted:?}");
    bench.sip(Event::OfferAnswered { invite: CALLER, body: body(&named(4000)) });
    bench.resolve(&["127.0.0.2"]);
    assert_eq!(bench.remote(), "127.0.0.2:4000".parse().unwrap(), "a peer on this machine may name this machine");
}

#[test]
fn each_section_has_address_of_its_host() {
    let mut bench = Bench::new(with_sip());
    let (alice, account) = bench.login_sip("alice");
    let two = named(4000) + &format!("c=IN IP4 audio.example.org\r\nm=video 4002 RTP/AVP 96\r\nc=IN IP4 {NAME}\r\n");
    bench.sip(incoming(account, &two));
    assert_eq!(bench.asked(), ["audio.example.org", NAME]);
    let questions = bench.questions.split_off(1);
    bench.resolve(&["203.0.113.1"]);
    assert!(bench.names(alice).is_empty(), "the other host is still asked about");
    bench.questions = questions;
    bench.resolve(&["203.0.113.2"]);
    let id = bench.incoming(alice);
    bench.answer(alice, &id);
    assert_eq!(bench.remote(), "203.0.113.1:4000".parse().unwrap());
}

#[test]
fn names_beyond_limit_are_not_resolved() {
    let mut bench = Bench::new(with_sip());
    let (_, account) = bench.login_sip("alice");
    let name = |index| format!("c=IN IP4 host{index}.example.org\r\n");
    let many = named(4000) + &(0..MAX_NAMES).map(name).collect::<String>();
    bench.sip(incoming(account, &many));
    assert!(bench.questions.is_empty());
    assert!(matches!(bench.command(), Command::Reject { status: 488, .. }));
    // Names that some resolvers treat as addresses are not resolved.
    bench.sip(incoming(account, &named(4000).replace(NAME, "127.1")));
    assert!(bench.questions.is_empty());
    assert!(matches!(bench.command(), Command::Reject { status: 488, .. }));
}

#[test]
fn ended_call_drops_waiting_events() {
    let mut bench = Bench::new(with_sip());
    let (alice, account) = bench.login_sip("alice");
    bench.sip(incoming(account, &named(4000)));
    bench.ended(CALLER, gone());
    assert_eq!(bench.relay.poll_timeout(), None);
    bench.resolve(&[FOUND]);
    assert!(bench.names(alice).is_empty() && bench.take_commands().is_empty());
    bench.assert_no_leak(&[]);
}

#[test]
fn events_beyond_limit_end_the_wait() {
    let mut bench = Bench::new(with_sip());
    let (alice, invite) = bench.called();
    bench.answered(invite, Some(&phone_sdp(4000, "sendrecv")));
    bench.names(alice);
    bench.sip(offered(invite, &named(5000)));
    let digit = Body { content_type: "application/dtmf".into(), octets: b"5".to_vec() };
    for _ in 0..MAX_EVENTS {
        bench.sip(Event::Info { invite, body: digit.clone() });
    }
    assert_eq!(bench.command(), refused(invite));
    bench.resolve(&[FOUND]);
    // No event waits, and the next offer is answered.
    bench.sip(offered(invite, &phone_sdp(6000, "sendrecv")));
    let Command::AnswerOffer { body: answer, .. } = bench.command() else { panic!("not answered") };
    assert!(text(&answer).contains("m=audio"));
}
