//! Client transactions: one attempt of a request at one server.

use super::client::{AttemptFailure, Awaited, Client, Endpoint, Phase, TCP_RESPONSE_TIMEOUT};
use super::io::{ClientKey, Event, Output};
use super::{Layer, Owner, Sender, UNANSWERED};
use crate::message::{HeaderName, MAGIC_COOKIE, Method, Request, Response};
use crate::transaction::{Class, ClientInput, ClientOutput, Failure, InviteClient, NonInviteClient};
use crate::transport::{self, Hop, Source, Transport};
use offhook_clock::{Time, earliest};
use serde::{Deserialize, Serialize};

/// The number of a client transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct AttemptId(pub(super) u64);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Machine {
    Invite(InviteClient),
    NonInvite(NonInviteClient),
    /// The ACK of a 2xx, which is sent once and has no response. It is kept in case the transport reports a failure.
    Ack {
        forget_at: Time,
    },
}

impl Machine {
    fn handle_input(&mut self, input: ClientInput, now: Time) {
        match self {
            Self::Invite(machine) => machine.handle_input(input, now),
            Self::NonInvite(machine) => machine.handle_input(input, now),
            Self::Ack { .. } => {}
        }
    }

    fn handle_timeout(&mut self, now: Time) {
        match self {
            Self::Invite(machine) => machine.handle_timeout(now),
            Self::NonInvite(machine) => machine.handle_timeout(now),
            Self::Ack { .. } => {}
        }
    }

    fn poll_output(&mut self) -> Option<ClientOutput> {
        match self {
            Self::Invite(machine) => machine.poll_output(),
            Self::NonInvite(machine) => machine.poll_output(),
            Self::Ack { .. } => None,
        }
    }

    fn poll_timeout(&self) -> Option<Time> {
        match self {
            Self::Invite(machine) => machine.poll_timeout(),
            Self::NonInvite(machine) => machine.poll_timeout(),
            Self::Ack { forget_at } => Some(*forget_at),
        }
    }

    const fn is_terminated(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.is_terminated(),
            Self::NonInvite(machine) => machine.is_terminated(),
            Self::Ack { .. } => false,
        }
    }
}

/// A client transaction with one server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attempt {
    client: ClientKey,
    method: Method,
    machine: Machine,
    branch: String,
    hop: Hop,
    transport: Transport,
    /// The ACK of a 300–699 response.
    ack: Option<Vec<u8>>,
    cancel: Option<Box<Cancel>>,
}

impl Attempt {
    /// Returns whether no response has been received.
    pub(super) const fn is_unanswered(&self) -> bool {
        match &self.machine {
            Machine::Invite(machine) => machine.is_unanswered(),
            Machine::NonInvite(machine) => machine.is_unanswered(),
            Machine::Ack { .. } => false,
        }
    }

    /// Returns whether no final response has been received.
    pub(super) const fn is_waiting(&self) -> bool {
        match &self.machine {
            Machine::Invite(machine) => machine.is_waiting(),
            Machine::NonInvite(machine) => machine.is_waiting(),
            Machine::Ack { .. } => false,
        }
    }
}

/// The CANCEL of an INVITE: a separate transaction with the branch of the INVITE (RFC 3261 §9.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Cancel {
    machine: NonInviteClient,
    octets: Vec<u8>,
}

/// The input that a machine is processing.
enum Cause {
    /// The start of the transaction, with the serialized request.
    Begin(Vec<u8>),
    Response(Box<Response>, Source),
    Other,
}

impl Layer {
    /// Starts a client transaction. `branch` was generated for the next number.
    pub(super) fn start_attempt(
        &mut self,
        key: ClientKey,
        endpoint: &Endpoint,
        branch: String,
        octets: Vec<u8>,
        now: Time,
    ) {
        let id = AttemptId(self.number());
        let Some(client) = self.clients.get_mut(&key) else { return };
        client.phase = Phase::Trying { attempt: id, awaited: Awaited::Response };
        client.give_up_tcp_at = client.is_tcp_for_size().then(|| now + TCP_RESPONSE_TIMEOUT);
        let (transport, _) = endpoint.peer();
        let hop = match endpoint {
            Endpoint::Flow(source) => Hop::Flow(source.flow),
            Endpoint::Target(target) => Hop::Target(target.clone()),
        };
        let timers = self.settings.timers;
        let method = client.request.method.clone();
        let machine = match method {
            Method::Invite => Machine::Invite(InviteClient::new(timers, transport, now)),
            Method::Ack => Machine::Ack { forget_at: now + timers.transaction_timeout() },
            _ => Machine::NonInvite(NonInviteClient::new(timers, transport, now)),
        };
        let is_sent_once = method == Method::Ack && !client.has_candidates();
        self.settle_client(key);
        if method == Method::Ack {
            self.outputs.push_back(Output::Transport(transport::io::Output::Send {
                transmission: Sender::Attempt(id).into(),
                hop: hop.clone(),
                octets: octets.clone(),
            }));
        }
        if is_sent_once {
            return self.close_client(key, None);
        }
        if let Endpoint::Flow(source) = endpoint
            && transport.is_reliable()
        {
            self.flows.insert((source.flow, Owner::Attempt(id)));
        }
        let attempt = Attempt { client: key, method, machine, branch, hop, transport, ack: None, cancel: None };
        self.attempts.insert(id, Box::new(attempt));
        self.drain_attempt(id, Cause::Begin(octets), now);
    }

    pub(super) fn receive_response(&mut self, response: Response, source: Source, now: Time) {
        let Some((id, is_of_cancel)) = self.find_attempt(&response) else {
            let branch = response.headers.top_via().ok().and_then(|via| via.branch().map(str::to_owned));
            if branch.is_some_and(|branch| branch.split('.').next() == Some(UNANSWERED)) {
                return;
            }
            self.counters.stray_responses += 1;
            return;
        };
        let input = ClientInput::Response(Class::of(response.status));
        if is_of_cancel {
            self.drive_cancel(id, |machine| machine.handle_input(input, now));
            self.settle_attempt(id);
        } else {
            self.drive_attempt(id, input, Cause::Response(Box::new(response), source), now);
        }
    }

    /// Returns the transaction of a response (RFC 3261 §17.1.3), and whether the response is to its CANCEL.
    fn find_attempt(&self, response: &Response) -> Option<(AttemptId, bool)> {
        // More than one `Via`: the response was routed here in error, because the relay is not a proxy (RFC 3261
        // §8.1.3.3).
        if response.headers.all(HeaderName::Via).nth(1).is_some() {
            return None;
        }
        let via = response.headers.top_via().ok()?;
        let branch = via.unique_branch()?;
        let (number, _) = branch.get(MAGIC_COOKIE.len()..)?.split_once('.')?;
        let id = AttemptId(u64::from_str_radix(number, 16).ok()?);
        let attempt = self.attempts.get(&id).filter(|attempt| attempt.branch.eq_ignore_ascii_case(branch))?;
        let method = response.headers.cseq().ok()?.method;
        let is_of_cancel = method == Method::Cancel && attempt.cancel.is_some();
        (is_of_cancel || method == attempt.method).then_some((id, is_of_cancel))
    }

    pub(super) fn attempt_unreachable(&mut self, id: AttemptId, now: Time) {
        let Some(attempt) = self.attempts.get(&id) else { return };
        if attempt.method == Method::Ack {
            let key = attempt.client;
            self.close_attempt(id);
            return self.try_next(key, AttemptFailure::Failed(Failure::Unreachable), now);
        }
        self.drive_attempt(id, ClientInput::Unreachable, Cause::Other, now);
    }

    pub(super) fn attempt_timeout(&mut self, id: AttemptId, now: Time) {
        let Some(attempt) = self.attempts.get_mut(&id) else { return };
        if let Machine::Ack { .. } = attempt.machine {
            let key = attempt.client;
            self.close_attempt(id);
            return self.close_client(key, None);
        }
        attempt.machine.handle_timeout(now);
        self.drive_cancel(id, |machine| machine.handle_timeout(now));
        self.drain_attempt(id, Cause::Other, now);
    }

    pub(super) fn cancel_attempt(&mut self, id: AttemptId, now: Time) {
        self.drive_attempt(id, ClientInput::Cancel, Cause::Other, now);
    }

    fn drive_attempt(&mut self, id: AttemptId, input: ClientInput, cause: Cause, now: Time) {
        if let Some(attempt) = self.attempts.get_mut(&id) {
            attempt.machine.handle_input(input, now);
            self.drain_attempt(id, cause, now);
        }
    }

    fn drain_attempt(&mut self, id: AttemptId, mut cause: Cause, now: Time) {
        let mut attempt_failure = None;
        while let Some(output) = self.attempts.get_mut(&id).and_then(|attempt| attempt.machine.poll_output()) {
            match output {
                ClientOutput::Send => self.send_request(id, core::mem::replace(&mut cause, Cause::Other)),
                ClientOutput::Acknowledge => {
                    if let Cause::Response(response, _) = &cause {
                        self.acknowledge(id, response);
                    }
                }
                ClientOutput::Cancel => self.send_cancel(id, now),
                ClientOutput::Deliver => {
                    if let Cause::Response(response, source) = core::mem::replace(&mut cause, Cause::Other) {
                        attempt_failure = self.deliver(id, response, source);
                    }
                }
                ClientOutput::Fail(failure) => attempt_failure = Some(AttemptFailure::Failed(failure)),
            }
        }
        let client = self.attempts.get(&id).map(|attempt| attempt.client);
        if let (Some(key), Some(attempt_failure)) = (client, attempt_failure) {
            self.try_next(key, attempt_failure, now);
        }
        self.settle_attempt(id);
    }

    /// Returns the client of an attempt if this is its current attempt.
    fn client_of(&self, id: AttemptId) -> Option<(ClientKey, &Client)> {
        let key = self.attempts.get(&id)?.client;
        let client = self.clients.get(&key).filter(|client| client.is_trying(id))?;
        Some((key, client))
    }

    fn send(&mut self, id: AttemptId, octets: Vec<u8>) {
        let Some(attempt) = self.attempts.get(&id) else { return };
        let transmission = Sender::Attempt(id).into();
        self.outputs.push_back(Output::Transport(transport::io::Output::Send {
            transmission,
            hop: attempt.hop.clone(),
            octets,
        }));
    }

    fn send_request(&mut self, id: AttemptId, cause: Cause) {
        if let Cause::Begin(octets) = cause {
            self.send(id, octets);
        } else if let Some((_, client)) = self.client_of(id) {
            let octets = client.request.to_bytes();
            self.counters.resent += 1;
            self.send(id, octets);
        }
    }

    fn acknowledge(&mut self, id: AttemptId, response: &Response) {
        let known = self.attempts.get(&id).and_then(|attempt| attempt.ack.clone());
        let octets = known.or_else(|| {
            let (_, client) = self.client_of(id)?;
            let mut ack = derive_request(&client.request, &Method::Ack);
            // The ACK carries the `To` tag of the response (RFC 3261 §17.1.1.3).
            ack.headers.set(HeaderName::To, response.headers.get(HeaderName::To)?);
            Some(ack.to_bytes())
        });
        if let (Some(octets), Some(attempt)) = (octets, self.attempts.get_mut(&id)) {
            attempt.ack = Some(octets.clone());
            self.send(id, octets);
        }
    }

    fn send_cancel(&mut self, id: AttemptId, now: Time) {
        let Some((_, client)) = self.client_of(id) else { return };
        let mut cancel = derive_request(&client.request, &Method::Cancel);
        if let Phase::Trying { awaited: Awaited::Cancel { reason: Some(reason) }, .. } = &client.phase {
            cancel.headers.push(HeaderName::Reason, reason);
        }
        let timers = self.settings.timers;
        if let Some(attempt) = self.attempts.get_mut(&id) {
            let machine = NonInviteClient::new(timers, attempt.transport, now);
            let mut octets = cancel.to_bytes();
            octets.shrink_to_fit();
            attempt.cancel = Some(Box::new(Cancel { machine, octets }));
            self.drive_cancel(id, |_| {});
        }
    }

    /// Drives the CANCEL transaction. Its response is ignored: the response to the INVITE decides (RFC 3261 §9.1).
    fn drive_cancel(&mut self, id: AttemptId, act: impl FnOnce(&mut NonInviteClient)) {
        let Some(cancel) = self.attempts.get_mut(&id).and_then(|attempt| attempt.cancel.as_mut()) else { return };
        act(&mut cancel.machine);
        let outputs: Vec<ClientOutput> = core::iter::from_fn(|| cancel.machine.poll_output()).collect();
        if outputs.contains(&ClientOutput::Send) {
            let octets = cancel.octets.clone();
            self.send(id, octets);
        }
    }

    /// Delivers a response to the transaction user, or returns a 503 if another server is to be tried.
    fn deliver(&mut self, id: AttemptId, response: Box<Response>, source: Source) -> Option<AttemptFailure> {
        let (key, client) = self.client_of(id)?;
        if response.status == 503 && client.may_try_another() {
            return Some(AttemptFailure::Refused(Box::new((*response, source))));
        }
        let is_over = match Class::of(response.status) {
            Class::Provisional => false,
            Class::Success => client.request.method != Method::Invite,
            Class::Failure => true,
        };
        let is_answered = Class::of(response.status) == Class::Success;
        self.event(Event::Response { key, response, source });
        if is_over {
            self.close_client(key, None);
        } else if let Some(client) = self.clients.get_mut(&key).filter(|_| is_answered) {
            client.answered();
        }
        None
    }

    /// Updates the deadline, or removes a transaction that has ended.
    fn settle_attempt(&mut self, id: AttemptId) {
        let Some(attempt) = self.attempts.get_mut(&id) else { return };
        if attempt.machine.is_terminated() {
            if let Some((key, _)) = self.client_of(id) {
                self.event(Event::Ended { key });
                self.close_client(key, None);
            }
            return self.close_attempt(id);
        }
        let of_cancel = attempt.cancel.as_ref().and_then(|cancel| cancel.machine.poll_timeout());
        let due = earliest(attempt.machine.poll_timeout(), of_cancel);
        self.deadlines.set(Owner::Attempt(id), due);
    }

    fn close_attempt(&mut self, id: AttemptId) {
        let Some(attempt) = self.attempts.remove(&id) else { return };
        self.deadlines.set(Owner::Attempt(id), None);
        if let Hop::Flow(flow) = attempt.hop {
            self.flows.remove(&(flow, Owner::Attempt(id)));
        }
    }
}

/// Creates the ACK or CANCEL of a request. It has the same routing headers and dialog identifiers but no body (RFC 3261
/// §9.1, §17.1.1.3).
fn derive_request(request: &Request, method: &Method) -> Request {
    let mut companion = Request::new(method.clone(), request.uri.clone());
    let names = [HeaderName::Via, HeaderName::Route, HeaderName::From, HeaderName::To, HeaderName::CallId];
    for name in names {
        for value in request.headers.lines(name.clone()) {
            companion.headers.push(name.clone(), value);
        }
    }
    let number = request.headers.cseq().map_or(0, |cseq| cseq.number);
    companion.headers.push(HeaderName::CSeq, format_args!("{number} {method}"));
    companion.headers.push(HeaderName::MaxForwards, 70);
    companion
}
