//! Headless browser: a WebSocket client with the stock messages, and a [`Peer`] for each call.

use crate::peer::{Habits, LIKE_FIREFOX, Peer, Sound, unique};
use crate::relay::Relay;
use crate::wait::{PATIENCE, until};
use futures_util::{SinkExt as _, StreamExt as _};
use offhook_signaling::message::{
    Answer, CallId, CallMessage, CallObject, CallStatus, ClientMessage, ConnectionMessage, DtmfType, ServerMessage,
    SipOptions, UserData,
};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

/// A client session.
pub struct Browser {
    login: String,
    token: String,
    habits: Habits,
    registers: bool,
    outbox: mpsc::UnboundedSender<Message>,
    inbox: mpsc::UnboundedReceiver<ServerMessage>,
    /// Received messages that no test has consumed yet.
    seen: VecDeque<ServerMessage>,
    /// The reason why the relay closed the socket.
    closed: Arc<Mutex<Option<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Browser {
    /// Drops the socket without a closing handshake, like a closed browser tab.
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A call of a client session.
pub struct Ongoing {
    /// The identifier of the call.
    pub id: CallId,
    /// Its media.
    pub peer: Peer,
}

/// An incoming call that is ringing.
pub struct Incoming {
    /// The call object of `notifyIncomingCall`.
    pub call: CallObject,
    /// The relay's offer.
    pub offer: String,
}

impl Browser {
    /// Opens a socket, sends `connection` and waits until the session is registered.
    pub async fn sign_in(relay: &Relay, login: &str) -> Self {
        Self::connect(relay, connection(login), Habits::default()).await
    }

    /// Signs in with Firefox's payload types.
    pub async fn sign_in_like_firefox(relay: &Relay, login: &str) -> Self {
        Self::sign_in_with(relay, login, Habits { codecs: LIKE_FIREFOX, ..Habits::default() }).await
    }

    /// Signs in with this configuration of the media engine.
    pub async fn sign_in_with(relay: &Relay, login: &str, habits: Habits) -> Self {
        Self::connect(relay, connection(login), habits).await
    }

    /// Resumes a session with its token, without credentials.
    pub async fn sign_in_with_token(relay: &Relay, token: &str) -> Self {
        let again =
            ConnectionMessage { sip: SipOptions::default(), auth_token: Some(token.to_owned()), ..connection("") };
        Self::connect(relay, again, Habits::default()).await
    }

    /// Opens a socket, sends this `connection` and waits until the session is registered.
    ///
    /// # Panics
    /// Panics if the relay refuses.
    pub async fn connect(relay: &Relay, connection: ConnectionMessage, habits: Habits) -> Self {
        let mut browser = Self::knock(relay, connection, habits).await;
        browser.accepted().await;
        browser
    }

    /// Connects and also returns the content of `getUserData`.
    pub async fn introduce(relay: &Relay, connection: ConnectionMessage) -> (Self, UserData) {
        let mut browser = Self::knock(relay, connection, Habits::default()).await;
        let user = browser.accepted().await;
        (browser, user)
    }

    /// Opens a socket and sends `connection`, without waiting for the response.
    pub async fn knock(relay: &Relay, connection: ConnectionMessage, habits: Habits) -> Self {
        let (mut sink, mut stream) = relay.web_socket_via(habits.via.unwrap_or(relay.address())).await.split();
        let (outbox, mut to_send) = mpsc::unbounded_channel();
        let (arrived, inbox) = mpsc::unbounded_channel();
        let closed = Arc::new(Mutex::new(None));
        let reason = Arc::clone(&closed);
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    Some(message) = to_send.recv() => {
                        if sink.send(message).await.is_err() { return }
                    }
                    received = stream.next() => {
                        let Some(Ok(message)) = received else { return };
                        if let Message::Close(frame) = &message {
                            let text = frame.as_ref().map(|frame| frame.reason.to_string());
                            *reason.lock().expect("no reader panicked") = Some(text.unwrap_or_default());
                        }
                        let Message::Text(text) = message else { continue };
                        let message = ServerMessage::parse(&text).expect("the relay's messages are well-formed");
                        match message {
                            Some(ServerMessage::Ping) => {
                                let _ = sink.send(Message::text(ClientMessage::Pong.to_json())).await;
                            }
                            Some(message) => { let _ = arrived.send(message); }
                            None => {}
                        }
                    }
                }
            }
        });
        let browser = Self {
            login: connection.sip.login.clone().unwrap_or_default(),
            token: String::new(),
            habits,
            registers: connection.sip.register_required != Some(false),
            outbox,
            inbox,
            seen: VecDeque::new(),
            closed,
            task,
        };
        browser.send(&ClientMessage::Connection(Box::new(connection)));
        browser
    }

    /// Waits until the session is accepted, and registered if requested, and stores its login and token.
    async fn accepted(&mut self) -> UserData {
        let user = self.expect("getUserData", |message| match message {
            ServerMessage::UserData(user) => Some((**user).clone()),
            _ => None,
        });
        let user = user.await;
        self.login = user.connection.sip.login.clone().expect("the login is reported, also after a token");
        self.token = user.connection.auth_token.clone().expect("a token to come back with");
        if self.registers {
            self.expect("registered", |message| matches!(message, ServerMessage::Registered).then_some(())).await;
        }
        user
    }

    /// Waits until the relay refuses the session with `fail` and closes the socket. Returns the reason.
    ///
    /// # Panics
    /// Panics if the relay accepts the session.
    pub async fn refused(mut self) -> String {
        let info = self.expect("fail", |message| match message {
            ServerMessage::Fail { info, .. } => Some(info.clone()),
            _ => None,
        });
        let info = info.await;
        assert_eq!(self.is_closed().await, info);
        info
    }

    /// Waits until the relay has closed the socket and returns the reason.
    ///
    /// # Panics
    /// Panics if it does not.
    pub async fn is_closed(&self) -> String {
        let reason = || self.closed.lock().expect("no reader panicked").clone();
        assert!(until(|| reason().is_some()).await, "the relay closes the socket");
        reason().unwrap_or_default()
    }

    /// Returns whether a matching message was received that was not consumed yet.
    pub fn has_received(&mut self, wanted: impl Fn(&ServerMessage) -> bool) -> bool {
        while let Ok(message) = self.inbox.try_recv() {
            self.seen.push_back(message);
        }
        self.seen.iter().any(wanted)
    }

    /// Returns the login of the session according to the relay.
    #[must_use]
    pub fn login(&self) -> &str {
        &self.login
    }

    /// Returns the token of the session.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Sends a message.
    pub fn send(&self, message: &ClientMessage) {
        let _ = self.outbox.send(Message::text(message.to_json()));
    }

    /// Waits for the first message for which `wanted` returns a value, and consumes it. Other messages are kept.
    ///
    /// # Panics
    /// Panics with the other messages if there is none.
    pub async fn expect<T>(&mut self, what: &str, mut wanted: impl FnMut(&ServerMessage) -> Option<T>) -> T {
        let found = self.seen.iter().enumerate().find_map(|(index, message)| Some((index, wanted(message)?)));
        if let Some((index, found)) = found {
            self.seen.remove(index);
            return found;
        }
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            match tokio::time::timeout_at(deadline, self.inbox.recv()).await {
                Ok(Some(message)) => match wanted(&message) {
                    Some(found) => return found,
                    None => self.seen.push_back(message),
                },
                Ok(None) => panic!("{}: the socket was closed before {what}; seen {:?}", self.login, self.seen),
                Err(_) => panic!("{}: no {what}; seen {:?}", self.login, self.seen),
            }
        }
    }

    /// Places a call and waits for TRYING.
    pub async fn call(&mut self, callee: &str, sound: Sound) -> Ongoing {
        let peer = Peer::offer(sound, self.habits).await;
        let id = CallId(format!("{}-{}", self.login, unique()));
        self.send(&ClientMessage::Call(Box::new(CallMessage {
            call_id: id.clone(),
            callee: callee.to_owned(),
            caller: Some(self.login.clone()),
            visible_name: None,
            has_audio: true,
            has_video: self.habits.picture.is_some(),
            sdp: peer.description().to_owned(),
            sip_sdp: Vec::new(),
            sip_headers: Vec::new(),
            custom: None,
            local_media_info: None,
        })));
        self.status(&id, CallStatus::Trying).await;
        Ongoing { id, peer }
    }

    /// Waits until the placed call is answered and its media are connected.
    pub async fn established(&mut self, call: &Ongoing) {
        self.media(call).await;
        self.status(&call.id, CallStatus::Established).await;
    }

    /// Waits for the answer to a placed call, possibly early, and until its media are connected.
    pub async fn media(&mut self, call: &Ongoing) {
        self.take_answer(call).await;
        call.peer.connected().await;
    }

    /// Waits for the answer to a placed call and applies it, without waiting for the media.
    pub async fn take_answer(&mut self, call: &Ongoing) {
        let wanted = |message: &ServerMessage| match message {
            ServerMessage::RemoteSdp { call_id, sdp } if *call_id == call.id => Some(sdp.clone()),
            _ => None,
        };
        let answer = self.expect("an answer", wanted).await;
        call.peer.set_answer(&answer);
    }

    /// Waits for a status of a call.
    pub async fn status(&mut self, id: &CallId, status: CallStatus) -> CallObject {
        let wanted = |message: &ServerMessage| match message {
            ServerMessage::CallStatus(call) if call.call_id == *id && call.status == status => Some((**call).clone()),
            _ => None,
        };
        self.expect(&format!("{} of {id}", status.name()), wanted).await
    }

    /// Waits until a call has ended for any reason.
    pub async fn over(&mut self, id: &CallId) -> CallObject {
        let wanted = |message: &ServerMessage| match message {
            ServerMessage::CallStatus(call) if call.call_id == *id && call.status.is_terminal() => {
                Some((**call).clone())
            }
            _ => None,
        };
        self.expect(&format!("the end of {id}"), wanted).await
    }

    /// Waits for an incoming call: first the offer, then `notifyIncomingCall`, last `ring`.
    ///
    /// # Panics
    /// Panics if the offer does not precede `notifyIncomingCall`.
    pub async fn incoming(&mut self) -> Incoming {
        let mut offers = Vec::new();
        let call = self.expect("an incoming call", |message| match message {
            ServerMessage::RemoteSdp { call_id, sdp } => {
                offers.push((call_id.clone(), sdp.clone()));
                None
            }
            ServerMessage::IncomingCall(call) => Some((**call).clone()),
            _ => None,
        });
        let call = call.await;
        let offer = offers.into_iter().find(|(id, _)| *id == call.call_id);
        let (_, offer) = offer.expect("setRemoteSDP precedes notifyIncomingCall");
        self.status(&call.call_id, CallStatus::Ring).await;
        Incoming { call, offer }
    }

    /// Answers a call and waits until it is ESTABLISHED and its media are connected.
    pub async fn answer(&mut self, incoming: &Incoming, sound: Sound) -> Ongoing {
        let id = incoming.call.call_id.clone();
        let peer = Peer::answer(&incoming.offer, sound, self.habits).await;
        self.send(&ClientMessage::Answer(Box::new(Answer {
            call_id: id.clone(),
            sdp: peer.description().to_owned(),
            callee: Some(incoming.call.callee.clone()),
            sip_sdp: Vec::new(),
            custom: None,
            local_media_info: None,
        })));
        self.status(&id, CallStatus::Established).await;
        peer.connected().await;
        Ongoing { id, peer }
    }

    /// Ends, cancels or rejects a call.
    pub fn hang_up(&self, id: &CallId) {
        self.send(&ClientMessage::Hangup(id.clone()));
    }

    /// Puts the call on hold and waits for HOLD.
    pub async fn hold(&mut self, id: &CallId) {
        self.send(&ClientMessage::Hold { call_id: id.clone(), for_transfer: false });
        self.status(id, CallStatus::Hold).await;
    }

    /// Resumes the call and waits for ESTABLISHED.
    pub async fn unhold(&mut self, id: &CallId) {
        self.send(&ClientMessage::Unhold(id.clone()));
        self.status(id, CallStatus::Established).await;
    }

    /// Sends DTMF digits as telephone-events.
    pub fn send_dtmf(&self, id: &CallId, digits: &str) {
        self.send_dtmf_as(id, DtmfType::Rfc2833, digits);
    }

    /// Sends DTMF digits by this transport.
    pub fn send_dtmf_as(&self, id: &CallId, kind: DtmfType, digits: &str) {
        let (call_id, digits) = (id.clone(), digits.to_owned());
        self.send(&ClientMessage::SendDtmf { call_id, kind, digits });
    }

    /// Transfers the peer of a call to `target`.
    pub fn transfer(&self, id: &CallId, target: &str) {
        self.send(&ClientMessage::Transfer { call_id: id.clone(), target: target.to_owned() });
    }
}

/// Returns the `connection` message of the stock SDK for this login.
#[must_use]
pub fn connection(login: &str) -> ConnectionMessage {
    ConnectionMessage {
        app_key: "defaultApp".to_owned(),
        media_providers: vec!["WebRTC".to_owned()],
        keep_alive: Some(true),
        client_version: "2.0".to_owned(),
        client_os_version: "5.0 (X11)".to_owned(),
        client_browser_version: "headless".to_owned(),
        sip: SipOptions {
            login: Some(login.to_owned()),
            authentication_name: Some(login.to_owned()),
            password: Some(String::new()),
            domain: Some("localhost".to_owned()),
            port: Some("5060".to_owned()),
            register_required: Some(true),
            ..SipOptions::default()
        },
        ..ConnectionMessage::default()
    }
}
