//! A headless browser: a WebSocket that speaks the stock messages, and a [`Peer`] for each call.

use crate::peer::{LIKE_CHROMIUM, LIKE_FIREFOX, Offered, Peer, Sound, unique};
use crate::relay::Relay;
use crate::wait::PATIENCE;
use futures_util::{SinkExt as _, StreamExt as _};
use offhook_signaling::message::{
    Answer, Call, CallId, CallObject, CallStatus, ClientMessage, Connection, DtmfType, ServerMessage, SipOptions,
};
use std::collections::VecDeque;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

/// One signed-in page.
pub struct Browser {
    login: String,
    token: String,
    codecs: &'static [Offered],
    outbox: mpsc::UnboundedSender<Message>,
    inbox: mpsc::UnboundedReceiver<ServerMessage>,
    /// Messages that came before the test asked for them.
    seen: VecDeque<ServerMessage>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Browser {
    /// As when a tab is closed: the socket is gone.
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A call in a page.
pub struct Ongoing {
    /// Its id in this page.
    pub id: CallId,
    /// Its media.
    pub peer: Peer,
}

/// A call that rings.
pub struct Incoming {
    /// What the page was told.
    pub call: CallObject,
    /// The relay's offer.
    pub offer: String,
}

impl Browser {
    /// Opens a socket and signs in.
    pub async fn sign_in(relay: &Relay, login: &str) -> Self {
        Self::connect(relay, connection(login), LIKE_CHROMIUM).await
    }

    /// The same with Firefox's payload numbers.
    pub async fn sign_in_like_firefox(relay: &Relay, login: &str) -> Self {
        Self::connect(relay, connection(login), LIKE_FIREFOX).await
    }

    /// Comes back with the token of a session, without credentials.
    pub async fn sign_in_with_token(relay: &Relay, token: &str) -> Self {
        let again = Connection { sip: SipOptions::default(), auth_token: Some(token.to_owned()), ..connection("") };
        Self::connect(relay, again, LIKE_CHROMIUM).await
    }

    /// Opens a socket, sends `connection` and waits until the session is registered.
    ///
    /// # Panics
    /// When the relay refuses.
    pub async fn connect(relay: &Relay, connection: Connection, codecs: &'static [Offered]) -> Self {
        let (socket, _) = tokio_tungstenite::connect_async(relay.url()).await.expect("a WebSocket");
        let (mut sink, mut stream) = socket.split();
        let (outbox, mut to_send) = mpsc::unbounded_channel();
        let (arrived, inbox) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    Some(message) = to_send.recv() => {
                        if sink.send(message).await.is_err() { return }
                    }
                    received = stream.next() => {
                        let Some(Ok(message)) = received else { return };
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
        let mut browser =
            Self { login: String::new(), token: String::new(), codecs, outbox, inbox, seen: VecDeque::new(), task };
        browser.send(&ClientMessage::Connection(Box::new(connection)));
        let user = browser.expect("getUserData", |message| match message {
            ServerMessage::UserData(user) => Some((**user).clone()),
            _ => None,
        });
        let user = user.await;
        browser.login = user.connection.sip.login.expect("the login is told, after a token too");
        browser.token = user.connection.auth_token.expect("a token to come back with");
        browser.expect("registered", |message| matches!(message, ServerMessage::Registered).then_some(())).await;
        browser
    }

    /// The login the relay knows this page by.
    #[must_use]
    pub fn login(&self) -> &str {
        &self.login
    }

    /// The token to come back with.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Sends a message.
    pub fn send(&self, message: &ClientMessage) {
        let _ = self.outbox.send(Message::text(message.to_json()));
    }

    /// The first message that `wanted` takes something from, among those not taken yet. Others keep.
    ///
    /// # Panics
    /// When none comes: it names what came instead.
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

    /// Places a call; returns at the relay's TRYING.
    pub async fn call(&mut self, callee: &str, sound: Sound) -> Ongoing {
        let peer = Peer::offer(sound, self.codecs).await;
        let id = CallId(format!("{}-{}", self.login, unique()));
        self.send(&ClientMessage::Call(Box::new(Call {
            call_id: id.clone(),
            callee: callee.to_owned(),
            caller: Some(self.login.clone()),
            visible_name: None,
            has_audio: true,
            has_video: false,
            sdp: peer.description().to_owned(),
            sip_sdp: Vec::new(),
            custom: None,
            local_media_info: None,
        })));
        self.status(&id, CallStatus::Trying).await;
        Ongoing { id, peer }
    }

    /// Waits until the call it placed is answered, and until its media are up.
    pub async fn established(&mut self, call: &Ongoing) {
        let wanted = |message: &ServerMessage| match message {
            ServerMessage::RemoteSdp { call_id, sdp } if *call_id == call.id => Some(sdp.clone()),
            _ => None,
        };
        let answer = self.expect("an answer", wanted).await;
        call.peer.set_answer(&answer);
        self.status(&call.id, CallStatus::Established).await;
        call.peer.connected().await;
    }

    /// Waits for a status of a call.
    pub async fn status(&mut self, id: &CallId, status: CallStatus) -> CallObject {
        let wanted = |message: &ServerMessage| match message {
            ServerMessage::CallStatus(call) if call.call_id == *id && call.status == status => Some((**call).clone()),
            _ => None,
        };
        self.expect(&format!("{} of {id}", status.name()), wanted).await
    }

    /// Waits until a call is over, whatever for.
    pub async fn over(&mut self, id: &CallId) -> CallObject {
        let wanted = |message: &ServerMessage| match message {
            ServerMessage::CallStatus(call) if call.call_id == *id && call.status.is_terminal() => {
                Some((**call).clone())
            }
            _ => None,
        };
        self.expect(&format!("the end of {id}"), wanted).await
    }

    /// Waits for a call to come in: the offer first, the notice after it, the ring last.
    ///
    /// # Panics
    /// When the offer does not stand before the notice.
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
        let (_, offer) = offer.expect("setRemoteSDP stands before notifyIncomingCall");
        self.status(&call.call_id, CallStatus::Ring).await;
        Incoming { call, offer }
    }

    /// Answers; returns when the relay says ESTABLISHED and the media are up.
    pub async fn answer(&mut self, incoming: &Incoming, sound: Sound) -> Ongoing {
        let id = incoming.call.call_id.clone();
        let peer = Peer::answer(&incoming.offer, sound, self.codecs).await;
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

    /// Puts the far end on hold; returns at HOLD.
    pub async fn hold(&mut self, id: &CallId) {
        self.send(&ClientMessage::Hold { call_id: id.clone(), for_transfer: false });
        self.status(id, CallStatus::Hold).await;
    }

    /// Takes it back; returns at ESTABLISHED.
    pub async fn unhold(&mut self, id: &CallId) {
        self.send(&ClientMessage::Unhold(id.clone()));
        self.status(id, CallStatus::Established).await;
    }

    /// Sends digits.
    pub fn send_dtmf(&self, id: &CallId, digits: &str) {
        let (call_id, digits) = (id.clone(), digits.to_owned());
        self.send(&ClientMessage::SendDtmf { call_id, kind: DtmfType::Rfc2833, digits });
    }

    /// Hands the far end of a call to `target`.
    pub fn transfer(&self, id: &CallId, target: &str) {
        self.send(&ClientMessage::Transfer { call_id: id.clone(), target: target.to_owned() });
    }
}

/// What the stock SDK sends for this login.
#[must_use]
pub fn connection(login: &str) -> Connection {
    Connection {
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
        ..Connection::default()
    }
}
