//! Blind and attended call transfers. A SIP peer executes them by REFER (RFC 3515) if possible, otherwise the relay.

use super::Relay;
use super::clients::Session;
use super::participants::{Alert, CallPlan};
use super::routing::{Source, Target};
use super::routing_questions::RoutedCall;
use crate::address::Address;
use crate::call::{self, Call, CallKey, Fallback, Participant, Peer, SessionId, Side};
use crate::command::{Accepted, CallCommand, CallRef, CommandError, CommandResult, ReferOptions};
use offhook_clock::Time;
use offhook_media::command::LegKey;
use offhook_signaling::reason::EndReason;
use offhook_sip::message::Uri;
use offhook_sip::user_agent::io::{AccountId, Command, InviteId};

/// A transfer that a SIP endpoint requests by REFER.
pub(super) struct Referred {
    pub(super) invite: InviteId,
    pub(super) target: Uri,
    pub(super) replaces: Option<String>,
    pub(super) replaced: Option<InviteId>,
    pub(super) referred_by: Option<Uri>,
}

impl Relay {
    /// Executes a blind transfer: the other participant is transferred to a target that is to be called. If the other
    /// participant is a SIP peer at the server of the transferor's account, it receives a REFER and calls the target.
    pub(super) fn transfer_blind(
        &mut self,
        at: CallRef,
        target: &Address,
        refer: ReferOptions,
        now: Time,
    ) -> CommandResult {
        self.participant(at)?;
        let source = self.source_of(at).ok_or(CommandError::NotEstablished)?;
        let permitted = match self.session_of(at) {
            Some(session) => self.admit_transfer(session, target, now),
            None => Ok(target.clone()),
        };
        let target = match permitted {
            Ok(target) => target,
            Err(reason) => {
                self.refuse_transfer(at, reason.info(), now);
                return Ok(Accepted::Passed);
            }
        };
        self.transfer_to(at, &source, target, refer, now);
        Ok(Accepted::Passed)
    }

    /// Transfers the other participant to a target that the transferor may call.
    fn transfer_to(&mut self, at: CallRef, source: &Source, target: Address, refer: ReferOptions, now: Time) {
        let account = self.transferor_account(at);
        match account
            .filter(|account| self.peer_at(at, *account).is_some())
            .map(|account| self.uri_at(account, &target))
        {
            Some(Ok(uri)) => {
                let fallback = Fallback::CallTarget { target };
                let target = Uri::Sip(uri);
                self.call_input(at.call, call::Input::Refer { leg: at.leg, target, fallback }, now);
            }
            Some(Err(_)) | None => {
                let target = self.dialed(source, &target);
                self.ring_instead(at, source, target, refer, now);
            }
        }
    }

    /// Executes an attended transfer: the other participants of two calls are connected. If both are SIP peers at the
    /// server of the transferor's account, they establish that call themselves (REFER with Replaces).
    pub(super) fn transfer_attended(&mut self, at: CallRef, other: CallRef, now: Time) -> CommandResult {
        self.participant(at)?;
        self.participant(other)?;
        if at.call == other.call {
            return Err(CommandError::SameCall);
        }
        self.remote_leg(at).ok_or(CommandError::NotEstablished)?;
        let account = self.transferor_account(at);
        let peers = account.filter(|account| self.peer_at(at, *account).is_some());
        match peers.and_then(|account| self.peer_at(other, account)).map(|far| (far.uri().clone(), far.invite())) {
            Some((target, replaces)) => {
                let fallback = Fallback::Join { other: other.leg, replaces };
                self.call_input(at.call, call::Input::Refer { leg: at.leg, target, fallback }, now);
            }
            None => self.join(at, other, now),
        }
        Ok(Accepted::Passed)
    }

    /// Returns the account of the browser that transfers a call.
    fn transferor_account(&self, at: CallRef) -> Option<AccountId> {
        let browser = self.calls.get(at.call)?.leg(at.leg)?.participant.browser()?;
        self.clients.get(browser.session).and_then(Session::account)
    }

    /// Returns the other participant, if it is a SIP endpoint at that account.
    fn peer_at(&self, at: CallRef, account: AccountId) -> Option<&Peer> {
        self.remote_leg(at)?.participant.peer().filter(|peer| peer.account() == Some(account))
    }

    /// Executes a transfer in the relay after the peer has refused the REFER.
    pub(super) fn transfer_here(&mut self, call: CallKey, leg: LegKey, fallback: Fallback, now: Time) {
        let at = CallRef { call, leg };
        let session =
            self.calls.get(call).and_then(|call| call.leg(leg)?.participant.browser()).map(|browser| browser.session);
        match fallback {
            Fallback::CallTarget { target } => {
                let source = session.map_or(Source::Unknown, |session| self.source_of_session(session));
                self.ring_instead(at, &source, target, ReferOptions::default(), now);
            }
            Fallback::Join { other, .. } => match self.calls.at(other) {
                Some(other) => self.join(at, other, now),
                None => self.refuse_transfer(at, "the other call is over", now),
            },
        }
    }

    /// Handles a REFER of a SIP endpoint.
    pub(super) fn referred(&mut self, order: Referred, now: Time) {
        let Referred { invite, target, replaces, replaced, referred_by } = order;
        let target = Address::from(target);
        let at = self.calls.by_invite(invite);
        let Some((at, source)) = at.and_then(|at| Some((at, self.source_of(at)?))) else {
            // There is no call that the peer could transfer.
            return self.command(Command::AnswerRefer { invite, status: 603 });
        };
        let other = replaced.and_then(|replaced| self.calls.by_invite(replaced)).filter(|other| other.call != at.call);
        let other =
            other.filter(|other| self.source_of(*other).is_some_and(|of_other| self.may_join(&source, &of_other)));
        if other.is_none() && !self.may_refer(&source, &target) {
            return self.command(Command::AnswerRefer { invite, status: 403 });
        }
        if other.is_none()
            && let Err(reason) = self.admit_referral(at, &source, now)
        {
            return self.command(Command::AnswerRefer { invite, status: reason.sip_status() });
        }
        self.command(Command::AnswerRefer { invite, status: 202 });
        let command = match other {
            Some(other) => CallCommand::TransferAttended { at, other },
            None => CallCommand::TransferBlind { at, target, refer: ReferOptions { referred_by, replaces } },
        };
        // The REFER has been accepted, so that its outcome is reported by NOTIFY.
        let _ = self.execute(command, now);
    }

    /// Returns the originator of the call to a transfer target, if this participant transfers its call.
    fn source_of(&self, at: CallRef) -> Option<Source> {
        let leg = self.calls.get(at.call)?.leg(at.leg)?;
        let peer = match &leg.participant.side {
            Side::Browser(browser) => return Some(self.source_of_session(browser.session)),
            Side::Sip(peer) => peer,
            Side::Application(application) => return Some(Source::Application(application.account)),
        };
        if self.calls.is_unknown(peer.invite()) {
            return Some(Source::Unknown);
        }
        let name = if leg.participant.incoming { &leg.participant.callee } else { &leg.participant.caller };
        Some(peer.account().map_or_else(|| Source::Phone(name.login().clone()), Source::Account))
    }

    /// Alerts `target` on behalf of the transferee. With external routing, the shell determines the targets first.
    fn ring_instead(&mut self, at: CallRef, source: &Source, target: Address, refer: ReferOptions, now: Time) {
        if !self.routes_externally() {
            let targets = self.route(source, &target);
            return self.ring_target(at, target, targets, refer, now);
        }
        if self.questions.has_transfer(at) {
            return self.refuse_transfer(at, "another transfer is in progress", now);
        }
        let routed = RoutedCall::Transfer { at, target: Box::new(target.clone()), refer: Box::new(refer) };
        self.request_route(source.clone(), target, None, routed, now);
    }

    /// Alerts the targets of a transfer, if the call is still established.
    pub(super) fn ring_target(
        &mut self,
        at: CallRef,
        target: Address,
        targets: Result<Vec<Target>, EndReason>,
        refer: ReferOptions,
        now: Time,
    ) {
        let Some((worker, transferee)) = self.calls.get(at.call).and_then(|call| {
            let transferee = call.other_leg(at.leg)?;
            Some((call.worker(), transferee.clone()))
        }) else {
            return;
        };
        self.note_denied_transfer(targets.as_ref().err().copied(), at, now);
        let session_of_transferee = transferee.participant.browser().map(|browser| browser.session);
        let session_of_transferor = self.calls.get(at.call).and_then(|call| call.leg(at.leg)?.participant.browser());
        let session_of_transferor = session_of_transferor.map(|browser| browser.session);
        let is_part = |target: &Target| match target {
            Target::Session(session) => {
                Some(*session) == session_of_transferee || Some(*session) == session_of_transferor
            }
            Target::Phone(_) | Target::Uri { .. } => false,
        };
        let Participant { incoming, caller, callee, custom, .. } = transferee.participant;
        let name = if incoming { callee } else { caller };
        let ReferOptions { referred_by, replaces } = refer;
        let alert = Alert { visible_name: name.to_string(), custom, referred_by, replaces, ..Alert::new(name, target) };
        let targets = targets.and_then(|targets| {
            let targets: Vec<Target> = targets.into_iter().filter(|target| !is_part(target)).collect();
            if targets.is_empty() { Err(EndReason::Busy) } else { Ok(targets) }
        });
        let plan = CallPlan { call: at.call, worker, sections: transferee.streams.len() };
        let targets = targets.and_then(|targets| self.admit_ringing(targets, &alert, now));
        let targets = targets.and_then(|targets| self.ring_targets(targets, plan, &alert, now));
        self.call_input(at.call, call::Input::Transfer { leg: at.leg, targets }, now);
    }

    fn remote_leg(&self, at: CallRef) -> Option<&call::Leg> {
        self.calls.get(at.call)?.other_leg(at.leg)
    }

    /// Returns another established call of the session whose other participant has the address `target`.
    pub(super) fn call_with(&self, session: SessionId, target: &Address, except: CallRef) -> Option<CallRef> {
        self.calls.of_session(session).into_iter().find(|at| {
            at.call != except.call
                && self.remote_leg(*at).is_some_and(|other| {
                    // The remote participant is the callee if it received the call, and the caller otherwise.
                    let participant = &other.participant;
                    let name = if participant.incoming { &participant.callee } else { &participant.caller };
                    name.login() == target.login()
                })
        })
    }

    /// Executes an attended transfer: joins the remote participants of two calls.
    fn join(&mut self, first: CallRef, second: CallRef, now: Time) {
        let (Some(one), Some(other)) = (self.calls.get(first.call), self.calls.get(second.call)) else { return };
        let (Some(remote), Some(other_remote)) = (one.other_leg(first.leg), other.other_leg(second.leg)) else {
            return self.refuse_transfer(first, "the other call is not established", now);
        };
        let is_same_browser =
            remote.participant.browser().is_some_and(|browser| other_remote.participant.is_of(browser.session));
        let obstacle = if is_same_browser {
            Some("both calls are with the same browser")
        } else if !remote.participant.has_media() && !other_remote.participant.has_media() {
            Some("both calls are with the application")
        } else if !self.config.conversions.can_join(&remote.streams, &other_remote.streams) {
            Some(EndReason::NoCommonCodecs.info())
        } else {
            None
        };
        if let Some(obstacle) = obstacle {
            return self.refuse_transfer(first, obstacle, now);
        }
        let joined = other_remote.participant.leg;
        let mut released = None;
        self.calls.update(second.call, |call| {
            let (call, leg) = call.release(second.leg);
            released = leg;
            call
        });
        let Some(released) = released else { return };
        self.drain_call(second.call, now);
        self.calls.move_leg(joined, first.call);
        self.move_recorded_leg(joined, first.call);
        if let Some(call) = self.calls.get_mut(first.call) {
            call.join(first.leg, released);
        }
        self.drain_call(first.call, now);
    }

    fn refuse_transfer(&mut self, at: CallRef, obstacle: &str, now: Time) {
        if let Some(call) = self.calls.get_mut(at.call) {
            call.refuse_transfer(at.leg, obstacle);
        }
        self.drain_call(at.call, now);
    }

    /// Returns the call, leg and account of an INVITE session.
    pub(super) fn leg_of(&self, invite: InviteId) -> Option<(CallKey, LegKey, &Call, Option<AccountId>)> {
        let CallRef { call: key, leg } = self.calls.by_invite(invite)?;
        let call = self.calls.get(key)?;
        let account = call.leg(leg)?.participant.peer()?.account();
        Some((key, leg, call, account))
    }
}
