//! The task that owns the relay machine. Sockets, media workers and password checks reach it through one bounded channel,
//! SIP through another, so that neither keeps the other from being heard; it never waits for any of them.

use crate::accounts::Accounts;
use crate::clock::Clock;
use crate::media_plane::MediaThread;
use crate::sip_transport::resolver::plan::Question;
use crate::sip_transport::{Report, SipTransport};
use core::time::Duration;
use offhook_b2bua::io::{ConnectionId, Input, Output, RequestId};
use offhook_b2bua::relay::Relay;
use offhook_sip::user_agent::io as user_agent;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// Inputs waiting for the machine; whoever has more waits.
const QUEUE: usize = 1_024;
/// Inputs taken before outputs are drained and the clock is read again.
const TURN: usize = 64;

/// How long SIP servers and phones may take to say that they have understood the end.
const SIP_FAREWELL: Duration = Duration::from_secs(2);

/// Octets of text that may wait for one reader, unless it is a single message.
const QUEUED_OCTETS: usize = 1_048_576;

/// What comes to the plane.
#[derive(Debug)]
pub enum Inbound {
    /// A WebSocket was opened.
    Opened(ConnectionId, Outlet),
    /// Anything else.
    Input(Input),
    /// A media worker has ended, which it does not do by itself.
    WorkerEnded(usize),
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
    inbound: mpsc::Receiver<Inbound>,
    /// For answers of password checks.
    answers: mpsc::Sender<Inbound>,
    /// Password checks that run or wait.
    checks: BTreeMap<RequestId, AbortHandle>,
    /// A media worker is gone: the plane ends.
    broken: bool,
    sip: Option<SipTransport>,
    reports: Option<mpsc::Receiver<Report>>,
}

/// The channel to a plane, to be made before the media threads that report through it.
#[must_use]
pub fn channel() -> (mpsc::Sender<Inbound>, mpsc::Receiver<Inbound>) {
    mpsc::channel(QUEUE)
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
        (answers, inbound): (mpsc::Sender<Inbound>, mpsc::Receiver<Inbound>),
    ) -> Self {
        let accounts = Arc::new(accounts);
        Self {
            relay,
            clock,
            accounts,
            workers,
            gauges,
            outlets: BTreeMap::new(),
            inbound,
            answers,
            checks: BTreeMap::new(),
            broken: false,
            sip: None,
            reports: None,
        }
    }

    /// The same with SIP.
    #[must_use]
    pub fn with_sip(mut self, side: Option<SipSide>) -> Self {
        (self.sip, self.reports) = side.unzip();
        self
    }

    /// Runs until `shutdown` (or until a media worker is found dead), then says good-bye to every socket and ends; the media threads end with it.
    pub async fn run(mut self, mut shutdown: oneshot::Receiver<()>) {
        let (mut turn, mut sip_turn) = (Vec::with_capacity(TURN), Vec::with_capacity(TURN));
        while !self.broken {
            let deadline = self.deadline();
            tokio::select! {
                _ = self.inbound.recv_many(&mut turn, TURN) => {
                    for inbound in turn.drain(..) {
                        self.take(inbound);
                        self.drain();
                    }
                }
                () = receive(&mut self.reports, &mut sip_turn) => self.take_reports(&mut sip_turn),
                () = sleep_until(deadline) => {}
                _ = &mut shutdown => break,
            }
            self.serve_deadline();
            self.count();
        }
        self.input(Input::Shutdown);
        self.drain();
        self.finish_sip(&mut sip_turn).await;
        // Sockets still open have not been told by the machine: 1001 is "going away" (RFC 6455 §7.4.1).
        for outlet in core::mem::take(&mut self.outlets).into_values() {
            let _ = outlet.frames.try_send(Frame::Close(1001, "the relay is shutting down".to_owned()));
        }
        self.count();
        // Joining the media threads waits for their last datagrams.
        let workers = core::mem::take(&mut self.workers);
        drop(self);
        let _ = tokio::task::spawn_blocking(move || drop(workers)).await;
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

    /// Waits until SIP servers and phones know of the end, or for as long as that may take: a BYE that is lost, or a
    /// REGISTER that is challenged, is said again.
    async fn finish_sip(&mut self, turn: &mut Vec<Report>) {
        let end = Instant::now() + SIP_FAREWELL;
        while self.sip.is_some() && !self.relay.is_sip_quiet() {
            let deadline = self.deadline();
            tokio::select! {
                () = receive(&mut self.reports, turn) => self.take_reports(turn),
                () = sleep_until(deadline) => {}
                () = tokio::time::sleep_until(end) => {
                    tracing::warn!("some SIP peers did not take their good-bye in time");
                    return;
                }
            }
            self.serve_deadline();
        }
    }

    fn take_reports(&mut self, turn: &mut Vec<Report>) {
        for report in turn.drain(..) {
            let inputs = self.sip.as_mut().map_or_else(Vec::new, |sip| sip.take(report));
            for input in inputs {
                self.input(Input::Sip(input));
                self.drain();
            }
        }
    }

    /// Does what the user agent wants; what comes of it at once goes back in.
    fn perform(&mut self, output: user_agent::Output) {
        let Some(sip) = &mut self.sip else { return };
        let input = match output {
            user_agent::Output::Send { transmission, hop, octets } => sip.send(transmission, &hop, octets),
            user_agent::Output::Resolve { query, host, port, transport, secure } => {
                sip.resolve(query, Question { host, port, transport, secure })
            }
            user_agent::Output::Close { flow } => {
                sip.close(flow);
                None
            }
            // The machine keeps what is for itself.
            user_agent::Output::Event(_) => None,
        };
        if let Some(input) = input {
            self.input(Input::Sip(input));
        }
    }

    fn take(&mut self, inbound: Inbound) {
        let input = match inbound {
            Inbound::Opened(connection, outlet) => {
                self.outlets.insert(connection, outlet);
                Input::Connected { connection }
            }
            Inbound::WorkerEnded(worker) => {
                tracing::error!(worker, "a media worker has ended");
                self.broken = true;
                return;
            }
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
                    Input::PasswordVerified { request, .. } => {
                        self.checks.remove(request);
                    }
                    Input::Connected { .. }
                    | Input::Text { .. }
                    | Input::Binary { .. }
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
                    let Some(check) = self.accounts.check(login.0, password) else {
                        tracing::warn!("login refused: too many passwords are being checked");
                        let refusal = Input::PasswordVerified { request, matches: false };
                        self.input(refusal);
                        continue;
                    };
                    let answers = self.answers.clone();
                    let check = tokio::spawn(async move {
                        let matches = check.await;
                        let answer = Inbound::Input(Input::PasswordVerified { request, matches });
                        let _ = answers.send(answer).await;
                    });
                    self.checks.insert(request, check.abort_handle());
                }
                // One that runs already runs to its end, off this thread; those that wait give their places back.
                Output::ForgetPassword { request } => {
                    if let Some(check) = self.checks.remove(&request) {
                        check.abort();
                    }
                }
                Output::Sip(output) => self.perform(output),
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

/// Waits for reports; for ever where there is no SIP.
async fn receive(reports: &mut Option<mpsc::Receiver<Report>>, turn: &mut Vec<Report>) {
    let received = match reports {
        Some(reports) => reports.recv_many(turn, TURN).await,
        None => 0,
    };
    if received == 0 {
        core::future::pending::<()>().await;
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
