//! Tests of the session and call state machines compiled to WASM.
#![cfg(target_arch = "wasm32")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use core::time::Duration;
use offhook_clock::Time;
use offhook_signaling::client::call::{self, CallDirection, ClientCall, Details, LocalDescription};
use offhook_signaling::client::session::{self, Session, Timers};
use offhook_signaling::client::{ReceivedMessage, Status, StatusReport};
use offhook_signaling::message::{CallId, TransferStatus};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

const NOW: Time = Time::EPOCH;

fn id() -> CallId {
    CallId("c1".to_owned())
}

fn other() -> CallId {
    CallId("c2".to_owned())
}

/// A session and one of its calls, connected as by the shell.
struct Page {
    session: Session,
    call: Option<ClientCall>,
    log: Vec<String>,
}

impl Page {
    fn registered() -> Self {
        let mut page = Self { session: Session::new(Timers::default(), NOW), call: None, log: Vec::new() };
        page.feed(session::Input::SocketOpened);
        page.receive(ReceivedMessage::UserData { login: Some("alice".to_owned()) });
        page.receive(ReceivedMessage::Registered);
        assert_eq!(page.done(), ["CONNECTED", "connection", "ESTABLISHED", "REGISTERED"]);
        page
    }

    fn dialing() -> Self {
        let mut page = Self::registered();
        page.feed(session::Input::CallCreated(id()));
        page.call = Some(ClientCall::new(id(), CallDirection::Outgoing));
        page.act(call::Input::Dial);
        page
    }

    fn called() -> Self {
        let mut page = Self::registered();
        page.receive(ReceivedMessage::RemoteSdp { call_id: id(), sdp: "m=audio".to_owned() });
        page.receive(ReceivedMessage::IncomingCall { call_id: id() });
        page
    }

    fn feed(&mut self, input: session::Input) {
        self.session.handle_input(input, NOW);
        while let Some(output) = self.session.poll_output() {
            match output {
                session::Output::SendConnection => self.note("connection"),
                session::Output::Send(message) => self.note(&format!("> {}", message.name())),
                session::Output::CloseSocket => self.note("close socket"),
                session::Output::Emit(status) => self.note(status.name()),
                session::Output::Notify(notice) => self.note(notice.name()),
                session::Output::Remove => self.note("remove"),
                session::Output::IncomingCall { call_id, offer } => {
                    self.call = Some(ClientCall::new(call_id, CallDirection::Incoming { offer }));
                    self.note("INCOMING_CALL");
                }
                session::Output::ToCall { call_id, input } => {
                    assert!(call_id == id(), "the session passes inputs to the right call");
                    self.act(input);
                }
                session::Output::Settle { operation_id, accepted } => {
                    self.note(&format!("settle {operation_id} {accepted}"));
                }
            }
        }
    }

    fn receive(&mut self, message: ReceivedMessage) {
        self.feed(session::Input::Received { message, listening: true });
    }

    fn report(&mut self, status: Status) {
        let report = StatusReport { call_id: id(), status, info: None, end_reason: None };
        self.receive(ReceivedMessage::CallStatus(report));
    }

    fn act(&mut self, input: call::Input) {
        self.call.as_mut().unwrap().handle_input(input, NOW);
        while let Some(output) = self.call.as_mut().and_then(ClientCall::poll_output) {
            match output {
                call::Output::Refuse(misuse) => self.note(misuse.text()),
                call::Output::GetUserMedia { video_possible } => self.note(&format!("capture video={video_possible}")),
                call::Output::ReleaseMedia => self.note("release"),
                call::Output::CreateOffer => self.note("make offer"),
                call::Output::CreateAnswer { offer } => self.note(&format!("make answer to {offer}")),
                call::Output::ApplyRemote(sdp) => self.note(&format!("apply {sdp}")),
                call::Output::CloseMedia => self.note("close media"),
                call::Output::Send(message) => self.feed(session::Input::Send(message)),
                call::Output::Forget { unanswered } => {
                    self.feed(session::Input::CallForgotten { call_id: id(), unanswered });
                }
                call::Output::Emit(status) => self.note(status.name()),
                call::Output::EmitDtmf(digit) => self.note(&format!("DTMF {digit}")),
                call::Output::EmitFarHold(held) => self.note(&format!("REMOTE_HOLD {held}")),
                call::Output::EmitTransfer(status) => self.note(&format!("TRANSFER {}", status.name())),
                call::Output::Direct(output) => self.note(&format!("direct {output:?}")),
            }
        }
    }

    fn described(&mut self) {
        self.act(call::Input::Described(Box::new(LocalDescription {
            sdp: "made".to_owned(),
            has_audio: true,
            has_video: false,
            local_media_info: None,
            details: Details { callee: Some("bob".to_owned()), ..Details::default() },
        })));
    }

    fn hang_up(&mut self) {
        self.done();
        self.act(call::Input::HangUp);
    }

    fn note(&mut self, what: &str) {
        self.log.push(what.to_owned());
    }

    fn done(&mut self) -> Vec<String> {
        core::mem::take(&mut self.log)
    }

    fn status(&self) -> &str {
        self.call.as_ref().unwrap().status().name()
    }
}

#[wasm_bindgen_test]
fn outgoing_call_from_dial_to_finish() {
    let mut page = Page::dialing();
    assert_eq!((page.done(), page.status()), (vec!["capture video=true".to_owned()], "PENDING"));
    page.act(call::Input::MediaGranted);
    page.described();
    assert_eq!(page.done(), ["make offer", "> call"]);
    page.report(Status::Trying);
    page.report(Status::Ring);
    page.receive(ReceivedMessage::RemoteSdp { call_id: id(), sdp: "remote".to_owned() });
    page.report(Status::Established);
    assert_eq!(page.done(), ["TRYING", "RING", "apply remote", "ESTABLISHED"]);
    page.act(call::Input::Hold { for_transfer: false });
    page.report(Status::Hold);
    page.act(call::Input::Unhold);
    page.report(Status::Established);
    assert_eq!(page.done(), ["> hold", "HOLD", "> unhold", "ESTABLISHED"]);
    page.act(call::Input::TransferTo("carol".to_owned()));
    page.receive(ReceivedMessage::Transfer { call_id: id(), status: TransferStatus::Completed });
    page.receive(ReceivedMessage::Dtmf { call_id: id(), digit: '#' });
    page.receive(ReceivedMessage::Hold { call_id: id(), held: true });
    assert_eq!(page.done(), ["> transfer", "TRANSFER COMPLETED", "DTMF #", "REMOTE_HOLD true"]);
    page.report(Status::Finish);
    assert_eq!((page.done(), page.status()), (vec!["close media".to_owned(), "FINISH".to_owned()], "FINISH"));
}

#[wasm_bindgen_test]
fn incoming_call_from_offer_to_finish() {
    let mut page = Page::called();
    page.report(Status::Ring);
    assert_eq!(page.done(), ["INCOMING_CALL", "RING"]);
    page.act(call::Input::Answer);
    page.act(call::Input::MediaGranted);
    page.described();
    assert_eq!(page.done(), ["capture video=false", "make answer to m=audio", "> answer"]);
    page.report(Status::Established);
    page.hang_up();
    assert_eq!(page.done(), ["> hangup", "close media"]);
    page.report(Status::Finish);
    assert_eq!(page.done(), ["FINISH"]);
}

/// A state, a function that reaches it, and the expected log after a hangup.
type Row = (&'static str, fn() -> Page, &'static [&'static str]);

#[wasm_bindgen_test]
fn hangup_depends_on_call_state() {
    let rows: [Row; 7] = [
        ("dialed, no media yet", Page::dialing, &["release", "FAILED"]),
        ("creating the offer", negotiating, &["close media", "FAILED"]),
        ("call sent, no response", offered, &["close media", "FAILED"]),
        ("outgoing, ringing", ringing, &["> hangup", "close media"]),
        ("incoming, not ringing", Page::called, &["FAILED"]),
        ("incoming, ringing", ringing_here, &["> hangup"]),
        ("answering", answering, &["release", "FAILED", "> hangup"]),
    ];
    for (state, reach, expected) in rows {
        let mut page = reach();
        page.hang_up();
        assert_eq!(page.done(), expected, "{state}");
    }
}

fn negotiating() -> Page {
    let mut page = Page::dialing();
    page.act(call::Input::MediaGranted);
    page
}

fn offered() -> Page {
    let mut page = negotiating();
    page.described();
    page
}

fn ringing() -> Page {
    let mut page = offered();
    page.report(Status::Ring);
    page
}

fn ringing_here() -> Page {
    let mut page = Page::called();
    page.report(Status::Ring);
    page
}

fn answering() -> Page {
    let mut page = ringing_here();
    page.act(call::Input::Answer);
    page
}

#[wasm_bindgen_test]
fn call_hung_up_before_trying_sends_hangup_later() {
    let mut page = offered();
    page.hang_up();
    assert_eq!(page.done(), ["close media", "FAILED"]);
    page.report(Status::Trying);
    assert_eq!(page.done(), ["> hangup"]);
    page.report(Status::Ring);
    assert!(page.done().is_empty());
}

#[wasm_bindgen_test]
fn second_terminal_status_is_not_emitted() {
    for (first, second) in
        [(Status::Busy, Status::Finish), (Status::Failed, Status::Busy), (Status::Finish, Status::Failed)]
    {
        let mut page = ringing();
        page.done();
        let name = first.name().to_owned();
        page.report(first);
        page.report(second);
        assert_eq!(page.done(), ["close media", name.as_str()]);
        assert_eq!(page.status(), name);
    }
}

#[wasm_bindgen_test]
fn ended_call_beside_another_releases_media() {
    let mut page = ringing();
    page.feed(session::Input::CallCreated(other()));
    page.done();
    page.report(Status::Finish);
    assert_eq!(page.done(), ["close media", "FINISH"]);
}

#[wasm_bindgen_test]
fn early_offers_are_limited() {
    let mut page = Page::registered();
    for number in 0..=64 {
        let call_id = CallId(format!("early-{number:02}"));
        page.receive(ReceivedMessage::RemoteSdp { call_id, sdp: "remote".to_owned() });
    }
    for (number, offer) in [(0, false), (1, true), (64, true)] {
        let call_id = CallId(format!("early-{number:02}"));
        let message = ReceivedMessage::IncomingCall { call_id };
        page.session.handle_input(session::Input::Received { message, listening: true }, NOW);
        let Some(session::Output::IncomingCall { offer: kept, .. }) = page.session.poll_output() else {
            panic!("the call is announced");
        };
        assert_eq!(kept.is_some(), offer, "offer {number}");
    }
}

#[wasm_bindgen_test]
fn missing_messages_fail_session() {
    let probes_interval = Duration::from_secs(1);
    let mut session = Session::new(Timers { probes_interval, receive_probes: 2, ..Timers::default() }, NOW);
    session.handle_input(session::Input::SocketOpened, NOW);
    session.handle_timeout(NOW + probes_interval);
    assert!(session.status() == session::SessionStatus::Connected);
    session.handle_timeout(NOW + probes_interval * 2);
    assert!(session.status() == session::SessionStatus::Failed);
    assert!(session.poll_timeout().is_none());
}
