//! Muting of a leg's audio.

use super::Leg;
use crate::command::MuteDirection;
use offhook_clock::Time;
use serde::{Deserialize, Serialize};

/// The directions in which a leg is muted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Muting {
    /// Whether audio that the peer sends is muted.
    pub(super) sent: bool,
    /// Whether audio of the bridged leg is muted.
    pub(super) received: bool,
}

impl Leg {
    /// Mutes a direction or reverses this.
    pub(crate) fn mute(&mut self, direction: MuteDirection, is_muted: bool, now: Time) {
        match direction {
            MuteDirection::Sent => {
                self.muting.sent = is_muted;
                // Audio after the pause is placed by its arrival time.
                self.recorders.iter_mut().for_each(|recorder| recorder.interrupt(now));
            }
            MuteDirection::Received => self.muting.received = is_muted,
        }
    }
}
