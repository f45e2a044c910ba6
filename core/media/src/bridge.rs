//! How a stream of one leg becomes the stream of another: payload types and header extensions by meaning.

use crate::command::LegKey;
use crate::rtp::extension::MID;
use crate::rtp::g711::Law;
use offhook_sdp::codec::MediaKind;
use offhook_sdp::webrtc::Section;

/// What an outgoing stream passes on of an incoming one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The leg it comes from.
    pub from: LegKey,
    /// Which of its streams.
    pub stream: usize,
    /// By incoming payload type: the outgoing one.
    payloads: [Option<u8>; 128],
    /// By incoming payload type: what must become of the sound, if anything.
    laws: [Option<Law>; 128],
    /// By incoming extension identifier: the outgoing one. 0 is none.
    extensions: [u8; 256],
    /// What the outgoing stream calls itself: identifier and `a=mid`.
    mid: Option<(u8, String)>,
}

impl Route {
    /// The way from a sender's section to a receiver's; `None` where a direction forbids it.
    #[must_use]
    pub fn between(from: LegKey, stream: usize, sender: &Section, receiver: &Section) -> Option<Self> {
        let allowed = sender.direction.sends() && receiver.direction.receives();
        if !allowed || sender.rejected || receiver.rejected || sender.kind != receiver.kind {
            return None;
        }
        let (mut payloads, mut laws) = ([None; 128], [None; 128]);
        for theirs in &sender.payloads {
            let same_number = |ours: &&offhook_sdp::codec::Payload| ours.number == theirs.number;
            let mut fitting = receiver.payloads.iter().filter(|ours| ours.codec.matches(&theirs.codec));
            let mut ours = fitting.clone().find(same_number).or_else(|| fitting.next());
            let index = usize::from(theirs.number);
            if let (None, Some(law)) = (ours, laws.get_mut(index)) {
                ours = receiver.payloads.iter().find(|ours| ours.codec.converts(&theirs.codec));
                *law = ours.and_then(|_| Law::from(&theirs.codec.name));
            }
            if let Some(slot) = payloads.get_mut(index) {
                *slot = ours.map(|ours| ours.number);
            }
        }
        let mut extensions = [0; 256];
        for theirs in sender.extensions.iter().filter(|theirs| theirs.uri != MID) {
            let ours = receiver.extensions.iter().find(|ours| ours.uri == theirs.uri);
            if let (Some(slot), Some(ours)) = (extensions.get_mut(usize::from(theirs.id)), ours) {
                *slot = ours.id;
            }
        }
        let mid = receiver.extensions.iter().find(|ours| ours.uri == MID);
        let mid = mid.map(|mid| (mid.id, receiver.mid.clone()));
        Some(Self { from, stream, payloads, laws, extensions, mid })
    }

    /// The outgoing payload type.
    #[must_use]
    pub fn payload(&self, incoming: u8) -> Option<u8> {
        self.payloads.get(usize::from(incoming)).copied().flatten()
    }

    /// What must become of a packet's sound on the way.
    #[must_use]
    pub fn law(&self, incoming: u8) -> Option<Law> {
        self.laws.get(usize::from(incoming)).copied().flatten()
    }

    /// The outgoing identifier of a header extension.
    #[must_use]
    pub fn extension(&self, incoming: u8) -> Option<u8> {
        self.extensions.get(usize::from(incoming)).copied().filter(|id| *id != 0)
    }

    /// Identifier and value of the stream identification to be written.
    #[must_use]
    pub fn mid(&self) -> Option<(u8, &str)> {
        self.mid.as_ref().map(|(id, mid)| (*id, mid.as_str()))
    }
}

/// For each section of what `receiver` is sent, which section of what `sender` sends it carries: the same place among
/// those of its kind that are in use.
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
        let mut same_kind = sender.iter().enumerate().filter(|(_, theirs)| theirs.kind == kind && !theirs.rejected);
        let found = same_kind.nth(*place);
        *place += 1;
        routes.push(found.and_then(|(index, theirs)| Route::between(from, index, theirs, section)));
    }
    routes
}

#[cfg(test)]
mod tests;
