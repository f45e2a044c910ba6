//! SIP user agent of the relay: registrations, dialogs and calls of all users on one set of sockets.
//!
//! ```text
//!  datagram, frame ──> transaction layer ──> dialogs ──> Event ──> the call model
//!  Command ──────────> dialogs, registrations ──> transaction layer ──> Output ──> the shell
//! ```

mod accounts;
pub mod application_headers;
mod called_number;
mod capabilities;
mod context;
pub mod destinations;
mod event;
mod identity;
mod invite;
mod invite_client;
mod invite_server;
pub mod io;
mod out_of_dialog;
mod path;
mod probes;
mod registering;
mod server_addresses;
mod session;
mod settings;
mod state;

use crate::dialog::DialogId;
use crate::message::{CSeq, HeaderName, Host, Method, NameAddr, Request, Response, Uri};
use crate::registrar::{self, Binding, Registrar};
use crate::registration::Registrations;
use crate::transaction::layer::{self, ClientKey, Layer};
use crate::transport::{self, Source};
use accounts::{Accounts, PhoneAddress};
use context::{CallContext, Context, NextHop, layer_settings};
use destinations::NamedBy;
use invite::{Arrival, CallCommand, Invite, SessionCommand};
use invite_client::Redirection;
use io::{
    AccountId, BindingId, Cause, Command, Destination, Event, Failure, Input, InviteId, OutboundInvite, Output,
    UserAgentSettings,
};
use offhook_clock::{Deadlines, Time, earliest};
use probes::Probes;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use serde::{Deserialize, Serialize};
use server_addresses::ServerAddresses;
use session::Incoming;
pub use state::UserAgentState;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

/// Sizes of the user agent's tables. All are zero when it is idle, except `ignored`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserAgentCounts {
    /// Calls, including those that are being terminated.
    pub invites: usize,
    /// Dialogs.
    pub dialogs: usize,
    /// Outgoing requests that can still receive a response.
    pub requests: usize,
    /// Received INVITEs without a final response, and armed timers of calls.
    pub pending: usize,
    /// Outgoing requests without a final response.
    pub waiting: usize,
    /// Client transactions.
    pub client_transactions: usize,
    /// Server transactions.
    pub server_transactions: usize,
    /// Accounts.
    pub accounts: usize,
    /// Registrations, including those that are being removed.
    pub registrations: usize,
    /// Inputs that did not apply in the current state.
    pub ignored: u64,
}

/// The user agent state machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserAgent {
    context: Context,
    accounts: Accounts,
    /// Registrations of accounts at SIP servers.
    registrations: Registrations,
    /// The account of each pending REGISTER.
    registering: BTreeMap<ClientKey, AccountId>,
    probes: Probes,
    server_addresses: ServerAddresses,
    /// The registrar for phones.
    registrar: Registrar,
    #[serde(with = "offhook_limits::pairs")]
    invites: BTreeMap<InviteId, Box<Invite>>,
    last_inbound: u64,
    deadlines: Deadlines<InviteId>,
    /// Inbound calls that are ringing, by source address.
    ringing: BTreeMap<IpAddr, BTreeSet<InviteId>>,
    #[serde(with = "offhook_limits::pairs")]
    ringing_from: BTreeMap<InviteId, IpAddr>,
    is_shutting_down: bool,
    ignored: u64,
}

impl UserAgent {
    /// Creates a user agent without accounts and calls.
    #[must_use]
    pub fn new(settings: UserAgentSettings, seed: [u8; 32], _now: Time) -> Self {
        let mut rng = ChaCha20Rng::from_seed(seed);
        let mut of_layer = [0; 32];
        rng.fill_bytes(&mut of_layer);
        let layer = Layer::new(layer_settings(&settings), ChaCha20Rng::from_seed(of_layer));
        let mut of_registrations = [0; 32];
        rng.fill_bytes(&mut of_registrations);
        let registrations = Registrations::new(settings.keep_alive, ChaCha20Rng::from_seed(of_registrations));
        let registrar = Registrar::new(registrar_settings(&settings), &mut rng);
        let context = Context {
            settings,
            layer,
            rng,
            dialogs: BTreeMap::new(),
            sent: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            outputs: VecDeque::new(),
        };
        Self {
            context,
            accounts: Accounts::default(),
            registrations,
            registering: BTreeMap::new(),
            probes: Probes::default(),
            server_addresses: ServerAddresses::default(),
            registrar,
            invites: BTreeMap::new(),
            last_inbound: 0,
            deadlines: Deadlines::new(),
            ringing: BTreeMap::new(),
            ringing_from: BTreeMap::new(),
            is_shutting_down: false,
            ignored: 0,
        }
    }

    /// Processes one input.
    pub fn handle_input(&mut self, input: Input, now: Time) {
        match input {
            Input::Transport(input) => self.transport_input(input, now),
            Input::NetworkChanged { addresses } => self.registrations.network_changed(&addresses, now),
            Input::Command(command) => self.command(command, now),
        }
        self.drain(now);
    }

    fn transport_input(&mut self, input: transport::io::Input, now: Time) {
        match &input {
            transport::io::Input::Resolved { query, targets } if server_addresses::is_own(*query) => {
                return self.located(*query, targets, now);
            }
            transport::io::Input::FlowClosed { flow } => {
                self.registrar.flow_closed(*flow);
                self.registrations.flow_closed(*flow, now);
            }
            transport::io::Input::Received { .. }
            | transport::io::Input::Resolved { .. }
            | transport::io::Input::SendFailed { .. } => {}
        }
        self.context.layer.handle_input(input, now);
    }

    /// Processes the timers that have expired.
    pub fn handle_timeout(&mut self, now: Time) {
        self.context.layer.handle_timeout(now);
        self.registrar.handle_timeout(now);
        self.registrations.handle_timeout(now);
        self.send_probes(now);
        self.look_up_servers(now);
        self.drain(now);
        while let Some((due, invite)) = self.deadlines.pop_due(now) {
            self.with(invite, |invite, context| invite.handle_timeout(context, now));
            // A deadline that its handler did not move must not cause an endless loop.
            if self.deadlines.get(&invite) == Some(due) {
                break;
            }
        }
        self.drain(now);
    }

    /// Returns the next output.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.context.outputs.pop_front()
    }

    /// Returns the time at which [`Self::handle_timeout`] must be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let of_calls = self.deadlines.next();
        let of_servers = earliest(self.registrations.poll_timeout(), self.probes.deadline());
        let of_servers = earliest(of_servers, self.server_addresses.deadline());
        let of_phones = earliest(self.registrar.poll_timeout(), of_servers);
        earliest(earliest(self.context.layer.poll_timeout(), of_calls), of_phones)
    }

    /// Returns the sizes of the tables.
    #[must_use]
    pub fn counts(&self) -> UserAgentCounts {
        let (client_transactions, server_transactions) = self.context.layer.transaction_count();
        UserAgentCounts {
            invites: self.invites.len(),
            dialogs: self.context.dialogs.len(),
            requests: self.context.sent.len() + self.registering.len(),
            pending: self.context.unanswered.len() + self.ringing_from.len() + self.deadlines.len(),
            waiting: self.context.layer.waiting_count(),
            client_transactions,
            server_transactions,
            accounts: self.accounts.len(),
            registrations: self.registrations.len(),
            ignored: self.ignored,
        }
    }

    /// Returns the phones that are registered here, with their users, in the order of the bindings.
    pub fn phones(&self) -> impl Iterator<Item = (BindingId, &str, &Binding)> {
        self.registrar.bindings()
    }

    /// Returns the Call-ID of an INVITE, while it is not answered. An outbound one has none before it is sent.
    #[must_use]
    pub fn call_id(&self, invite: InviteId) -> Option<&str> {
        self.invites.get(&invite)?.call_id()
    }

    /// Returns the address of the peer of an outbound call, as far as it is known before the call is placed.
    #[must_use]
    pub fn peer_address(&self, account: Option<AccountId>, to: &Destination) -> Option<IpAddr> {
        match (account, to) {
            (Some(account), _) => self.accounts.server_address(account),
            (None, Destination::Binding(binding)) => Some(self.registrar.binding(*binding)?.flow?.remote.ip()),
            (None, Destination::Uri(uri)) => uri.host()?.address(),
        }
    }

    /// Returns the number of inputs that were ignored in their state.
    #[must_use]
    pub const fn ignored(&self) -> u64 {
        self.ignored
    }

    /// Returns the counters of the transaction layer.
    #[must_use]
    pub const fn counters(&self) -> layer::Counters {
        self.context.layer.counters()
    }

    /// Forwards the outputs of the inner machines until there are none.
    fn drain(&mut self, now: Time) {
        while self.drain_layer(now) || self.drain_registrations(now) || self.drain_registrar() {}
    }

    fn drain_registrar(&mut self) -> bool {
        let mut is_busy = false;
        while let Some(event) = self.registrar.poll_output() {
            is_busy = true;
            self.context.outputs.push_back(match event {
                registrar::Event::Bound { user, binding } => Output::Event(Event::PhoneBound { user, binding }),
                registrar::Event::Unbound { user, binding } => Output::Event(Event::PhoneUnbound { user, binding }),
                registrar::Event::Offense { kind, address, is_verified } => {
                    Output::Event(Event::Offense { kind, address, is_verified })
                }
                registrar::Event::FlowNeeded(flow) => Output::Transport(transport::io::Output::KeepFlow { flow }),
                registrar::Event::FlowReleased(flow) => Output::Transport(transport::io::Output::ReleaseFlow { flow }),
                registrar::Event::KeepAliveDue(binding) => {
                    self.keep_alive(binding);
                    continue;
                }
            });
        }
        is_busy
    }

    /// Sends OPTIONS to a phone behind a NAT. The response keeps the NAT binding open in both directions.
    fn keep_alive(&mut self, id: BindingId) {
        let (Some(address), Some(binding)) = (self.phone_address(id), self.registrar.binding(id)) else { return };
        let Some(flow) = binding.flow else { return };
        let from = NameAddr::new(Uri::sip(accounts::OWN_USER, self.context.own_domain()));
        let mut request = Request::new(Method::Options, binding.uri.clone());
        let headers = &mut request.headers;
        headers.push(HeaderName::MaxForwards, 1);
        headers.push(HeaderName::From, from.with_tag(&self.context.token()));
        headers.push(HeaderName::To, NameAddr::new(address.aor));
        headers.push(HeaderName::CallId, self.context.token());
        headers.push(HeaderName::CSeq, CSeq { number: 1, method: Method::Options });
        headers.push(HeaderName::Contact, context::own_contact(accounts::OWN_USER, false));
        headers.push(HeaderName::UserAgent, &self.context.settings.product);
        self.context.layer.send_once(request, &flow);
    }

    fn drain_layer(&mut self, now: Time) -> bool {
        let mut is_busy = false;
        while let Some(output) = self.context.layer.poll_output() {
            is_busy = true;
            match output {
                layer::Output::Transport(output) => self.context.outputs.push_back(Output::Transport(output)),
                layer::Output::Event(event) => self.arrive(event, now),
            }
        }
        is_busy
    }

    fn arrive(&mut self, event: layer::Event, now: Time) {
        match event {
            layer::Event::Request { key, request, source } => {
                self.receive(Incoming { key, request: *request, source }, now);
            }
            layer::Event::Ack { request, source } => {
                let found = DialogId::of_request(&request).ok().flatten().and_then(|id| self.context.dialogs.get(&id));
                let Some((invite, branch)) = found.copied() else { return self.ignore() };
                self.note_source(invite, &source);
                self.with(invite, |invite, context| invite.arrive(Arrival::Ack(branch, &request), context, now));
            }
            layer::Event::Cancelled { key, cancel } => {
                let Some(invite) = self.context.unanswered.get(&key).copied() else { return self.ignore() };
                self.with(invite, |invite, context| invite.arrive(Arrival::Cancelled(key, &cancel), context, now));
            }
            layer::Event::Response { key, response, source }
                if self.handle_registration_response(key, &response, &source, now) => {}
            layer::Event::Failed { key, failure } if self.handle_registration_failure(key, failure, now) => {}
            layer::Event::Response { key, response, source } if self.handle_probe_response(key, &response, &source) => {
            }
            layer::Event::Failed { key, .. } if self.handle_probe_failure(key) => {}
            layer::Event::Response { key, response, source } => {
                let is_last = is_last(&response);
                let Some(invite) = self.context.sent.get(&key).copied() else { return self.ignore() };
                if let Some(invite) = self.invites.get_mut(&invite) {
                    invite.select_path(&response, &source, &mut self.context);
                }
                if is_last {
                    self.context.sent.remove(&key);
                }
                self.note_source(invite, &source);
                self.with(invite, |invite, context| {
                    invite.arrive(Arrival::Response(key, &response, source.remote.ip()), context, now);
                });
            }
            layer::Event::Failed { key, failure } => {
                let Some(invite) = self.context.sent.remove(&key) else { return self.ignore() };
                self.with(invite, |invite, context| invite.arrive(Arrival::Failed(key, failure), context, now));
            }
            layer::Event::Ended { key } => {
                let Some(invite) = self.context.sent.remove(&key) else { return self.ignore() };
                self.with(invite, |invite, context| invite.arrive(Arrival::Ended(key), context, now));
            }
            layer::Event::Pong { source } => self.registrations.pong(source.flow, now),
            layer::Event::Unacknowledged { .. } => {}
        }
    }

    /// Reports the source address of a call's peer if it has changed.
    fn note_source(&mut self, id: InviteId, source: &Source) {
        if let Some(invite) = self.invites.get_mut(&id)
            && invite.note_source(source.remote.ip())
        {
            self.context.report(Event::SourceChanged { invite: id, source: source.remote.ip() });
        }
    }

    const fn ignore(&mut self) {
        self.ignored += 1;
    }

    fn receive(&mut self, incoming: Incoming, now: Time) {
        match DialogId::of_request(&incoming.request) {
            Ok(Some(id)) => match self.context.dialogs.get(&id).copied() {
                Some((invite, branch)) => {
                    self.note_source(invite, &incoming.source);
                    let arrival = Arrival::Request(branch, Box::new(incoming));
                    self.with(invite, |invite, context| invite.arrive(arrival, context, now));
                }
                None => self.answer(&incoming, 481, now),
            },
            Ok(None) => self.receive_out_of_dialog(incoming, now),
            Err(_) => self.answer(&incoming, 400, now),
        }
    }

    /// Runs `act` on a call, then updates the call's deadline.
    fn with(&mut self, id: InviteId, act: impl FnOnce(&mut Invite, &mut Context)) {
        match self.invites.get_mut(&id) {
            Some(invite) => act(invite, &mut self.context),
            None => self.ignored += 1,
        }
        self.settle(id);
    }

    /// Updates the deadline of a call, or removes a call that has ended.
    fn settle(&mut self, id: InviteId) {
        let invite = self.invites.get(&id).filter(|invite| !invite.is_over());
        let due = invite.and_then(|invite| invite.deadline());
        let rings_here = invite.is_some_and(|invite| invite.is_live() && invite.is_ringing_inbound());
        if invite.is_none()
            && let Some(flow) = self.invites.remove(&id).and_then(|invite| invite.datagram_flow())
        {
            self.context.outputs.push_back(Output::Transport(transport::io::Output::ReleaseFlow { flow }));
        }
        self.deadlines.set(id, due);
        if !rings_here
            && let Some(address) = self.ringing_from.remove(&id)
            && let Some(ringing) = self.ringing.get_mut(&address)
        {
            ringing.remove(&id);
            if ringing.is_empty() {
                self.ringing.remove(&address);
            }
        }
    }

    fn command(&mut self, command: Command, now: Time) {
        match CallCommand::of(command) {
            Ok((id, command)) => self.with(id, |invite, context| invite.command(command, context, now)),
            Err(Command::Invite { invite, request }) => self.place(invite, *request, now),
            Err(Command::Refer { invite, target, replaces }) => self.refer(invite, *target, replaces, now),
            Err(Command::AddAccount { account, settings }) => self.add_account(account, *settings, now),
            Err(Command::RemoveAccount { account }) => self.remove_account(account, now),
            Err(Command::Shutdown) => self.shut_down(now),
            // `CallCommand::of` returns all other commands.
            Err(_) => self.ignore(),
        }
    }

    fn place(&mut self, id: InviteId, order: OutboundInvite, now: Time) {
        if self.invites.contains_key(&id) || !matches!(id, InviteId::Outbound(_)) {
            return self.ignore();
        }
        let phone = match &order.to {
            Destination::Binding(binding) => self.phone_address(*binding),
            Destination::Uri(_) => None,
        };
        let service_route = order.account.map_or(&[][..], |account| self.registrations.service_route(account));
        let placement = self.accounts.place(&order, phone, service_route, &mut self.context);
        let placement = placement.filter(|_| !self.is_shutting_down);
        let Some(placement) = placement else {
            let is_phone = matches!(order.to, Destination::Binding(_));
            let cause = Cause::Failed(if is_phone { Failure::Unreachable } else { Failure::NoSuchHost });
            return self.context.report(Event::Ended { invite: id, cause });
        };
        let call = CallContext {
            invite: id,
            auth: placement.auth,
            next_hop: placement.next_hop,
            named_by: placement.named_by,
            peer: None,
            contact: placement.contact,
            origin: placement.origin,
            is_over: false,
        };
        let redirection = match order.to {
            Destination::Uri(_) => {
                Redirection::from(&placement.request.uri, self.context.settings.redirects, placement.home)
            }
            Destination::Binding(_) => Redirection::of_phone(&placement.request.uri),
        };
        let invite = Invite::place(call, placement.request, (order.offer, redirection), &mut self.context, now);
        self.keep_call(id, invite);
    }

    /// Stores a new call, and keeps the UDP flow that its requests depend on.
    fn keep_call(&mut self, id: InviteId, invite: Invite) {
        self.context
            .outputs
            .extend(invite.datagram_flow().map(|flow| Output::Transport(transport::io::Output::KeepFlow { flow })));
        self.invites.insert(id, Box::new(invite));
        self.settle(id);
    }

    fn phone_address(&self, id: BindingId) -> Option<PhoneAddress> {
        let binding = self.registrar.binding(id)?;
        let next_hop = match binding.destination()? {
            layer::Destination::Flow { flow, fallback } => NextHop { flow: Some(flow), fallback, transport: None },
            layer::Destination::Targets(_) | layer::Destination::Resolve { .. } => NextHop::default(),
        };
        let domain = self.context.settings.domain.parse().ok()?;
        let aor = Uri::sip(self.registrar.user_of(id)?, domain);
        let named_by = NamedBy::Peer(binding.registered_from);
        Some(PhoneAddress { aor, contact: binding.uri.clone(), path: binding.path.clone(), next_hop, named_by })
    }

    fn refer(&mut self, id: InviteId, target: Uri, other: Option<InviteId>, now: Time) {
        let replaces = match other {
            None => None,
            Some(other) => match self.invites.get(&other).and_then(|invite| invite.replaces()) {
                Some(replaces) => Some(replaces),
                None => {
                    // The call to be replaced has ended.
                    let event = Event::ReferProgress { invite: id, status: 481, is_final: true, is_refused: true };
                    return self.context.report(event);
                }
            },
        };
        let command = CallCommand::InSession(SessionCommand::Refer { target, replaces });
        self.with(id, |invite, context| invite.command(command, context, now));
    }

    fn shut_down(&mut self, now: Time) {
        self.is_shutting_down = true;
        for id in self.invites.keys().copied().collect::<Vec<_>>() {
            let command = CallCommand::HangUp { reason: None };
            self.with(id, |invite, context| invite.command(command, context, now));
        }
        for account in self.accounts.ids() {
            self.remove_account(account, now);
        }
    }
}

/// Derives the registrar's settings from those of the user agent.
fn registrar_settings(settings: &UserAgentSettings) -> registrar::RegistrarSettings {
    let host = Host::of_setting;
    let users = settings.phones.iter().map(|phone| (phone.user.clone(), phone.verifier.clone())).collect();
    let mut of_registrar = registrar::RegistrarSettings::new(host(&settings.domain), users);
    of_registrar.nat_keep_alive = settings.nat_keep_alive;
    of_registrar.any_domain = settings.any_domain;
    of_registrar.other_servers = settings.destinations.named_servers();
    of_registrar.domains.extend(settings.local.iter().chain(&settings.inside.local).map(|local| host(&local.host)));
    of_registrar
}

/// Returns whether no further event follows this response.
fn is_last(response: &Response) -> bool {
    let is_invite = response.headers.cseq().is_ok_and(|cseq| cseq.method == Method::Invite);
    response.status >= 300 || (response.is_success() && !is_invite)
}

#[cfg(test)]
mod tests;
