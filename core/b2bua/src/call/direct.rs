//! Direct media: two browsers of an established call exchange their media without the relay.
//!
//! ```text
//!      both can, none on hold         both are up
//!  Off ───────────────────────> Trying ────────────> Switched
//!   ^                              │ 3 s, or a browser  │ connection lost
//!   │ hold, transfer               v gave up            v
//!   └──────────────────────────  GaveUp <───────────────┘   (the relay carries the media)
//! ```
//!
//! The relay forwards the media until both browsers are connected, and again after a failure, so that no media are
//! interrupted. From every state, a hold or a change of the legs leads back to `Off`.

use super::context::Context;
use super::participant::JsonText;
use super::{Call, CallEvent, Established, LegId, MediaPath, Participant, PerLeg, State};
use core::time::Duration;
use offhook_clock::Time;
use offhook_media::command::{Command, LegKey};
use serde::{Deserialize, Serialize};

/// The time that two browsers have to establish a direct connection.
const GIVE_UP_AFTER: Duration = Duration::from_secs(3);

/// A step in setting up direct media between two browsers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectMediaStep {
    /// Requests the offer; sent to the caller.
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

/// The state of direct media in an established call. `legs` are the two legs of the attempt, `up` those that are
/// connected directly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum DirectState {
    Off,
    Trying { legs: PerLeg<LegKey>, up: PerLeg<bool>, give_up_at: Time },
    Switched { legs: PerLeg<LegKey> },
    GaveUp { legs: PerLeg<LegKey> },
}

impl DirectState {
    pub(super) const fn poll_timeout(&self) -> Option<Time> {
        match self {
            Self::Trying { give_up_at, .. } => Some(*give_up_at),
            Self::Off | Self::Switched { .. } | Self::GaveUp { .. } => None,
        }
    }

    const fn legs(&self) -> Option<&PerLeg<LegKey>> {
        match self {
            Self::Off => None,
            Self::Trying { legs, .. } | Self::Switched { legs } | Self::GaveUp { legs } => Some(legs),
        }
    }
}

/// The permission of a call to use direct media, and the number of its latest attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DirectMedia {
    is_allowed: bool,
    attempt: u32,
}

impl DirectMedia {
    pub(super) const fn new(is_allowed: bool) -> Self {
        Self { is_allowed, attempt: 0 }
    }
}

impl Call {
    /// Ends direct media and prevents further ones, because the relay has to process the media of the call.
    #[must_use]
    pub fn keep_media_here(self, now: Time) -> Self {
        let Self { mut state, mut cx } = self;
        cx.direct.is_allowed = false;
        if let State::Established(established) = &mut state {
            if matches!(established.direct, DirectState::Switched { .. }) {
                established.update_bridge(&mut cx);
                cx.report(CallEvent::MediaPathChanged { path: MediaPath::Relayed });
            }
            established.settle_direct(now, &mut cx);
        }
        Self { state, cx }
    }
}

impl Established {
    /// Starts an attempt if both browsers support direct media, and ends it if the call no longer permits it.
    pub(super) fn settle_direct(&mut self, now: Time, cx: &mut Context) {
        let wanted = self.direct_legs(&cx.direct);
        if self.direct.legs() == wanted.as_ref() {
            return;
        }
        self.end_direct(cx);
        self.direct = DirectState::Off;
        if let Some(legs) = wanted {
            cx.direct.attempt = cx.direct.attempt.wrapping_add(1);
            let up = PerLeg { a: false, b: false };
            self.direct = DirectState::Trying { legs, up, give_up_at: now + GIVE_UP_AFTER };
            self.send_direct(LegId::A, DirectMediaStep::Begin, cx);
        }
    }

    /// Returns the two legs if direct media are allowed, both are browsers that support them, and neither is on hold.
    fn direct_legs(&self, direct: &DirectMedia) -> Option<PerLeg<LegKey>> {
        let legs = &self.legs;
        let is_able = |participant: &Participant| participant.browser().is_some_and(|browser| browser.has_direct_media);
        let can = direct.is_allowed && is_able(&legs.a.participant) && is_able(&legs.b.participant);
        (can && !self.has_hold()).then_some(PerLeg { a: self.key(LegId::A), b: self.key(LegId::B) })
    }

    /// Handles a step that a browser sent in the attempt `attempt`.
    pub(super) fn direct_step(&mut self, leg: LegKey, attempt: u32, step: DirectMediaStep, cx: &mut Context) {
        let Some(side) = self.side(leg).filter(|_| attempt == cx.direct.attempt) else { return cx.ignore() };
        match (&mut self.direct, step) {
            // The caller offers, the callee answers.
            (DirectState::Trying { .. }, step @ DirectMediaStep::Offer(_)) if side == LegId::A => {
                self.send_direct(LegId::B, step, cx);
            }
            (DirectState::Trying { .. }, step @ DirectMediaStep::Answer(_)) if side == LegId::B => {
                self.send_direct(LegId::A, step, cx);
            }
            (DirectState::Trying { .. } | DirectState::Switched { .. }, step @ DirectMediaStep::Candidate(_)) => {
                self.send_direct(side.other(), step, cx);
            }
            (DirectState::Trying { legs, up, .. }, DirectMediaStep::Connected) => {
                *up.get_mut(side) = true;
                if up.a && up.b {
                    let legs = legs.clone();
                    self.switch_direct(legs, cx);
                }
            }
            (DirectState::Trying { .. } | DirectState::Switched { .. }, DirectMediaStep::End) => {
                self.give_up_direct(cx);
            }
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
            ) => cx.ignore(),
        }
    }

    fn switch_direct(&mut self, legs: PerLeg<LegKey>, cx: &mut Context) {
        cx.media([Command::Unbridge { leg: legs.a }]);
        self.direct = DirectState::Switched { legs };
        cx.report(CallEvent::MediaPathChanged { path: MediaPath::Direct });
        for side in [LegId::A, LegId::B] {
            self.send_direct(side, DirectMediaStep::Switch, cx);
        }
    }

    /// Ends an attempt at its deadline.
    pub(super) fn time_out_direct(&mut self, now: Time, cx: &mut Context) {
        if self.direct.poll_timeout().is_some_and(|at| at <= now) {
            self.give_up_direct(cx);
        }
    }

    /// Returns to relayed media, without another attempt until a hold ends or the legs change.
    fn give_up_direct(&mut self, cx: &mut Context) {
        let Some(legs) = self.direct.legs().cloned() else { return };
        if matches!(self.direct, DirectState::Switched { .. }) {
            cx.media([Command::Bridge { a: legs.a, b: legs.b }]);
            cx.report(CallEvent::MediaPathChanged { path: MediaPath::Relayed });
        }
        self.end_direct(cx);
        self.direct = DirectState::GaveUp { legs };
    }

    /// Notifies the browsers of the attempt, if they are still in the call, that it is over.
    fn end_direct(&self, cx: &mut Context) {
        let (DirectState::Trying { legs, .. } | DirectState::Switched { legs }) = &self.direct else { return };
        for leg in [legs.a, legs.b] {
            if let Some(side) = self.side(leg) {
                self.send_direct(side, DirectMediaStep::End, cx);
            }
        }
    }

    fn send_direct(&self, side: LegId, step: DirectMediaStep, cx: &mut Context) {
        cx.report(CallEvent::DirectMedia { to: self.key(side), attempt: cx.direct.attempt, step });
    }
}
