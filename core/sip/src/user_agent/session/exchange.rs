//! Offer/answer exchanges of a session, one at a time (RFC 3261 §13.2.1, §14; RFC 3262 §5; RFC 3311 §5; RFC 6337).
//!
//! ```text
//!              local offer sent                   answered, rejected
//!  Settled ──────────────────────────> Local ─────────────────────> Settled
//!     │    remote offer, or request for one   answered, rejected       ^
//!     └──────────────────────────────> Remote ─────────────────────────┘
//!  NoOffer: the callee has to make the offer in its first reliable message
//! ```

use super::outgoing::{Purpose, RequestKind};
use super::{Incoming, Session, Stage};
use crate::message::{HeaderName, Method, RAck, Request, Response};
use crate::transaction::layer::{ClientKey, ServerKey};
use crate::user_agent::capabilities::announce;
use crate::user_agent::context::Scope;
use crate::user_agent::io::{Body, Cause, Event};
use core::time::Duration;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};

/// The maximum number of repetitions of an offer after glare.
const MAX_TRIES: u8 = 8;

/// The message that carried a local offer, which determines the message that carries its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Carrier {
    /// The INVITE that creates the dialog. Answered in a reliable provisional response or the 2xx.
    Invite,
    /// A re-INVITE or UPDATE. Answered in its 2xx.
    Request,
    /// A reliable provisional response. Answered in the PRACK.
    Provisional,
    /// A 2xx. Answered in the ACK.
    Success {
        /// The CSeq of the INVITE.
        cseq: u32,
    },
}

/// The message that will carry the answer of the call model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// A response to the INVITE that creates the dialog.
    Invite,
    /// The 2xx to a re-INVITE, UPDATE or PRACK.
    Success(Box<Incoming>),
    /// The PRACK for a provisional response.
    Prack(RAck),
    /// The ACK for the 2xx to the relay's INVITE.
    Ack(ClientKey),
}

/// The state of the exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Exchange {
    /// No offer has been made yet. The callee makes the first one.
    NoOffer,
    /// No offer is pending.
    Settled,
    /// A local offer is pending. `preview` is the answer from an unreliable message.
    Local { offer: Body, by: Carrier, preview: Option<Body> },
    /// A remote offer, or a request for an offer, is pending at the call model.
    Remote { offer: Option<Body>, reply: Reply },
}

impl Exchange {
    /// Returns the state after a sent INVITE.
    pub(super) fn of_sent_invite(offer: Option<Body>) -> Self {
        offer.map_or(Self::NoOffer, |offer| Self::Local { offer, by: Carrier::Invite, preview: None })
    }

    /// Returns the state after a received INVITE.
    pub(super) fn of_received_invite(offer: Option<Body>) -> Self {
        offer.map_or(Self::NoOffer, |offer| Self::Remote { offer: Some(offer), reply: Reply::Invite })
    }

    pub(crate) fn is_carried_by(&self, carrier: &Carrier) -> bool {
        matches!(self, Self::Local { by, .. } if by == carrier)
    }
}

/// The current local and remote descriptions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Agreed {
    pub(crate) local: Option<Body>,
    pub(crate) remote: Option<Body>,
}

/// An offer of the call model that has not been sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PendingOffer {
    pub(super) body: Body,
    /// The earliest time to send it. `None` if it can be sent immediately.
    pub(super) at: Option<Time>,
    pub(super) tries: u8,
}

impl Session {
    /// Sends an offer, or defers it until it can be sent.
    pub(crate) fn offer(&mut self, body: Body, scope: &mut Scope<'_>) {
        if self.pending_offer.is_some() {
            let invite = scope.invite();
            scope.report(Event::OfferRefused { invite, status: 491 });
        }
        self.pending_offer = Some(PendingOffer { body, at: None, tries: 0 });
        self.send_pending_offer(scope);
    }

    /// Sends the pending offer if it can be sent now.
    pub(crate) fn send_pending_offer(&mut self, scope: &mut Scope<'_>) {
        let now = scope.now;
        if self.may_offer()
            && let Some(pending_offer) =
                self.pending_offer.take_if(|pending_offer| pending_offer.at.is_none_or(|at| at <= now))
        {
            self.make_offer(&pending_offer.body, Purpose::Offer { tries: pending_offer.tries }, scope);
        } else if let Some(pending_offer) =
            self.pending_offer.as_mut().filter(|pending_offer| pending_offer.at.is_some_and(|at| at <= now))
        {
            // The pending exchange causes another attempt when it ends.
            pending_offer.at = None;
        }
    }

    fn may_offer(&self) -> bool {
        if self.exchange != Exchange::Settled {
            return false;
        }
        match self.stage {
            // An UPDATE must not overtake the PRACK that completes the previous exchange.
            Stage::Early => {
                self.peer.allows_update && !self.has_outgoing(&Method::Update) && !self.has_outgoing(&Method::Prack)
            }
            // Only one INVITE can be pending in either direction (RFC 3261 §14.1).
            Stage::Established => self.successes.is_empty() && !self.has_outgoing(&Method::Invite),
            Stage::Leaving { .. } | Stage::Gone => false,
        }
    }

    /// Sends an offer in a re-INVITE, or in an UPDATE before the call is answered (RFC 3311 §5.1).
    fn make_offer(&mut self, body: &Body, purpose: Purpose, scope: &mut Scope<'_>) {
        let method = if self.is_established() { Method::Invite } else { Method::Update };
        let mut request = self.target_refresh(method, scope);
        request.set_body(&body.content_type, body.octets.clone());
        self.exchange = Exchange::Local { offer: body.clone(), by: Carrier::Request, preview: None };
        if self.send(RequestKind::Offer(purpose), request, scope).is_none() {
            self.offer_refused(purpose, 503, None, scope);
        }
    }

    /// Refreshes the session without changing it (RFC 4028 §7.4).
    pub(super) fn refresh(&mut self, scope: &mut Scope<'_>) {
        if self.peer.allows_update && !self.peer.refuses_update {
            let request = self.target_refresh(Method::Update, scope);
            let _ = self.send(RequestKind::Refresh, request, scope);
        } else if self.may_offer()
            && let Some(body) = self.agreed.local.clone()
        {
            self.make_offer(&body, Purpose::Refresh, scope);
        } else {
            self.timer.refused(scope.now);
        }
    }

    /// Creates a request that may change the remote target (RFC 3261 §12.2.1.1).
    fn target_refresh(&mut self, method: Method, scope: &Scope<'_>) -> Request {
        let mut request = self.dialog.request(method);
        request.headers.push(HeaderName::Contact, scope.contact(None));
        announce(&mut request.headers, false, self.timer.is_used());
        self.timer.set_request_headers(&mut request.headers);
        request
    }

    /// Completes the exchange of a local offer.
    pub(super) fn settle_local_offer(&mut self, answer: Option<Body>) {
        if let Exchange::Local { offer, preview, .. } = core::mem::replace(&mut self.exchange, Exchange::Settled) {
            self.agreed.local = Some(offer);
            self.agreed.remote = answer.or(preview);
        }
    }

    /// Completes the exchange of a remote offer, or sends the requested offer.
    fn settle_remote_offer(&mut self, answer: Body, offer: Option<Body>) {
        self.exchange = Exchange::Settled;
        self.agreed = Agreed { local: Some(answer), remote: offer };
    }

    /// Processes the 2xx to a local offer in a re-INVITE or UPDATE.
    pub(super) fn offer_accepted(&mut self, purpose: Purpose, answer: Option<Body>, scope: &mut Scope<'_>) {
        let invite = scope.invite();
        let has_changed = answer != self.agreed.remote;
        match (purpose, answer) {
            (Purpose::Offer { .. }, Some(body)) => {
                self.settle_local_offer(Some(body.clone()));
                scope.report(Event::OfferAnswered { invite, body });
            }
            (Purpose::Refresh, Some(body)) => {
                self.settle_local_offer(Some(body.clone()));
                if has_changed {
                    scope.report(Event::OfferAnswered { invite, body });
                }
            }
            (Purpose::Offer { .. }, None) => {
                self.exchange = Exchange::Settled;
                scope.report(Event::OfferRefused { invite, status: 488 });
            }
            (Purpose::Refresh, None) => self.exchange = Exchange::Settled,
        }
    }

    /// Processes the rejection of a local offer. The session is unchanged (RFC 3261 §14.1).
    pub(super) fn offer_refused(
        &mut self,
        purpose: Purpose,
        status: u16,
        retry_after: Option<u32>,
        scope: &mut Scope<'_>,
    ) {
        let refused = core::mem::replace(&mut self.exchange, Exchange::Settled);
        let Purpose::Offer { tries } = purpose else { return self.timer.refused(scope.now) };
        let delay = match (status, retry_after) {
            (491, _) => Some(self.back_off(scope)),
            (500, Some(seconds)) if seconds <= 32 => Some(Duration::from_secs(seconds.into())),
            _ => None,
        };
        match (refused, delay) {
            // A newer pending offer replaces it.
            (Exchange::Local { .. }, Some(_)) if self.pending_offer.is_some() => {}
            (Exchange::Local { offer: body, .. }, Some(delay)) if tries < MAX_TRIES => {
                self.pending_offer = Some(PendingOffer { body, at: Some(scope.now + delay), tries: tries + 1 });
            }
            (_, _) => {
                let invite = scope.invite();
                scope.report(Event::OfferRefused { invite, status });
            }
        }
    }

    /// Returns the wait after 491. The ranges of caller and callee do not overlap (RFC 3261 §14.1).
    fn back_off(&self, scope: &mut Scope<'_>) -> Duration {
        if self.is_caller {
            Duration::from_millis(2_100) + scope.context.up_to(Duration::from_millis(1_900))
        } else {
            scope.context.up_to(Duration::from_secs(2))
        }
    }

    /// Reports a remote offer, or the request for an offer, to the call model.
    pub(super) fn pass_offer(&mut self, offer: Option<Body>, reply: Reply, scope: &mut Scope<'_>) {
        let (invite, branch) = (scope.invite(), self.branch);
        scope.report(Event::Offer { invite, branch, body: offer.clone() });
        self.exchange = Exchange::Remote { offer, reply };
    }

    /// Returns whether the call model has to answer an offer in this dialog.
    pub(crate) const fn has_unanswered_offer(&self) -> bool {
        matches!(&self.exchange, Exchange::Remote { reply: Reply::Success(_) | Reply::Prack(_) | Reply::Ack(_), .. })
    }

    /// Sends the answer of the call model, or the offer that the peer requested.
    pub(crate) fn answer(&mut self, body: &Body, scope: &mut Scope<'_>) {
        if !self.has_unanswered_offer() {
            return;
        }
        let Exchange::Remote { offer, reply } = core::mem::replace(&mut self.exchange, Exchange::Settled) else {
            return;
        };
        match reply {
            Reply::Success(incoming) => match offer {
                Some(_) => {
                    self.settle_remote_offer(body.clone(), offer);
                    self.send_2xx_to(&incoming, Some(body), scope);
                }
                None => {
                    let cseq = incoming.cseq();
                    self.exchange =
                        Exchange::Local { offer: body.clone(), by: Carrier::Success { cseq }, preview: None };
                    self.send_2xx_to(&incoming, Some(body), scope);
                }
            },
            Reply::Prack(rack) => {
                self.settle_remote_offer(body.clone(), offer);
                self.send_prack(&rack, Some(body), scope);
            }
            Reply::Ack(key) => {
                self.settle_remote_offer(body.clone(), offer);
                self.send_deferred_ack(key, Some(body), scope);
            }
            Reply::Invite => {}
        }
        self.send_pending_offer(scope);
    }

    /// Rejects the remote offer. The session is unchanged (RFC 3261 §14.2). If it was the first offer, the session
    /// ends.
    pub(crate) fn refuse(&mut self, status: u16, reason: Option<&str>, scope: &mut Scope<'_>) {
        if !self.has_unanswered_offer() {
            return;
        }
        let status = if (300..700).contains(&status) { status } else { 488 };
        let is_first = matches!(&self.exchange, Exchange::Remote { reply: Reply::Prack(_) | Reply::Ack(_), .. });
        if is_first {
            scope.end(Cause::Local);
            self.hang_up(Some((status, reason.unwrap_or_default().to_owned())), scope);
        } else {
            self.abandon_with(status, reason, scope);
            self.send_pending_offer(scope);
        }
    }

    /// Ends the exchange because the dialog ends.
    pub(super) fn abandon(&mut self, scope: &mut Scope<'_>) {
        self.abandon_with(487, None, scope);
    }

    fn abandon_with(&mut self, status: u16, reason: Option<&str>, scope: &mut Scope<'_>) {
        let Exchange::Remote { reply, .. } = core::mem::replace(&mut self.exchange, Exchange::Settled) else { return };
        match reply {
            Reply::Success(incoming) => {
                self.respond(&incoming, Response::to(&incoming.request, status, reason.unwrap_or_default()), scope);
            }
            // Without the ACK the peer would retransmit its 2xx until it times out.
            Reply::Ack(key) => self.send_deferred_ack(key, None, scope),
            Reply::Prack(_) | Reply::Invite => {}
        }
    }

    /// Processes the CANCEL of a re-INVITE.
    pub(crate) fn receive_cancel(&mut self, key: ServerKey, scope: &mut Scope<'_>) {
        let is_pending = matches!(
            &self.exchange,
            Exchange::Remote { reply: Reply::Success(incoming), .. } if incoming.key == key
        );
        if is_pending {
            self.abandon(scope);
            self.send_pending_offer(scope);
        }
    }
}
