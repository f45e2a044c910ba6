//! Transfers: who is meant, and who does it, the peer or the relay.

use super::calls::fail;
use super::parties::{Alert, CallPlan};
use super::routing::{Source, Target};
use super::{CallRef, Relay};
use crate::address::address_of_record;
use crate::call::{self, Call, CallKey, Fallback, Party, SessionId};
use offhook_clock::Time;
use offhook_media::command::LegKey;
use offhook_sdp::offer_answer::can_bridge;
use offhook_signaling::message::CallId;
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io::{AccountId, Command, InviteId};

/// What a SIP endpoint wants of the relay by REFER.
pub(super) struct Referred {
    pub(super) invite: InviteId,
    pub(super) target: String,
    pub(super) replaces: Option<String>,
    pub(super) replaced: Option<InviteId>,
    pub(super) referred_by: Option<String>,
}

impl Relay {
    /// A page hands the far end of a call over.
    pub(super) fn transfer(&mut self, session: SessionId, id: &CallId, target: &str, now: Time) {
        let Some(at) = self.find_call(session, id) else { return };
        let Some(stays) = self.far_end(at).map(|far| far.party.clone()) else {
            let info = "the call is not established: transfer it when it is".to_owned();
            return self.tell(session, &fail("transfer", Some(id), info));
        };
        let account = self.sessions.get(&session).and_then(super::Session::account);
        // Through the session's own server, the peer can get there by itself.
        let peer = stays.peer().filter(|peer| account.is_some() && peer.account == account);
        if let Some(other) = self.call_with(session, target, at) {
            let far = self.far_end(other).and_then(|far| far.party.peer());
            return match far.filter(|far| peer.is_some() && far.account == account) {
                Some(far) => {
                    let (target, replaces) = (far.uri.clone(), far.invite);
                    let otherwise = Fallback::Join { other: other.leg, replaces };
                    self.call_input(at.call, call::Input::Refer { leg: at.leg, target, otherwise }, now);
                }
                None => self.join(at, other, now),
            };
        }
        match (peer, account.map(|account| self.uri_at(account, target))) {
            (Some(_), Some(Ok(uri))) => {
                let otherwise = Fallback::Ring { target: target.to_owned() };
                self.call_input(at.call, call::Input::Refer { leg: at.leg, target: uri, otherwise }, now);
            }
            _ => self.ring_instead(at, &self.source_of_session(session), target, Alert::default(), now),
        }
    }

    /// The peer would not do it.
    pub(super) fn transfer_here(&mut self, call: CallKey, leg: LegKey, otherwise: Fallback, now: Time) {
        let at = CallRef { call, leg };
        let session = self.calls.get(&call).and_then(|call| call.leg(leg)?.party.browser()).map(|near| near.session);
        match otherwise {
            Fallback::Ring { target } => {
                let source = session.map_or(Source::Stranger, |session| self.source_of_session(session));
                self.ring_instead(at, &source, &target, Alert::default(), now);
            }
            Fallback::Join { other, .. } => match self.legs.get(&other) {
                Some(call) => self.join(at, CallRef { call: *call, leg: other }, now),
                None => self.refuse_transfer(at, "the other call is over", now),
            },
        }
    }

    /// A SIP endpoint hands the far end over.
    pub(super) fn referred(&mut self, order: Referred, now: Time) {
        let Referred { invite, target, replaces, replaced, referred_by } = order;
        let at = self.invite_at(invite);
        let Some((at, source)) = at.and_then(|at| Some((at, self.source_of(at)?))) else {
            // Not a call that can be handed over.
            return self.command(Command::AnswerRefer { invite, status: 603 });
        };
        let other = replaced.and_then(|replaced| self.invite_at(replaced)).filter(|other| other.call != at.call);
        let other =
            other.filter(|other| self.source_of(*other).is_some_and(|of_other| self.may_join(&source, &of_other)));
        if other.is_none() && !self.may_refer(&source, &target) {
            return self.command(Command::AnswerRefer { invite, status: 403 });
        }
        self.command(Command::AnswerRefer { invite, status: 202 });
        match other {
            Some(other) => self.join(at, other, now),
            None => {
                let target = self.dialed(&source, &target);
                let alert = Alert { referred_by, replaces, ..Alert::default() };
                self.ring_instead(at, &source, &target, alert, now);
            }
        }
    }

    /// On whose behalf a SIP endpoint of an established call hands it over.
    fn source_of(&self, at: CallRef) -> Option<Source> {
        let leg = self.calls.get(&at.call)?.leg(at.leg)?;
        let peer = leg.party.peer()?;
        if self.strangers.contains(&peer.invite) {
            return Some(Source::Stranger);
        }
        let name = if leg.party.incoming { &leg.party.callee } else { &leg.party.caller };
        Some(peer.account.map_or_else(|| Source::Phone(address_of_record(name)), Source::Account))
    }

    fn invite_at(&self, invite: InviteId) -> Option<CallRef> {
        let leg = *self.invites.get(&invite)?;
        Some(CallRef { call: *self.legs.get(&leg)?, leg })
    }

    /// Rings `target` for the far end of a call, in the place of who hands it over.
    fn ring_instead(&mut self, at: CallRef, source: &Source, target: &str, alert: Alert, now: Time) {
        let Some((worker, stays)) = self.calls.get(&at.call).and_then(|call| {
            let stays = call.other_leg(at.leg)?;
            Some((call.worker(), stays.clone()))
        }) else {
            return;
        };
        let stays_in = stays.party.browser().map(|browser| browser.session);
        let leaves_from = self.calls.get(&at.call).and_then(|call| call.leg(at.leg)?.party.browser());
        let leaves_from = leaves_from.map(|browser| browser.session);
        let is_part = |target: &Target| match target {
            Target::Session(session) => Some(*session) == stays_in || Some(*session) == leaves_from,
            Target::Phone(_) | Target::Uri { .. } => false,
        };
        let Party { incoming, caller, callee, custom, .. } = stays.party;
        let name = if incoming { callee } else { caller };
        let alert = Alert { visible_name: name.clone(), caller: name, callee: target.to_owned(), custom, ..alert };
        let targets = self.route(source, target).and_then(|targets| {
            let targets: Vec<Target> = targets.into_iter().filter(|target| !is_part(target)).collect();
            if targets.is_empty() { Err(EndReason::Busy) } else { Ok(targets) }
        });
        let plan = CallPlan { call: at.call, worker, sections: stays.streams.len() };
        let targets = targets.and_then(|targets| self.admit_ringing(targets, &alert, now));
        let targets = targets.and_then(|targets| self.ring_targets(targets, plan, &alert, now));
        self.call_input(at.call, call::Input::Transfer { leg: at.leg, targets }, now);
    }

    fn far_end(&self, at: CallRef) -> Option<&call::Leg> {
        self.calls.get(&at.call)?.other_leg(at.leg)
    }

    /// Another established call of the session, with the one that `target` names.
    fn call_with(&self, session: SessionId, target: &str, except: CallRef) -> Option<CallRef> {
        let target = address_of_record(target);
        self.call_ids.get(&session)?.values().copied().find(|at| {
            at.call != except.call
                && self.far_end(*at).is_some_and(|other| {
                    // From there, the name of the one there is the callee's of a call that came in, else the caller's.
                    let party = &other.party;
                    let name = if party.incoming { &party.callee } else { &party.caller };
                    address_of_record(name) == target
                })
        })
    }

    /// Attended transfer: the far ends of two calls of one party get each other.
    fn join(&mut self, first: CallRef, second: CallRef, now: Time) {
        let (Some(one), Some(other)) = (self.calls.get(&first.call), self.calls.get(&second.call)) else { return };
        let (Some(stays), Some(joins)) = (one.other_leg(first.leg), other.other_leg(second.leg)) else {
            return self.refuse_transfer(first, "the other call is not established", now);
        };
        let is_same_browser = stays.party.browser().is_some_and(|browser| joins.party.is_of(browser.session));
        let obstacle = if is_same_browser {
            Some("both calls are with the same browser")
        } else if !can_bridge(&stays.streams, &joins.streams) {
            Some(EndReason::NoCommonCodecs.info())
        } else {
            None
        };
        if let Some(obstacle) = obstacle {
            return self.refuse_transfer(first, obstacle, now);
        }
        let joined = joins.party.leg;
        let (before, after) = (other.worker(), one.worker());
        let Some(released) = self.calls.get_mut(&second.call).and_then(|call| call.release(second.leg)) else { return };
        self.drain_call(second.call, now);
        self.legs.insert(joined, first.call);
        self.note_worker(joined, before, after);
        if let Some(view) = self.presenter.view(joined)
            && let Some(at) = self.call_ids.get_mut(&view.session).and_then(|ids| ids.get_mut(&view.call_id))
        {
            at.call = first.call;
        }
        if let Some(call) = self.calls.get_mut(&first.call) {
            call.join(first.leg, released);
        }
        self.drain_call(first.call, now);
    }

    fn refuse_transfer(&mut self, at: CallRef, obstacle: &str, now: Time) {
        if let Some(call) = self.calls.get_mut(&at.call) {
            call.refuse_transfer(at.leg, obstacle);
        }
        self.drain_call(at.call, now);
    }

    /// An INVITE that takes the place of a call of this relay (RFC 3891).
    pub(super) fn leg_of(&self, invite: InviteId) -> Option<(CallKey, LegKey, &Call, Option<AccountId>)> {
        let CallRef { call: key, leg } = self.invite_at(invite)?;
        let call = self.calls.get(&key)?;
        let account = call.leg(leg)?.party.peer()?.account;
        Some((key, leg, call, account))
    }
}
