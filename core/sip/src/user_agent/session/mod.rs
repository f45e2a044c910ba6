//! One dialog of a call with its exchanges, timers and requests, for both caller and callee.
//!
//! ```text
//!             2xx                  hang-up
//!  Early ─────────────> Established ──────> Leaving ── BYE answered ───> Gone
//!    │                      │                  ^                           ^
//!    │                      └── lost: 408, 481, no ACK, no refresh         │
//!    └── CANCEL, 300–699; BYE from the peer at any time ───────────────────┘
//! ```
//!
//! A callee in state Leaving first waits for the ACK, because a BYE may overtake the 2xx (RFC 3261 §15).

mod exchange;
mod incoming;
mod outgoing;
mod referral;
mod success;
pub(super) mod timer;

pub(super) use exchange::{Agreed, Exchange, Reply};
pub(super) use incoming::Incoming;

use super::context::Scope;
use super::io::{Body, Branch, Cause};
use crate::dialog::Dialog;
use crate::message::{HeaderName, Headers, Method, Reason, Request, Response};
use crate::transaction::layer::ClientKey;
use exchange::PendingOffer;
use offhook_clock::{Time, earliest};
use outgoing::{Ack, OutgoingRequest, RequestKind};
use referral::{Referred, Referring};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use success::Success;
use timer::{Due, SessionTimer};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    Early,
    Established,
    /// `bye` is `None` while the ACK is pending.
    Leaving {
        reason: Option<(u16, String)>,
        bye: Option<ClientKey>,
    },
    Gone,
}

/// Capabilities of the peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Peer {
    allows_update: bool,
    /// Whether the peer, or a proxy, rejected an UPDATE as session refresh.
    refuses_update: bool,
}

/// The session state machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) branch: Branch,
    pub(super) dialog: Dialog,
    /// Whether the relay sent the INVITE that created the dialog and owns the Call-ID (RFC 3261 §14.1).
    is_caller: bool,
    stage: Stage,
    pub(super) exchange: Exchange,
    pub(super) agreed: Agreed,
    pending_offer: Option<PendingOffer>,
    pub(super) timer: SessionTimer,
    peer: Peer,
    /// Pending outgoing requests. Boxed because a node of an ordered map has room for eleven values.
    outgoing: BTreeMap<ClientKey, Box<OutgoingRequest>>,
    /// The ACKs, which are retransmitted with each retransmitted 2xx.
    acks: BTreeMap<ClientKey, Ack>,
    /// Sent 2xx responses without ACK.
    successes: Vec<Success>,
    /// The number of the latest reliable provisional response (RFC 3262 §4).
    provisional: Option<u32>,
    referring: Option<Referring>,
    referred: Option<Referred>,
}

impl Session {
    /// Creates the session of a dialog that a response to a sent INVITE created.
    pub(super) fn of_caller(branch: Branch, dialog: Dialog, offer: Option<Body>, timer: SessionTimer) -> Self {
        Self::new(branch, dialog, Exchange::of_sent_invite(offer), timer, true)
    }

    /// Creates the session of a dialog that a received INVITE created.
    pub(super) fn of_callee(dialog: Dialog, offer: Option<Body>, timer: SessionTimer, invite: &Headers) -> Self {
        let mut session = Self::new(Branch(0), dialog, Exchange::of_received_invite(offer), timer, false);
        session.note_capabilities(invite);
        session
    }

    fn new(branch: Branch, dialog: Dialog, exchange: Exchange, timer: SessionTimer, is_caller: bool) -> Self {
        Self {
            branch,
            dialog,
            is_caller,
            stage: Stage::Early,
            exchange,
            agreed: Agreed::default(),
            pending_offer: None,
            timer,
            peer: Peer::default(),
            outgoing: BTreeMap::new(),
            acks: BTreeMap::new(),
            successes: Vec::new(),
            provisional: None,
            referring: None,
            referred: None,
        }
    }

    /// Stores the capabilities in a message of the peer.
    pub(super) fn note_capabilities(&mut self, headers: &Headers) {
        if let Some(allows) = headers.allows(&Method::Update) {
            self.peer.allows_update = allows;
        }
    }

    pub(super) const fn is_established(&self) -> bool {
        matches!(self.stage, Stage::Established)
    }

    /// Returns whether requests can be sent in the dialog.
    pub(super) const fn is_alive(&self) -> bool {
        matches!(self.stage, Stage::Early | Stage::Established)
    }

    /// Ends a dialog with an unwanted 2xx by ACK and BYE (RFC 3261 §13.2.2.4).
    pub(super) fn decline(&mut self, key: ClientKey, invite: &Request, scope: &mut Scope<'_>) {
        self.send_ack(key, invite, None, scope);
        self.exchange = Exchange::Settled;
        self.stage = Stage::Established;
        self.hang_up(None, scope);
    }

    /// Returns whether the dialog has ended and no 2xx that needs an ACK can arrive.
    pub(super) fn is_gone(&self) -> bool {
        self.stage == Stage::Gone && self.acks.is_empty() && !self.has_outgoing(&Method::Invite)
    }

    /// Confirms the session after a sent or received 2xx.
    pub(super) fn establish(&mut self, scope: &mut Scope<'_>) {
        self.stage = Stage::Established;
        self.send_pending_offer(scope);
    }

    /// Ends the dialog with BYE, as soon as that is allowed.
    pub(super) fn hang_up(&mut self, reason: Option<(u16, String)>, scope: &mut Scope<'_>) {
        match self.stage {
            Stage::Early => self.end_silently(scope),
            Stage::Established => self.leave(reason, scope),
            Stage::Leaving { .. } | Stage::Gone => {}
        }
    }

    fn leave(&mut self, reason: Option<(u16, String)>, scope: &mut Scope<'_>) {
        self.notify_result(scope);
        self.close(scope);
        self.successes.retain(Success::is_first);
        self.stage = Stage::Leaving { reason, bye: None };
        if self.successes.is_empty() {
            self.send_bye(scope);
        }
    }

    fn send_bye(&mut self, scope: &mut Scope<'_>) {
        let Stage::Leaving { reason, bye: None } = &self.stage else { return };
        let reason = reason.clone();
        let mut request = self.dialog.request(Method::Bye);
        if let Some((status, text)) = &reason {
            request.headers.push(HeaderName::Reason, reason_header(*status, text));
        }
        match self.send(RequestKind::Bye, request, scope) {
            Some(bye) => self.stage = Stage::Leaving { reason, bye: Some(bye) },
            None => self.end_silently(scope),
        }
    }

    /// Rejects pending requests of the peer and drops pending local ones.
    fn close(&mut self, scope: &mut Scope<'_>) {
        self.abandon(scope);
        self.close_referrals(scope);
        self.pending_offer = None;
        self.agreed = Agreed::default();
        self.timer.stop();
    }

    /// Ends the dialog without BYE. A pending re-INVITE may still receive a 2xx, which needs an ACK (RFC 3261
    /// §13.2.2.4).
    pub(super) fn end_silently(&mut self, scope: &mut Scope<'_>) {
        self.close(scope);
        self.successes.clear();
        self.outgoing.retain(|_, outgoing| outgoing.is_invite());
        self.stage = Stage::Gone;
    }

    /// Ends the call because the peer is unreachable (RFC 3261 §12.2.1.2).
    fn end_as_lost(&mut self, scope: &mut Scope<'_>) {
        scope.end(Cause::Lost);
        self.hang_up(Some((408, "Request Timeout".to_owned())), scope);
    }

    /// Returns the time at which [`Self::handle_timeout`] must be called.
    pub(super) fn deadline(&self) -> Option<Time> {
        let successes = self.successes.iter().map(Success::deadline).min();
        let pending_offer = self.pending_offer.as_ref().and_then(|pending_offer| pending_offer.at);
        let referring = self.referring.as_ref().map(Referring::deadline);
        earliest(earliest(successes, pending_offer), earliest(referring, self.timer.deadline()))
    }

    /// Processes the timers that have expired.
    pub(super) fn handle_timeout(&mut self, scope: &mut Scope<'_>) {
        self.retransmit_2xx(scope);
        if self.is_established() {
            match self.timer.due(scope.now) {
                Some(Due::Refresh) => self.refresh(scope),
                Some(Due::Bye) => self.end_as_lost(scope),
                None => {}
            }
        }
        self.expire_referral(scope);
        self.send_pending_offer(scope);
    }

    /// Returns a response to an incoming request, with this dialog's tag.
    fn reply(&self, incoming: &Incoming, status: u16) -> Response {
        let mut response = Response::to(&incoming.request, status, "");
        response.set_to_tag(&self.dialog.id().local_tag);
        response
    }

    fn answer_with(&self, incoming: &Incoming, status: u16, scope: &mut Scope<'_>) {
        let response = self.reply(incoming, status);
        scope.respond(incoming.key, response);
    }
}

/// Returns a `Reason` with a SIP status code (RFC 3326).
pub(super) fn reason_header(status: u16, text: &str) -> Reason {
    let text = (!text.is_empty()).then(|| text.to_owned());
    Reason { protocol: "SIP".to_owned(), cause: Some(status.into()), text }
}

/// Returns the SIP status code and text of a `Reason`.
pub(super) fn reason_of(headers: &Headers) -> Option<(u16, String)> {
    let reasons = headers.reason().ok()?;
    let reason = reasons.into_iter().find(|reason| reason.protocol.eq_ignore_ascii_case("SIP"))?;
    Some((u16::try_from(reason.cause?).ok()?, reason.text.unwrap_or_default()))
}
