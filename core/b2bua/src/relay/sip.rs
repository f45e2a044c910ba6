//! The connection of the relay and its SIP user agent: commands to the user agent, and handling of its events.

use super::Relay;
use super::transfer::Referred;
use crate::call::{self, DtmfMethod, SipEvent, digits_of, requests_key_frame, sdp_text};
use crate::command::{CallCommand, CallRef, Digits};
use crate::config::LoginName;
use crate::io::Output;
use offhook_clock::Time;
use offhook_sip::user_agent::UserAgent;
use offhook_sip::user_agent::io::{self as sip, Body, Branch, Cause, Command, Event, Failure, InviteId};

impl Relay {
    /// Queues a command for the user agent.
    pub(super) fn command(&mut self, command: Command) {
        self.commands.push_back(command);
    }

    /// Passes an input from the shell to the user agent.
    pub(super) fn agent_input(&mut self, input: sip::Input, now: Time) {
        if let Some(agent) = &mut self.agent {
            agent.handle_input(input, now);
        }
    }

    /// Passes commands to the user agent and handles its events, until there are no more.
    pub(super) fn drain_agent(&mut self, now: Time) {
        while let Some(agent) = &mut self.agent {
            if let Some(output) = agent.poll_output() {
                match output {
                    sip::Output::Event(event) => self.handle_event(event, now),
                    sip::Output::Transport(output) => self.outputs.push_back(Output::Sip(output)),
                }
            } else if let Some(command) = self.commands.pop_front() {
                let placed = match &command {
                    Command::Invite { invite, .. } => self.calls.by_invite(*invite),
                    _ => None,
                };
                agent.handle_input(sip::Input::Command(command), now);
                // The Call-ID is known from now on.
                placed.iter().for_each(|placed| {
                    self.identify_leg(placed.leg);
                });
            } else {
                return;
            }
        }
    }

    pub(super) fn agent_timeout(&mut self, now: Time) {
        if let Some(agent) = self.agent.as_mut().filter(|agent| agent.poll_timeout().is_some_and(|at| at <= now)) {
            agent.handle_timeout(now);
        }
    }

    pub(super) fn agent_deadline(&self) -> Option<Time> {
        self.agent.as_deref().and_then(UserAgent::poll_timeout)
    }

    /// Returns whether all requests to SIP servers and phones have been answered. After a shutdown, the process may
    /// then terminate.
    #[must_use]
    pub fn is_sip_quiet(&self) -> bool {
        self.agent.as_ref().is_none_or(|agent| agent.counts().waiting == 0)
    }

    /// Handles an event of the user agent whose description contains no unresolved host names.
    pub(super) fn perform_event(&mut self, event: Event, now: Time) {
        match event {
            Event::Registered { account, .. } => self.registered(account, now),
            Event::RegistrationFailed { account, failure, retry_at } => {
                self.registration_failed(account, &failure, retry_at, now);
            }
            Event::PhoneBound { user, binding } => self.locations.bind(LoginName(user), binding, now),
            Event::PhoneUnbound { user, binding } => {
                self.locations.unbind(&LoginName(user), binding);
            }
            Event::Offense { kind, address, is_verified } => self.note_offense(kind, address, is_verified, now),
            Event::Incoming { invite, request } => self.incoming(invite, &request, now),
            Event::SourceChanged { invite, source } => {
                self.on_invite(invite, SipEvent::SourceChanged(source), now);
            }
            Event::Progress { invite, branch, status, body, .. } => {
                let sdp = body.as_ref().and_then(sdp_text);
                self.on_invite(invite, SipEvent::Progress { branch, status, sdp }, now);
            }
            Event::Answered { invite, branch, body } => {
                let sdp = body.as_ref().and_then(sdp_text);
                self.on_invite(invite, SipEvent::Answered { branch, sdp }, now);
            }
            Event::OfferAnswered { invite, body } => {
                self.on_invite(invite, SipEvent::OfferAnswered { sdp: sdp_text(&body) }, now);
            }
            Event::OfferRefused { invite, .. } => self.on_invite(invite, SipEvent::OfferRefused, now),
            Event::Offer { invite, branch, body } => self.offer(invite, branch, body.as_ref(), now),
            Event::Ended { invite, cause } => {
                if matches!(cause, Cause::Failed(Failure::WrongPassword { .. }))
                    && let Some(CallRef { call, .. }) = self.calls.by_invite(invite)
                {
                    self.call_login_refused(call, now);
                }
                self.forget_unrouted(invite);
                self.on_invite(invite, SipEvent::Ended(cause), now);
            }
            Event::Refer { invite, target, replaces, replaced, referred_by } => {
                let (target, referred_by) = (*target, referred_by.map(|by| *by));
                self.referred(Referred { invite, target, replaces, replaced, referred_by }, now);
            }
            Event::ReferProgress { invite, status, is_final, is_refused } => {
                self.on_invite(invite, SipEvent::ReferProgress { status, is_final, is_refused }, now);
            }
            Event::Info { invite, body } => self.info(invite, &body, now),
            // The relay removed the account before it sent the command.
            Event::Unregistered { .. } => {}
        }
    }

    fn on_invite(&mut self, invite: InviteId, event: SipEvent, now: Time) {
        if let Some(CallRef { call, leg }) = self.calls.by_invite(invite) {
            self.call_input(call, call::Input::Sip { leg, event }, now);
        }
    }

    fn offer(&mut self, invite: InviteId, branch: Branch, body: Option<&Body>, now: Time) {
        let sdp = body.and_then(sdp_text);
        let status = if self.calls.by_invite(invite).is_none() {
            481
        } else if body.is_some() && sdp.is_none() {
            415
        } else {
            return self.on_invite(invite, SipEvent::Offered { branch, sdp }, now);
        };
        self.command(Command::RefuseOffer { invite, branch, status, reason: None });
    }

    fn info(&mut self, invite: InviteId, body: &Body, now: Time) {
        if let Some(digits) = digits_of(body) {
            let (method, at) = (DtmfMethod::TelephoneEvent, self.calls.by_invite(invite));
            if let (Some(at), Ok(digits)) = (at, Digits::parse(&digits)) {
                // The response to INFO does not depend on the state of the call.
                let _ = self.execute(CallCommand::SendDtmf { at, method, digits }, now);
            }
        } else if requests_key_frame(body) {
            self.on_invite(invite, SipEvent::KeyFrameRequested, now);
        }
    }
}
