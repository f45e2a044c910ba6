//! The signaling plane: the thread that owns the relay machine. WebSockets, media workers and SIP each have a bounded channel
//! to it, and it never waits for any of them.
//!
//! It works in turns. In each turn every channel is served for at most `SLICE`, with due timers in between, so that no
//! source can delay another by more than a turn.

pub mod call_log;
mod capture;
mod fair_queue;
mod gauges;
mod inputs;
mod intake;
mod outputs;
mod requests;
mod run_loop;

pub use gauges::Gauges;
pub use requests::{PlaneRequest, RelayView};

use crate::accounts::Accounts;
use crate::api::directory::CallDirectory;
use crate::api::feed::EventFeed;
use crate::clock::Clock;
use crate::hooks::{HookAnswer, HookSide, Hooks};
use crate::media_files::Recordings;
use crate::media_plane::MediaThread;
use crate::records::RecordSender;
use crate::sip_transport::{Report, SipTransport};
use crate::tokens::TokenVerifier;
use crate::trace::TraceStore;
use core::time::Duration;
use intake::Intake;
use offhook_b2bua::config::Config;
use offhook_b2bua::io::{ConnectionId, Input};
use offhook_b2bua::relay::Relay;
use offhook_media::command::Event;
use requests::ApiSide;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::{Notify, oneshot};

/// Capacity of each channel, in inputs.
const QUEUE: usize = 1_024;
/// Time for which one kind of input is served before the next one.
const SLICE: Duration = Duration::from_millis(5);
/// Maximum interval between two turns of an idle plane, so that the age of the last turn shows whether the plane is blocked.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// A plane whose last turn is older than this is reported as stuck.
pub const STUCK_AFTER: Duration = Duration::from_secs(5);

/// Time limit for the responses of SIP servers and phones to the last requests, and for the last reports of media workers, at shutdown.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// Maximum number of octets that are queued for one client, except for a single longer message.
const QUEUED_OCTETS: usize = 1_048_576;

/// The client of a WebSocket: its address and the host that it requested.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its address.
    pub address: IpAddr,
    /// The `Host` of its request, with or without a port.
    pub host: Option<String>,
    /// The `Origin` of its request.
    pub origin: Option<String>,
}

/// An input from a WebSocket, the REST API or the relay itself.
#[derive(Debug)]
pub enum PlaneInput {
    /// A WebSocket was opened.
    Opened(ConnectionId, Client, FrameQueue),
    /// An input of the relay machine.
    Input(Input),
    /// A request of the REST API.
    Request(PlaneRequest),
    /// The answer to a webhook.
    Hook(Box<HookAnswer>),
    /// Adopt another configuration, and other accounts.
    Configure(Box<Config>, Accounts),
    /// Refuse new calls, and report when the last one has ended.
    Drain(oneshot::Sender<()>),
    /// Blocks the plane for the given time.
    #[cfg(test)]
    Stall(Duration),
    /// Causes a panic.
    #[cfg(test)]
    Panic,
}

/// A report of a media worker.
#[derive(Debug)]
pub enum MediaReport {
    /// An event of the worker's media machine.
    Event(Event),
    /// The worker with this number has ended unexpectedly.
    Ended(usize),
}

/// A frame to be sent on a WebSocket.
#[derive(Debug)]
pub enum Frame {
    /// A text frame.
    Text(String),
    /// A close frame with code and reason.
    Close(u16, String),
}

/// The plane's handle of a WebSocket.
#[derive(Debug)]
pub struct FrameQueue {
    /// Frames to send, bounded.
    pub frames: mpsc::Sender<Frame>,
    /// Octets of the texts in `frames`: the plane adds, and the WebSocket task subtracts what it has removed.
    pub queued: Arc<AtomicUsize>,
    /// Notified to drop the connection without a close frame.
    pub kill: Arc<Notify>,
}

/// The SIP transport, and the receiver of its reports.
pub type SipSide = (SipTransport, mpsc::Receiver<Report>);

/// The signaling plane; [`SignalingPlane::run`] executes it.
pub struct SignalingPlane {
    relay: Relay,
    clock: Clock,
    accounts: Arc<Accounts>,
    tokens: Option<Arc<TokenVerifier>>,
    workers: Vec<MediaThread>,
    gauges: Arc<Gauges>,
    queues: BTreeMap<ConnectionId, FrameQueue>,
    intake: Intake,
    /// For the results of password checks and DNS queries.
    answers: mpsc::Sender<PlaneInput>,
    /// Notified when no call exists any more.
    drained: Vec<oneshot::Sender<()>>,
    /// A media worker has ended or the machine has panicked: the plane ends.
    broken: bool,
    sip: Option<SipTransport>,
    records: RecordSender,
    /// The recordings of audio, whose files are completed when the machine reports their ends.
    recordings: Option<Recordings>,
    api: ApiSide,
    hooks: HookSide,
    trace: Option<Arc<TraceStore>>,
}

/// The senders of a plane's channels.
#[derive(Clone, Debug)]
pub struct ToPlane {
    /// For WebSockets and the REST API, and for the results of password checks and DNS queries.
    pub inbound: mpsc::Sender<PlaneInput>,
    /// For media workers.
    pub media: mpsc::Sender<MediaReport>,
}

impl ToPlane {
    /// Returns a function that reports events of a media worker without blocking. If the channel is full, it returns the event.
    pub fn media_events(&self) -> impl FnMut(Event) -> Result<(), Event> + Send + use<> {
        let media = self.media.clone();
        move |event| match media.try_send(MediaReport::Event(event)) {
            Err(TrySendError::Full(MediaReport::Event(event))) => Err(event),
            // During shutdown, events have no receiver.
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// The receivers of a plane's channels.
#[derive(Debug)]
pub struct Channels(pub mpsc::Receiver<PlaneInput>, pub mpsc::Receiver<MediaReport>);

/// Creates the channels of a plane. The media threads, which report through them, are started before the plane.
#[must_use]
pub fn channels() -> (ToPlane, Channels) {
    let ((inbound, web_sockets), (media, events)) = (mpsc::channel(QUEUE), mpsc::channel(QUEUE));
    (ToPlane { inbound, media }, Channels(web_sockets, events))
}

impl SignalingPlane {
    /// Creates a plane with `relay` and `workers`, in the order of their numbers.
    #[must_use]
    pub fn new(
        relay: Relay,
        clock: Clock,
        accounts: Accounts,
        workers: Vec<MediaThread>,
        gauges: Arc<Gauges>,
        (to_plane, channels): (ToPlane, Channels),
    ) -> Self {
        let accounts = Arc::new(accounts);
        let Channels(inbound, media) = channels;
        gauges.start(clock);
        Self {
            relay,
            clock,
            accounts,
            tokens: None,
            workers,
            gauges,
            queues: BTreeMap::new(),
            intake: Intake::new(inbound, media),
            hooks: HookSide::new(Hooks::default(), to_plane.inbound.clone()),
            answers: to_plane.inbound,
            drained: Vec::new(),
            broken: false,
            sip: None,
            records: RecordSender::default(),
            recordings: None,
            api: ApiSide::default(),
            trace: None,
        }
    }

    /// Sets the verifier of tokens of an application, if one is configured.
    #[must_use]
    pub fn with_tokens(mut self, verifier: Option<TokenVerifier>) -> Self {
        self.tokens = verifier.map(Arc::new);
        self
    }

    /// Sets the sender of call detail records.
    #[must_use]
    pub fn with_records(mut self, records: RecordSender) -> Self {
        self.records = records;
        self
    }

    /// Sets the recordings of audio.
    #[must_use]
    pub fn with_recordings(self, recordings: &Recordings) -> Self {
        Self { recordings: Some(recordings.clone()), ..self }
    }

    /// Sets the SIP transport, if SIP is used.
    #[must_use]
    pub fn with_sip(mut self, side: Option<SipSide>) -> Self {
        let (sip, reports) = side.unzip();
        self.sip = sip;
        self.intake.set_reports(reports);
        self
    }

    /// Sets the applications of webhooks.
    #[must_use]
    pub fn with_hooks(self, hooks: Hooks) -> Self {
        let hooks = HookSide::new(hooks, self.answers.clone());
        Self { hooks, ..self }
    }

    /// Sets the directory of calls and the feed of their events.
    #[must_use]
    pub fn with_directory(self, directory: Arc<CallDirectory>, feed: Arc<EventFeed>) -> Self {
        Self { api: ApiSide::new(directory, feed), ..self }
    }

    fn count(&mut self) {
        self.gauges.connections.store(self.queues.len(), Ordering::Relaxed);
        self.gauges.publish(self.relay.counts(), self.relay.counters());
        if self.relay.is_without_calls() {
            self.drained.drain(..).for_each(|drained| {
                let _ = drained.send(());
            });
        }
    }
}

#[cfg(test)]
mod tests;
