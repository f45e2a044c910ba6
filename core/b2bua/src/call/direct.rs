//! The way past the relay: two browsers of an established call exchange their media themselves.
//!
//! ```text
//!        both can, nobody holds         both are up
//!  Off ───────────────────────> Trying ────────────> Switched
//!   ^                              │ 3 s, a browser     │ a browser lost it
//!   │ hold, transfer, end          v gave up            v
//!   └──────────────────────────  GaveUp <───────────────┘   (the relay carries the media)
//! ```
//!
//! While they try, and after they gave up, the relay carries the media: nobody waits.

use super::{Call, LegId, Output, Party, PerLeg};
use core::time::Duration;
use offhook_clock::Time;
use offhook_media::command::{Command, LegKey};
use offhook_signaling::message::{Direct as Message, DirectStep, ServerMessage};
use offhook_signaling::version::feature;
use serde::{Deserialize, Serialize};

/// How long two browsers may look for a way to each other.
const GIVE_UP_AFTER: Duration = Duration::from_secs(3);

/// Where an attempt stands; `legs` are those it was made for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Way {
    Off,
    Trying { legs: PerLeg<LegKey>, up: PerLeg<bool>, give_up_at: Time },
    Switched { legs: PerLeg<LegKey> },
    GaveUp { legs: PerLeg<LegKey> },
}

/// The way past the relay of one call.
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
    /// After every input: begins where two browsers can, ends where they cannot any more.
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
            self.tell_direct(LegId::A, DirectStep::Begin);
        }
    }

    /// The two legs, when both browsers can and both hear each other.
    fn direct_legs(&self) -> Option<PerLeg<LegKey>> {
        let super::Talk { legs, held_by, .. } = self.talk()?;
        let is_able =
            |party: &Party| party.browser().is_some_and(|browser| browser.features.has(feature::DIRECT_MEDIA));
        let can = self.direct.is_allowed && is_able(&legs.a.party) && is_able(&legs.b.party);
        let hear = !held_by.a && !held_by.b;
        (can && hear).then_some(PerLeg { a: legs.a.party.leg, b: legs.b.party.leg })
    }

    /// A step of one browser.
    pub(super) fn direct_step(&mut self, leg: LegKey, attempt: u32, step: DirectStep) {
        let Some(side) = self.side(leg).filter(|_| attempt == self.direct.attempt) else {
            self.ignored += 1;
            return;
        };
        match (&mut self.direct.way, step) {
            // The caller offers, the callee answers.
            (Way::Trying { .. }, step @ DirectStep::Offer(_)) if side == LegId::A => self.tell_direct(LegId::B, step),
            (Way::Trying { .. }, step @ DirectStep::Answer(_)) if side == LegId::B => self.tell_direct(LegId::A, step),
            (Way::Trying { .. } | Way::Switched { .. }, step @ DirectStep::Candidate(_)) => {
                self.tell_direct(side.other(), step);
            }
            (Way::Trying { up, .. }, DirectStep::Up) => {
                *up.get_mut(side) = true;
                if up.a && up.b {
                    self.switch_direct();
                }
            }
            (Way::Trying { .. } | Way::Switched { .. }, DirectStep::End) => self.give_up_direct(),
            (Way::Off | Way::GaveUp { .. }, _)
            | (
                Way::Trying { .. },
                DirectStep::Begin | DirectStep::Offer(_) | DirectStep::Answer(_) | DirectStep::Switch,
            )
            | (
                Way::Switched { .. },
                DirectStep::Begin | DirectStep::Offer(_) | DirectStep::Answer(_) | DirectStep::Up | DirectStep::Switch,
            ) => self.ignored += 1,
        }
    }

    fn switch_direct(&mut self) {
        let Some(legs) = self.direct.legs().cloned() else { return };
        self.outputs.push_back(Output::Media(Command::Unbridge { leg: legs.a }));
        self.direct.way = Way::Switched { legs };
        for side in [LegId::A, LegId::B] {
            self.tell_direct(side, DirectStep::Switch);
        }
    }

    /// Gives up when it is due.
    pub(super) fn time_out_direct(&mut self, now: Time) {
        if self.direct.poll_timeout().is_some_and(|at| at <= now) {
            self.give_up_direct();
        }
    }

    /// Back to the relay for the rest of this call, or until it is held or handed over.
    fn give_up_direct(&mut self) {
        let Some(legs) = self.direct.legs().cloned() else { return };
        if matches!(self.direct.way, Way::Switched { .. }) {
            self.outputs.push_back(Output::Media(Command::Bridge { a: legs.a, b: legs.b }));
        }
        self.end_direct();
        self.direct.way = Way::GaveUp { legs };
    }

    /// Tells those that are still in the call that the attempt is over.
    fn end_direct(&mut self) {
        let (Way::Trying { legs, .. } | Way::Switched { legs }) = &self.direct.way else { return };
        let legs = legs.clone();
        for leg in [legs.a, legs.b] {
            if let Some(side) = self.side(leg) {
                self.tell_direct(side, DirectStep::End);
            }
        }
    }

    fn tell_direct(&mut self, side: LegId, step: DirectStep) {
        let Some(party) = self.talk().map(|talk| talk.legs.get(side).party.clone()) else { return };
        let Some(browser) = party.browser() else { return };
        let message = Message { call_id: browser.call_id.clone(), attempt: self.direct.attempt, step };
        self.tell(&party, ServerMessage::Direct(Box::new(message)));
    }
}
