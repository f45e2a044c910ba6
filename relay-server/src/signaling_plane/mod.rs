//! The signaling plane: the thread that owns the relay machine. WebSockets, media workers and SIP each reach it through a
//! bounded channel of their own, and it never waits for any of them.
//!
//! It works in turns. In each turn every channel is served for `SLICE` at most, and due timers are served in between, so
//! that no source delays another by more than a turn, whatever it sends.

mod fair_queue;
mod intake;

use crate::accounts::Accounts;
use crate::clock::Clock;
use crate::media_plane::MediaThread;
use crate::security_log;
use crate::sip_transport::{Report, SipTransport};
use core::time::Duration;
use intake::{Arrived, Intake, Kind};
use offhook_b2bua::io::{ConnectionId, Input, Output, RequestId};
use offhook_b2bua::relay::Relay;
use offhook_clock::Time;
use offhook_media::command::Event;
use offhook_sip::location::Question;
use offhook_sip::transport;
use offhook_sip::user_agent::io::Failure;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

/// Inputs that wait in a channel.
const QUEUE: usize = 1_024;
/// How long one kind of input is served before the next one is.
const SLICE: Duration = Duration::from_millis(5);
/// A turn takes place at least this often, so that the age of the last one shows whether the plane works.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// A plane whose last turn is older than this is reported as stuck.
pub const STUCK_AFTER: Duration = Duration::from_secs(5);

/// How long SIP servers and phones may take to say that they have understood the end.
const SIP_FAREWELL: Duration = Duration::from_secs(2);

/// Octets of text that may wait for one reader, unless it is a single message.
const QUEUED_OCTETS: usize = 1_048_576;

/// What is known of the client of a WebSocket.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its address.
    pub address: IpAddr,
    /// The host of the URL that it opened, with a port or without.
    pub host: Option<String>,
}

/// What comes to the plane.
#[derive(Debug)]
pub enum Inbound {
    /// A WebSocket was opened.
    Opened(ConnectionId, Client, Outlet),
    /// Anything else.
    Input(Input),
    /// The plane stands still for so long, as if it were busy.
    #[cfg(test)]
    Stall(Duration),
    /// The plane panics.
    #[cfg(test)]
    Panic,
}

/// What a media worker reports.
#[derive(Debug)]
pub enum MediaReport {
    /// An event of the machine.
    Event(Event),
    /// The worker with this number has ended, which it does not do by itself.
    Ended(usize),
}

/// What a socket is to do.
#[derive(Debug)]
pub enum Frame {
    /// Send this.
    Text(String),
    /// Close with this code and reason.
    Close(u16, String),
}

/// The plane's end of a socket.
#[derive(Debug)]
pub struct Outlet {
    /// Frames to send, bounded.
    pub frames: mpsc::Sender<Frame>,
    /// Octets of the texts in `frames`: the plane adds, the socket takes away what it has received.
    pub queued: Arc<AtomicUsize>,
    /// Rung when the socket is to be dropped without ceremony.
    pub kill: Arc<Notify>,
}

/// Numbers for `/healthz`.
#[derive(Debug, Default)]
pub struct Gauges {
    /// Open WebSockets.
    pub connections: AtomicUsize,
    /// Sessions.
    pub sessions: AtomicUsize,
    /// Calls.
    pub calls: AtomicUsize,
    /// Accounts that a SIP server has accepted.
    pub registrations: AtomicUsize,
    /// The end of the plane's last turn, in milliseconds of its clock.
    last_turn: AtomicU64,
    /// The plane's clock.
    clock: OnceLock<Clock>,
}

impl Gauges {
    fn turn_ended(&self, now: Time) {
        let millis = now.since(Time::EPOCH).as_millis();
        self.last_turn.store(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The time since the end of the plane's last turn, or since its start; none before that.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        let last = Time::EPOCH + Duration::from_millis(self.last_turn.load(Ordering::Relaxed));
        self.clock.get().map(|clock| clock.now().since(last))
    }
}

/// Everything that carries SIP, and what it reports.
pub type SipSide = (SipTransport, mpsc::Receiver<Report>);

/// What the plane is made of.
pub struct SignalingPlane {
    relay: Relay,
    clock: Clock,
    accounts: Arc<Accounts>,
    workers: Vec<MediaThread>,
    gauges: Arc<Gauges>,
    outlets: BTreeMap<ConnectionId, Outlet>,
    intake: Intake,
    /// For answers of password checks.
    answers: mpsc::Sender<Inbound>,
    /// A media worker is gone: the plane ends.
    broken: bool,
    sip: Option<SipTransport>,
}

/// The senders of a plane's channels.
#[derive(Clone, Debug)]
pub struct ToPlane {
    /// For WebSockets and password checks.
    pub inbound: mpsc::Sender<Inbound>,
    /// For media workers.
    pub media: mpsc::Sender<MediaReport>,
}

impl ToPlane {
    /// Reports a media worker's events to the plane, without waiting for it. An event that it cannot accept now is returned.
    pub fn media_events(&self) -> impl FnMut(Event) -> Result<(), Event> + Send + use<> {
        let media = self.media.clone();
        move |event| match media.try_send(MediaReport::Event(event)) {
            Err(TrySendError::Full(MediaReport::Event(event))) => Err(event),
            // Nothing receives the events of a relay that ends.
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// The receivers of a plane's channels.
#[derive(Debug)]
pub struct Channels(pub mpsc::Receiver<Inbound>, pub mpsc::Receiver<MediaReport>);

/// The channels to a plane, to be made before the media threads that report through them.
#[must_use]
pub fn channels() -> (ToPlane, Channels) {
    let ((inbound, web_sockets), (media, events)) = (mpsc::channel(QUEUE), mpsc::channel(QUEUE));
    (ToPlane { inbound, media }, Channels(web_sockets, events))
}

impl SignalingPlane {
    /// A plane nobody is connected to, around `relay` and `workers` in their numbers' order.
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
        let _ = gauges.clock.set(clock);
        gauges.turn_ended(clock.now());
        Self {
            relay,
            clock,
            accounts,
            workers,
            gauges,
            outlets: BTreeMap::new(),
            intake: Intake::new(inbound, media),
            answers: to_plane.inbound,
            broken: false,
            sip: None,
        }
    }

    /// The same with SIP.
    #[must_use]
    pub fn with_sip(mut self, side: Option<SipSide>) -> Self {
        let (sip, reports) = side.unzip();
        self.sip = sip;
        self.intake.set_reports(reports);
        self
    }

    /// Runs until `shutdown`, or until a part of the relay has failed; then ends all calls, closes every socket and returns
    /// after the media threads have ended.
    pub async fn run(mut self, mut shutdown: oneshot::Receiver<()>) {
        // The machine has outputs from its start, like the REGISTER of a trunk.
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
        self.finish_sip().await;
        while let Some(Arrived::WebSocket(inbound)) = self.intake.next(Kind::WebSocket) {
            if let Inbound::Opened(connection, _, outlet) = inbound {
                self.outlets.insert(connection, outlet);
            }
        }
        // The machine has not closed these: 1001 is "going away" (RFC 6455 §7.4.1).
        for outlet in core::mem::take(&mut self.outlets).into_values() {
            let _ = outlet.frames.try_send(Frame::Close(1001, "the relay is shutting down".to_owned()));
        }
        self.count();
        // Joining the media threads waits for their last datagrams.
        let workers = core::mem::take(&mut self.workers);
        drop(self);
        let _ = tokio::task::spawn_blocking(move || drop(workers)).await;
    }

    /// Does `work`. A panic, which is a bug, ends the plane, but not before it has tried to end the calls.
    fn guarded(&mut self, work: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| work(self))).is_err() {
            self.broken = true;
        }
    }

    /// Serves every kind of input for [`SLICE`] at most.
    fn turn(&mut self) {
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

    /// When the machine wants to be woken.
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

    /// Waits until SIP servers and phones have answered the last requests, or for [`SIP_FAREWELL`]: a BYE that is lost is
    /// retransmitted, and a REGISTER that is challenged is repeated.
    async fn finish_sip(&mut self) {
        let end = Instant::now() + SIP_FAREWELL;
        // The failure that ended the turns does not prevent this; another one does.
        self.broken = false;
        while self.sip.is_some() && !self.relay.is_sip_quiet() && !self.broken {
            let deadline = self.deadline();
            tokio::select! {
                () = self.intake.wait() => {}
                () = sleep_until(deadline) => {}
                () = tokio::time::sleep_until(end) => {
                    tracing::warn!("some SIP peers did not answer the last requests in time");
                    return;
                }
            }
            self.guarded(Self::turn);
        }
    }

    fn take_report(&mut self, report: Report) {
        let inputs = self.sip.as_mut().map_or_else(Vec::new, |sip| sip.take(report));
        for input in inputs {
            self.input(Input::Sip(input));
            self.drain();
        }
    }

    /// Does what the user agent wants; what comes of it at once goes back in.
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
                    tracing::warn!(leg = leg.0, reason = failure.reason(), "the media of a call did not come up");
                }
                self.input(Input::Media(event));
            }
            Arrived::Media(MediaReport::Ended(worker)) => {
                tracing::error!(worker, "a media worker has ended");
                self.broken = true;
            }
            Arrived::WebSocket(inbound) => self.take_inbound(inbound),
            Arrived::Sip(report) => self.take_report(report),
        }
    }

    fn take_inbound(&mut self, inbound: Inbound) {
        let input = match inbound {
            Inbound::Opened(connection, Client { address, host }, outlet) => {
                self.outlets.insert(connection, outlet);
                Input::Connected { connection, address, host }
            }
            #[cfg(test)]
            Inbound::Stall(duration) => return std::thread::sleep(duration),
            #[cfg(test)]
            Inbound::Panic => panic!("expected in this test"),
            Inbound::Input(input) => {
                match &input {
                    // A socket the machine has closed may have said something before it heard of that.
                    Input::Text { connection, .. } | Input::Binary { connection, .. }
                        if !self.outlets.contains_key(connection) =>
                    {
                        return;
                    }
                    Input::Disconnected { connection } => {
                        if self.outlets.remove(connection).is_none() {
                            return;
                        }
                    }
                    Input::Connected { .. }
                    | Input::Text { .. }
                    | Input::Binary { .. }
                    | Input::PasswordVerified { .. }
                    | Input::HostResolved { .. }
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
        // Before the outputs: whoever receives one finds it counted.
        self.count();
    }

    fn drain(&mut self) {
        while let Some(output) = self.relay.poll_output() {
            match output {
                Output::Send { connection, text } => self.send(connection, Frame::Text(text)),
                Output::Close { connection, code, reason } => {
                    self.send(connection, Frame::Close(code, reason));
                    self.outlets.remove(&connection);
                }
                Output::VerifyPassword { request, login, password } => {
                    let (accounts, answers) = (Arc::clone(&self.accounts), self.answers.clone());
                    tokio::spawn(async move {
                        let matches = accounts.verify(&login.0, password).await;
                        let answer = Inbound::Input(Input::PasswordVerified { request, matches });
                        let _ = answers.send(answer).await;
                    });
                }
                Output::ResolveHost { request, host } => self.resolve_host(request, host),
                Output::Offense(report) => security_log::write(&report),
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
                                "the registrar refused the registration of an account"
                            );
                        }
                        Failure::WrongPassword { .. } => {
                            tracing::warn!(
                                section,
                                retry_s,
                                "the registrar refused the password of an account: check it"
                            );
                        }
                        Failure::Timeout | Failure::Unreachable | Failure::NoSuchHost => {
                            tracing::warn!(section, ?failure, retry_s, "an account is not registered");
                        }
                    }
                }
                Output::PassedOver { server, told } => {
                    tracing::debug!(%server, "pages name a SIP server that [sip] servers does not allow");
                    if told {
                        tracing::warn!(
                            "a page is not registered at the SIP server that it names, as [sip] servers does not allow it; \
                             the page was told which, the log at debug says it too"
                        );
                    } else {
                        tracing::info!(
                            "a page names a SIP server, but [sip] servers allows none: its calls go to users of this relay; \
                             the log at debug says which server"
                        );
                    }
                }
                Output::Media { worker, command } => {
                    let thread = self.workers.get(usize::from(worker.0));
                    if !thread.is_some_and(|thread| thread.order(command)) {
                        tracing::error!(worker = worker.0, "a media worker has ended or does not exist");
                        self.broken = true;
                    }
                }
            }
        }
    }

    /// Asks the resolver for the addresses of a host; never waits.
    fn resolve_host(&mut self, request: RequestId, host: String) {
        let Some(lookup) = self.sip.as_ref().and_then(|sip| sip.addresses_of(host)) else {
            return self.input(Input::HostResolved { request, addresses: Vec::new() });
        };
        let answers = self.answers.clone();
        tokio::spawn(async move {
            let addresses = lookup.await;
            let _ = answers.send(Inbound::Input(Input::HostResolved { request, addresses })).await;
        });
    }

    /// Queues a frame. A reader so slow that its queue is full is disconnected: memory is for those who listen.
    fn send(&mut self, connection: ConnectionId, frame: Frame) {
        let Some(outlet) = self.outlets.get(&connection) else { return };
        let octets = if let Frame::Text(text) = &frame { text.len() } else { 0 };
        // Added before it is sent: the socket must not take away what is not there yet.
        let waiting = outlet.queued.fetch_add(octets, Ordering::Relaxed);
        let sent = if waiting > 0 && waiting.saturating_add(octets) > QUEUED_OCTETS {
            Err(TrySendError::Full(frame))
        } else {
            outlet.frames.try_send(frame)
        };
        match sent {
            Ok(()) => {}
            Err(TrySendError::Closed(_)) => {} // The socket task has ended: its `Disconnected` is on its way.
            Err(TrySendError::Full(frame)) => {
                tracing::info!(connection = connection.0, "slow reader disconnected");
                outlet.kill.notify_one();
                self.outlets.remove(&connection);
                if matches!(frame, Frame::Text(_)) {
                    self.input(Input::Disconnected { connection });
                }
            }
        }
    }

    fn count(&self) {
        let counts = self.relay.counts();
        self.gauges.connections.store(self.outlets.len(), Ordering::Relaxed);
        self.gauges.sessions.store(counts.sessions, Ordering::Relaxed);
        self.gauges.calls.store(counts.calls, Ordering::Relaxed);
        self.gauges.registrations.store(counts.registrations, Ordering::Relaxed);
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
