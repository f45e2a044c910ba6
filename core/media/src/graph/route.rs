//! Route of RTP packets from a source to a sink: maps payload types by codec and header extensions by URI.

use super::{MediaStage, StageFactory};
use crate::command::LegKey;
use crate::rtp::extension::MID;
use offhook_sdp::codec::{MediaKind, Payload};
use offhook_sdp::webrtc::Section;

/// Table entry for a payload type that is not forwarded.
const NO_PAYLOAD: u8 = u8::MAX;

/// The path from a source, which is an incoming stream, to a sink, which is an outgoing stream.
#[derive(Debug)]
#[repr(C)]
pub struct Route {
    /// The leg of the incoming stream.
    pub from: LegKey,
    /// The index of the stream in that leg.
    pub stream: usize,
    /// The stages by incoming payload type; empty if no payload is converted.
    stages: Vec<(u8, Box<dyn MediaStage>)>,
    /// The MID extension of the outgoing stream: its identifier, and the value of `a=mid`.
    mid: Option<(u8, String)>,
    /// The outgoing payload type, indexed by the incoming one.
    payloads: [u8; 128],
    /// The outgoing extension identifier, indexed by the incoming one. 0 stands for none.
    extensions: [u8; 256],
}

impl Route {
    /// Returns the route from a sender's section to a receiver's; `None` if the directions do not allow it.
    #[must_use]
    pub fn between(
        (from, stream): (LegKey, usize),
        sender: &Section,
        receiver: &Section,
        factory: &dyn StageFactory,
    ) -> Option<Self> {
        let allowed = sender.direction.sends() && receiver.direction.receives();
        if !allowed || sender.rejected || receiver.rejected || sender.kind != receiver.kind {
            return None;
        }
        let (mut payloads, mut stages) = ([NO_PAYLOAD; 128], Vec::new());
        for incoming in &sender.payloads {
            let same_number = |outgoing: &&Payload| outgoing.number == incoming.number;
            let mut fitting = receiver.payloads.iter().filter(|outgoing| outgoing.codec.matches(&incoming.codec));
            let mut number = fitting.clone().find(same_number).or_else(|| fitting.next()).map(|found| found.number);
            if number.is_none() {
                let made = receiver
                    .payloads
                    .iter()
                    .find_map(|outgoing| Some((outgoing.number, factory.stage(&incoming.codec, &outgoing.codec)?)));
                if let Some((outgoing, stage)) = made {
                    number = Some(outgoing);
                    stages.push((incoming.number, stage));
                }
            }
            if let (Some(slot), Some(number)) = (payloads.get_mut(usize::from(incoming.number)), number) {
                *slot = number;
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
        Some(Self { from, stream, payloads, stages, extensions, mid })
    }

    /// The outgoing payload type.
    #[must_use]
    pub fn payload(&self, incoming: u8) -> Option<u8> {
        self.payloads.get(usize::from(incoming)).copied().filter(|number| *number != NO_PAYLOAD)
    }

    /// The stage that packets of this payload type need.
    #[must_use]
    pub fn stage(&mut self, incoming: u8) -> Option<&mut dyn MediaStage> {
        let (_, stage) = self.stages.iter_mut().find(|(number, _)| *number == incoming)?;
        Some(stage.as_mut())
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

/// Returns one entry per section of `receiver`: the route from the corresponding section of `sender`. Sections of the
/// same kind correspond by position; rejected sections are not counted and have no route.
#[must_use]
pub fn routes(
    from: LegKey,
    sender: &[Section],
    receiver: &[Section],
    factory: &dyn StageFactory,
) -> Vec<Option<Route>> {
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
        routes.push(found.and_then(|(index, incoming)| Route::between((from, index), incoming, section, factory)));
    }
    routes
}

#[cfg(test)]
mod tests;
