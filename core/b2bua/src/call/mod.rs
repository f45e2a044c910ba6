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

mod direct;
mod dtmf;
mod early;
mod ending;
mod event;
mod hold;
mod io;
mod looped;
mod negotiation;
mod participant;
mod peer;
mod redirect;
mod refer;
mod ringing;
mod snapshot;
mod transfer;

pub use direct::DirectMediaStep;
pub use dtmf::{DtmfMethod, asks_for_key_frame, digits_of};
pub use event::{CallEvent, MediaPath, TransferProgress};
pub use io::{Fallback, Input, Output, Released, SipEvent};
pub use negotiation::{LegMaker, RelaySide, ice_credentials};
pub use participant::{
    Alerting, Browser, Caller, EarlyMedia, End, EndpointKind, Fork, JsonText, Leg, LegId, LegSecrets, Participant,
    PerLeg, SessionId, Side, SipResources,
};
pub use peer::{
    MAX_SECTIONS, NAME_WITHOUT_ADDRESS, Path, Peer, PeerDialog, PeerSetup, RemoteOffer, WebRtcPath, sdp_body, sdp_text,
};
pub use snapshot::{CallPhase, CallSnapshot, LegProgress, ParticipantRole, ParticipantSnapshot};

use core::time::Duration;
use looped::{LoopedDialogs, LoopedInvite};
use offhook_clock::{Time, earliest};
use offhook_media::command::{LegKey, WorkerId};
use offhook_sdp::section::Section;
use offhook_signaling::reason::EndReason;
use refer::Referral;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Identifier of a call, assigned by its relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallKey(pub u64);

/// The callees that are being alerted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Forking {
    forks: Vec<Fork>,
    /// Looped INVITEs of this call; their callees are among the forks.
    looped_invites: Vec<LoopedInvite>,
    give_up_at: Time,
    /// The number of redirects by alerted phones.
    redirections: u8,
}

/// A transfer that the relay executes itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Transfer {
    by: LegId,
    forking: Forking,
}

/// An established call: two legs and their hold states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Established {
    legs: PerLeg<Leg>,
    held_by: PerLeg<bool>,
    handover: Option<Handover>,
    /// The two dialogs with the server, if two browsers were bridged by a looped call.
    looped: Option<Box<LoopedDialogs>>,
}

/// A transfer of one participant by the other. There is one at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Handover {
    /// The relay calls the target.
    Transfer(Transfer),
    /// The transferee, a SIP endpoint, was requested to call the target (RFC 3515).
    Referral(Referral),
}

impl Established {
    const fn transfer(&self) -> Option<&Transfer> {
        match &self.handover {
            Some(Handover::Transfer(transfer)) => Some(transfer),
            Some(Handover::Referral(_)) | None => None,
        }
    }

    const fn transfer_mut(&mut self) -> Option<&mut Transfer> {
        match &mut self.handover {
            Some(Handover::Transfer(transfer)) => Some(transfer),
            Some(Handover::Referral(_)) | None => None,
        }
    }

    const fn referral(&self) -> Option<&Referral> {
        match &self.handover {
            Some(Handover::Referral(referral)) => Some(referral),
            Some(Handover::Transfer(_)) | None => None,
        }
    }

    /// Removes and returns the transfer by the relay, if there is one.
    fn take_transfer(&mut self) -> Option<Transfer> {
        match self.handover.take_if(|handover| matches!(handover, Handover::Transfer(_)))? {
            Handover::Transfer(transfer) => Some(transfer),
            Handover::Referral(_) => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Ringing { caller: Box<Caller>, forking: Forking },
    Established(Box<Established>),
    HandedOver { transferee: Box<Leg>, transferee_side: LegId, is_holding: bool, forking: Forking },
    Ended(EndReason),
}

/// The call machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    worker: WorkerId,
    ring_timeout: Duration,
    maker: LegMaker,
    direct: direct::Direct,
    state: State,
    ignored: u64,
    #[serde(skip)]
    outputs: VecDeque<Output>,
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
        let Setup { worker, ring_timeout, maker, direct_media } = setup;
        let direct = direct::Direct::new(direct_media);
        let state = State::Ended(EndReason::InternalError);
        let outputs = VecDeque::new();
        let mut call = Self { worker, ring_timeout, maker, direct, state, ignored: 0, outputs };
        call.begin(caller, offer, targets, now);
        call
    }

    /// Returns the media worker of the call.
    #[must_use]
    pub const fn worker(&self) -> WorkerId {
        self.worker
    }

    /// Returns the number of inputs that the state of the call did not permit, since the last time.
    pub const fn take_ignored(&mut self) -> u64 {
        core::mem::replace(&mut self.ignored, 0)
    }

    /// Handles one input.
    pub fn handle_input(&mut self, input: Input, now: Time) {
        self.take(input, now);
        self.notify_hold();
        self.settle_direct(now);
    }

    fn take(&mut self, input: Input, now: Time) {
        match (&self.state, input) {
            (_, Input::Sip { leg, event }) => self.sip_event(leg, event),
            (_, Input::Redirect { leg, targets }) => self.redirect(leg, targets, now),
            (_, Input::LoopedInvite { leg, participant, targets }) => {
                self.alert_for_looped_invite(leg, *participant, targets, now);
            }
            (State::Ringing { .. }, Input::Answer { leg, sdp, lines }) => match self.looped_invite_of(leg) {
                Some(index) => self.answer_looped_invite(index, leg, &sdp),
                None => self.answer_with(leg, &sdp, lines),
            },
            (State::Established(_) | State::HandedOver { .. }, Input::Answer { leg, sdp, .. }) => {
                self.target_answers(leg, &sdp);
            }
            (State::Ringing { .. }, Input::HangUp { leg }) => self.ringing_leg_ended(leg, EndReason::Rejected),
            (State::Ringing { .. }, Input::SessionLost { leg } | Input::LegDead { leg }) => {
                self.ringing_leg_ended(leg, EndReason::Unavailable);
            }
            (State::Established(_), Input::HangUp { leg }) => self.hang_up(leg, EndReason::HungUp),
            (State::Established(_), Input::SessionLost { leg }) => self.hang_up(leg, EndReason::SessionLost),
            (State::HandedOver { .. }, Input::HangUp { leg }) => self.target_refuses(leg, EndReason::Rejected),
            (State::HandedOver { .. }, Input::SessionLost { leg }) => self.target_refuses(leg, EndReason::Unavailable),
            (State::HandedOver { .. }, Input::Hold { leg }) => self.hold_target(leg, true),
            (State::HandedOver { .. }, Input::Unhold { leg }) => self.hold_target(leg, false),
            (State::Established(_), Input::RepeatStatus { leg }) => self.repeat_status(leg),
            (State::Established(_), Input::Hold { leg }) => self.hold(leg, true),
            (State::Established(_), Input::Unhold { leg }) => self.hold(leg, false),
            (State::Established(_), Input::SendDtmf { leg, method, digits }) => self.send_dtmf(leg, method, &digits),
            (State::Established(_), Input::DtmfReceived { leg, digit }) => self.digit_received(leg, digit),
            (State::Established(_), Input::KeyFrameWanted { leg }) => self.ask_for_key_frame(leg),
            (State::Established(_), Input::Direct { leg, attempt, step }) => self.direct_step(leg, attempt, step),
            (State::Established(_), Input::Transfer { leg, targets }) => self.transfer(leg, targets, now),
            (State::Established(_), Input::Refer { leg, target, fallback }) => self.refer(leg, target, fallback),
            (State::Established(_), Input::Replace { leg, participant, offer }) => {
                self.replace(leg, *participant, offer);
            }
            (State::Ringing { .. } | State::HandedOver { .. } | State::Ended(_), Input::Transfer { targets, .. }) => {
                self.discard(&targets.unwrap_or_default());
                self.ignored += 1;
            }
            (
                State::Ringing { .. } | State::HandedOver { .. } | State::Ended(_),
                Input::Replace { participant, .. },
            ) => {
                self.remove_participant(&participant, &EndReason::Unavailable.into());
            }
            (State::Established(_) | State::HandedOver { .. }, Input::LegDead { leg }) => self.media_lost(leg),
            (
                State::Ringing { .. } | State::Established(_) | State::HandedOver { .. },
                Input::LegFailed { leg, failure },
            ) => self.media_failed(leg, failure),
            (State::Ringing { .. } | State::Established(_) | State::HandedOver { .. }, Input::Shutdown) => {
                self.end(EndReason::ShuttingDown);
            }
            (State::Ringing { .. }, Input::Hold { .. } | Input::Unhold { .. })
            | (
                State::Ringing { .. } | State::HandedOver { .. },
                Input::SendDtmf { .. }
                | Input::DtmfReceived { .. }
                | Input::KeyFrameWanted { .. }
                | Input::Refer { .. }
                | Input::Direct { .. }
                | Input::RepeatStatus { .. },
            )
            | (State::Ended(_), _) => self.ignored += 1,
        }
    }

    /// Handles an event of a SIP leg.
    fn sip_event(&mut self, leg: LegKey, event: SipEvent) {
        match (&self.state, event) {
            (State::Ringing { .. }, SipEvent::Progress { branch, status, sdp }) => {
                self.progress(leg, branch, status, sdp);
            }
            (State::Established(_) | State::HandedOver { .. }, SipEvent::Progress { branch, status, sdp }) => {
                self.target_progress(leg, branch, status, sdp);
            }
            (
                State::Ringing { .. } | State::Established(_) | State::HandedOver { .. },
                SipEvent::Answered { branch, sdp },
            ) => self.peer_answers(leg, branch, sdp),
            (State::Established(_), SipEvent::OfferAnswered { sdp }) => self.offer_answered(leg, sdp),
            (State::Established(_), SipEvent::OfferRefused) => self.offer_refused(leg),
            (_, SipEvent::Offered { branch, sdp }) => self.offered(leg, branch, sdp),
            (_, SipEvent::SourceChanged(source)) => {
                if let Some(peer) = self.peer_mut(leg) {
                    peer.set_source(source);
                }
            }
            (State::Established(_), SipEvent::ReferProgress { status, is_final, is_refused }) => {
                self.refer_progress(leg, status, is_final, is_refused);
            }
            (State::Established(_), SipEvent::KeyFrameRequested) => self.key_frame_requested(leg),
            (State::Ringing { .. } | State::Established(_) | State::HandedOver { .. }, SipEvent::Ended(cause)) => {
                self.peer_ended(leg, cause);
            }
            (
                State::Ringing { .. } | State::HandedOver { .. } | State::Ended(_),
                SipEvent::OfferAnswered { .. }
                | SipEvent::OfferRefused
                | SipEvent::ReferProgress { .. }
                | SipEvent::KeyFrameRequested,
            )
            | (State::Ended(_), SipEvent::Progress { .. } | SipEvent::Answered { .. } | SipEvent::Ended(_)) => {
                self.ignored += 1;
            }
        }
    }

    /// Handles the deadlines of ringing and of direct media.
    pub fn handle_timeout(&mut self, now: Time) {
        self.time_out_direct(now);
        if self.ring_timeout().is_some_and(|at| at <= now) {
            match &self.state {
                State::Ringing { .. } | State::HandedOver { .. } => self.end(EndReason::NoAnswer),
                State::Established(_) => self.transfer_fails(&EndReason::NoAnswer.into()),
                State::Ended(_) => {}
            }
        }
        self.settle_direct(now);
    }

    /// Returns the next output.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Returns the next deadline, for [`Call::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        earliest(self.ring_timeout(), self.direct.poll_timeout())
    }

    fn ring_timeout(&self) -> Option<Time> {
        match &self.state {
            State::Ringing { forking, .. } | State::HandedOver { forking, .. } => Some(forking.give_up_at),
            State::Established(established) => established.transfer().map(|transfer| transfer.forking.give_up_at),
            State::Ended(_) => None,
        }
    }

    /// Returns whether the call is established.
    #[must_use]
    pub const fn is_established(&self) -> bool {
        matches!(self.state, State::Established(_))
    }

    fn established(&self) -> Option<&Established> {
        match &self.state {
            State::Established(established) => Some(established),
            State::Ringing { .. } | State::HandedOver { .. } | State::Ended(_) => None,
        }
    }

    fn established_mut(&mut self) -> Option<&mut Established> {
        match &mut self.state {
            State::Established(established) => Some(established),
            State::Ringing { .. } | State::HandedOver { .. } | State::Ended(_) => None,
        }
    }

    /// Returns the side of a leg in an established call.
    fn side(&self, leg: LegKey) -> Option<LegId> {
        let established = self.established()?;
        [LegId::A, LegId::B].into_iter().find(|id| established.legs.get(*id).participant.leg == leg)
    }

    /// Returns the side that stays when `leg` transfers it.
    #[must_use]
    pub fn other_leg(&self, leg: LegKey) -> Option<&Leg> {
        let side = self.side(leg)?;
        Some(self.established()?.legs.get(side.other()))
    }

    /// Returns whether a callee, or the target of a transfer, is being alerted at a leg.
    #[must_use]
    pub fn is_alerting(&self, leg: LegKey) -> bool {
        let forking = match &self.state {
            State::Ringing { forking, .. } | State::HandedOver { forking, .. } => Some(forking),
            State::Established(established) => established.transfer().map(|transfer| &transfer.forking),
            State::Ended(_) => None,
        };
        forking.is_some_and(|forking| forking.forks.iter().any(|fork| fork.participant.leg == leg))
    }

    /// Returns whether a leg is one of an established call, or that of a transferee whose transferor has left.
    #[must_use]
    pub fn is_connected(&self, leg: LegKey) -> bool {
        match &self.state {
            State::HandedOver { transferee, .. } => transferee.participant.leg == leg,
            State::Ringing { .. } | State::Established(_) | State::Ended(_) => self.side(leg).is_some(),
        }
    }

    /// Returns a side of an established call.
    #[must_use]
    pub fn leg(&self, leg: LegKey) -> Option<&Leg> {
        let side = self.side(leg)?;
        Some(self.established()?.legs.get(side))
    }
}

#[cfg(test)]
mod tests;
