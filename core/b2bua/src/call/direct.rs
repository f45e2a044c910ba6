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
enum Way {
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
    way: Way,
}

impl Direct {
    pub(super) const fn new(is_allowed: bool) -> Self {
        Self { is_allowed, attempt: 0, way: Way::Off }
    }

    pub(super) const fn poll_timeout(&self) -> Option<Time> {
        match &self.way {
            Way::Trying { give_up_at, .. } => Some(*give_up_at),
            Way::Off | Way::Switched { .. } | Way::GaveUp { .. } => None,
        }
    }

    const fn legs(&self) -> Option<&PerLeg<LegKey>> {
        match &self.way {
            Way::Off => None,
            Way::Trying { legs, .. } | Way::Switched { legs } | Way::GaveUp { legs } => Some(legs),
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
        self.direct.way = Way::Off;
        if let Some(legs) = wanted {
            self.direct.attempt = self.direct.attempt.wrapping_add(1);
            self.direct.way = Way::Trying { legs, up: PerLeg { a: false, b: false }, give_up_at: now + GIVE_UP_AFTER };
            self.send_direct(LegId::A, DirectMediaStep::Begin);
        }
    }

    /// Returns the two legs if both browsers support direct media and neither is on hold.
    fn direct_legs(&self) -> Option<PerLeg<LegKey>> {
        let super::Talk { legs, held_by, .. } = self.talk()?;
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
        match (&mut self.direct.way, step) {
            // The caller offers, the callee answers.
            (Way::Trying { .. }, step @ DirectMediaStep::Offer(_)) if side == LegId::A => {
                self.send_direct(LegId::B, step);
            }
            (Way::Trying { .. }, step @ DirectMediaStep::Answer(_)) if side == LegId::B => {
                self.send_direct(LegId::A, step);
            }
            (Way::Trying { .. } | Way::Switched { .. }, step @ DirectMediaStep::Candidate(_)) => {
                self.send_direct(side.other(), step);
            }
            (Way::Trying { up, .. }, DirectMediaStep::Connected) => {
                *up.get_mut(side) = true;
                if up.a && up.b {
                    self.switch_direct();
                }
            }
            (Way::Trying { .. } | Way::Switched { .. }, DirectMediaStep::End) => self.give_up_direct(),
            (Way::Off | Way::GaveUp { .. }, _)
            | (
                Way::Trying { .. },
                DirectMediaStep::Begin
                | DirectMediaStep::Offer(_)
                | DirectMediaStep::Answer(_)
                | DirectMediaStep::Switch,
            )
            | (
                Way::Switched { .. },
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
        self.direct.way = Way::Switched { legs };
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
        if matches!(self.direct.way, Way::Switched { .. }) {
            self.outputs.push_back(Output::Media(Command::Bridge { a: legs.a, b: legs.b }));
            self.report(CallEvent::MediaPathChanged { path: MediaPath::Relayed });
        }
        self.end_direct();
        self.direct.way = Way::GaveUp { legs };
    }

    /// Notifies the browsers that are still in the call that the attempt is over.
    fn end_direct(&mut self) {
        let (Way::Trying { legs, .. } | Way::Switched { legs }) = &self.direct.way else { return };
        let legs = legs.clone();
        for leg in [legs.a, legs.b] {
            if let Some(side) = self.side(leg) {
                self.send_direct(side, DirectMediaStep::End);
            }
        }
    }

    fn send_direct(&mut self, side: LegId, step: DirectMediaStep) {
        let Some(to) = self.talk().map(|talk| talk.legs.get(side).participant.leg) else { return };
        self.report(CallEvent::DirectMedia { to, attempt: self.direct.attempt, step });
    }
}
