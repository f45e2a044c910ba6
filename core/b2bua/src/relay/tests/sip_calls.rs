//! Calls between browsers and SIP endpoints; the user agent is the test.

use super::{Bench, call_message, with_sip};
use crate::io::ConnectionId;
use core::time::Duration;
use offhook_media::command::{Command as Media, RemoteRtp, RemoteTransport, RtcpPath, Silence, Stream};
use offhook_signaling::message::{Answer, CallId, CallStatus, ClientMessage, Json, ServerMessage};
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io::{
    AccountId, Body, Branch, Cause, Command, Destination, Event, Failure, Identity, InboundInvite, InviteId, Origin,
    OutboundInvite,
};
use std::net::IpAddr;

pub(super) const BRANCH: Branch = Branch(0);

/// A phone's description: PCMU and PCMA with telephone-event, at the phone's own address.
pub(crate) fn phone_sdp(port: u16, direction: &str) -> String {
    format!(
        "v=0\r\no=phone 1 {port} IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
m=audio {port} RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na={direction}\r\n"
    )
}

pub(super) fn body(text: &str) -> Body {
    Body { content_type: "application/sdp".to_owned(), octets: text.as_bytes().to_vec() }
}

pub(super) fn text(body: &Body) -> String {
    assert_eq!(body.content_type, "application/sdp");
    String::from_utf8(body.octets.clone()).unwrap()
}

fn refused(status: u16, reason: &str) -> Cause {
    Cause::Refused { status, reason: reason.to_owned(), contacts: Vec::new() }
}

pub(super) fn gone() -> Cause {
    Cause::Remote { reason: None }
}

/// An inbound call of a phone to an account.
pub(super) fn from_phone(origin: Origin, offer: Option<String>) -> InboundInvite {
    InboundInvite {
        origin,
        source: std::net::Ipv4Addr::LOCALHOST.into(),
        request_uri: "sip:token@192.0.2.1".parse().unwrap(),
        from: Identity { name: Some("Carol C.".into()), uri: "sip:1003@example.org".parse().unwrap() },
        to: Identity { name: None, uri: "sip:alice@example.org".parse().unwrap() },
        called_party: None,
        asserted: None,
        anonymous: false,
        diverted_by: Vec::new(),
        offer: offer.map(|offer| body(&offer)),
        headers: Vec::new(),
        replaces: None,
    }
}

/// A stream of an RTP leg, and the peer's address for it.
pub(super) struct ConnectedSection {
    pub(super) stream: Stream,
    pub(super) remote: Option<RemoteRtp>,
}

impl Bench {
    pub(super) fn take_commands(&mut self) -> Vec<Command> {
        core::mem::take(&mut self.commands)
    }

    /// Returns the only command since the last call.
    pub(super) fn command(&mut self) -> Command {
        let mut commands = self.take_commands();
        let command = commands.pop().expect("a command");
        assert!(commands.is_empty(), "not one command: {commands:?}, {command:?}");
        command
    }

    /// Returns the only INVITE since the last call, which is the only command.
    pub(super) fn invited(&mut self) -> (InviteId, OutboundInvite) {
        match self.command() {
            Command::Invite { invite, request } => (invite, *request),
            command => panic!("no INVITE: {command:?}"),
        }
    }

    pub(super) fn answered(&mut self, invite: InviteId, sdp: Option<&str>) {
        self.sip(Event::Answered { invite, branch: BRANCH, body: sdp.map(body) });
    }

    pub(super) fn progress(&mut self, invite: InviteId, status: u16, sdp: Option<&str>) {
        let reason = "Progress".to_owned();
        self.sip(Event::Progress { invite, branch: BRANCH, status, reason, body: sdp.map(body) });
    }

    pub(super) fn ended(&mut self, invite: InviteId, cause: Cause) {
        self.sip(Event::Ended { invite, cause });
    }

    /// Establishes a call of a browser with a phone behind its server.
    pub(super) fn establish_with_phone(&mut self, from: ConnectionId, id: &str, callee: &str) -> InviteId {
        self.call(from, id, callee);
        let (invite, _) = self.invited();
        self.answered(invite, Some(&phone_sdp(4000, "sendrecv")));
        assert_eq!(self.names(from), ["notifyTryingResponse TRYING", "setRemoteSDP", "talk ESTABLISHED"]);
        invite
    }

    /// Passes an inbound call of a phone; returns the browser's id.
    pub(super) fn ring_from_phone(&mut self, invite: InviteId, account: AccountId, at: ConnectionId) -> CallId {
        let request = from_phone(Origin::Account(account), Some(phone_sdp(4000, "sendrecv")));
        self.sip(Event::Incoming { invite, request: Box::new(request) });
        let id = self.incoming(at);
        assert_eq!(self.command(), Command::Ring { invite, status: 180, body: None });
        id
    }

    /// Returns the streams of the last RTP leg that was connected.
    pub(super) fn connected(&self) -> (Vec<ConnectedSection>, Silence) {
        let orders = self.media.iter().rev();
        let mut orders = orders.filter_map(|command| match command {
            Media::Connect { transport: RemoteTransport::Rtp { sections, .. }, streams, silence, .. } => {
                let both = streams.iter().cloned().zip(sections);
                let both = both.map(|(stream, section)| ConnectedSection { stream, remote: section.address });
                Some((both.collect(), *silence))
            }
            _ => None,
        });
        orders.next().expect("an RTP leg")
    }

    /// Returns the signaling address in that command.
    fn signaling_address(&self) -> Option<IpAddr> {
        let orders = self.media.iter().rev();
        let mut orders = orders.filter_map(|command| match command {
            Media::Connect { transport: RemoteTransport::Rtp { signaling, .. }, .. } => Some(*signaling),
            _ => None,
        });
        orders.next().expect("an RTP leg")
    }

    fn end_reason(&mut self, at: ConnectionId) -> (CallStatus, Option<u16>, Option<String>) {
        let end = self.last_status(at);
        (end.status, end.sip_status, end.info)
    }
}

#[test]
fn worker_receives_signaling_address_of_peer() {
    let mut bench = Bench::new(with_sip());
    let (alice, _) = bench.login_sip("alice");
    bench.call(alice, "a1", "1002");
    let (invite, _) = bench.invited();
    let (first, moved) = (IpAddr::from([203, 0, 113, 5]), IpAddr::from([203, 0, 113, 6]));
    bench.sip(Event::SourceChanged { invite, source: first });
    bench.answered(invite, Some(&phone_sdp(4000, "sendrecv")));
    assert_eq!(bench.signaling_address(), Some(first));
    bench.sip(Event::SourceChanged { invite, source: moved });
    bench.sip(Event::Offer { invite, branch: BRANCH, body: Some(body(&phone_sdp(4002, "sendrecv"))) });
    assert_eq!(bench.signaling_address(), Some(moved));
}

#[test]
fn page_calls_phone_and_either_hangs_up() {
    for page_hangs_up in [true, false] {
        let mut bench = Bench::new(with_sip());
        let (alice, account) = bench.login_sip("alice");
        bench.call(alice, "a1", "1002");
        assert_eq!(bench.names(alice), ["notifyTryingResponse TRYING"]);
        let (invite, request) = bench.invited();
        assert_eq!(
            (request.account, request.to),
            (Some(account), Destination::Uri("sip:1002@example.org".parse().unwrap()))
        );
        assert_eq!(request.from.unwrap().uri.to_string(), "sip:alice@example.org");
        let offer = text(&request.offer.unwrap());
        assert!(offer.contains("c=IN IP4 192.0.2.1") && offer.contains("RTP/AVP"), "{offer}");
        assert!(!offer.contains("candidate") && !offer.contains("fingerprint"), "{offer}");
        bench.progress(invite, 180, None);
        assert_eq!(bench.names(alice), ["ring RING"]);
        bench.answered(invite, Some(&phone_sdp(4000, "sendrecv")));
        let messages = bench.take(alice);
        let [ServerMessage::RemoteSdp { sdp, .. }, ServerMessage::CallStatus(status)] = &messages[..] else { panic!() };
        assert_eq!(status.status, CallStatus::Established);
        assert!(sdp.contains("a=candidate") && sdp.contains("UDP/TLS/RTP/SAVPF 0"), "{sdp}");
        let (streams, silence) = bench.connected();
        assert_eq!(silence, Silence::EndsLeg);
        let remote = streams[0].remote.unwrap();
        assert_eq!(remote.rtp, "198.51.100.7:4000".parse().unwrap());
        assert_eq!(remote.rtcp, RtcpPath::Separate("198.51.100.7:4001".parse().unwrap()));
        assert_eq!(bench.bridges().len(), 1);
        if page_hangs_up {
            bench.hang_up(alice, "a1");
            assert_eq!(bench.command(), Command::HangUp { invite, reason: None });
        }
        // Reported in both cases; after the first there is no call left.
        bench.ended(invite, if page_hangs_up { Cause::Local } else { gone() });
        assert_eq!(bench.names(alice), ["finish FINISH"]);
        assert!(bench.commands.is_empty());
        bench.assert_no_leak(&[]);
    }
}

#[test]
fn phone_calls_page_and_either_hangs_up() {
    for page_hangs_up in [true, false] {
        let mut bench = Bench::new(with_sip());
        let (alice, account) = bench.login_sip("alice");
        let invite = InviteId::Inbound(7);
        let request = from_phone(Origin::Account(account), Some(phone_sdp(4000, "sendrecv")));
        bench.sip(Event::Incoming { invite, request: Box::new(request) });
        let ServerMessage::IncomingCall(call) = &bench.inbox[&alice][1] else { panic!() };
        assert_eq!(
            (call.caller.as_str(), call.visible_name.as_str(), call.callee.as_str()),
            ("1003", "Carol C.", "alice")
        );
        let id = bench.incoming(alice);
        assert_eq!(bench.command(), Command::Ring { invite, status: 180, body: None });
        bench.answer(alice, &id);
        assert_eq!(bench.names(alice), ["talk ESTABLISHED"]);
        let Command::Accept { body: Some(answer), .. } = bench.command() else { panic!() };
        let answer = text(&answer);
        assert!(answer.contains("m=audio 2") && answer.contains("RTP/AVP 0 101"), "{answer}");
        assert_eq!(bench.connected().0[0].remote.unwrap().rtp, "198.51.100.7:4000".parse().unwrap());
        assert_eq!(bench.bridges().len(), 1);
        if page_hangs_up {
            bench.hang_up(alice, id.as_str());
            assert_eq!(bench.command(), Command::HangUp { invite, reason: None });
        } else {
            bench.ended(invite, gone());
        }
        assert_eq!(bench.names(alice), ["finish FINISH"]);
        bench.assert_no_leak(&[]);
    }
}

#[test]
fn invite_has_header_fields_and_lines_of_page() {
    let mut bench = Bench::new(with_sip());
    let (alice, _) = bench.login_sip("alice");
    let ClientMessage::Call(mut call) = call_message("a1", "sip:bob@example.org") else { panic!() };
    call.visible_name = Some("Alice A.".into());
    call.sip_headers = vec!["X-Account: 12".into(), "Via: evil".into()];
    call.sip_sdp = vec!["a=x-line:1".into(), "c=IN IP4 evil".into()];
    call.custom = Some(Json::parse(r#"{"order":5}"#).unwrap());
    bench.send(alice, &ClientMessage::Call(call));
    let (_, request) = bench.invited();
    let headers: Vec<String> = request.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    assert_eq!(headers[..2], ["X-Account: 12", r#"Offhook-Custom: {"order":5}"#]);
    assert!(headers.len() == 3 && headers[2].starts_with("Offhook-Call: "), "{headers:?}");
    assert_eq!(request.from.unwrap().name.as_deref(), Some("Alice A."));
    let offer = text(&request.offer.unwrap());
    assert!(offer.contains("a=x-line:1\r\n") && !offer.contains("evil"), "{offer}");
}

#[test]
fn display_name_equal_to_the_login_is_in_from() {
    for (given, sent) in [(Some("alice"), Some("alice")), (Some(""), None), (None, None)] {
        let mut bench = Bench::new(with_sip());
        let (alice, _) = bench.login_sip("alice");
        let ClientMessage::Call(mut call) = call_message("a1", "sip:bob@example.org") else { panic!() };
        call.visible_name = given.map(str::to_owned);
        bench.send(alice, &ClientMessage::Call(call));
        let (_, request) = bench.invited();
        assert_eq!(request.from.unwrap().name.as_deref(), sent);
    }
}

#[test]
fn answer_has_lines_of_page() {
    let mut bench = Bench::new(with_sip());
    let (alice, account) = bench.login_sip("alice");
    let call_id = bench.ring_from_phone(InviteId::Inbound(7), account, alice);
    let sip_sdp = vec!["a=x-line:1".into(), "m=audio 1 RTP/AVP 0".into()];
    let sdp = super::answer_sdp();
    let answer = Answer { call_id, sdp, callee: None, sip_sdp, custom: None, local_media_info: None };
    bench.send(alice, &ClientMessage::Answer(Box::new(answer)));
    let Command::Accept { body: Some(answer), .. } = bench.command() else { panic!() };
    let answer = text(&answer);
    assert!(answer.contains("a=x-line:1\r\n") && answer.matches("m=audio").count() == 1, "{answer}");
}

#[test]
fn early_media_use_the_only_answer_of_page() {
    let mut bench = Bench::new(with_sip());
    let (alice, _) = bench.login_sip("alice");
    bench.call(alice, "a1", "1002");
    let (invite, _) = bench.invited();
    bench.progress(invite, 183, Some(&phone_sdp(4000, "sendrecv")));
    assert_eq!(bench.names(alice), ["notifyTryingResponse TRYING", "setRemoteSDP", "ring RING_MEDIA"]);
    assert_eq!(bench.connected().1, Silence::Tolerated);
    assert_eq!(bench.bridges().len(), 1);
    bench.progress(invite, 180, None);
    assert!(bench.names(alice).is_empty());
    // Another callee of the same number, at another address.
    let event = Event::Progress {
        invite,
        branch: Branch(1),
        status: 183,
        reason: String::new(),
        body: Some(body(&phone_sdp(5000, "sendrecv"))),
    };
    bench.sip(event);
    assert_eq!(bench.connected().0[0].remote.unwrap().rtp.port(), 5000);
    // The first one answers, without another description.
    bench.answered(invite, None);
    assert_eq!(bench.names(alice), ["talk ESTABLISHED"]);
    let (streams, silence) = bench.connected();
    assert_eq!((streams[0].remote.unwrap().rtp.port(), silence), (4000, Silence::EndsLeg));
    assert_eq!(bench.bridges().len(), 1);
    bench.hang_up(alice, "a1");
    bench.assert_no_leak(&[]);
}

#[test]
fn description_in_200_may_differ_from_183() {
    let mut bench = Bench::new(with_sip());
    let (alice, _) = bench.login_sip("alice");
    bench.call(alice, "a1", "1002");
    let (invite, _) = bench.invited();
    bench.progress(invite, 183, Some(&phone_sdp(4000, "sendrecv")));
    bench.answered(invite, Some(&phone_sdp(6000, "sendrecv")));
    assert_eq!(bench.names(alice).last().unwrap(), "talk ESTABLISHED");
    assert_eq!(bench.connected().0[0].remote.unwrap().rtp.port(), 6000);
    bench.ended(invite, gone());
    bench.assert_no_leak(&[]);
}

#[test]
fn status_183_without_media_is_reported_as_progress() {
    let mut bench = Bench::new(with_sip());
    let (alice, _) = bench.login_sip("alice");
    bench.call(alice, "a1", "1002");
    let (invite, _) = bench.invited();
    bench.progress(invite, 183, None);
    bench.progress(invite, 180, None);
    bench.progress(invite, 183, None);
    assert_eq!(bench.names(alice), ["notifyTryingResponse TRYING", "ring SESSION_PROGRESS", "ring RING"]);
}

#[test]
fn page_cancels_before_and_after_provisional_response() {
    for early in [false, true] {
        let mut bench = Bench::new(with_sip());
        let (alice, _) = bench.login_sip("alice");
        bench.call(alice, "a1", "1002");
        let (invite, _) = bench.invited();
        if early {
            bench.progress(invite, 183, Some(&phone_sdp(4000, "sendrecv")));
        }
        bench.hang_up(alice, "a1");
        assert_eq!(bench.names(alice).last().unwrap(), "finish FINISH");
        assert_eq!(bench.command(), Command::HangUp { invite, reason: None });
        // The 200 crossed the CANCEL: the user agent ends the dialog.
        bench.answered(invite, Some(&phone_sdp(4000, "sendrecv")));
        bench.ended(invite, Cause::Local);
        assert!(bench.names(alice).is_empty() && bench.commands.is_empty());
        bench.assert_no_leak(&[]);
    }
}

#[test]
fn status_of_server_is_reported_to_page() {
    let said = |status, reason: &str| refused(status, reason);
    let table = [
        (said(404, "No such"), CallStatus::Failed, 404, "No such", EndReason::NotFound),
        (said(480, ""), CallStatus::Failed, 480, "The user is not connected", EndReason::Unavailable),
        (said(603, "Decline"), CallStatus::Finish, 603, "Decline", EndReason::Rejected),
        (said(487, "Terminated"), CallStatus::Finish, 487, "Terminated", EndReason::Canceled),
        (said(302, "Moved"), CallStatus::Failed, 302, "Moved", EndReason::Redirected),
        (said(488, "Not Here"), CallStatus::Failed, 488, "Not Here", EndReason::NoCommonCodecs),
        (said(403, "Forbidden"), CallStatus::Failed, 403, "Forbidden", EndReason::Forbidden),
        (said(503, "Overload"), CallStatus::Failed, 503, "Overload", EndReason::SipFailure),
        (
            Cause::Failed(Failure::Timeout),
            CallStatus::Failed,
            408,
            "Failed by request timeout: the SIP server does not answer",
            EndReason::ServerTimeout,
        ),
        (
            Cause::Failed(Failure::NoSuchHost),
            CallStatus::Failed,
            503,
            "The SIP server cannot be reached",
            EndReason::ServerUnreachable,
        ),
    ];
    for (cause, status, sip_status, info, reason) in table {
        let mut bench = Bench::new(with_sip());
        let mut hello = super::accounts::hello_sip("alice", "secret");
        hello.offhook = Some(offhook_signaling::version::Extension::ours());
        let alice = bench.connect(hello);
        bench.opened();
        bench.call(alice, "a1", "1002");
        let (invite, _) = bench.invited();
        bench.ended(invite, cause);
        let end = bench.last_status(alice);
        assert_eq!((end.status, end.sip_status, end.info.as_deref()), (status, Some(sip_status), Some(info)));
        assert_eq!(end.end_reason, Some(reason));
        assert!(bench.commands.is_empty());
        bench.assert_no_leak(&[]);
    }
}

#[test]
fn busy_is_reported_as_configured() {
    for status in [486, 600] {
        let mut bench = Bench::new(with_sip());
        let (alice, _) = bench.login_sip("alice");
        bench.call(alice, "a1", "1002");
        let (invite, _) = bench.invited();
        bench.ended(invite, refused(status, "Busy"));
        assert_eq!(bench.names(alice), ["notifyTryingResponse TRYING", "busy", "finish FAILED"]);
    }
}

#[test]
fn unanswered_call_of_page_is_canceled() {
    let mut bench = Bench::new(with_sip());
    let (alice, _) = bench.login_sip("alice");
    bench.call(alice, "a1", "1002");
    let (invite, _) = bench.invited();
    bench.wait(Duration::from_secs(60));
    assert_eq!(bench.end_reason(alice).0, CallStatus::Failed);
    assert_eq!(bench.command(), Command::HangUp { invite, reason: None });
    bench.assert_no_leak(&[]);
}

#[test]
fn first_answer_among_browsers_of_account_wins() {
    let mut bench = Bench::new(with_sip());
    let (desk, account) = bench.login_sip("alice");
    let mobile = bench.connect(super::accounts::hello_sip("alice", "secret"));
    bench.names(mobile);
    let invite = InviteId::Inbound(7);
    let at_desk = bench.ring_from_phone(invite, account, desk);
    bench.incoming(mobile);
    bench.answer(desk, &at_desk);
    assert_eq!(bench.names(desk), ["talk ESTABLISHED"]);
    assert_eq!(bench.names(mobile), ["finish FINISH"]);
    assert!(matches!(bench.command(), Command::Accept { .. }));
    bench.ended(invite, gone());
    bench.assert_no_leak(&[]);
}

#[test]
fn page_rejects_call_of_phone() {
    let mut bench = Bench::new(with_sip());
    let (alice, account) = bench.login_sip("alice");
    let invite = InviteId::Inbound(7);
    let id = bench.ring_from_phone(invite, account, alice);
    bench.hang_up(alice, id.as_str());
    assert_eq!(bench.names(alice), ["finish FINISH"]);
    assert!(matches!(bench.command(), Command::Reject { status: 603, .. }));
    bench.assert_no_leak(&[]);
}

#[test]
fn phone_cancels_its_call() {
    let mut bench = Bench::new(with_sip());
    let (alice, account) = bench.login_sip("alice");
    let invite = InviteId::Inbound(7);
    let id = bench.ring_from_phone(invite, account, alice);
    bench.ended(invite, gone());
    assert_eq!(bench.names(alice), ["finish FINISH"]);
    bench.answer(alice, &id);
    assert!(bench.commands.is_empty() && bench.names(alice).is_empty());
    bench.assert_no_leak(&[]);
}

#[test]
fn unanswered_call_of_phone_ends_with_480() {
    let mut bench = Bench::new(with_sip());
    let (alice, account) = bench.login_sip("alice");
    let invite = InviteId::Inbound(7);
    bench.ring_from_phone(invite, account, alice);
    bench.wait(Duration::from_secs(60));
    assert!(matches!(bench.command(), Command::Reject { status: 480, .. }));
    assert_eq!(bench.names(alice), ["finish FINISH"]);
    bench.assert_no_leak(&[]);
}

#[test]
fn call_of_phone_without_callee_online_receives_480() {
    let mut bench = Bench::new(with_sip());
    let mut hello = super::accounts::hello_sip("alice", "secret");
    hello.keep_alive = Some(true);
    let alice = bench.connect(hello);
    let (account, _) = bench.opened();
    bench.sip(Event::Registered { account, expires: Duration::from_secs(600) });
    bench.input(crate::io::Input::Disconnected { connection: alice });
    let invite = InviteId::Inbound(7);
    let request = from_phone(Origin::Account(account), Some(phone_sdp(4000, "sendrecv")));
    bench.sip(Event::Incoming { invite, request: Box::new(request) });
    assert!(matches!(bench.command(), Command::Reject { status: 480, .. }));
    bench.assert_no_leak(&[]);
}

#[test]
fn invalid_offers_are_refused() {
    let mut bench = Bench::new(with_sip());
    let (alice, account) = bench.login_sip("alice");
    let fax =
        "v=0\r\no=f 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\nm=image 4000 udptl t38\r\n";
    for (offer, kind, status) in
        [("hello", "application/sdp", 488), (fax, "application/sdp", 488), ("x", "text/plain", 415)]
    {
        let invite = InviteId::Inbound(7);
        let mut request = from_phone(Origin::Account(account), None);
        request.offer = Some(Body { content_type: kind.into(), octets: offer.as_bytes().to_vec() });
        bench.sip(Event::Incoming { invite, request: Box::new(request) });
        assert_eq!(bench.command(), Command::Reject { invite, status, reason: None, contacts: vec![] });
        assert!(bench.names(alice).is_empty());
        bench.assert_no_leak(&[]);
    }
}

#[test]
fn invite_without_offer_is_answered_in_ack() {
    let mut bench = Bench::new(with_sip());
    let (alice, account) = bench.login_sip("alice");
    let invite = InviteId::Inbound(7);
    let request = from_phone(Origin::Account(account), None);
    bench.sip(Event::Incoming { invite, request: Box::new(request) });
    let id = bench.incoming(alice);
    bench.take_commands();
    bench.answer(alice, &id);
    assert_eq!(bench.names(alice), ["talk ESTABLISHED"]);
    let Command::Accept { body: Some(offer), .. } = bench.command() else { panic!() };
    assert!(text(&offer).contains("PCMU/8000"));
    assert!(bench.bridges().is_empty(), "the phone's address is not known yet");
    bench.sip(Event::OfferAnswered { invite, body: body(&phone_sdp(4000, "sendrecv")) });
    assert_eq!(bench.connected().0[0].remote.unwrap().rtp.port(), 4000);
    assert_eq!(bench.bridges().len(), 1);
    bench.hang_up(alice, id.as_str());
    bench.assert_no_leak(&[]);
}

#[test]
fn phone_with_unusable_answer_is_hung_up() {
    for late in [false, true] {
        let mut bench = Bench::new(with_sip());
        let (alice, account) = bench.login_sip("alice");
        let g729 = phone_sdp(4000, "sendrecv").replace("RTP/AVP 0 8 101", "RTP/AVP 18");
        let invite = if late {
            let invite = InviteId::Inbound(7);
            let request = from_phone(Origin::Account(account), None);
            bench.sip(Event::Incoming { invite, request: Box::new(request) });
            let id = bench.incoming(alice);
            bench.answer(alice, &id);
            bench.take_commands();
            bench.sip(Event::OfferAnswered { invite, body: body(&g729) });
            invite
        } else {
            bench.call(alice, "a1", "1002");
            let (invite, _) = bench.invited();
            bench.answered(invite, Some(&g729));
            invite
        };
        let reason = Some((488, "No common codecs".to_owned()));
        assert_eq!(bench.command(), Command::HangUp { invite, reason });
        assert_eq!(bench.last_status(alice).status, CallStatus::Failed);
        bench.assert_no_leak(&[]);
    }
}

#[test]
fn restored_relay_continues_call_with_phone() {
    let mut bench = Bench::new(with_sip());
    let (alice, account) = bench.login_sip("alice");
    let outbound = bench.establish_with_phone(alice, "a1", "1002");
    let id = bench.ring_from_phone(InviteId::Inbound(7), account, alice);
    bench.reload();
    bench.answer(alice, &id);
    assert!(matches!(bench.command(), Command::Accept { .. }));
    bench.ended(outbound, gone());
    bench.ended(InviteId::Inbound(7), gone());
    assert_eq!(bench.names(alice), ["talk ESTABLISHED", "finish FINISH", "finish FINISH"]);
    bench.assert_no_leak(&[]);
}

#[test]
fn lost_socket_ends_calls_with_phones() {
    let mut bench = Bench::new(with_sip());
    let (alice, account) = bench.login_sip("alice");
    let invite = bench.establish_with_phone(alice, "a1", "1002");
    bench.input(crate::io::Input::Disconnected { connection: alice });
    let [Command::HangUp { invite: hung_up, .. }, Command::RemoveAccount { account: removed }] =
        &bench.take_commands()[..]
    else {
        panic!()
    };
    assert_eq!((hung_up, removed), (&invite, &account));
    bench.assert_no_leak(&[]);
}
