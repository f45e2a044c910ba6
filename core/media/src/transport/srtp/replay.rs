//! Packet indices: estimating the rollover counter, refusing what was there already (RFC 3711 §3.3).

use serde::{Deserialize, Serialize};

/// How many packets behind the newest one may still arrive.
const WINDOW: u64 = 128;

/// The newest packet index of one SSRC and which of those before it were seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    newest: Option<u64>,
    /// Bit n: the packet n before the newest one was seen.
    seen: u128,
}

impl Window {
    /// The 48-bit index that a 16-bit sequence number most probably stands for (RFC 3711 §3.3.1).
    #[must_use]
    pub fn estimate(&self, sequence: u16) -> u64 {
        let Some(newest) = self.newest else { return u64::from(sequence) };
        let [.., high, low] = newest.to_be_bytes();
        let ahead = sequence.wrapping_sub(u16::from_be_bytes([high, low]));
        if ahead < 0x8000 {
            newest.saturating_add(u64::from(ahead))
        } else {
            let behind = u64::from(ahead.wrapping_neg());
            // Before the first packet of counter 0 there is nothing: it is one that jumped ahead.
            newest.checked_sub(behind).unwrap_or_else(|| newest.saturating_add(u64::from(ahead)))
        }
    }

    /// Whether a packet of this index was not seen and is not too old to tell.
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

    /// Marks an authentic packet as seen.
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
