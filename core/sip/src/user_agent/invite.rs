//! One call, outbound or inbound: dispatches inputs to its client or server side.

use super::context::{CallContext, Context, Scope};
use super::invite_client::{Client, Redirection};
use super::invite_server::Server;
use super::io::{Body, Branch, Command, Event, InviteId, Output};
use super::path;
use super::session::{Incoming, Session};
use crate::message::{Method, Replaces, Request, Response, Uri};
use crate::transaction::Failure;
use crate::transaction::layer::{ClientKey, ServerKey};
use crate::transport::{self, FlowId, Source};
use offhook_clock::Time;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The role of the relay in the INVITE transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Role {
    Client(Box<Client>),
    Server(Box<Server>),
}

/// The call state machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Invite {
    call: CallContext,
    role: Role,
    /// The source address of the peer's last message.
    source: Option<IpAddr>,
}

/// An input from the network.
pub(super) enum Arrival<'a> {
    /// A response, with its source address.
    Response(ClientKey, &'a Response, IpAddr),
    Failed(ClientKey, Failure),
    Ended(ClientKey),
    Request(Branch, Box<Incoming>),
    Ack(Branch, &'a Request),
    Cancelled(ServerKey, &'a Request),
}

impl Invite {
    pub(super) fn place(
        mut call: CallContext,
        request: Request,
        (offer, redirection): (Option<Body>, Redirection),
        context: &mut Context,
        now: Time,
    ) -> Self {
        let client = Client::begin(request, offer, redirection, &mut Scope { call: &mut call, context, now });
        Self { call, role: Role::Client(Box::new(client)), source: None }
    }

    pub(super) fn take(
        mut call: CallContext,
        incoming: Incoming,
        session: Session,
        context: &mut Context,
        now: Time,
    ) -> Self {
        let source = Some(incoming.source.remote.ip());
        let server = Server::begin(incoming, session, &mut Scope { call: &mut call, context, now });
        Self { call, role: Role::Server(Box::new(server)), source }
    }

    /// Stores the source address of a message from the peer. Returns whether it has changed and must be reported.
    pub(super) fn note_source(&mut self, source: IpAddr) -> bool {
        let before = self.source.replace(source);
        before != Some(source) && self.is_live()
    }

    /// Returns whether the call has ended and all its signaling is complete.
    pub(super) fn is_over(&self) -> bool {
        let is_cleared = match &self.role {
            Role::Client(client) => client.is_over(),
            Role::Server(server) => server.is_over(),
        };
        self.call.is_over && is_cleared
    }

    /// Returns the UDP flow that the call's requests depend on because the peer is unreachable otherwise.
    pub(super) fn datagram_flow(&self) -> Option<FlowId> {
        self.call.next_hop.flow.filter(|flow| !flow.transport.is_reliable()).map(|flow| flow.flow)
    }

    /// Selects the next hop of in-dialog requests from a response to an INVITE.
    pub(super) fn select_path(&mut self, response: &Response, source: &Source, context: &mut Context) {
        let makes_dialog = (101..300).contains(&response.status)
            && response.headers.cseq().is_ok_and(|cseq| cseq.method == Method::Invite);
        if !makes_dialog {
            return;
        }
        let Some((flow, fallback)) = path::to_callee(response, source) else { return };
        let before = self.datagram_flow();
        (self.call.next_hop.flow, self.call.next_hop.fallback) = (Some(flow), fallback);
        let after = self.datagram_flow();
        if before != after {
            context.outputs.extend(after.map(|flow| Output::Transport(transport::io::Output::KeepFlow { flow })));
            context.outputs.extend(before.map(|flow| Output::Transport(transport::io::Output::ReleaseFlow { flow })));
        }
    }

    /// Returns whether the end of the call has not been reported yet.
    pub(super) const fn is_live(&self) -> bool {
        !self.call.is_over
    }

    /// Returns whether the call is inbound and has no final response yet.
    pub(super) fn is_ringing_inbound(&self) -> bool {
        matches!(&self.role, Role::Server(server) if server.is_ringing())
    }

    /// Returns whether a dialog is established, for a `Replaces` that refers to it. `None` if it has ended.
    pub(super) fn is_established(&self, branch: Branch) -> Option<bool> {
        if self.call.is_over {
            return None;
        }
        match &self.role {
            Role::Client(client) => client.is_established(branch),
            Role::Server(server) => server.is_established(),
        }
    }

    /// Returns whether the relay placed the call.
    pub(super) const fn is_outbound(&self) -> bool {
        matches!(self.call.invite, InviteId::Outbound(_))
    }

    /// Returns the Call-ID of its dialogs.
    pub(super) fn call_id(&self) -> Option<&str> {
        match &self.role {
            Role::Client(client) => client.call_id(),
            Role::Server(server) => server.call_id(),
        }
    }

    /// Returns the `Replaces` value of its established dialog.
    pub(super) fn replaces(&self) -> Option<Replaces> {
        match &self.role {
            Role::Client(client) => client.replaces(),
            Role::Server(server) => server.replaces(),
        }
    }

    /// Returns the current descriptions of its established session.
    #[cfg(test)]
    pub(super) fn agreed(&self) -> Option<&super::session::Agreed> {
        match &self.role {
            Role::Client(client) => client.agreed(),
            Role::Server(server) => server.agreed(),
        }
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        match &self.role {
            Role::Client(client) => client.deadline(),
            Role::Server(server) => server.deadline(),
        }
    }

    pub(super) fn handle_timeout(&mut self, context: &mut Context, now: Time) {
        let scope = &mut Scope { call: &mut self.call, context, now };
        match &mut self.role {
            Role::Client(client) => client.handle_timeout(scope),
            Role::Server(server) => server.handle_timeout(scope),
        }
    }

    /// Processes an input from the network.
    pub(super) fn arrive(&mut self, arrival: Arrival<'_>, context: &mut Context, now: Time) {
        if let Arrival::Response(.., from) = arrival {
            self.call.peer = Some(from);
        }
        let scope = &mut Scope { call: &mut self.call, context, now };
        match (&mut self.role, arrival) {
            (Role::Client(client), Arrival::Response(key, response, _)) => {
                client.receive_response(key, response, scope);
            }
            (Role::Server(server), Arrival::Response(key, response, _)) => {
                server.receive_response(key, response, scope);
            }
            (Role::Client(client), Arrival::Failed(key, failure)) => client.failed(key, failure, scope),
            (Role::Server(server), Arrival::Failed(key, failure)) => server.failed(key, failure, scope),
            (Role::Client(client), Arrival::Ended(key)) => client.ended(key, scope),
            (Role::Server(server), Arrival::Ended(key)) => server.ended(key, scope),
            (Role::Client(client), Arrival::Request(branch, incoming)) => client.receive(branch, *incoming, scope),
            (Role::Server(server), Arrival::Request(_, incoming)) => server.receive(*incoming, scope),
            (Role::Client(client), Arrival::Ack(branch, ack)) => client.receive_ack(branch, ack, scope),
            (Role::Server(server), Arrival::Ack(_, ack)) => server.receive_ack(ack, scope),
            (Role::Client(client), Arrival::Cancelled(key, _)) => client.receive_cancel(key, scope),
            (Role::Server(server), Arrival::Cancelled(key, cancel)) => server.receive_cancel(key, cancel, scope),
        }
    }

    /// Executes a command of the call model. A command that the state does not allow is ignored.
    pub(super) fn command(&mut self, command: CallCommand, context: &mut Context, now: Time) {
        let scope = &mut Scope { call: &mut self.call, context, now };
        if scope.call.is_over {
            return;
        }
        match (&mut self.role, command) {
            (Role::Server(server), CallCommand::Ring { status, body }) => server.ring(status, body, scope),
            (Role::Server(server), CallCommand::Accept { body }) => server.accept(body, scope),
            (Role::Server(server), CallCommand::Reject { status, reason, contacts }) => {
                server.reject(status, reason.as_deref(), &contacts, scope);
            }
            (Role::Client(_), CallCommand::Ring { .. } | CallCommand::Accept { .. } | CallCommand::Reject { .. }) => {}
            (Role::Client(client), CallCommand::HangUp { reason }) => client.hang_up(reason, scope),
            (Role::Server(server), CallCommand::HangUp { reason }) => server.hang_up(reason, scope),
            (Role::Client(client), CallCommand::Offer { body }) => client.offer(body, scope),
            (Role::Server(server), CallCommand::Offer { body }) => server.offer(body, scope),
            (Role::Client(client), CallCommand::Answer { branch, body }) => client.answer(branch, &body, scope),
            (Role::Server(server), CallCommand::Answer { body, .. }) => server.answer(&body, scope),
            (Role::Client(client), CallCommand::Refuse { branch, status, reason }) => {
                client.refuse(branch, status, reason.as_deref(), scope);
            }
            (Role::Server(server), CallCommand::Refuse { status, reason, .. }) => {
                server.refuse(status, reason.as_deref(), scope);
            }
            (Role::Client(client), CallCommand::InSession(command)) => {
                client.in_session(scope, |session, scope| match session {
                    Some(session) => command.execute(session, scope),
                    None => command.refuse(scope),
                });
            }
            (Role::Server(server), CallCommand::InSession(command)) => {
                server.in_session(scope, |session, scope| command.execute(session, scope));
            }
        }
    }
}

/// A command for one call.
pub(super) enum CallCommand {
    Ring { status: u16, body: Option<Body> },
    Accept { body: Option<Body> },
    Reject { status: u16, reason: Option<String>, contacts: Vec<Uri> },
    HangUp { reason: Option<(u16, String)> },
    Offer { body: Body },
    Answer { branch: Branch, body: Body },
    Refuse { branch: Branch, status: u16, reason: Option<String> },
    InSession(SessionCommand),
}

/// A command for an established session.
pub(super) enum SessionCommand {
    Refer { target: Uri, replaces: Option<Replaces> },
    AnswerRefer { status: u16 },
    NotifyRefer { status: u16, reason: String },
    Info { body: Body },
}

impl SessionCommand {
    /// Reports the failure of a command because there is no session yet.
    fn refuse(&self, scope: &mut Scope<'_>) {
        if matches!(self, Self::Refer { .. }) {
            let invite = scope.invite();
            scope.report(Event::ReferProgress { invite, status: 491, is_final: true, is_refused: true });
        }
    }

    fn execute(self, session: &mut Session, scope: &mut Scope<'_>) {
        match self {
            Self::Refer { target, replaces } => session.refer(target, replaces.as_ref(), scope),
            Self::AnswerRefer { status } => session.answer_refer(status, scope),
            Self::NotifyRefer { status, reason } => session.notify(status, &reason, scope),
            Self::Info { body } => session.send_info(&body, scope),
        }
    }
}

impl CallCommand {
    /// Returns the command for one call. Other commands are returned as the error.
    pub(super) fn of(command: Command) -> Result<(InviteId, Self), Command> {
        let found = match command {
            Command::Ring { invite, status, body } => (invite, Self::Ring { status, body }),
            Command::Accept { invite, body } => (invite, Self::Accept { body }),
            Command::Reject { invite, status, reason, contacts } => (invite, Self::Reject { status, reason, contacts }),
            Command::HangUp { invite, reason } => (invite, Self::HangUp { reason }),
            Command::Offer { invite, body } => (invite, Self::Offer { body }),
            Command::AnswerOffer { invite, branch, body } => (invite, Self::Answer { branch, body }),
            Command::RefuseOffer { invite, branch, status, reason } => {
                (invite, Self::Refuse { branch, status, reason })
            }
            Command::AnswerRefer { invite, status } => {
                (invite, Self::InSession(SessionCommand::AnswerRefer { status }))
            }
            Command::NotifyRefer { invite, status, reason } => {
                (invite, Self::InSession(SessionCommand::NotifyRefer { status, reason }))
            }
            Command::Info { invite, body } => (invite, Self::InSession(SessionCommand::Info { body })),
            Command::AddAccount { .. }
            | Command::RemoveAccount { .. }
            | Command::Invite { .. }
            | Command::Refer { .. }
            | Command::Shutdown => return Err(command),
        };
        Ok(found)
    }
}
