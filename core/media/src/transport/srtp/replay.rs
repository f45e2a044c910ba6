//! Packet indexes: estimation of the rollover counter and replay protection (RFC 3711 §3.3).

use serde::{Deserialize, Serialize};

/// Size of the replay window in packets, including the newest one.
const WINDOW: u64 = 128;

/// The replay window of one SSRC: the newest packet index, and which earlier ones were received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    newest: Option<u64>,
    /// Bit n is set if the packet n before the newest one was received.
    seen: u128,
}

impl Window {
    /// Estimates the 48-bit index of a packet from its 16-bit sequence number (RFC 3711 §3.3.1).
    #[must_use]
    pub fn estimate(&self, sequence: u16) -> u64 {
        let Some(newest) = self.newest else { return u64::from(sequence) };
        let [.., high, low] = newest.to_be_bytes();
        let ahead = sequence.wrapping_sub(u16::from_be_bytes([high, low]));
        if ahead < 0x8000 {
            newest.saturating_add(u64::from(ahead))
        } else {
            let behind = u64::from(ahead.wrapping_neg());
            // Indexes are not negative, so that the packet must be ahead of the newest one.
            newest.checked_sub(behind).unwrap_or_else(|| newest.saturating_add(u64::from(ahead)))
        }
    }

    /// Whether a packet with this index was not received and is not older than the window.
    #[must_use]
    pub fn is_new(&self, index: u64) -> bool {
        match self.newest {
            Some(newest) if index <= newest => {
                let age = newest - index;
                age < WINDOW && self.seen & (1 << age) == 0
            }
            Some(_) | None => true,
        }
    }

    /// Marks an authentic packet as received.
    pub fn accept(&mut self, index: u64) {
        match self.newest {
            Some(newest) if index <= newest => {
                let age = newest - index;
                if age < WINDOW {
                    self.seen |= 1 << age;
                }
            }
            Some(newest) => {
                let step = index - newest;
                self.seen = if step < WINDOW { self.seen << step | 1 } else { 1 };
                self.newest = Some(index);
            }
            None => {
                self.seen = 1;
                self.newest = Some(index);
            }
        }
    }
}
