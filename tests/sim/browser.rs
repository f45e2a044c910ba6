//! Simulated client: the SDK's session and call state machines, with simulated user actions. The browser's media are a
//! [`Media`].

use offhook_clock::Time;
use offhook_signaling::client::call::{self, CallDirection, ClientCall, Details, LocalDescription};
use offhook_signaling::client::session::{self, Session, Timers};
use offhook_signaling::client::{ReceivedMessage, Status, direct};
use offhook_signaling::message::{CallId, ClientMessage, ConnectionMessage, Json, ServerMessage, SipOptions};
use offhook_signaling::version::Extension;
use std::collections::{BTreeMap, VecDeque};

/// A browser's offer, reduced to the lines that the relay uses.
pub(crate) const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
a=fingerprint:sha-256 11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00\r\n\
a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=setup:actpass\r\n\
m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\n\
a=rtpmap:111 opus/48000/2\r\na=rtpmap:0 PCMU/8000\r\n";

/// The peer connections of a simulated browser.
pub(crate) trait Media {
    /// Creates a peer connection and an offer.
    fn offer(&mut self, id: &CallId, now: Time) -> String;

    /// Creates a peer connection and the answer to an offer.
    fn answer(&mut self, id: &CallId, offer: &str, now: Time) -> String;

    /// Sets the remote answer.
    fn apply(&mut self, id: &CallId, answer: &str, now: Time);

    /// Closes the peer connection.
    fn close(&mut self, id: &CallId);
}

/// Media that always succeed, without packets.
pub(crate) struct NoPackets;

impl Media for NoPackets {
    fn offer(&mut self, _: &CallId, _: Time) -> String {
        OFFER.to_owned()
    }

    fn answer(&mut self, _: &CallId, _: &str, _: Time) -> String {
        OFFER.replace("actpass", "active")
    }

    fn apply(&mut self, _: &CallId, _: &str, _: Time) {}

    fn close(&mut self, _: &CallId) {}
}

/// One client with one session.
pub(crate) struct Browser<M> {
    login: String,
    /// The domain of its SIP server; none if the relay routes its calls.
    domain: Option<String>,
    token: Option<String>,
    pub(crate) media: M,
    /// The values for the messages of calls that are not described yet.
    details: BTreeMap<CallId, Details>,
    pub(crate) session: Session,
    pub(crate) calls: BTreeMap<CallId, ClientCall>,
    /// Number of terminal events per call; at most one is allowed.
    pub(crate) ended: BTreeMap<CallId, u32>,
    pub(crate) established: u32,
    pub(crate) switched: u32,
    outbox: VecDeque<String>,
    pub(crate) closing: bool,
}

impl<M: Media> Browser<M> {
    pub(crate) fn new(login: &str, domain: Option<&str>, token: Option<String>, media: M, now: Time) -> Self {
        let session = Session::new(Timers::default(), now);
        Self {
            login: login.to_owned(),
            domain: domain.map(str::to_owned),
            token,
            media,
            details: BTreeMap::new(),
            session,
            calls: BTreeMap::new(),
            ended: BTreeMap::new(),
            established: 0,
            switched: 0,
            outbox: VecDeque::new(),
            closing: false,
        }
    }

    pub(crate) fn token(&self) -> Option<String> {
        self.token.clone()
    }

    /// Returns the next frame to the relay.
    pub(crate) fn poll_frame(&mut self) -> Option<String> {
        self.outbox.pop_front()
    }

    pub(crate) fn socket(&mut self, input: session::Input, now: Time) {
        self.session.handle_input(input, now);
        self.drain(now);
    }

    pub(crate) fn receive(&mut self, frame: &str, now: Time) {
        let message = ServerMessage::parse(frame).expect("the relay prints valid messages").expect("known messages");
        if let ServerMessage::UserData(data) = &message {
            self.token.clone_from(&data.connection.auth_token);
        }
        let message = ReceivedMessage::from(message);
        self.socket(session::Input::Received { message, listening: true }, now);
    }

    pub(crate) fn dial(&mut self, id: &CallId, callee: &str, now: Time) {
        if !self.session.status().takes_calls() {
            return;
        }
        self.calls.insert(id.clone(), ClientCall::new(id.clone(), CallDirection::Outgoing));
        self.socket(session::Input::CallCreated(id.clone()), now);
        self.details.insert(id.clone(), Details { callee: Some(callee.to_owned()), ..Details::default() });
        self.press(id, call::Input::Dial, now);
    }

    /// Handles a user action, or an event of the media, on a call.
    pub(crate) fn press(&mut self, id: &CallId, input: call::Input, now: Time) {
        if let Some(call) = self.calls.get_mut(id) {
            call.handle_input(input, now);
        }
        self.drain_call(id, now);
    }

    /// The browser has created and set the local description.
    fn described(&mut self, id: &CallId, sdp: String, now: Time) {
        let details = self.details.remove(id).unwrap_or_default();
        let description = LocalDescription { sdp, has_audio: true, has_video: false, local_media_info: None, details };
        self.press(id, call::Input::Described(Box::new(description)), now);
    }

    fn drain_call(&mut self, id: &CallId, now: Time) {
        while let Some(output) = self.calls.get_mut(id).and_then(ClientCall::poll_output) {
            match output {
                call::Output::Send(message) => self.socket(session::Input::Send(message), now),
                call::Output::GetUserMedia { .. } => self.press(id, call::Input::MediaGranted, now),
                call::Output::CreateOffer => {
                    let sdp = self.media.offer(id, now);
                    self.described(id, sdp, now);
                }
                call::Output::CreateAnswer { offer } => {
                    let sdp = self.media.answer(id, &offer, now);
                    self.described(id, sdp, now);
                }
                call::Output::ApplyRemote(answer) => self.media.apply(id, &answer, now),
                call::Output::CloseMedia => self.media.close(id),
                call::Output::Forget { unanswered } => {
                    let call_id = id.clone();
                    self.socket(session::Input::CallForgotten { call_id, unanswered }, now);
                }
                call::Output::Emit(status) => {
                    if status.is_terminal() {
                        *self.ended.entry(id.clone()).or_default() += 1;
                    }
                    self.established += u32::from(status == Status::Established);
                }
                call::Output::Direct(output) => self.direct(id, &output, now),
                _ => {}
            }
        }
    }

    /// Simulates a direct connection that is always established.
    fn direct(&mut self, id: &CallId, output: &direct::Output, now: Time) {
        let input = match output {
            direct::Output::CreateOffer | direct::Output::CreateAnswer { .. } => {
                direct::Input::Described(OFFER.to_owned())
            }
            direct::Output::Apply(_) | direct::Output::Add(_) => direct::Input::Connected,
            direct::Output::Switch { direct } => {
                self.switched += u32::from(*direct);
                return;
            }
            direct::Output::Close | direct::Output::Send(_) => return,
        };
        let answers = matches!(output, direct::Output::CreateAnswer { .. });
        let candidate = Json::from_valid("{}".to_owned());
        for input in [
            Some(input),
            answers.then_some(direct::Input::Candidate(candidate)),
            answers.then_some(direct::Input::Connected),
        ] {
            if let (Some(input), Some(call)) = (input, self.calls.get_mut(id)) {
                call.handle_input(call::Input::Direct(input), now);
            }
        }
    }

    fn drain(&mut self, now: Time) {
        while let Some(output) = self.session.poll_output() {
            match output {
                session::Output::SendConnection => self.outbox.push_back(self.hello().to_json()),
                session::Output::Send(message) => self.outbox.push_back(message.to_json()),
                session::Output::CloseSocket => self.closing = true,
                session::Output::IncomingCall { call_id, offer } => {
                    self.calls.insert(call_id.clone(), ClientCall::new(call_id, CallDirection::Incoming { offer }));
                }
                session::Output::ToCall { call_id, input } => {
                    if let Some(call) = self.calls.get_mut(&call_id) {
                        call.handle_input(input, now);
                    }
                    self.drain_call(&call_id, now);
                }
                _ => {}
            }
        }
    }

    fn hello(&self) -> ClientMessage {
        let login = self.token.is_none().then(|| self.login.clone());
        ClientMessage::Connection(Box::new(ConnectionMessage {
            keep_alive: Some(true),
            auth_token: self.token.clone(),
            sip: SipOptions {
                login,
                password: self.domain.as_ref().map(|_| "secret".to_owned()),
                domain: self.domain.clone(),
                port: self.domain.as_ref().map(|_| "5060".to_owned()),
                register_required: Some(true),
                ..SipOptions::default()
            },
            offhook: Some(Extension::ours()),
            ..ConnectionMessage::default()
        }))
    }
}
