//! Direct media: two browsers of an established call exchange their media without the relay.
//!
//! ```text
//!      both can, none on hold         both are up
//!  Off ───────────────────────> Trying ────────────> Switched
//!   ^                              │ 3 s, or a browser  │ connection lost
//!   │ hold, transfer, end          v gave up            v
//!   └──────────────────────────  GaveUp <───────────────┘   (the relay carries the media)
//! ```
//!
//! During an attempt, and after it failed, the relay forwards the media, so that no media are interrupted.

use super::participant::JsonText;
use super::{Call, CallEvent, LegId, MediaPath, Output, Participant, PerLeg};
use core::time::Duration;
use offhook_clock::Time;
use offhook_media::command::{Command, LegKey};
use serde::{Deserialize, Serialize};

/// The time that two browsers have to establish a direct connection.
const GIVE_UP_AFTER: Duration = Duration::from_secs(3);

/// A step in setting up direct media between two browsers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectMediaStep {
    /// Sent to the browser that is to make the offer.
    Begin,
    /// The offer.
    Offer(String),
    /// The answer.
    Answer(String),
    /// An ICE candidate, forwarded unchanged.
    Candidate(JsonText),
    /// Received from a browser whose direct connection is established.
    Connected,
    /// Sent to both browsers: use the direct connection for media.
    Switch,
    /// The attempt is over, or the direct connection is lost.
    End,
}

/// The state of direct media; `legs` are the legs of the attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum DirectState {
    Off,
    Trying { legs: PerLeg<LegKey>, up: PerLeg<bool>, give_up_at: Time },
    Switched { legs: PerLeg<LegKey> },
    GaveUp { legs: PerLeg<LegKey> },
}

/// The state of direct media in one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Direct {
    is_allowed: bool,
    attempt: u32,
    state: DirectState,
}

impl Direct {
    pub(super) const fn new(is_allowed: bool) -> Self {
        Self { is_allowed, attempt: 0, state: DirectState::Off }
    }

    pub(super) const fn poll_timeout(&self) -> Option<Time> {
        match &self.state {
            DirectState::Trying { give_up_at, .. } => Some(*give_up_at),
            DirectState::Off | DirectState::Switched { .. } | DirectState::GaveUp { .. } => None,
        }
    }

    const fn legs(&self) -> Option<&PerLeg<LegKey>> {
        match &self.state {
            DirectState::Off => None,
            DirectState::Trying { legs, .. } | DirectState::Switched { legs } | DirectState::GaveUp { legs } => {
                Some(legs)
            }
        }
    }
}

impl Call {
    /// Starts an attempt if both browsers support direct media, and ends it if the call no longer permits it.
    pub(super) fn settle_direct(&mut self, now: Time) {
        let wanted = self.direct_legs();
        if self.direct.legs() == wanted.as_ref() {
            return;
        }
        self.end_direct();
        self.direct.state = DirectState::Off;
        if let Some(legs) = wanted {
            self.direct.attempt = self.direct.attempt.wrapping_add(1);
            self.direct.state =
                DirectState::Trying { legs, up: PerLeg { a: false, b: false }, give_up_at: now + GIVE_UP_AFTER };
            self.send_direct(LegId::A, DirectMediaStep::Begin);
        }
    }

    /// Returns the two legs if both browsers support direct media and neither is on hold.
    fn direct_legs(&self) -> Option<PerLeg<LegKey>> {
        let super::Established { legs, held_by, .. } = self.established()?;
        let is_able = |participant: &Participant| participant.browser().is_some_and(|browser| browser.has_direct_media);
        let can = self.direct.is_allowed && is_able(&legs.a.participant) && is_able(&legs.b.participant);
        let none_on_hold = !held_by.a && !held_by.b;
        (can && none_on_hold).then_some(PerLeg { a: legs.a.participant.leg, b: legs.b.participant.leg })
    }

    /// Handles a step that a browser sent.
    pub(super) fn direct_step(&mut self, leg: LegKey, attempt: u32, step: DirectMediaStep) {
        let Some(side) = self.side(leg).filter(|_| attempt == self.direct.attempt) else {
            self.ignored += 1;
            return;
        };
        match (&mut self.direct.state, step) {
            // The caller offers, the callee answers.
            (DirectState::Trying { .. }, step @ DirectMediaStep::Offer(_)) if side == LegId::A => {
                self.send_direct(LegId::B, step);
            }
            (DirectState::Trying { .. }, step @ DirectMediaStep::Answer(_)) if side == LegId::B => {
                self.send_direct(LegId::A, step);
            }
            (DirectState::Trying { .. } | DirectState::Switched { .. }, step @ DirectMediaStep::Candidate(_)) => {
                self.send_direct(side.other(), step);
            }
            (DirectState::Trying { up, .. }, DirectMediaStep::Connected) => {
                *up.get_mut(side) = true;
                if up.a && up.b {
                    self.switch_direct();
                }
            }
            (DirectState::Trying { .. } | DirectState::Switched { .. }, DirectMediaStep::End) => self.give_up_direct(),
            (DirectState::Off | DirectState::GaveUp { .. }, _)
            | (
                DirectState::Trying { .. },
                DirectMediaStep::Begin
                | DirectMediaStep::Offer(_)
                | DirectMediaStep::Answer(_)
                | DirectMediaStep::Switch,
            )
            | (
                DirectState::Switched { .. },
                DirectMediaStep::Begin
                | DirectMediaStep::Offer(_)
                | DirectMediaStep::Answer(_)
                | DirectMediaStep::Connected
                | DirectMediaStep::Switch,
            ) => self.ignored += 1,
        }
    }

    fn switch_direct(&mut self) {
        let Some(legs) = self.direct.legs().cloned() else { return };
        self.outputs.push_back(Output::Media(Command::Unbridge { leg: legs.a }));
        self.direct.state = DirectState::Switched { legs };
        self.report(CallEvent::MediaPathChanged { path: MediaPath::Direct });
        for side in [LegId::A, LegId::B] {
            self.send_direct(side, DirectMediaStep::Switch);
        }
    }

    /// Ends an attempt whose time is up.
    pub(super) fn time_out_direct(&mut self, now: Time) {
        if self.direct.poll_timeout().is_some_and(|at| at <= now) {
            self.give_up_direct();
        }
    }

    /// Returns to relayed media for the rest of this call, or until it is held or transferred.
    fn give_up_direct(&mut self) {
        let Some(legs) = self.direct.legs().cloned() else { return };
        if matches!(self.direct.state, DirectState::Switched { .. }) {
            self.outputs.push_back(Output::Media(Command::Bridge { a: legs.a, b: legs.b }));
            self.report(CallEvent::MediaPathChanged { path: MediaPath::Relayed });
        }
        self.end_direct();
        self.direct.state = DirectState::GaveUp { legs };
    }

    /// Notifies the browsers that are still in the call that the attempt is over.
    fn end_direct(&mut self) {
        let (DirectState::Trying { legs, .. } | DirectState::Switched { legs }) = &self.direct.state else { return };
        let legs = legs.clone();
        for leg in [legs.a, legs.b] {
            if let Some(side) = self.side(leg) {
                self.send_direct(side, DirectMediaStep::End);
            }
        }
    }

    fn send_direct(&mut self, side: LegId, step: DirectMediaStep) {
        let Some(to) = self.established().map(|established| established.legs.get(side).participant.leg) else { return };
        self.report(CallEvent::DirectMedia { to, attempt: self.direct.attempt, step });
    }
}
