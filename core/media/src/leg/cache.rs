//! Video packets sent lately, to answer a NACK without troubling the sender (RFC 4585 §6.2.1).

/// About two seconds of good video.
const KEPT: usize = 512;

/// A ring of unprotected packets, by their outgoing sequence number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cache {
    slots: Vec<(u16, Vec<u8>)>,
}

impl Cache {
    fn place(sequence: u16) -> usize {
        usize::from(sequence) % KEPT
    }

    /// Keeps a copy; the oldest goes.
    pub(crate) fn keep(&mut self, sequence: u16, packet: &[u8]) {
        if self.slots.is_empty() {
            self.slots.resize_with(KEPT, Default::default);
        }
        if let Some((number, kept)) = self.slots.get_mut(Self::place(sequence)) {
            *number = sequence;
            kept.clear();
            kept.extend_from_slice(packet);
        }
    }

    /// The packet of that number, if it is still there.
    pub(crate) fn find(&self, sequence: u16) -> Option<&[u8]> {
        let (number, kept) = self.slots.get(Self::place(sequence))?;
        (*number == sequence && !kept.is_empty()).then_some(kept)
    }
}
