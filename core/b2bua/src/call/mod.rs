//! The state machine of one call (B2BUA): the caller and the alerted callees until the answer, then two bridged legs.
//!
//! ```text
//!            answer               hang-up, session lost, media lost
//!  Ringing ─────────> Established ──────────────────────────────────> Ended
//!     │                 │   ^  ^                                       ^
//!     │                 │   │  └─ target answers ─┐                    │
//!     │                 │   └─ target gives up ─ [transfer under way]  │
//!     │                 └ transferor hangs up ─> HandedOver ───────────┤ target gives up
//!     │                                             └ target answers ─> Established
//!     └ cancel, reject, busy, no answer ───────────────────────────────┘
//! ```
//!
//! Each participant is a browser, a SIP endpoint or the application (`application`). A browser takes part in only one offer/answer exchange per call,
//! even if the media of the other side change. A SIP endpoint can send and receive further offers.

mod application;
mod context;
mod direct;
mod dtmf;
mod early;
mod ending;
mod established;
mod event;
mod forking;
mod handed_over;
mod hold;
mod io;
mod looped;
mod negotiation;
mod participant;
mod peer;
mod redirect;
mod refer;
mod reinvite;
mod ringing;
mod snapshot;
mod state;
mod transfer;

pub use direct::DirectMediaStep;
pub use dtmf::{DtmfMethod, digits_of, requests_key_frame};
pub use event::{CallEvent, CollectionEnd, CollectionId, MediaPath, TransferProgress};
pub use io::{Fallback, Input, Output, SipEvent};
pub use negotiation::{LegMaker, RelaySide, ice_credentials};
pub use participant::{
    Alerting, Application, Browser, Caller, EarlyMedia, End, EndpointKind, Fork, JsonText, Leg, LegId, LegSecrets,
    Participant, PerLeg, SessionId, Side, SipResources,
};
pub use peer::{
    MAX_SECTIONS, NAME_WITHOUT_ADDRESS, Path, Peer, PeerDialog, PeerSetup, RemoteOffer, WebRtcPath, sdp_body, sdp_text,
};
pub use snapshot::{CallPhase, CallSnapshot, LegProgress, ParticipantRole, ParticipantSnapshot};

use crate::config::LoginName;
use context::Context;
use core::time::Duration;
use established::Established;
use handed_over::HandedOver;
use offhook_clock::{Time, earliest};
use offhook_media::command::{LegKey, WorkerId};
use offhook_sdp::section::Section;
use offhook_sdp::sip::SipDescription;
use offhook_signaling::reason::EndReason;
use ringing::Ringing;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Identifier of a call, assigned by its relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallKey(pub u64);

/// The state of a call. A transition consumes a state and returns the next one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Ringing(Box<Ringing>),
    Established(Box<Established>),
    HandedOver(Box<HandedOver>),
    Ended(EndReason),
}

/// The call machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    state: State,
    cx: Context,
}

/// The parameters of a new call.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The media worker of the call's legs.
    pub worker: WorkerId,
    /// The time after which the call ends if no callee has answered.
    pub ring_timeout: Duration,
    /// Creates the relay's side of each leg.
    pub maker: LegMaker,
    /// Two browsers that support it may exchange their media without the relay.
    pub direct_media: bool,
}

impl Call {
    /// Creates a call from `caller` to all of `targets`. `offer` contains the sections of the caller's offer; it is
    /// `None` if the INVITE of a SIP caller contains no offer. If `offer` or `targets` is an error, the call ends with
    /// that reason.
    #[must_use]
    pub fn place(
        setup: Setup,
        caller: Participant,
        offer: Result<Option<Vec<Section>>, EndReason>,
        targets: Result<Vec<Participant>, EndReason>,
        now: Time,
    ) -> Self {
        let mut cx = Context::new(setup);
        let state = ringing::place(caller, offer, targets, now, &mut cx);
        Self { state, cx }
    }

    /// Creates a call like [`Call::place`], but does not report [`CallEvent::Placed`]: that was reported before the
    /// targets were known.
    #[must_use]
    pub fn place_routed(
        setup: Setup,
        caller: Participant,
        offer: Option<Vec<Section>>,
        targets: Result<Vec<Participant>, End>,
        now: Time,
    ) -> Self {
        let mut cx = Context::new(setup);
        let state = ringing::alert(caller, Ok(offer), targets, now, &mut cx);
        Self { state, cx }
    }

    /// Returns the media worker of the call.
    #[must_use]
    pub const fn worker(&self) -> WorkerId {
        self.cx.worker
    }

    /// Returns the number of inputs since the last request that the state of the call did not permit.
    pub const fn take_ignored(&mut self) -> u64 {
        self.cx.take_ignored()
    }

    /// Handles one input. The call is consumed and returned, because each transition consumes the state: a call without
    /// its legs cannot remain.
    #[must_use]
    pub fn handle_input(self, input: Input, now: Time) -> Self {
        let Self { state, mut cx } = self;
        let mut state = state.step(input, now, &mut cx);
        if let State::Established(established) = &mut state {
            established.notify_hold(&mut cx);
            established.settle_direct(now, &mut cx);
        }
        Self { state, cx }
    }

    /// Handles the deadlines of alerting and of direct media.
    #[must_use]
    pub fn handle_timeout(self, now: Time) -> Self {
        let Self { state, mut cx } = self;
        let mut state = state.time_out(now, &mut cx);
        if let State::Established(established) = &mut state {
            established.settle_direct(now, &mut cx);
        }
        Self { state, cx }
    }

    /// Returns the next output.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.cx.poll_output()
    }

    /// Returns the next deadline, for [`Call::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        match &self.state {
            State::Established(established) => earliest(self.alerting_ends(), established.direct.poll_timeout()),
            State::Ringing(_) | State::HandedOver(_) | State::Ended(_) => self.alerting_ends(),
        }
    }

    fn alerting_ends(&self) -> Option<Time> {
        self.state.forking().map(|forking| forking.give_up_at)
    }

    /// Reports that the relay cannot execute a transfer.
    pub fn refuse_transfer(&mut self, leg: LegKey, info: &str) {
        if let State::Established(established) = &self.state {
            established.refuse_transfer(leg, info, &mut self.cx);
        }
    }

    /// Ends one of the two calls of an attended transfer: removes the transferor `by`, and returns the other leg, which
    /// joins the other call. If `by` is not a leg of an established call, returns `None` and changes nothing.
    #[must_use]
    pub fn release(self, by: LegKey) -> (Self, Option<Leg>) {
        let Self { state, mut cx } = self;
        match state {
            State::Established(established) if let Some(side) = established.side(by) => {
                let (state, released) = established.release(side, &mut cx);
                (Self { state, cx }, Some(released))
            }
            state => (Self { state, cx }, None),
        }
    }

    /// Completes an attended transfer: replaces the transferor `by` by `released`, a leg of its other call.
    pub fn join(&mut self, by: LegKey, released: Leg) {
        if let State::Established(established) = &mut self.state {
            established.join(by, released, &mut self.cx);
        }
    }

    /// Returns the source address of the SIP messages from a leg's peer, if a message has been received.
    pub fn source_of(&mut self, leg: LegKey) -> Option<IpAddr> {
        self.state.peer_mut(leg)?.source()
    }

    const fn as_ringing(&self) -> Option<&Ringing> {
        match &self.state {
            State::Ringing(ringing) => Some(ringing),
            State::Established(_) | State::HandedOver(_) | State::Ended(_) => None,
        }
    }

    const fn as_established(&self) -> Option<&Established> {
        match &self.state {
            State::Established(established) => Some(established),
            State::Ringing(_) | State::HandedOver(_) | State::Ended(_) => None,
        }
    }

    /// Returns whether the call is established.
    #[must_use]
    pub const fn is_established(&self) -> bool {
        matches!(self.state, State::Established(_))
    }

    /// Returns the caller of an unanswered call.
    #[must_use]
    pub fn caller(&self) -> Option<&Participant> {
        Some(&self.as_ringing()?.caller.participant)
    }

    /// Returns the caller of an unanswered call, and the callee that is alerted at the leg `leg`.
    #[must_use]
    pub fn ringing(&self, leg: LegKey) -> Option<(&Participant, &Participant)> {
        let ringing = self.as_ringing()?;
        Some((&ringing.caller.participant, &ringing.forking.get(leg)?.participant))
    }

    /// Returns whether a callee with this login is being alerted.
    #[must_use]
    pub fn is_alerting_login(&self, login: &LoginName) -> bool {
        self.as_ringing().is_some_and(|ringing| ringing.is_alerting_login(login))
    }

    /// Returns whether a received INVITE can be that of `leg`, looped through a SIP server: the INVITE has no final
    /// response, and the caller is a browser without early media.
    #[must_use]
    pub fn accepts_looped_invite(&self, leg: LegKey) -> bool {
        self.as_ringing().is_some_and(|ringing| ringing.accepts_looped_invite(leg))
    }

    /// Returns the `o=` session id of the relay's description in the INVITE of `leg`.
    #[must_use]
    pub fn session_id_of_fork(&self, leg: LegKey) -> Option<u64> {
        self.ringing(leg)?.1.peer()?.session_id()
    }

    /// Returns the fork whose offer contains the same ICE credentials as `offer`. A SIP server has then returned the
    /// relay's own offer.
    #[must_use]
    pub fn fork_with_ice_of(&self, offer: &SipDescription) -> Option<LegKey> {
        self.as_ringing()?.fork_with_ice_of(offer)
    }

    /// Returns a leg of an established call.
    #[must_use]
    pub fn leg(&self, leg: LegKey) -> Option<&Leg> {
        self.as_established()?.leg(leg)
    }

    /// Returns the other leg of an established call.
    #[must_use]
    pub fn other_leg(&self, leg: LegKey) -> Option<&Leg> {
        self.as_established()?.other_leg(leg)
    }

    /// Returns whether a callee, or the target of a transfer, is being alerted at a leg.
    #[must_use]
    pub fn is_alerting(&self, leg: LegKey) -> bool {
        self.state.forking().is_some_and(|forking| forking.contains(leg))
    }

    /// Returns whether a leg belongs to an established call, or to a transferee whose transferor has left.
    #[must_use]
    pub fn is_connected(&self, leg: LegKey) -> bool {
        match &self.state {
            State::HandedOver(handed_over) => handed_over.is_transferee(leg),
            State::Established(established) => established.side(leg).is_some(),
            State::Ringing(_) | State::Ended(_) => false,
        }
    }
}

#[cfg(test)]
mod tests;
