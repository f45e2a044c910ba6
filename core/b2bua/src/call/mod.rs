//! One call: two legs and a bridge, and the callees that are alerted before there is a second leg.
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
//! Either side is a browser or a SIP endpoint. A browser takes part in one offer/answer exchange per call, whatever
//! happens at the other side; a SIP endpoint can send and receive further offers.

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
pub use dtmf::{DtmfMethod, asks_for_key_frame, digits_of};
pub use event::{CallEvent, MediaPath, TransferProgress};
pub use io::{Fallback, Input, Output, SipEvent};
pub use negotiation::{CONVERSIONS, LegMaker, RelaySide, ice_credentials};
pub use participant::{
    Alerting, Browser, Caller, EarlyMedia, End, EndpointKind, Fork, JsonText, Leg, LegId, LegSecrets, Participant,
    PerLeg, SessionId, Side, SipResources,
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
    /// The media worker of its legs.
    pub worker: WorkerId,
    /// The time that it may ring.
    pub ring_timeout: Duration,
    /// Creates the relay's side of each leg.
    pub maker: LegMaker,
    /// Two browsers that support it may exchange their media without the relay.
    pub direct_media: bool,
}

impl Call {
    /// Creates a call of `caller`, whose offer contains `offer` (none: a SIP caller that requests an offer), to all of
    /// `targets`, or to none, for the given reason.
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

    /// Creates a call like [`Call::place`], whose placement has been reported before its targets were known.
    #[must_use]
    pub fn place_routed(
        setup: Setup,
        caller: Participant,
        offer: Option<Vec<Section>>,
        targets: Result<Vec<Participant>, EndReason>,
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

    /// Returns the number of inputs that the state of the call did not permit, since the last time.
    pub const fn take_ignored(&mut self) -> u64 {
        self.cx.take_ignored()
    }

    /// Handles one input. The call is consumed and returned, because each state consumes itself: no step can leave a
    /// call without its legs.
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

    /// Ends a call whose transferor leaves it and another one, and returns the leg of the other side, which is to join
    /// that call. Returns none, and changes nothing, unless the leg is one of an established call.
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

    /// Replaces the transferor by `released`, the participant of another call.
    pub fn join(&mut self, by: LegKey, released: Leg) {
        if let State::Established(established) = &mut self.state {
            established.join(by, released, &mut self.cx);
        }
    }

    /// Returns the source address of the SIP messages of a leg's peer, if one has been received.
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

    /// Returns the caller of an unanswered call, and the callee that is alerted at a leg.
    #[must_use]
    pub fn ringing(&self, leg: LegKey) -> Option<(&Participant, &Participant)> {
        let ringing = self.as_ringing()?;
        Some((&ringing.caller.participant, &ringing.forking.get(leg)?.participant))
    }

    /// Returns whether a callee is alerted under this name.
    #[must_use]
    pub fn is_alerting_login(&self, login: &LoginName) -> bool {
        self.as_ringing().is_some_and(|ringing| ringing.is_alerting_login(login))
    }

    /// Returns whether the INVITE of `leg` may return: a browser calls, and the call is not answered.
    #[must_use]
    pub fn accepts_looped_invite(&self, leg: LegKey) -> bool {
        self.as_ringing().is_some_and(|ringing| ringing.accepts_looped_invite(leg))
    }

    /// Returns the `o=` session id of the relay's description in the INVITE of `leg`.
    #[must_use]
    pub fn session_id_of_fork(&self, leg: LegKey) -> Option<u64> {
        self.ringing(leg)?.1.peer()?.session_id()
    }

    /// Returns the fork whose ICE credentials are in an offer, which is then the relay's own.
    #[must_use]
    pub fn fork_with_ice_of(&self, offer: &SipDescription) -> Option<LegKey> {
        self.as_ringing()?.fork_with_ice_of(offer)
    }

    /// Returns a side of an established call.
    #[must_use]
    pub fn leg(&self, leg: LegKey) -> Option<&Leg> {
        self.as_established()?.leg(leg)
    }

    /// Returns the side that stays when `leg` transfers it.
    #[must_use]
    pub fn other_leg(&self, leg: LegKey) -> Option<&Leg> {
        self.as_established()?.other_leg(leg)
    }

    /// Returns whether a callee, or the target of a transfer, is being alerted at a leg.
    #[must_use]
    pub fn is_alerting(&self, leg: LegKey) -> bool {
        self.state.forking().is_some_and(|forking| forking.contains(leg))
    }

    /// Returns whether a leg is one of an established call, or that of a transferee whose transferor has left.
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
