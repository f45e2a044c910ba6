//! Maps a stream of one leg to a stream of another: payload types by codec, header extensions by URI.

use crate::command::LegKey;
use crate::rtp::extension::MID;
use crate::rtp::g711::Law;
use offhook_sdp::codec::MediaKind;
use offhook_sdp::webrtc::Section;

/// The mapping of an incoming stream to an outgoing stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The leg of the incoming stream.
    pub from: LegKey,
    /// The index of the stream in that leg.
    pub stream: usize,
    /// The outgoing payload type, indexed by the incoming one.
    payloads: [Option<u8>; 128],
    /// The G.711 transcoding, if any, indexed by the incoming payload type.
    laws: [Option<Law>; 128],
    /// The outgoing extension identifier, indexed by the incoming one. 0 stands for none.
    extensions: [u8; 256],
    /// The MID extension of the outgoing stream: its identifier, and the value of `a=mid`.
    mid: Option<(u8, String)>,
}

impl Route {
    /// Returns the route from a sender's section to a receiver's; `None` if the directions do not allow it.
    #[must_use]
    pub fn between(from: LegKey, stream: usize, sender: &Section, receiver: &Section) -> Option<Self> {
        let allowed = sender.direction.sends() && receiver.direction.receives();
        if !allowed || sender.rejected || receiver.rejected || sender.kind != receiver.kind {
            return None;
        }
        let (mut payloads, mut laws) = ([None; 128], [None; 128]);
        for incoming in &sender.payloads {
            let same_number = |outgoing: &&offhook_sdp::codec::Payload| outgoing.number == incoming.number;
            let mut fitting = receiver.payloads.iter().filter(|outgoing| outgoing.codec.matches(&incoming.codec));
            let mut outgoing = fitting.clone().find(same_number).or_else(|| fitting.next());
            let index = usize::from(incoming.number);
            if let (None, Some(law)) = (outgoing, laws.get_mut(index)) {
                outgoing = receiver.payloads.iter().find(|outgoing| outgoing.codec.converts(&incoming.codec));
                *law = outgoing.and_then(|_| Law::from(&incoming.codec.name));
            }
            if let Some(slot) = payloads.get_mut(index) {
                *slot = outgoing.map(|outgoing| outgoing.number);
            }
        }
        let mut extensions = [0; 256];
        for incoming in sender.extensions.iter().filter(|incoming| incoming.uri != MID) {
            let outgoing = receiver.extensions.iter().find(|outgoing| outgoing.uri == incoming.uri);
            if let (Some(slot), Some(outgoing)) = (extensions.get_mut(usize::from(incoming.id)), outgoing) {
                *slot = outgoing.id;
            }
        }
        let mid = receiver.extensions.iter().find(|outgoing| outgoing.uri == MID);
        let mid = mid.map(|mid| (mid.id, receiver.mid.clone()));
        Some(Self { from, stream, payloads, laws, extensions, mid })
    }

    /// The outgoing payload type.
    #[must_use]
    pub fn payload(&self, incoming: u8) -> Option<u8> {
        self.payloads.get(usize::from(incoming)).copied().flatten()
    }

    /// The G.711 transcoding that a packet of this payload type needs.
    #[must_use]
    pub fn law(&self, incoming: u8) -> Option<Law> {
        self.laws.get(usize::from(incoming)).copied().flatten()
    }

    /// The outgoing identifier of a header extension.
    #[must_use]
    pub fn extension(&self, incoming: u8) -> Option<u8> {
        self.extensions.get(usize::from(incoming)).copied().filter(|id| *id != 0)
    }

    /// Identifier and value of the MID extension to write.
    #[must_use]
    pub fn mid(&self) -> Option<(u8, &str)> {
        self.mid.as_ref().map(|(id, mid)| (*id, mid.as_str()))
    }
}

/// For each section of `receiver`, the route from the section of `sender` with the same position among the sections of
/// its kind that are not rejected.
#[must_use]
pub fn routes(from: LegKey, sender: &[Section], receiver: &[Section]) -> Vec<Option<Route>> {
    let mut taken = [0_usize; 2];
    let mut routes = Vec::with_capacity(receiver.len());
    for section in receiver {
        let kind = section.kind;
        if section.rejected {
            routes.push(None);
            continue;
        }
        let Some(place) = taken.get_mut(usize::from(kind == MediaKind::Video)) else { continue };
        let mut same_kind =
            sender.iter().enumerate().filter(|(_, incoming)| incoming.kind == kind && !incoming.rejected);
        let found = same_kind.nth(*place);
        *place += 1;
        routes.push(found.and_then(|(index, incoming)| Route::between(from, index, incoming, section)));
    }
    routes
}

#[cfg(test)]
mod tests;
