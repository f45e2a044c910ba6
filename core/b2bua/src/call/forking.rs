//! Parallel forking: the callees, or targets of a transfer, that are alerted at the same time.

use super::context::{Context, has_video};
use super::early::change_fork;
use super::participant::{EarlyMedia, End, Fork, Participant, Side};
use offhook_clock::Time;
use offhook_media::command::{Command, LegKey};
use offhook_sdp::section::Section;
use serde::{Deserialize, Serialize};

/// The forks of a call or transfer, and the deadline of their alerting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Forking {
    pub(super) forks: Vec<Fork>,
    pub(super) give_up_at: Time,
}

impl Forking {
    /// Alerts all of `targets` on behalf of `from`, which offers `media`. Returns `None` if no media can be offered to
    /// any of them.
    pub(super) fn alert(
        targets: Vec<Participant>,
        from: &Side,
        media: Option<&[Section]>,
        now: Time,
        cx: &mut Context,
    ) -> Option<Self> {
        let has_video = has_video(media.unwrap_or_default());
        let mut forks = Vec::with_capacity(targets.len());
        for participant in targets {
            match cx.maker.alert(participant, from, media, has_video) {
                Ok((fork, outputs)) => {
                    cx.extend(outputs);
                    forks.push(fork);
                }
                Err(participant) => cx.release_leg(&participant),
            }
        }
        (!forks.is_empty()).then(|| Self { forks, give_up_at: cx.alerting_ends(now) })
    }

    fn position(&self, leg: LegKey) -> Option<usize> {
        self.forks.iter().position(|fork| fork.participant.leg == leg)
    }

    pub(super) fn contains(&self, leg: LegKey) -> bool {
        self.position(leg).is_some()
    }

    pub(super) fn get(&self, leg: LegKey) -> Option<&Fork> {
        self.forks.iter().find(|fork| fork.participant.leg == leg)
    }

    pub(super) fn get_mut(&mut self, leg: LegKey) -> Option<&mut Fork> {
        self.forks.iter_mut().find(|fork| fork.participant.leg == leg)
    }

    /// Returns the fork if there is exactly one.
    pub(super) fn only_mut(&mut self) -> Option<&mut Fork> {
        match self.forks.as_mut_slice() {
            [fork] => Some(fork),
            _ => None,
        }
    }

    /// Returns whether one of the callees is a browser. A browser does not report its alerting, so that it counts as
    /// alerted immediately.
    pub(super) fn has_browser(&self) -> bool {
        self.forks.iter().any(|fork| fork.participant.browser().is_some())
    }

    /// Removes and returns the fork of a leg; the others continue.
    pub(super) fn remove(&mut self, leg: LegKey) -> Option<Fork> {
        self.position(leg).map(|position| self.forks.remove(position))
    }

    /// Removes the forks of some legs, and ends alerting at them.
    pub(super) fn end_some(&mut self, legs: &[LegKey], end: &End, cx: &mut Context) {
        let forks = core::mem::take(&mut self.forks).into_iter();
        let (ended, kept): (Vec<Fork>, Vec<Fork>) = forks.partition(|fork| legs.contains(&fork.participant.leg));
        self.forks = kept;
        end_forks(ended, end, cx);
    }

    /// Returns whether the end of one fork ends all of them: it applies to all devices of the user, or the fork is the
    /// last one.
    pub(super) fn ends_with(&self, end: &End) -> bool {
        end.is_for_all() || self.forks.len() == 1
    }

    /// Answers an offer in an UPDATE of a transfer target.
    pub(super) fn answer_target_offer(
        &mut self,
        offer: &super::reinvite::IncomingOffer,
        cx: &mut Context,
    ) -> Result<String, u16> {
        change_fork(self, offer, None::<(&mut EarlyMedia, bool)>, cx)
    }

    pub(super) fn participants_mut(&mut self) -> impl Iterator<Item = &mut Participant> {
        self.forks.iter_mut().map(|fork| &mut fork.participant)
    }
}

/// Ends alerting at forks.
pub(super) fn end_forks(forks: Vec<Fork>, end: &End, cx: &mut Context) {
    for fork in forks {
        cx.remove_participant(&fork.participant, end);
        cx.media([Command::Close { leg: fork.participant.leg }]);
    }
}
