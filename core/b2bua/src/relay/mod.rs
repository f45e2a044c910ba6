//! The state machine of one relay: WebSockets, client sessions, the location table, SIP accounts, routing and calls.
//!
//! ```text
//!  WebSocket ──> signaling::server::Connection ──> admission ────> routing ──> Call ──> media worker
//!                (order, limits, keep-alive)       (`sessions`)    (`routing`) (`calls`)
//! ```
//!
//! A client session belongs to one browser, with or without a login. It is online on one WebSocket at a time. With
//! `keepAlive`, the session of a verified login survives a reconnect.

mod accounts;
mod application;
mod audio;
mod authorizations;
mod call_table;
mod calls;
mod clients;
mod collecting;
mod commands;
mod configured_users;
mod deadlines;
mod external_agent;
mod forwarding;
mod guards;
mod headers;
mod identifiers;
mod inbound;
mod lifecycle;
mod locations;
mod media_names;
mod media_workers;
mod participants;
mod password_checks;
mod port_shares;
mod records;
mod redirect;
mod ringing;
mod routing;
mod routing_questions;
mod saved;
mod sessions;
mod sip;
mod sip_accounts;
mod sip_options;
mod snapshots;
mod state;
mod submissions;
mod tokens;
mod transfer;

use crate::call::{CollectionEnd, SessionId};
use crate::config::Config;
use crate::io::{ConnectionId, Input, Output};
use crate::presenter::Presenter;
use crate::record::CallRecords;
use audio::{CallAudio, RecordedPart};
use authorizations::Authorizations;
use call_table::CallTable;
use clients::{Clients, Session, Socket};
use collecting::Collections;
use configured_users::ConfiguredUsers;
pub use snapshots::{AccountRegistration, AccountSnapshot, PhoneSnapshot, SessionSnapshot};

use deadlines::Owner;
use guards::CallGuards;
pub use guards::{Guard, GuardCounters};
use identifiers::Identifiers;
use lifecycle::CallAdmission;
use locations::Locations;
use media_names::MediaNames;
use media_workers::MediaWorkers;
use offhook_clock::{Deadlines, Time, earliest};
use offhook_limits::Offenses;
use offhook_media::command::Event;
use offhook_signaling::message::ServerMessage;
use offhook_signaling::reason::EndReason;
use offhook_signaling::server::{self, close_code};
use offhook_sip::transaction::layer::Counters as TransactionCounters;
use offhook_sip::user_agent::UserAgent;
use offhook_sip::user_agent::io::Command;
use password_checks::PasswordChecks;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use routing_questions::RoutingQuestions;
pub use saved::{RestoreError, SavedRelay};
use sip_accounts::SipAccounts;
use std::collections::VecDeque;
use submissions::Submissions;
use tokens::Tokens;

/// Numbers of objects, for health checks and metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Open sockets.
    pub connections: usize,
    /// Sessions, with or without a socket.
    pub sessions: usize,
    /// Calls that ring or are established.
    pub calls: usize,
    /// Accounts that are registered at their SIP servers.
    pub registrations: usize,
    /// Legs of calls.
    pub legs: usize,
    /// RTP ports that calls use.
    pub ports_in_use: usize,
    /// RTP ports, in use or not.
    pub ports: usize,
}

/// Totals of unexpected events since the relay was created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RelayCounters {
    /// Inputs that a call ignored in its state.
    pub ignored_by_calls: u64,
    /// Inputs that the SIP user agent ignored.
    pub ignored_by_user_agent: u64,
    /// Answers of the shell without an open routing question, mostly because they were late.
    pub ignored_routing_answers: u64,
    /// Calls and logins that guards have refused, and calls that they have ended.
    pub guards: GuardCounters,
    /// Totals of the SIP transaction layer.
    pub transactions: TransactionCounters,
}

/// The state machine of one relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    config: Config,
    /// Derived from `config`.
    users: ConfiguredUsers,
    random: ChaCha20Rng,
    identifiers: Identifiers,
    /// Not part of the saved state: a restored relay accepts calls.
    admission: CallAdmission,
    clients: Clients,
    checks: PasswordChecks,
    offenses: Offenses,
    locations: Locations,
    accounts: SipAccounts,
    deadlines: Deadlines<Owner>,
    calls: CallTable,
    presenter: Presenter,
    records: CallRecords,
    workers: MediaWorkers,
    media_names: MediaNames,
    questions: RoutingQuestions,
    collections: Collections,
    audio: CallAudio,
    authorizations: Authorizations,
    submissions: Submissions,
    guards: CallGuards,
    tokens: Tokens,
    agent: Option<Box<UserAgent>>,
    /// Commands for the user agent.
    commands: VecDeque<Command>,
    outputs: VecDeque<Output>,
}

impl Relay {
    /// Creates a relay without connections. `seed` must be secret: tokens and ICE passwords depend on it.
    #[must_use]
    pub fn new(config: Config, seed: [u8; 32], now: Time) -> Self {
        let mut relay = Self::with_external_agent(config, seed);
        if let Some(config) = &relay.config.sip {
            let mut seed = [0; 32];
            relay.random.fill_bytes(&mut seed);
            relay.agent = Some(Box::new(UserAgent::new(config.user_agent.clone(), seed, now)));
        }
        relay.drain_agent(now);
        relay.reserve_ports(now);
        relay
    }

    /// Creates a relay without a SIP user agent of its own. The embedding program connects it to a user agent by
    /// [`Relay::poll_agent_command`] and [`Relay::handle_agent_event`].
    #[must_use]
    pub fn with_external_agent(mut config: Config, seed: [u8; 32]) -> Self {
        config.sip.iter_mut().for_each(|sip| sip.admit_configured());
        let workers = MediaWorkers::new(&config);
        let checks = PasswordChecks::new();
        let mut relay = Self {
            users: ConfiguredUsers::new(&config),
            config,
            random: ChaCha20Rng::from_seed(seed),
            identifiers: Identifiers::new(),
            admission: CallAdmission::Open,
            clients: Clients::default(),
            checks,
            offenses: Offenses::default(),
            locations: Locations::default(),
            accounts: SipAccounts::default(),
            deadlines: Deadlines::default(),
            calls: CallTable::default(),
            presenter: Presenter::default(),
            records: CallRecords::default(),
            workers,
            media_names: MediaNames::default(),
            questions: RoutingQuestions::default(),
            collections: Collections::default(),
            audio: CallAudio::default(),
            authorizations: Authorizations::default(),
            submissions: Submissions::default(),
            guards: CallGuards::new(),
            tokens: Tokens::default(),
            agent: None,
            commands: VecDeque::new(),
            outputs: VecDeque::new(),
        };
        relay.open_trunk();
        relay
    }

    /// Returns numbers of objects.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            connections: self.clients.socket_count(),
            sessions: self.clients.session_count(),
            calls: self.calls.len(),
            registrations: self.accounts.registered(),
            legs: self.calls.leg_count(),
            // A pair consists of two ports.
            ports_in_use: 2 * self.workers.taken(),
            ports: 2 * self.workers.size(),
        }
    }

    /// Returns totals of unexpected events by cause. They never decrease.
    #[must_use]
    pub fn counters(&self) -> RelayCounters {
        let agent = self.agent.as_deref();
        RelayCounters {
            ignored_by_calls: self.calls.ignored(),
            ignored_routing_answers: self.questions.ignored(),
            ignored_by_user_agent: agent.map_or(0, UserAgent::ignored),
            guards: self.guards.counters(),
            transactions: agent.map(UserAgent::counters).unwrap_or_default(),
        }
    }

    /// Handles one input.
    pub fn handle_input(&mut self, input: Input, now: Time) {
        match input {
            Input::Connected { connection, address, host, origin } => {
                let protocol = server::Connection::new(self.limits(), now);
                self.clients.open(connection, Socket::new(protocol, host, origin, address));
                self.arm_socket(connection);
            }
            Input::Text { connection, text } => self.receive(connection, &server::Input::Text(&text), now),
            Input::Binary { connection, length } => self.receive(connection, &server::Input::Binary(length), now),
            Input::Disconnected { connection } => self.forget_socket(connection, now),
            Input::PasswordVerified { request, matches } => self.password_verified(request, matches, now),
            Input::TokenVerified { request, result } => self.token_verified(request, result, now),
            Input::HostResolved { request, addresses } => self.host_resolved(request, &addresses, now),
            Input::Routed { request, answer } => self.call_routed(request, answer, now),
            Input::Authorization(input) => self.authorization_input(input, now),
            Input::Command { request, command } => {
                let result = self.execute(command, now);
                self.outputs.push_back(Output::CommandResult { request, result });
            }
            Input::Media(event) => self.media_event(&event, now),
            Input::Sip(input) => self.agent_input(input, now),
            Input::Configure(config) => self.configure(*config, now),
            Input::Drain => self.drain_calls(),
            Input::Shutdown => self.shut_down(now),
        }
        self.settle(now);
    }

    /// Performs what follows from an input.
    fn settle(&mut self, now: Time) {
        self.drain_agent(now);
        if self.close_expired(now) {
            self.drain_agent(now);
        }
        self.reserve_ports(now);
    }

    /// Handles all deadlines that have passed.
    pub fn handle_timeout(&mut self, now: Time) {
        for owner in self.deadlines.due(now) {
            match owner {
                Owner::Socket(connection) => {
                    if let Some(protocol) = self.clients.protocol_mut(connection) {
                        protocol.handle_timeout(now);
                    }
                    self.drain_socket(connection, now);
                }
                Owner::Call(key) => {
                    self.calls.update(key, |call| call.handle_timeout(now));
                    self.drain_call(key, now);
                }
                Owner::Session(id) => self.expire_session(id, now),
                Owner::MediaNames(invite) => self.release(invite, now),
                Owner::Record(call) => self.record_overdue(call),
                Owner::Routing(request) => self.routing_timed_out(request, now),
                Owner::Digits(leg) => self.end_collection(leg, CollectionEnd::Timeout, now),
                Owner::Authorization(request) => self.authorization_timed_out(request, now),
                Owner::Duration(call) => self.end_long_call(call, now),
                Owner::Token(session) => self.watch_token(session, now),
            }
        }
        self.agent_timeout(now);
        self.settle(now);
    }

    /// Returns the next output for the shell.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Returns the next deadline, for [`Relay::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        earliest(self.deadlines.next(), self.agent_deadline())
    }

    fn limits(&self) -> server::Limits {
        let config = &self.config;
        server::Limits {
            connection_timeout: config.connection_timeout,
            ping_interval: config.ping_interval,
            ping_probes: config.ping_probes,
            max_frame: config.max_frame,
            message_rate: config.message_rate,
            message_burst: config.message_burst,
        }
    }

    const fn fresh_id(&mut self) -> u64 {
        self.identifiers.mint(self.config.node)
    }

    fn receive(&mut self, connection: ConnectionId, input: &server::Input<'_>, now: Time) {
        if let Some(protocol) = self.clients.protocol_mut(connection) {
            protocol.handle_input(input, now);
            self.drain_socket(connection, now);
        }
    }

    fn drain_socket(&mut self, connection: ConnectionId, now: Time) {
        while let Some(output) = self.clients.protocol_mut(connection).and_then(server::Connection::poll_output) {
            match output {
                server::Output::Deliver(message) => self.deliver(connection, message, now),
                server::Output::Pong => self.clients.confirm_token(connection),
                server::Output::Send(message) => self.send(connection, &message),
                server::Output::Close { code, reason } => self.close(connection, code, reason, now),
            }
        }
        self.arm_socket(connection);
    }

    /// Updates the deadline of a socket after each of its inputs.
    fn arm_socket(&mut self, connection: ConnectionId) {
        let at = self.clients.protocol(connection).and_then(server::Connection::poll_timeout);
        self.deadlines.set(Owner::Socket(connection), at);
    }

    fn send(&mut self, connection: ConnectionId, message: &ServerMessage) {
        self.outputs.push_back(Output::Send { connection, text: message.to_json() });
    }

    /// Sends a message to the session's browser, if it is connected.
    fn send_to_session(&mut self, session: SessionId, message: &ServerMessage) {
        self.report_informed(session, message);
        if let Some(connection) = self.clients.get(session).and_then(Session::connection) {
            self.send(connection, message);
        }
    }

    fn close(&mut self, connection: ConnectionId, code: u16, mut reason: String, now: Time) {
        // A Close frame has room for a reason of 123 octets (RFC 6455 §5.5.1).
        while reason.len() > 123 {
            reason.pop();
        }
        self.outputs.push_back(Output::Close { connection, code, reason });
        self.forget_socket(connection, now);
    }

    fn forget_socket(&mut self, connection: ConnectionId, now: Time) {
        self.checks.forget(connection);
        self.forget_applicant(connection);
        self.tokens.forget(connection);
        if let Some(session) = self.clients.session_at(connection) {
            self.detach(session, now);
        }
        self.clients.remove_socket(connection);
        self.arm_socket(connection);
    }

    fn media_event(&mut self, event: &Event, now: Time) {
        use crate::call::Input;
        let (leg, input) = match *event {
            Event::LegConnected { .. } => return,
            Event::PlaybackEnded { leg, playback, end } => return self.playback_ended(leg, playback, end, now),
            Event::RecordingEnded { leg, recording, end, duration, lost } => {
                return self.recording_ended(RecordedPart { leg, recording, end, duration, lost }, now);
            }
            Event::LegReports(ref reports) => return self.leg_reports(reports, now),
            Event::PortsReserved { ref ready, ref in_use } => return self.ports_reserved(ready, in_use, now),
            Event::KeyFrameWanted { leg } => (leg, Input::KeyFrameWanted { leg }),
            Event::LegFailed { leg, failure } => (leg, Input::LegFailed { leg, failure }),
            Event::LegDead { leg } => (leg, Input::LegDead { leg }),
            Event::DtmfReceived { leg, digit } => (leg, Input::DtmfReceived { leg, digit }),
        };
        let digit = match input {
            Input::DtmfReceived { digit, .. } => Some(digit.to_string()),
            _ => None,
        };
        if let Some(call) = self.calls.call_of(leg) {
            self.call_input(call, input, now);
        }
        if let Some(digit) = digit {
            self.collect_digits(leg, &digit, now);
        }
    }

    fn shut_down(&mut self, now: Time) {
        self.shut_down_unrouted(now);
        for key in self.calls.keys() {
            self.call_input(key, crate::call::Input::End { reason: EndReason::ShuttingDown }, now);
        }
        for connection in self.clients.connections() {
            self.close(connection, close_code::GOING_AWAY, "the relay is shutting down".to_owned(), now);
        }
        for session in self.clients.ids() {
            self.dismiss(session, close_code::GOING_AWAY, String::new(), now);
        }
        self.locations = Locations::default();
        self.command(Command::Shutdown);
    }
}

#[cfg(test)]
pub(crate) mod tests;
