//! The application as a participant: it places a call by a command, without a browser and without a SIP dialog.
//!
//! The application has no leg at a media worker, so that the other participant is not bridged and receives playback only.
//! It makes no offer, like a SIP caller whose INVITE contains none: the relay's default offer is sent to the callees. In
//! an attended transfer, another participant takes its place.

use super::established::Established;
use super::participant::LegId;
use super::{Call, State};
use offhook_media::command::LegKey;
use offhook_sdp::direction::Direction;
use offhook_sdp::section::Section;

/// Returns the streams that the application's side has in an established call: all media in the relay's offer to the
/// callee, so that the callee may renegotiate any of them.
pub(super) fn streams(offered: &[Section]) -> Vec<Section> {
    let both_ways = |section: &Section| Section { direction: Direction::SendRecv, ..section.clone() };
    offered.iter().map(both_ways).collect()
}

impl Established {
    fn application(&self) -> Option<LegKey> {
        let has_side = |side: &LegId| !self.participant(*side).has_media();
        [LegId::A, LegId::B].into_iter().find(has_side).map(|side| self.key(side))
    }
}

impl Call {
    /// Returns the sides of an established call, or of a transferee that waits, that have a leg at a media worker.
    #[must_use]
    pub fn media_sides(&self) -> Vec<(LegId, LegKey)> {
        let sides = match &self.state {
            State::Established(established) => {
                let side = |side| (side, established.participant(side));
                vec![side(LegId::A), side(LegId::B)]
            }
            State::HandedOver(call) => vec![(call.side, &call.transferee.participant)],
            State::Ringing(_) | State::Ended(_) => Vec::new(),
        };
        let with_media = sides.into_iter().filter(|(_, participant)| participant.has_media());
        with_media.map(|(side, participant)| (side, participant.leg)).collect()
    }

    /// Returns the leg of the application, if it is a participant of the established call.
    #[must_use]
    pub fn application(&self) -> Option<LegKey> {
        match &self.state {
            State::Established(established) => established.application(),
            State::Ringing(_) | State::HandedOver(_) | State::Ended(_) => None,
        }
    }
}
