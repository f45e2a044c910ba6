//! Cache of recently sent video packets, for answering a NACK without a retransmission by the source (RFC 4585 §6.2.1).

/// The number of stored packets, which is about two seconds of high-quality video.
const KEPT: usize = 512;

/// A ring buffer of packets before SRTP protection, indexed by outgoing sequence number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cache {
    slots: Vec<(u16, Vec<u8>)>,
}

impl Cache {
    fn place(sequence: u16) -> usize {
        usize::from(sequence) % KEPT
    }

    /// Stores a copy in place of the oldest packet.
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

    /// Returns the packet with this sequence number, if it is still stored.
    pub(crate) fn find(&self, sequence: u16) -> Option<&[u8]> {
        let (number, kept) = self.slots.get(Self::place(sequence))?;
        (*number == sequence && !kept.is_empty()).then_some(kept)
    }
}
