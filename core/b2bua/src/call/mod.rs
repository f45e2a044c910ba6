//! One call: two legs and a bridge, and those that ring before there are two.
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
//! Toward a browser there is one offer and one answer per call, whatever happens on the other side.

mod direct;
mod io;
mod negotiation;
mod party;
mod ringing;
mod transfer;

pub use io::{Input, Output, Released};
pub use negotiation::{LegMaker, RelaySide};
pub use party::{Caller, Fork, JsonText, Leg, LegId, LegSecrets, Party, PerLeg, SessionId};

use crate::config::BusyStatus;
use core::time::Duration;
use offhook_clock::{Time, earliest};
use offhook_media::command::{Command, LegKey, WorkerId};
use offhook_sdp::codec::MediaKind;
use offhook_signaling::message::{CallStatus, ServerMessage};
use offhook_signaling::reason::EndReason;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// One call, numbered by its relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallKey(pub u64);

/// Somebody rings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Ring {
    forks: Vec<Fork>,
    give_up_at: Time,
}

/// A transfer under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Transfer {
    by: LegId,
    ring: Ring,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Ringing { caller: Box<Caller>, ring: Ring },
    Established { legs: Box<PerLeg<Leg>>, held_by: PerLeg<bool>, transfer: Option<Transfer> },
    HandedOver { stays: Box<Leg>, stays_as: LegId, holds: bool, ring: Ring },
    Ended(EndReason),
}

/// The call machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    worker: WorkerId,
    busy_status: BusyStatus,
    rings_for: Duration,
    maker: LegMaker,
    direct: direct::Direct,
    state: State,
    ignored: u64,
    #[serde(skip)]
    outputs: VecDeque<Output>,
}

/// What a call is made of.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The worker that carries all its legs.
    pub worker: WorkerId,
    /// What the caller of a busy user is told.
    pub busy_status: BusyStatus,
    /// How long it may ring.
    pub ring_timeout: Duration,
    /// Makes the relay's side of each leg.
    pub maker: LegMaker,
    /// Two browsers that can may exchange their media without the relay.
    pub direct_media: bool,
}

impl Call {
    /// A call that `caller` places with its `offer` to those in `targets`, all of whom ring; or the reason why nobody does.
    #[must_use]
    pub fn place(setup: Setup, caller: Party, offer: &str, targets: Result<Vec<Party>, EndReason>, now: Time) -> Self {
        let Setup { worker, busy_status, ring_timeout: rings_for, maker, direct_media } = setup;
        let direct = direct::Direct::new(direct_media);
        let state = State::Ended(EndReason::InternalError);
        let outputs = VecDeque::new();
        let mut call = Self { worker, busy_status, rings_for, maker, direct, state, ignored: 0, outputs };
        call.begin(caller, offer, targets, now);
        call
    }

    /// Which media worker carries the call.
    #[must_use]
    pub const fn worker(&self) -> WorkerId {
        self.worker
    }

    /// Inputs that made no sense in the state they came in.
    #[must_use]
    pub const fn ignored(&self) -> u64 {
        self.ignored
    }

    /// Takes one input.
    pub fn handle_input(&mut self, input: Input, now: Time) {
        self.take(input, now);
        self.settle_direct(now);
    }

    fn take(&mut self, input: Input, now: Time) {
        match (&mut self.state, input) {
            (State::Ringing { .. }, Input::Answer { leg, sdp }) => self.answer(leg, &sdp),
            (State::Established { transfer: Some(_), .. } | State::HandedOver { .. }, Input::Answer { leg, sdp }) => {
                self.target_answers(leg, &sdp);
            }
            (State::Ringing { .. }, Input::HangUp { leg }) => self.hang_up_ringing(leg, EndReason::Rejected),
            (State::Ringing { .. }, Input::SessionLost { leg } | Input::LegDead { leg }) => {
                self.hang_up_ringing(leg, EndReason::Unavailable);
            }
            (State::Established { .. }, Input::HangUp { leg }) => self.hang_up(leg, EndReason::HungUp),
            (State::Established { .. }, Input::SessionLost { leg }) => self.hang_up(leg, EndReason::SessionLost),
            (State::HandedOver { .. }, Input::HangUp { leg }) => self.target_refuses(leg, EndReason::Rejected),
            (State::HandedOver { .. }, Input::SessionLost { leg }) => self.target_refuses(leg, EndReason::Unavailable),
            (State::HandedOver { .. }, Input::Hold { leg }) => self.hold_alone(leg, true),
            (State::HandedOver { .. }, Input::Unhold { leg }) => self.hold_alone(leg, false),
            (State::Established { .. }, Input::RepeatStatus { leg }) => self.repeat_status(leg),
            (State::Established { .. }, Input::Hold { leg }) => self.hold(leg, true),
            (State::Established { .. }, Input::Unhold { leg }) => self.hold(leg, false),
            (State::Established { .. }, Input::SendDtmf { leg, digits }) => self.send_dtmf(leg, &digits),
            (State::Established { .. }, Input::DtmfReceived { leg, digit }) => self.tell_dtmf(leg, digit),
            (State::Established { .. }, Input::Direct { leg, attempt, step }) => self.direct_step(leg, attempt, step),
            (State::Established { .. }, Input::Transfer { leg, targets }) => self.transfer(leg, targets, now),
            (State::Ringing { .. } | State::HandedOver { .. } | State::Ended(_), Input::Transfer { targets, .. }) => {
                self.discard(&targets.unwrap_or_default());
                self.ignored += 1;
            }
            (
                State::Established { .. } | State::HandedOver { .. },
                Input::LegFailed { leg, .. } | Input::LegDead { leg },
            ) => self.media_lost(leg),
            (State::Ringing { .. }, Input::LegFailed { leg, .. }) => {
                self.hang_up_ringing(leg, EndReason::MediaSetupFailed);
            }
            (State::Ringing { .. } | State::Established { .. } | State::HandedOver { .. }, Input::Shutdown) => {
                self.end(EndReason::ShuttingDown);
            }
            (State::Ringing { .. }, Input::Hold { .. } | Input::Unhold { .. })
            | (
                State::Ringing { .. } | State::HandedOver { .. },
                Input::SendDtmf { .. } | Input::DtmfReceived { .. } | Input::RepeatStatus { .. } | Input::Direct { .. },
            )
            | (State::Established { transfer: None, .. }, Input::Answer { .. })
            | (State::Ended(_), _) => self.ignored += 1,
        }
    }

    /// Gives up on those that ring too long, and on a way past the relay that was not found.
    pub fn handle_timeout(&mut self, now: Time) {
        self.time_out_direct(now);
        if self.ring_timeout().is_some_and(|at| at <= now) {
            match &self.state {
                State::Ringing { .. } | State::HandedOver { .. } => self.end(EndReason::NoAnswer),
                State::Established { .. } => self.transfer_fails(EndReason::NoAnswer),
                State::Ended(_) => {}
            }
        }
        self.settle_direct(now);
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Call::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        earliest(self.ring_timeout(), self.direct.poll_timeout())
    }

    const fn ring_timeout(&self) -> Option<Time> {
        match &self.state {
            State::Ringing { ring, .. }
            | State::HandedOver { ring, .. }
            | State::Established { transfer: Some(Transfer { ring, .. }), .. } => Some(ring.give_up_at),
            State::Established { transfer: None, .. } | State::Ended(_) => None,
        }
    }

    /// Whether both sides are there.
    #[must_use]
    pub const fn is_established(&self) -> bool {
        matches!(self.state, State::Established { .. })
    }

    /// Which side a leg is, of an established call.
    fn side(&self, leg: LegKey) -> Option<LegId> {
        let State::Established { legs, .. } = &self.state else { return None };
        [LegId::A, LegId::B].into_iter().find(|id| legs.get(*id).party.leg == leg)
    }

    fn hang_up(&mut self, leg: LegKey, reason: EndReason) {
        let Some(side) = self.side(leg) else {
            let refused = if reason == EndReason::HungUp { EndReason::Rejected } else { EndReason::Unavailable };
            return self.target_refuses(leg, refused);
        };
        if matches!(&self.state, State::Established { transfer: Some(transfer), .. } if transfer.by == side) {
            self.hand_over();
        } else {
            self.end(reason);
        }
    }

    fn media_lost(&mut self, leg: LegKey) {
        let lost = match &self.state {
            State::HandedOver { stays, stays_as, .. } if stays.party.leg == leg => Some(*stays_as),
            _ => self.side(leg),
        };
        match lost {
            Some(LegId::A) => self.end(EndReason::CallerMediaLost),
            Some(LegId::B) => self.end(EndReason::CalleeMediaLost),
            None => self.target_refuses(leg, EndReason::Unavailable),
        }
    }

    fn hold(&mut self, leg: LegKey, hold: bool) {
        let Some(side) = self.side(leg) else { return };
        let State::Established { legs, held_by, .. } = &mut self.state else { return };
        *held_by.get_mut(side) = hold;
        let command = if held_by.a || held_by.b {
            Command::Unbridge { leg: legs.a.party.leg }
        } else {
            Command::Bridge { a: legs.a.party.leg, b: legs.b.party.leg }
        };
        let status = if hold { CallStatus::Hold } else { CallStatus::Established };
        let party = legs.get(side).party.clone();
        self.outputs.push_back(Output::Media(command));
        self.tell_status(&party, status);
    }

    /// Holds somebody who is not there yet: whoever takes the call hears nothing until it is taken back.
    fn hold_alone(&mut self, leg: LegKey, hold: bool) {
        let State::HandedOver { stays, holds, .. } = &mut self.state else { return };
        if stays.party.leg == leg {
            *holds = hold;
            let party = stays.party.clone();
            self.tell_status(&party, if hold { CallStatus::Hold } else { CallStatus::Established });
        }
    }

    fn repeat_status(&mut self, leg: LegKey) {
        let Some(side) = self.side(leg) else { return };
        let State::Established { legs, held_by, .. } = &self.state else { return };
        let status = if *held_by.get(side) { CallStatus::Hold } else { CallStatus::Established };
        let party = legs.get(side).party.clone();
        self.tell_status(&party, status);
    }

    fn send_dtmf(&mut self, leg: LegKey, digits: &str) {
        let Some(side) = self.side(leg) else { return };
        let State::Established { legs, .. } = &self.state else { return };
        let other = legs.get(side.other()).party.clone();
        self.outputs.push_back(Output::Media(Command::SendDtmf { leg: other.leg, digits: digits.to_owned() }));
        if other.dtmf_events {
            for digit in digits.chars() {
                self.tell(&other, ServerMessage::Dtmf { call_id: other.call_id.clone(), digit });
            }
        }
    }

    fn tell_dtmf(&mut self, leg: LegKey, digit: char) {
        let Some(side) = self.side(leg) else { return };
        let State::Established { legs, .. } = &self.state else { return };
        let other = legs.get(side.other()).party.clone();
        if other.dtmf_events {
            self.tell(&other, ServerMessage::Dtmf { call_id: other.call_id.clone(), digit });
        }
    }

    /// Takes both sides of another call in: the one of this call that hands over leaves, and so does its other call.
    /// False, and nothing done, unless both calls are established.
    pub fn release(&mut self, by: LegKey) -> Option<Released> {
        let side = self.side(by)?;
        let State::Established { legs, held_by, transfer } =
            core::mem::replace(&mut self.state, State::Ended(EndReason::Transferred))
        else {
            return None;
        };
        let holds = *held_by.get(side.other());
        let (leaves, leg) = legs.split(side);
        if let Some(transfer) = transfer {
            self.stop_ringing(transfer.ring.forks, EndReason::Canceled, None);
        }
        self.leave(&leaves.party, CallStatus::Finish, EndReason::Transferred);
        self.outputs.push_back(Output::Media(Command::CloseLeg { leg: leaves.party.leg }));
        self.outputs.push_back(Output::Ended(EndReason::Transferred));
        Some(Released { leg, holds })
    }

    /// Puts `released` of another call in the place of the side that hands this call over.
    pub fn join(&mut self, by: LegKey, released: Released) {
        let Some(side) = self.side(by) else { return };
        if let State::Established { transfer, .. } = &mut self.state
            && let Some(transfer) = transfer.take()
        {
            self.stop_ringing(transfer.ring.forks, EndReason::Canceled, None);
        }
        let State::Established { legs, held_by, .. } = &mut self.state else { return };
        let leaves = core::mem::replace(legs.get_mut(side), released.leg);
        *held_by.get_mut(side) = released.holds;
        let heard = !held_by.a && !held_by.b;
        let bridge = heard.then_some(Command::Bridge { a: legs.a.party.leg, b: legs.b.party.leg });
        self.leave(&leaves.party, CallStatus::Finish, EndReason::Transferred);
        self.outputs.push_back(Output::Media(Command::CloseLeg { leg: leaves.party.leg }));
        self.outputs.extend(bridge.map(Output::Media));
    }

    /// The side that stays when `leg` hands the call over.
    #[must_use]
    pub fn other_leg(&self, leg: LegKey) -> Option<&Leg> {
        let side = self.side(leg)?;
        let State::Established { legs, .. } = &self.state else { return None };
        Some(legs.get(side.other()))
    }

    /// Everybody out.
    fn end(&mut self, reason: EndReason) {
        let state = core::mem::replace(&mut self.state, State::Ended(reason));
        let reason_of_forks = match reason {
            EndReason::NoAnswer | EndReason::HungUp => EndReason::Canceled,
            reason => reason,
        };
        match state {
            State::Ringing { caller, ring } => {
                self.stop_ringing(ring.forks, reason_of_forks, None);
                self.leave_caller(&caller.party, reason);
            }
            State::Established { legs, transfer, .. } => {
                if let Some(transfer) = transfer {
                    self.stop_ringing(transfer.ring.forks, reason_of_forks, None);
                }
                for leg in [&legs.a, &legs.b] {
                    self.leave(&leg.party, terminal_status(reason), reason);
                    self.outputs.push_back(Output::Media(Command::CloseLeg { leg: leg.party.leg }));
                }
            }
            State::HandedOver { stays, ring, .. } => {
                self.stop_ringing(ring.forks, reason_of_forks, None);
                self.leave(&stays.party, terminal_status(reason), reason);
                self.outputs.push_back(Output::Media(Command::CloseLeg { leg: stays.party.leg }));
            }
            State::Ended(_) => return,
        }
        self.outputs.push_back(Output::Ended(reason));
    }

    fn leave(&mut self, party: &Party, status: CallStatus, reason: EndReason) {
        let object = party.ended(status, reason, self.has_video());
        self.tell(party, ServerMessage::CallStatus(Box::new(object)));
        self.left(party);
    }

    fn left(&mut self, party: &Party) {
        self.outputs.push_back(Output::Left { session: party.session, call_id: party.call_id.clone(), leg: party.leg });
    }

    /// The caller's last message, which for a busy callee is two.
    fn leave_caller(&mut self, party: &Party, reason: EndReason) {
        let mut status = terminal_status(reason);
        if reason == EndReason::Busy {
            match self.busy_status {
                BusyStatus::Busy => status = CallStatus::Busy,
                BusyStatus::Failed => {
                    let object = party.ended(CallStatus::Busy, reason, self.has_video());
                    self.tell(party, ServerMessage::Busy(Box::new(object)));
                }
            }
        }
        self.leave(party, status, reason);
    }

    fn tell_status(&mut self, party: &Party, status: CallStatus) {
        let object = party.object(status, self.has_video());
        self.tell(party, ServerMessage::CallStatus(Box::new(object)));
    }

    fn tell(&mut self, party: &Party, message: ServerMessage) {
        self.outputs.push_back(Output::Tell { session: party.session, message });
    }

    fn has_video(&self) -> bool {
        let sections = match &self.state {
            State::Ringing { caller, .. } => &caller.offer.sections,
            State::Established { legs, .. } => &legs.a.streams,
            State::HandedOver { stays, .. } => &stays.streams,
            State::Ended(_) => return false,
        };
        sections.iter().any(|section| section.kind == MediaKind::Video && !section.rejected)
    }
}

/// FINISH for a normal end, FAILED for the rest (contract §3.2).
const fn terminal_status(reason: EndReason) -> CallStatus {
    match reason {
        EndReason::HungUp
        | EndReason::Canceled
        | EndReason::Rejected
        | EndReason::AnsweredElsewhere
        | EndReason::Transferred
        | EndReason::SessionLost
        | EndReason::ShuttingDown => CallStatus::Finish,
        EndReason::Busy
        | EndReason::NoAnswer
        | EndReason::NotFound
        | EndReason::Unavailable
        | EndReason::CallerMediaLost
        | EndReason::CalleeMediaLost
        | EndReason::MediaSetupFailed
        | EndReason::BadSessionDescription
        | EndReason::NoCommonCodecs
        | EndReason::Overloaded
        | EndReason::InternalError => CallStatus::Failed,
    }
}

#[cfg(test)]
mod tests;
