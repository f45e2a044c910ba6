//! SIP transport: UDP sockets, TCP and TLS connections, and DNS resolution.
//!
//! ```text
//!  socket, connection, resolver ── Report ──▶ SipTransport::take ──▶ Input ──▶ the user agent
//!  socket, connection, resolver ◀──────────── SipTransport::send, … ◀── Output ──┘
//! ```
//!
//! The signaling plane owns a [`SipTransport`] and never waits for it. Reports are sent to the plane through a separate bounded
//! channel, so that a flood of SIP messages does not delay WebSockets: further datagrams are dropped and counted, and connections
//! are read more slowly.

mod addresses;
mod connection;
mod icmp;
mod numbers;
mod report;
pub mod resolver;
mod stream;
mod tls;
mod udp;

pub use addresses::{Listening, Public, Sockets, advertised, listen_addresses, main_address};
pub use report::{Report, ReportSource, SipCounters};
pub use tls::{Shown, TlsSides};

use crate::clock::Clock;
use crate::config::SipSettings;
use crate::quota::Quota;
use crate::security_log::SecurityLog;
use crate::supervisor::Supervisor;
use crate::tls::handshake::Handshakes;
use connection::Connections;
use numbers::FlowNumbers;
use offhook_sip::location::Question;
use offhook_sip::transport::{self, FlowId, Hop, QueryId, Target, TransmissionId, Transport};
use offhook_sip::user_agent::io::Input;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use resolver::Resolver;
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use stream::{Limits, MessageQueue};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use udp::{SharedFlows, Udp};

/// Capacity of the channel of reports.
const QUEUE: usize = 1_024;
/// Maximum number of concurrent queries for SIP servers; a further one fails.
const QUESTIONS: usize = 256;
/// Maximum number of concurrent queries for host names in SDP; a further one fails. They are counted separately, so that callers
/// cannot prevent queries for SIP servers.
const MEDIA_QUESTIONS: usize = 64;

/// The SIP transport, as used by the signaling plane.
pub struct SipTransport {
    udp: Udp,
    connections: Connections,
    queues: BTreeMap<FlowId, MessageQueue>,
    /// Connections that the relay opened; all messages to the same target use the same connection (RFC 5923 §5).
    open: BTreeMap<Target, FlowId>,
    targets: BTreeMap<FlowId, Target>,
    resolver: Arc<Resolver>,
    questions: Arc<Semaphore>,
    media_questions: Arc<Semaphore>,
    random: ChaCha20Rng,
    counters: Arc<SipCounters>,
    _tasks: JoinSet<()>,
}

/// Replaces the TLS configuration of SIP.
#[derive(Debug)]
pub struct TlsReload {
    server: Option<watch::Sender<Arc<rustls::ServerConfig>>>,
    client: watch::Sender<Arc<rustls::ClientConfig>>,
}

impl TlsReload {
    /// Sets the configuration of new connections.
    pub fn replace(&self, sides: TlsSides) {
        self.client.send_replace(sides.client);
        if let (Some(current), Some(server)) = (&self.server, sides.server) {
            current.send_replace(server);
        }
    }
}

impl SipTransport {
    /// Starts the tasks of bound sockets. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// If a system call fails.
    pub fn start(
        settings: &SipSettings,
        sockets: Sockets,
        tls: TlsSides,
        seed: [u8; 32],
        security_log: Arc<SecurityLog>,
        supervisor: &Supervisor,
    ) -> io::Result<(Self, mpsc::Receiver<Report>, TlsReload, Arc<SipCounters>)> {
        let (reports, queue) = mpsc::channel(QUEUE);
        let (numbers, counters) = (FlowNumbers::new(), Arc::new(SipCounters::default()));
        let clock = Clock::start();
        let flows = SharedFlows::new(numbers.clone(), settings.message_rate, clock);
        let abilities = sockets.abilities();
        let udp = Udp::start(sockets.udp, flows, &reports, &counters, supervisor)?;
        let server = tls.server.map(watch::Sender::new);
        let client = watch::Sender::new(tls.client);
        let connections = Connections {
            numbers,
            reports,
            limits: Limits {
                idle_timeout: settings.idle_timeout,
                message_timeout: stream::MESSAGE_TIMEOUT,
                unused_timeout: settings.unused_timeout,
                message_rate: settings.message_rate,
                send_queue: settings.send_queue,
            },
            connect_timeout: settings.connect_timeout,
            client: client.subscribe(),
            places: Quota::new(settings.connections, settings.connections_per_address),
            handshakes: Arc::new(Handshakes::new("sip tls")),
            security_log,
        };
        let mut tasks = JoinSet::new();
        for (transport, listener) in sockets.tcp {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let tls = if transport == Transport::Tls { server.as_ref().map(watch::Sender::subscribe) } else { None };
            tasks.spawn(supervisor.supervise("SIP listener", connections.clone().accept(listener, tls)));
        }
        let network = addresses::watch_network(connections.reports.clone());
        tasks.spawn(supervisor.supervise("watch of the network addresses", network));
        let resolver = Arc::new(Resolver::new(&settings.dns, Path::new(resolver::HOSTS_FILE), abilities)?);
        let this = Self {
            udp,
            connections,
            queues: BTreeMap::new(),
            open: BTreeMap::new(),
            targets: BTreeMap::new(),
            resolver,
            questions: Arc::new(Semaphore::new(QUESTIONS)),
            media_questions: Arc::new(Semaphore::new(MEDIA_QUESTIONS)),
            random: ChaCha20Rng::from_seed(seed),
            counters: Arc::clone(&counters),
            _tasks: tasks,
        };
        Ok((this, queue, TlsReload { server, client }, counters))
    }

    /// Converts a report to inputs of the user agent.
    pub fn take(&mut self, report: Report) -> Vec<Input> {
        match report {
            Report::Opened(flow, _, queue) => {
                self.queues.insert(flow, queue);
                Vec::new()
            }
            Report::Received { source, octets, .. } => {
                vec![Input::Transport(transport::io::Input::Received { source, octets })]
            }
            Report::Closed { flow, unsent, .. } => {
                self.queues.remove(&flow);
                if let Some(target) = self.targets.remove(&flow)
                    && self.open.get(&target) == Some(&flow)
                {
                    self.open.remove(&target);
                }
                let failed = unsent
                    .into_iter()
                    .map(|transmission| Input::Transport(transport::io::Input::SendFailed { transmission }));
                failed.chain([Input::Transport(transport::io::Input::FlowClosed { flow })]).collect()
            }
            Report::NotSent(transmission) => vec![Input::Transport(transport::io::Input::SendFailed { transmission })],
            Report::Resolved { query, targets } => {
                vec![Input::Transport(transport::io::Input::Resolved { query, targets })]
            }
            Report::NetworkChanged(addresses) => {
                self.udp.forget_routes();
                vec![Input::NetworkChanged { addresses }]
            }
        }
    }

    /// Counts datagrams that the plane has dropped.
    pub fn count_dropped(&self, datagrams: u64) {
        self.counters.drop_many(datagrams);
    }

    /// Closes a connection. The next message to its target opens a new one.
    pub fn close(&mut self, flow: FlowId) {
        if let Some(target) = self.targets.remove(&flow)
            && self.open.get(&target) == Some(&flow)
        {
            self.open.remove(&target);
        }
        if let Some(queue) = self.queues.remove(&flow) {
            queue.kill();
        }
    }

    /// Protects a UDP flow from removal, until [`Self::release_flow`] has been called the same number of times.
    pub fn keep_flow(&self, flow: FlowId) {
        self.udp.keep_flow(flow);
    }

    /// Ends one protection of a UDP flow.
    pub fn release_flow(&self, flow: FlowId) {
        self.udp.release_flow(flow);
    }

    /// Sends a message without waiting. Returns an input of the user agent if sending fails immediately.
    pub fn send(&mut self, transmission: TransmissionId, hop: &Hop, octets: Vec<u8>) -> Option<Input> {
        let is_sent = match hop {
            Hop::Flow(flow) => match self.udp.answer(*flow, transmission, &octets) {
                Some(sent) => sent,
                None => self.queues.get(flow).is_some_and(|queue| queue.send(transmission, octets)),
            },
            Hop::Target(target) => match target.transport {
                Transport::Udp => self.udp.send_to(target, transmission, &octets),
                Transport::Tcp | Transport::Tls => self.send_on_connection(transmission, target, octets),
                Transport::Ws | Transport::Wss => false,
            },
        };
        (!is_sent).then_some(Input::Transport(transport::io::Input::SendFailed { transmission }))
    }

    /// Returns a query for the addresses of a host in a session description, or `None` if too many are pending.
    pub fn addresses_of(&self, host: String) -> Option<impl Future<Output = Vec<IpAddr>> + Send + use<>> {
        let place = Arc::clone(&self.media_questions).try_acquire_owned();
        let refused = |_: &_| tracing::warn!("DNS query for a host in SDP skipped: too many queries are pending");
        let place = place.inspect_err(refused).ok()?;
        let resolver = Arc::clone(&self.resolver);
        Some(async move {
            let addresses = resolver.addresses_of(&host).await;
            drop(place);
            addresses
        })
    }

    /// Starts a query for the targets of a host, without waiting for the response. Returns an input if too many are pending.
    pub fn resolve(&mut self, query: QueryId, question: Question) -> Option<Input> {
        let Ok(place) = Arc::clone(&self.questions).try_acquire_owned() else {
            tracing::warn!("DNS query for a SIP server skipped: too many queries are pending");
            return Some(Input::Transport(transport::io::Input::Resolved { query, targets: Vec::new() }));
        };
        let random = ChaCha20Rng::seed_from_u64(self.random.next_u64());
        let (resolver, reports) = (Arc::clone(&self.resolver), self.connections.reports.clone());
        tokio::spawn(async move {
            let targets = resolver.resolve(&question, random).await;
            drop(place);
            let _ = reports.send(Report::Resolved { query, targets }).await;
        });
        None
    }

    /// Sends on the existing connection to the target, else on a new one.
    fn send_on_connection(&mut self, transmission: TransmissionId, target: &Target, octets: Vec<u8>) -> bool {
        let existing = self.open.get(target).and_then(|flow| self.queues.get(flow));
        if let Some(queue) = existing.filter(|queue| !queue.is_closed()) {
            return queue.send(transmission, octets);
        }
        let flow = self.connections.numbers.next();
        let (queue, messages) = stream::channel(self.connections.limits.send_queue);
        let is_queued = queue.send(transmission, octets);
        self.queues.insert(flow, queue);
        self.open.insert(target.clone(), flow);
        self.targets.insert(flow, target.clone());
        tokio::spawn(self.connections.clone().open(flow, target.clone(), messages));
        is_queued
    }
}

#[cfg(test)]
mod tests;
