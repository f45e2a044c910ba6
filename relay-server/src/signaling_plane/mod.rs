//! The signaling plane: the thread that owns the relay machine. WebSockets, media workers and SIP each have a bounded channel
//! to it, and it never waits for any of them.
//!
//! It works in turns. In each turn every channel is served for at most `SLICE`, with due timers in between, so that no
//! source can delay another by more than a turn.

pub mod call_log;
mod fair_queue;
mod gauges;
mod intake;
mod requests;

pub use gauges::Gauges;
pub use requests::{PlaneRequest, RelayView};

use crate::accounts::Accounts;
use crate::api::directory::CallDirectory;
use crate::api::feed::EventFeed;
use crate::clock::Clock;
use crate::media_plane::MediaThread;
use crate::records::{CallDetailRecord, RecordSender};
use crate::security_log;
use crate::sip_transport::{Report, SipTransport};
use core::time::Duration;
use intake::{Arrived, Intake, Kind};
use offhook_b2bua::call::CallEvent;
use offhook_b2bua::io::{ConnectionId, Input, Output, RequestId};
use offhook_b2bua::relay::Relay;
use offhook_media::command::Event;
use offhook_signaling::reason::EndReason;
use offhook_sip::location::Question;
use offhook_sip::transport;
use offhook_sip::user_agent::io::Failure;
use requests::ApiSide;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

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
    workers: Vec<MediaThread>,
    gauges: Arc<Gauges>,
    queues: BTreeMap<ConnectionId, FrameQueue>,
    intake: Intake,
    /// For the results of password checks and DNS queries.
    answers: mpsc::Sender<PlaneInput>,
    /// A media worker has ended or the machine has panicked: the plane ends.
    broken: bool,
    sip: Option<SipTransport>,
    records: RecordSender,
    api: ApiSide,
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
            workers,
            gauges,
            queues: BTreeMap::new(),
            intake: Intake::new(inbound, media),
            answers: to_plane.inbound,
            broken: false,
            sip: None,
            records: RecordSender::default(),
            api: ApiSide::default(),
        }
    }

    /// Sets the sender of call detail records.
    #[must_use]
    pub fn with_records(mut self, records: RecordSender) -> Self {
        self.records = records;
        self
    }

    /// Sets the SIP transport, if SIP is used.
    #[must_use]
    pub fn with_sip(mut self, side: Option<SipSide>) -> Self {
        let (sip, reports) = side.unzip();
        self.sip = sip;
        self.intake.set_reports(reports);
        self
    }

    /// Sets the directory of calls and the feed of their events.
    #[must_use]
    pub fn with_directory(self, directory: Arc<CallDirectory>, feed: Arc<EventFeed>) -> Self {
        Self { api: ApiSide::new(directory, feed), ..self }
    }

    /// Runs until `shutdown`, or until a media worker or the machine has failed. Then ends all calls, closes every WebSocket, and
    /// returns after the media threads have ended.
    pub async fn run(mut self, mut shutdown: oneshot::Receiver<()>) {
        // A new machine has outputs, for example the REGISTER of a trunk.
        self.guarded(Self::drain);
        while !self.broken {
            let deadline = self.deadline();
            tokio::select! {
                () = self.intake.wait() => {}
                () = sleep_until(deadline) => {}
                () = tokio::time::sleep(HEARTBEAT) => {}
                _ = &mut shutdown => break,
            }
            self.guarded(Self::turn);
            self.count();
            self.gauges.turn_ended(self.clock.now());
            // The plane may share its thread with other tasks.
            tokio::task::yield_now().await;
        }
        self.guarded(|plane| {
            plane.input(Input::Shutdown);
            plane.drain();
        });
        self.finish_calls().await;
        while let Some(Arrived::WebSocket(inbound)) = self.intake.next(Kind::WebSocket) {
            if let PlaneInput::Opened(connection, _, queue) = inbound {
                self.queues.insert(connection, queue);
            }
        }
        self.api.stop();
        // WebSockets that the machine has not closed. 1001 is "going away" (RFC 6455 §7.4.1).
        for queue in core::mem::take(&mut self.queues).into_values() {
            let _ = queue.frames.try_send(Frame::Close(1001, "the relay is shutting down".to_owned()));
        }
        self.count();
        // Waits for the last datagrams of the media threads.
        let workers = core::mem::take(&mut self.workers);
        drop(self);
        let _ = tokio::task::spawn_blocking(move || drop(workers)).await;
    }

    /// Executes `work`. After a panic, which is a bug, the plane ends its calls and stops.
    fn guarded(&mut self, work: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| work(self))).is_err() {
            self.broken = true;
        }
    }

    /// Serves every kind of input for at most [`SLICE`].
    fn turn(&mut self) {
        self.gauges.queued.publish(self.intake.lengths());
        for kind in Kind::ALL {
            let end = std::time::Instant::now() + SLICE;
            while !self.broken
                && let Some(arrived) = self.intake.next(kind)
            {
                self.take(arrived);
                self.drain();
                if std::time::Instant::now() >= end {
                    break;
                }
            }
            self.serve_deadline();
        }
        if let Some(sip) = &self.sip {
            sip.count_dropped(self.intake.take_dropped());
        }
    }

    /// The next deadline of the machine.
    fn deadline(&self) -> Option<Instant> {
        self.relay.poll_timeout().map(|time| Instant::from_std(self.clock.instant(time)))
    }

    fn serve_deadline(&mut self) {
        let now = self.clock.now();
        if self.relay.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.relay.handle_timeout(now);
        }
        self.drain();
    }

    /// Waits until SIP servers and phones have answered the last requests, and media workers have reported the statistics of the
    /// calls, for at most [`SHUTDOWN_TIMEOUT`]. A lost BYE is retransmitted, and a challenged REGISTER is repeated.
    async fn finish_calls(&mut self) {
        let end = Instant::now() + SHUTDOWN_TIMEOUT;
        // The turns may have ended because of a failure. Calls are finished nevertheless, unless there is a second
        // failure.
        self.broken = false;
        while self.has_unfinished_calls() && !self.broken {
            let deadline = self.deadline();
            tokio::select! {
                () = self.intake.wait() => {}
                () = sleep_until(deadline) => {}
                () = tokio::time::sleep_until(end) => {
                    return self.report_unfinished_calls();
                }
            }
            self.guarded(Self::turn);
        }
    }

    fn has_unfinished_calls(&self) -> bool {
        self.awaits_sip_responses() || self.relay.has_pending_records()
    }

    fn awaits_sip_responses(&self) -> bool {
        self.sip.is_some() && !self.relay.is_sip_quiet()
    }

    /// Logs the reason why calls are not finished at the end of the shutdown.
    fn report_unfinished_calls(&self) {
        if self.awaits_sip_responses() {
            tracing::warn!("shutdown: some SIP peers did not respond to BYE or REGISTER in time");
        }
        if self.relay.has_pending_records() {
            tracing::warn!("shutdown: some media workers did not report the final statistics of calls in time");
        }
    }

    fn take_report(&mut self, report: Report) {
        let inputs = self.sip.as_mut().map_or_else(Vec::new, |sip| sip.take(report));
        for input in inputs {
            self.input(Input::Sip(input));
            self.drain();
        }
    }

    /// Performs an output for the SIP transport. An immediate result is passed back to the machine.
    fn perform(&mut self, output: transport::io::Output) {
        let Some(sip) = &mut self.sip else { return };
        let input = match output {
            transport::io::Output::Send { transmission, hop, octets } => sip.send(transmission, &hop, octets),
            transport::io::Output::Resolve { query, host, port, transport, secure } => {
                sip.resolve(query, Question { host, port, transport, secure })
            }
            transport::io::Output::Close { flow } => {
                sip.close(flow);
                None
            }
            transport::io::Output::KeepFlow { flow } => {
                sip.keep_flow(flow);
                None
            }
            transport::io::Output::ReleaseFlow { flow } => {
                sip.release_flow(flow);
                None
            }
        };
        if let Some(input) = input {
            self.input(Input::Sip(input));
        }
    }

    fn take(&mut self, arrived: Arrived) {
        match arrived {
            Arrived::Media(MediaReport::Event(event)) => {
                if let Event::LegFailed { leg, failure } = &event {
                    tracing::warn!(leg = leg.0, reason = failure.reason(), "media leg failed");
                }
                self.input(Input::Media(event));
            }
            Arrived::Media(MediaReport::Ended(worker)) => {
                tracing::error!(worker, "media worker has ended");
                self.broken = true;
            }
            Arrived::WebSocket(inbound) => self.take_inbound(inbound),
            Arrived::Sip(report) => self.take_report(report),
        }
    }

    fn take_inbound(&mut self, inbound: PlaneInput) {
        let input = match inbound {
            PlaneInput::Opened(connection, Client { address, host }, queue) => {
                self.queues.insert(connection, queue);
                Input::Connected { connection, address, host }
            }
            PlaneInput::Request(request) => match self.api.take(request, &self.relay) {
                Some(input) => input,
                None => return,
            },
            #[cfg(test)]
            PlaneInput::Stall(duration) => return std::thread::sleep(duration),
            #[cfg(test)]
            PlaneInput::Panic => panic!("expected in this test"),
            PlaneInput::Input(input) => {
                match &input {
                    // The machine has closed this connection while the message was queued.
                    Input::Text { connection, .. } | Input::Binary { connection, .. }
                        if !self.queues.contains_key(connection) =>
                    {
                        return;
                    }
                    Input::Disconnected { connection } => {
                        if self.queues.remove(connection).is_none() {
                            return;
                        }
                    }
                    Input::Connected { .. }
                    | Input::Text { .. }
                    | Input::Binary { .. }
                    | Input::PasswordVerified { .. }
                    | Input::HostResolved { .. }
                    | Input::Routed { .. }
                    | Input::Command { .. }
                    | Input::Media(_)
                    | Input::Sip(_)
                    | Input::Shutdown => {}
                }
                input
            }
        };
        self.input(input);
    }

    fn input(&mut self, input: Input) {
        self.relay.handle_input(input, self.clock.now());
        // Updated before the outputs are performed, so that `/healthz` is up to date for the receiver of an output.
        self.count();
    }

    fn drain(&mut self) {
        while let Some(output) = self.relay.poll_output() {
            match output {
                Output::Send { connection, text } => self.send(connection, Frame::Text(text)),
                Output::Close { connection, code, reason } => {
                    self.send(connection, Frame::Close(code, reason));
                    self.queues.remove(&connection);
                }
                Output::VerifyPassword { request, login, password } => {
                    let (accounts, answers) = (Arc::clone(&self.accounts), self.answers.clone());
                    tokio::spawn(async move {
                        let matches = accounts.verify(&login.0, password).await;
                        let answer = PlaneInput::Input(Input::PasswordVerified { request, matches });
                        let _ = answers.send(answer).await;
                    });
                }
                Output::ResolveHost { request, host } => self.resolve_host(request, host),
                // The relay machine never requests this, because this shell configures local routing.
                Output::Route { request, .. } => {
                    self.input(Input::Routed { request, answer: Err(EndReason::Unavailable) });
                }
                Output::Offense(report) => security_log::write(&report),
                Output::CommandResult { request, result } => self.api.finish(request, result),
                Output::CallEvent { event, record, at } => {
                    call_log::write(&event, &record, at);
                    self.gauges.count_call_event(&event, &record, at);
                    if let (CallEvent::Ended { reason }, true) = (&event, self.records.is_on()) {
                        self.records.send(&CallDetailRecord::new(&record, reason.name(), at));
                    }
                    self.api.call_changed(&event, *record, at, &self.relay);
                }
                Output::Sip(output) => self.perform(output),
                Output::RegistrationFailed { is_trunk, failure, retry_in } => {
                    let section = if is_trunk { "[sip.trunk]" } else { "[[sip.accounts]]" };
                    let retry_s = retry_in.map(|wait| wait.as_secs());
                    match failure {
                        Failure::Refused { status, .. } => {
                            tracing::warn!(
                                section,
                                status,
                                retry_s,
                                "registrar rejected the registration of an account"
                            );
                        }
                        Failure::WrongPassword { .. } => {
                            tracing::warn!(
                                section,
                                retry_s,
                                "registrar rejected the credentials of an account: check its username and password"
                            );
                        }
                        Failure::Timeout | Failure::Unreachable | Failure::NoSuchHost => {
                            tracing::warn!(section, ?failure, retry_s, "registration of an account failed");
                        }
                    }
                }
                Output::PassedOver { server, informed } => {
                    tracing::debug!(%server, "SIP server of a client session is not listed in [sip] servers");
                    if informed {
                        tracing::warn!(
                            "registration skipped: SIP server is not listed in [sip] servers; the client was notified, and \
                             the server's name is logged at level debug"
                        );
                    } else {
                        tracing::info!(
                            "registration skipped: [sip] servers is empty, so calls of this client go to users of this \
                             relay; the server's name is logged at level debug"
                        );
                    }
                }
                Output::Media { worker, command } => {
                    let thread = self.workers.get(usize::from(worker.0));
                    if !thread.is_some_and(|thread| thread.order(command)) {
                        tracing::error!(worker = worker.0, "media worker has ended or accepts no more commands");
                        self.broken = true;
                    }
                }
            }
        }
    }

    /// Starts a DNS query for the addresses of a host, without waiting for the response.
    fn resolve_host(&mut self, request: RequestId, host: String) {
        let Some(lookup) = self.sip.as_ref().and_then(|sip| sip.addresses_of(host)) else {
            return self.input(Input::HostResolved { request, addresses: Vec::new() });
        };
        let answers = self.answers.clone();
        tokio::spawn(async move {
            let addresses = lookup.await;
            let _ = answers.send(PlaneInput::Input(Input::HostResolved { request, addresses })).await;
        });
    }

    /// Queues a frame. A client whose queue is full is disconnected, which bounds the memory that it uses.
    fn send(&mut self, connection: ConnectionId, frame: Frame) {
        let Some(queue) = self.queues.get(&connection) else { return };
        let octets = if let Frame::Text(text) = &frame { text.len() } else { 0 };
        // Added before the frame is queued, so that the WebSocket task does not subtract it first.
        let waiting = queue.queued.fetch_add(octets, Ordering::Relaxed);
        let sent = if waiting > 0 && waiting.saturating_add(octets) > QUEUED_OCTETS {
            Err(TrySendError::Full(frame))
        } else {
            queue.frames.try_send(frame)
        };
        match sent {
            Ok(()) => {}
            Err(TrySendError::Closed(_)) => {} // The WebSocket task has ended; its `Disconnected` follows.
            Err(TrySendError::Full(frame)) => {
                tracing::info!(connection = connection.0, "WebSocket closed: send queue is full");
                queue.kill.notify_one();
                self.queues.remove(&connection);
                if matches!(frame, Frame::Text(_)) {
                    self.input(Input::Disconnected { connection });
                }
            }
        }
    }

    fn count(&self) {
        self.gauges.connections.store(self.queues.len(), Ordering::Relaxed);
        self.gauges.publish(self.relay.counts(), self.relay.counters());
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => core::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
