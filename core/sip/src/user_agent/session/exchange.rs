//! Offers and answers, one exchange at a time (RFC 3261 §13.2.1, §14; RFC 3262 §5; RFC 3311 §5; RFC 6337).
//!
//! ```text
//!              our offer goes out                 answer, refusal
//!  Settled ──────────────────────────> Local ─────────────────────> Settled
//!     │         peer's offer, or wish for one       answered, refused  ^
//!     └──────────────────────────────> Remote ─────────────────────────┘
//!  Unmade: the first message of the callee that is sure to arrive is to bring the offer
//! ```

use super::ours::{Purpose, What};
use super::{Incoming, Session, Stage};
use crate::message::{HeaderName, Method, RAck, Request, Response};
use crate::transaction::layer::{ClientKey, ServerKey};
use crate::user_agent::capabilities::announce;
use crate::user_agent::io::{Body, Cause, Event};
use crate::user_agent::outlet::Scope;
use core::time::Duration;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};

/// How often an offer is made anew that crossed one of the peer's.
const MOST_TRIES: u8 = 8;

/// What an offer of ours went out in, and where its answer is to be found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Carrier {
    /// The INVITE that makes the dialog: a reliable provisional response or the success.
    Invite,
    /// A re-INVITE or UPDATE: its success.
    Request,
    /// A reliable provisional response: the PRACK.
    Provisional,
    /// A success: the ACK.
    Success {
        /// Of the INVITE.
        cseq: u32,
    },
}

/// Where the call model's answer goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// Into a response to the INVITE that makes the dialog.
    Invite,
    /// Into the success of a re-INVITE, UPDATE or PRACK.
    Success(Box<Incoming>),
    /// Into the PRACK for a provisional response.
    Prack(RAck),
    /// Into the ACK for the success of our INVITE.
    Ack(ClientKey),
}

/// How far the exchange is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Exchange {
    /// The peer owes the first offer, or, as callee, this end does.
    Unmade,
    /// Nothing is open.
    Settled,
    /// Our offer is with the peer. `preview`: the answer that came in a message that may get lost.
    Local { offer: Body, by: Carrier, preview: Option<Body> },
    /// The peer's offer, or its wish for one, is with the call model.
    Remote { offer: Option<Body>, reply: Reply },
}

impl Exchange {
    /// As an INVITE of ours begins it.
    pub(super) fn begun_by_us(offer: Option<Body>) -> Self {
        offer.map_or(Self::Unmade, |offer| Self::Local { offer, by: Carrier::Invite, preview: None })
    }

    /// As an INVITE of the peer's begins it.
    pub(super) fn begun_by_peer(offer: Option<Body>) -> Self {
        offer.map_or(Self::Unmade, |offer| Self::Remote { offer: Some(offer), reply: Reply::Invite })
    }

    pub(crate) fn is_carried_by(&self, carrier: &Carrier) -> bool {
        matches!(self, Self::Local { by, .. } if by == carrier)
    }
}

/// The descriptions in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Agreed {
    pub(crate) local: Option<Body>,
    pub(crate) remote: Option<Body>,
}

/// An offer that the call model wants made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wish {
    pub(super) body: Body,
    /// Not before then; none: as soon as it can be.
    pub(super) at: Option<Time>,
    pub(super) tries: u8,
}

impl Session {
    /// Makes an offer, now or as soon as that can be.
    pub(crate) fn offer(&mut self, body: Body, scope: &mut Scope<'_>) {
        if self.wish.is_some() {
            let invite = scope.invite();
            scope.tell(Event::OfferRefused { invite, status: 491 });
        }
        self.wish = Some(Wish { body, at: None, tries: 0 });
        self.pursue(scope);
    }

    /// Makes the offer that waits, if its time has come.
    pub(crate) fn pursue(&mut self, scope: &mut Scope<'_>) {
        let now = scope.now;
        if self.may_offer()
            && let Some(wish) = self.wish.take_if(|wish| wish.at.is_none_or(|at| at <= now))
        {
            self.make_offer(&wish.body, Purpose::Offer { tries: wish.tries }, scope);
        } else if let Some(wish) = self.wish.as_mut().filter(|wish| wish.at.is_some_and(|at| at <= now)) {
            // Whatever is in the way ends with an event of its own.
            wish.at = None;
        }
    }

    fn may_offer(&self) -> bool {
        if self.exchange != Exchange::Settled {
            return false;
        }
        match self.stage {
            // An UPDATE must not overtake the PRACK that settles the exchange before it.
            Stage::Early => {
                self.peer.allows_update && !self.has_ours(&Method::Update) && !self.has_ours(&Method::Prack)
            }
            // One INVITE at a time, in whichever direction (RFC 3261 §14.1).
            Stage::Established => self.successes.is_empty() && !self.has_ours(&Method::Invite),
            Stage::Leaving { .. } | Stage::Gone => false,
        }
    }

    /// By re-INVITE, before the call is answered by UPDATE (RFC 3311 §5.1).
    fn make_offer(&mut self, body: &Body, purpose: Purpose, scope: &mut Scope<'_>) {
        let method = if self.is_established() { Method::Invite } else { Method::Update };
        let mut request = self.target_refresh(method, scope);
        request.set_body(&body.content_type, body.octets.clone());
        self.exchange = Exchange::Local { offer: body.clone(), by: Carrier::Request, preview: None };
        if self.send(What::Offer(purpose), request, scope).is_none() {
            self.offer_refused(purpose, 503, None, scope);
        }
    }

    /// Keeps the session alive and changes nothing (RFC 4028 §7.4).
    pub(super) fn refresh(&mut self, scope: &mut Scope<'_>) {
        if self.peer.allows_update && !self.peer.refuses_update {
            let request = self.target_refresh(Method::Update, scope);
            let _ = self.send(What::Refresh, request, scope);
        } else if self.may_offer()
            && let Some(body) = self.agreed.local.clone()
        {
            self.make_offer(&body, Purpose::Refresh, scope);
        } else {
            self.timer.refused(scope.now);
        }
    }

    /// A request that may change where this end is reached (RFC 3261 §12.2.1.1).
    fn target_refresh(&mut self, method: Method, scope: &Scope<'_>) -> Request {
        let mut request = self.dialog.request(method);
        request.headers.push(HeaderName::Contact, scope.contact(None));
        announce(&mut request.headers, false, self.timer.is_used());
        self.timer.ask_in(&mut request.headers);
        request
    }

    /// Our offer is answered.
    pub(super) fn settle_ours(&mut self, answer: Option<Body>) {
        if let Exchange::Local { offer, preview, .. } = core::mem::replace(&mut self.exchange, Exchange::Settled) {
            self.agreed.local = Some(offer);
            self.agreed.remote = answer.or(preview);
        }
    }

    /// The peer's offer is answered, or what it asked for is on its way.
    fn settle_theirs(&mut self, answer: Body, offer: Option<Body>) {
        self.exchange = Exchange::Settled;
        self.agreed = Agreed { local: Some(answer), remote: offer };
    }

    /// Our offer in a re-INVITE or UPDATE is answered.
    pub(super) fn offer_accepted(&mut self, purpose: Purpose, answer: Option<Body>, scope: &mut Scope<'_>) {
        let invite = scope.invite();
        let is_news = answer != self.agreed.remote;
        match (purpose, answer) {
            (Purpose::Offer { .. }, Some(body)) => {
                self.settle_ours(Some(body.clone()));
                scope.tell(Event::OfferAnswered { invite, body });
            }
            (Purpose::Refresh, Some(body)) => {
                self.settle_ours(Some(body.clone()));
                if is_news {
                    scope.tell(Event::OfferAnswered { invite, body });
                }
            }
            (Purpose::Offer { .. }, None) => {
                self.exchange = Exchange::Settled;
                scope.tell(Event::OfferRefused { invite, status: 488 });
            }
            (Purpose::Refresh, None) => self.exchange = Exchange::Settled,
        }
    }

    /// Our offer is refused: the session stays as it was (RFC 3261 §14.1).
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
            // A newer wish takes its place.
            (Exchange::Local { .. }, Some(_)) if self.wish.is_some() => {}
            (Exchange::Local { offer: body, .. }, Some(delay)) if tries < MOST_TRIES => {
                self.wish = Some(Wish { body, at: Some(scope.now + delay), tries: tries + 1 });
            }
            (_, _) => {
                let invite = scope.invite();
                scope.tell(Event::OfferRefused { invite, status });
            }
        }
    }

    /// How long to wait after 491: the ranges of the two ends do not overlap (RFC 3261 §14.1).
    fn back_off(&self, scope: &mut Scope<'_>) -> Duration {
        if self.is_caller {
            Duration::from_millis(2_100) + scope.outlet.up_to(Duration::from_millis(1_900))
        } else {
            scope.outlet.up_to(Duration::from_secs(2))
        }
    }

    /// The peer's offer, or wish for one, for the call model.
    pub(super) fn pass_offer(&mut self, offer: Option<Body>, reply: Reply, scope: &mut Scope<'_>) {
        let (invite, branch) = (scope.invite(), self.branch);
        scope.tell(Event::Offer { invite, branch, body: offer.clone() });
        self.exchange = Exchange::Remote { offer, reply };
    }

    /// An answer for the call model is due in this dialog.
    pub(crate) const fn owes_answer(&self) -> bool {
        matches!(&self.exchange, Exchange::Remote { reply: Reply::Success(_) | Reply::Prack(_) | Reply::Ack(_), .. })
    }

    /// The call model answers, or makes the offer that the peer asked for.
    pub(crate) fn answer(&mut self, body: &Body, scope: &mut Scope<'_>) {
        if !self.owes_answer() {
            return;
        }
        let Exchange::Remote { offer, reply } = core::mem::replace(&mut self.exchange, Exchange::Settled) else {
            return;
        };
        match reply {
            Reply::Success(incoming) => match offer {
                Some(_) => {
                    self.settle_theirs(body.clone(), offer);
                    self.grant(&incoming, Some(body), scope);
                }
                None => {
                    let cseq = incoming.cseq();
                    self.exchange =
                        Exchange::Local { offer: body.clone(), by: Carrier::Success { cseq }, preview: None };
                    self.grant(&incoming, Some(body), scope);
                }
            },
            Reply::Prack(rack) => {
                self.settle_theirs(body.clone(), offer);
                self.say_prack(&rack, Some(body), scope);
            }
            Reply::Ack(key) => {
                self.settle_theirs(body.clone(), offer);
                self.say_owed_ack(key, Some(body), scope);
            }
            Reply::Invite => {}
        }
        self.pursue(scope);
    }

    /// The call model refuses: the session stays as it was (RFC 3261 §14.2), and there is none where this is the first.
    pub(crate) fn refuse(&mut self, status: u16, reason: Option<&str>, scope: &mut Scope<'_>) {
        if !self.owes_answer() {
            return;
        }
        let status = if (300..700).contains(&status) { status } else { 488 };
        let is_first = matches!(&self.exchange, Exchange::Remote { reply: Reply::Prack(_) | Reply::Ack(_), .. });
        if is_first {
            scope.end(Cause::Local);
            self.hang_up(Some((status, reason.unwrap_or_default().to_owned())), scope);
        } else {
            self.abandon_with(status, reason, scope);
            self.pursue(scope);
        }
    }

    /// Ends the exchange as the end of the dialog demands it.
    pub(super) fn abandon(&mut self, scope: &mut Scope<'_>) {
        self.abandon_with(487, None, scope);
    }

    fn abandon_with(&mut self, status: u16, reason: Option<&str>, scope: &mut Scope<'_>) {
        let Exchange::Remote { reply, .. } = core::mem::replace(&mut self.exchange, Exchange::Settled) else { return };
        match reply {
            Reply::Success(incoming) => {
                self.respond(&incoming, Response::to(&incoming.request, status, reason.unwrap_or_default()), scope);
            }
            // Without it the peer would repeat its success until it gives up.
            Reply::Ack(key) => self.say_owed_ack(key, None, scope),
            Reply::Prack(_) | Reply::Invite => {}
        }
    }

    /// The peer canceled its re-INVITE.
    pub(crate) fn canceled(&mut self, key: ServerKey, scope: &mut Scope<'_>) {
        let is_meant = matches!(
            &self.exchange,
            Exchange::Remote { reply: Reply::Success(incoming), .. } if incoming.key == key
        );
        if is_meant {
            self.abandon(scope);
            self.pursue(scope);
        }
    }
}
