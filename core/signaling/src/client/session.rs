//! State machine of a session in the client (the SDK in a web page). A session ends with its WebSocket.
//!
//! ```text
//!            opened              getUserData             registered
//!  PENDING ─────────> CONNECTED ────────────> ESTABLISHED ─────────> REGISTERED
//!     │                           (a repeated message sets the status and emits the event again)
//!     └ connect timeout ────────────> FAILED
//!
//!  any ── socket error, silence ────> FAILED            the subsequent close is ignored
//!  any ── socket closed ────────────> DISCONNECTED
//! ```
//!
//! The session routes messages to calls. A call is removed with its first terminal status, so later ones are not delivered.

use super::{ReceivedMessage, StatusReport};
use super::{call, direct};
use crate::message::{CallId, ClientMessage};
use core::time::Duration;
use offhook_clock::{Time, earliest};
use std::collections::VecDeque;

/// Timers of a session; zero disables a timer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Timers {
    /// Maximum time for opening the socket.
    pub connect_timeout: Duration,
    /// Interval of `ping` messages.
    pub ping_interval: Duration,
    /// Interval at which the session checks whether a message was received.
    pub probes_interval: Duration,
    /// Number of consecutive intervals without a message after which the session fails.
    pub receive_probes: u32,
}

/// The status of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub enum SessionStatus {
    /// The socket is connecting.
    Pending,
    /// The socket is open; `connection` is sent.
    Connected,
    /// The relay has accepted the session.
    Established,
    /// The login is registered and can be called.
    Registered,
    /// The socket was closed.
    Disconnected,
    /// The socket failed, or no message was received for too long.
    Failed,
}

impl SessionStatus {
    /// Returns the name of the status in the SDK.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Connected => "CONNECTED",
            Self::Established => "ESTABLISHED",
            Self::Registered => "REGISTERED",
            Self::Disconnected => "DISCONNECTED",
            Self::Failed => "FAILED",
        }
    }

    /// Returns whether calls can be placed and received.
    #[must_use]
    pub const fn takes_calls(self) -> bool {
        matches!(self, Self::Established | Self::Registered)
    }

    /// Returns whether the session has ended.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Disconnected | Self::Failed)
    }

    const fn has_socket(self) -> bool {
        matches!(self, Self::Connected | Self::Established | Self::Registered)
    }
}

/// An input of the state machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The socket opened.
    SocketOpened,
    /// The socket closed.
    SocketClosed,
    /// The socket could not be opened or failed.
    SocketFailed,
    /// A message of the relay.
    Received {
        /// The message.
        message: ReceivedMessage,
        /// The application has a handler for incoming calls. Without one, incoming calls are ignored.
        listening: bool,
    },
    /// A message to send. It is dropped if the socket is not open.
    Send(ClientMessage),
    /// The application created a call.
    CallCreated(CallId),
    /// A call was ended by the client.
    CallForgotten {
        /// The call.
        call_id: CallId,
        /// The `call` message was sent, but the relay has not responded yet.
        unanswered: bool,
    },
    /// The application closes the session.
    Disconnect,
}

/// An action for the shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send `connection`, which the shell builds from the application's options.
    SendConnection,
    /// Send a message.
    Send(ClientMessage),
    /// Close the socket.
    CloseSocket,
    /// Emit the event with the name of this status.
    Emit(SessionStatus),
    /// Emit an event that is not a status.
    Notify(Notice),
    /// Remove the ended session from the list of sessions.
    Remove,
    /// Create a call object from the current message and emit `INCOMING_CALL`.
    IncomingCall {
        /// The call.
        call_id: CallId,
        /// The relay's offer, if it was received before.
        offer: Option<String>,
    },
    /// Pass this input to the call.
    ToCall {
        /// The call.
        call_id: CallId,
        /// The input.
        input: call::Input,
    },
    /// Settle the promise of a `sendData` or of the renewal of a token.
    Settle {
        /// The operation.
        operation_id: String,
        /// Resolve (`true`) or reject.
        accepted: bool,
    },
}

/// An event of a session that is not a status. The application receives the object in the message's `data`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// `fail`.
    Warn,
    /// `OnDataEvent`.
    AppData,
    /// `notifySessionDebugEvent`.
    Debug,
    /// `offhookTokenExpiring`.
    TokenExpiring,
}

impl Notice {
    /// Returns the event's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warn => "WARN",
            Self::AppData => "APP_DATA",
            Self::Debug => "DEBUG",
            Self::TokenExpiring => "TOKEN_EXPIRING",
        }
    }
}

/// The state machine of one session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Session {
    timers: Timers,
    status: SessionStatus,
    connect_by: Option<Time>,
    ping_at: Option<Time>,
    probe_at: Option<Time>,
    silent_probes: u32,
    login: Option<String>,
    calls: CallIds,
    /// Calls hung up before the relay responded. The relay's first status of such a call is answered with `hangup`,
    /// unless the status is terminal.
    given_up: CallIds,
    /// Offers received before their `notifyIncomingCall`, in order of arrival.
    early_offers: Vec<(CallId, String)>,
    ignored: u64,
    #[cfg_attr(feature = "json", serde(skip))]
    outputs: VecDeque<Output>,
}

/// Maximum number of early offers; the oldest is removed first.
const MAX_EARLY_OFFERS: usize = 64;

/// A set of call identifiers. It is a list, because an ordered tree would make the WASM module about a fifth larger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
struct CallIds(Vec<CallId>);

impl CallIds {
    fn contains(&self, call_id: &CallId) -> bool {
        self.0.contains(call_id)
    }

    fn insert(&mut self, call_id: CallId) {
        if !self.contains(&call_id) {
            self.0.push(call_id);
        }
    }

    /// Removes the identifier and returns whether it was present.
    fn remove(&mut self, call_id: &CallId) -> bool {
        let at = self.0.iter().position(|known| known == call_id);
        at.map(|at| self.0.remove(at)).is_some()
    }
}

fn deadline(interval: Duration, now: Time) -> Option<Time> {
    (!interval.is_zero()).then(|| now + interval)
}

impl Session {
    /// Creates a session whose socket is connecting.
    #[must_use]
    pub fn new(timers: Timers, now: Time) -> Self {
        let connect_by = deadline(timers.connect_timeout, now);
        Self {
            timers,
            status: SessionStatus::Pending,
            connect_by,
            ping_at: None,
            probe_at: None,
            silent_probes: 0,
            login: None,
            calls: CallIds::default(),
            given_up: CallIds::default(),
            early_offers: Vec::new(),
            ignored: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Returns the status of the session.
    #[must_use]
    pub const fn status(&self) -> SessionStatus {
        self.status
    }

    /// Returns the login of the session according to the relay.
    #[must_use]
    pub fn login(&self) -> Option<&str> {
        self.login.as_deref()
    }

    /// Returns the number of inputs that were ignored because of the state.
    #[must_use]
    pub const fn ignored(&self) -> u64 {
        self.ignored
    }

    /// Handles one input.
    pub fn handle_input(&mut self, input: Input, now: Time) {
        use SessionStatus::{Connected, Disconnected, Established, Failed, Pending, Registered};
        match (self.status, input) {
            (Pending, Input::SocketOpened) => self.open(now),
            (Connected | Established | Registered, Input::Received { message, listening }) => {
                self.silent_probes = 0;
                self.receive(message, listening);
            }
            (Pending | Connected | Established | Registered, Input::SocketClosed) => self.end(Disconnected),
            (Pending | Connected | Established | Registered, Input::SocketFailed) => self.end(Failed),
            (Connected | Established | Registered, Input::Send(message)) => {
                self.outputs.push_back(Output::Send(message));
            }
            (Pending | Connected | Established | Registered, Input::Disconnect) => {
                self.outputs.push_back(Output::CloseSocket);
            }
            (_, Input::CallCreated(call_id)) => {
                self.calls.insert(call_id);
            }
            (_, Input::CallForgotten { call_id, unanswered }) => self.forget(call_id, unanswered),
            (Connected | Established | Registered | Disconnected | Failed, Input::SocketOpened)
            | (Pending | Disconnected | Failed, Input::Received { .. } | Input::Send(_))
            | (Disconnected | Failed, Input::SocketClosed | Input::SocketFailed | Input::Disconnect) => {
                self.ignored += 1;
            }
        }
    }

    /// Sends pings, and fails the session on timeout.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.connect_by.is_some_and(|at| at <= now) {
            self.connect_by = None;
            self.outputs.push_back(Output::CloseSocket);
            self.end(SessionStatus::Failed);
        }
        if self.ping_at.is_some_and(|at| at <= now) {
            self.ping_at = deadline(self.timers.ping_interval, now);
            self.outputs.push_back(Output::Send(ClientMessage::Ping));
        }
        if self.probe_at.is_some_and(|at| at <= now) {
            self.probe_at = deadline(self.timers.probes_interval, now);
            self.silent_probes += 1;
            if self.silent_probes >= self.timers.receive_probes {
                self.end(SessionStatus::Failed);
                self.outputs.push_back(Output::CloseSocket);
            }
        }
    }

    /// Returns the next action.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Returns the time at which to call [`Self::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        earliest(self.connect_by, earliest(self.ping_at, self.probe_at))
    }

    fn open(&mut self, now: Time) {
        self.connect_by = None;
        self.ping_at = deadline(self.timers.ping_interval, now);
        if self.timers.receive_probes > 0 {
            self.probe_at = deadline(self.timers.probes_interval, now);
        }
        self.enter(SessionStatus::Connected);
        self.outputs.push_back(Output::SendConnection);
    }

    fn enter(&mut self, status: SessionStatus) {
        self.status = status;
        self.outputs.push_back(Output::Emit(status));
    }

    /// Ends the session. Its calls release their media, without an event for the application.
    fn end(&mut self, status: SessionStatus) {
        if self.status.is_over() {
            return;
        }
        (self.connect_by, self.ping_at, self.probe_at) = (None, None, None);
        self.early_offers.clear();
        self.outputs.push_back(Output::Remove);
        for call_id in core::mem::take(&mut self.calls).0 {
            self.outputs.push_back(Output::ToCall { call_id, input: call::Input::SessionLost });
        }
        self.enter(status);
    }

    fn receive(&mut self, message: ReceivedMessage, listening: bool) {
        match message {
            ReceivedMessage::Ping => self.outputs.push_back(Output::Send(ClientMessage::Pong)),
            ReceivedMessage::UserData { login } => {
                self.login = login;
                self.enter(SessionStatus::Established);
            }
            ReceivedMessage::Registered => self.enter(SessionStatus::Registered),
            ReceivedMessage::RemoteSdp { call_id, sdp } => self.remote_sdp(call_id, sdp),
            ReceivedMessage::IncomingCall { call_id } => self.incoming_call(call_id, listening),
            ReceivedMessage::CallStatus(report) => self.call_status(report),
            ReceivedMessage::Transfer { call_id, status } => self.pass_to_call(call_id, call::Input::Transfer(status)),
            ReceivedMessage::Hold { call_id, held } => self.pass_to_call(call_id, call::Input::FarHold(held)),
            ReceivedMessage::Dtmf { call_id, digit } => self.pass_to_call(call_id, call::Input::DtmfReceived(digit)),
            ReceivedMessage::Direct(direct) => {
                let crate::message::DirectMessage { call_id, attempt, step } = *direct;
                self.pass_to_call(call_id, call::Input::Direct(direct::Input::Received { attempt, step }));
            }
            ReceivedMessage::Fail => self.outputs.push_back(Output::Notify(Notice::Warn)),
            ReceivedMessage::Data => self.outputs.push_back(Output::Notify(Notice::AppData)),
            ReceivedMessage::SessionDebug => self.outputs.push_back(Output::Notify(Notice::Debug)),
            ReceivedMessage::TokenExpiring => self.outputs.push_back(Output::Notify(Notice::TokenExpiring)),
            ReceivedMessage::DataStatus { operation_id, accepted } => {
                self.outputs.push_back(Output::Settle { operation_id, accepted });
            }
            ReceivedMessage::Ignored => {}
        }
    }

    fn remote_sdp(&mut self, call_id: CallId, sdp: String) {
        if self.calls.contains(&call_id) {
            self.pass_to_call(call_id, call::Input::RemoteSdp(sdp));
            return;
        }
        self.take_early_offer(&call_id);
        if self.early_offers.len() >= MAX_EARLY_OFFERS {
            self.early_offers.remove(0);
        }
        self.early_offers.push((call_id, sdp));
    }

    fn take_early_offer(&mut self, call_id: &CallId) -> Option<String> {
        let at = self.early_offers.iter().position(|(known, _)| known == call_id)?;
        Some(self.early_offers.remove(at).1)
    }

    fn incoming_call(&mut self, call_id: CallId, listening: bool) {
        let offer = self.take_early_offer(&call_id);
        if !listening || !self.status.takes_calls() {
            self.ignored += 1;
            return;
        }
        self.calls.insert(call_id.clone());
        self.outputs.push_back(Output::IncomingCall { call_id, offer });
    }

    fn call_status(&mut self, report: StatusReport) {
        let StatusReport { call_id, status, info, end_reason } = report;
        if self.given_up.remove(&call_id) && !status.is_terminal() {
            self.outputs.push_back(Output::Send(ClientMessage::Hangup(call_id)));
            return;
        }
        let over = status.is_terminal();
        self.pass_to_call(call_id.clone(), call::Input::Status { status, info, end_reason });
        if over {
            self.calls.remove(&call_id);
        }
    }

    fn pass_to_call(&mut self, call_id: CallId, input: call::Input) {
        if self.calls.contains(&call_id) {
            self.outputs.push_back(Output::ToCall { call_id, input });
        } else {
            self.ignored += 1;
        }
    }

    fn forget(&mut self, call_id: CallId, unanswered: bool) {
        self.calls.remove(&call_id);
        if unanswered && self.status.has_socket() {
            self.given_up.insert(call_id);
        }
    }
}
