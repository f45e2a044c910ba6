//! Route of RTP packets from a source to a sink: maps payload types by codec and header extensions by URI.

use super::codec::CodecFactory;
use super::events::EventMapping;
use super::g711::Law;
use super::transcoder::{Transcoder, TranscoderFormats};
use crate::command::LegKey;
use crate::rtp::extension::MID;
use core::time::Duration;
use offhook_clock::Time;
use offhook_sdp::codec::{Codec, MediaKind, Payload};
use offhook_sdp::plan::Delivery;
use offhook_sdp::webrtc::Section;
use std::sync::Arc;

/// Table entry for a payload type that is not forwarded.
const NO_PAYLOAD: u8 = u8::MAX;
/// Table entry for a payload type that is transcoded.
const TRANSCODED: u8 = u8::MAX - 1;
/// The duration of the packets that a transcoder sends, the default of most codecs (RFC 3551 §4.2).
const PACKET: Duration = Duration::from_millis(20);

/// The path from a source, which is an incoming stream, to a sink, which is an outgoing stream.
#[derive(Debug)]
#[repr(C)]
pub struct Route {
    /// The leg of the incoming stream.
    pub from: LegKey,
    /// The index of the stream in that leg.
    pub stream: usize,
    /// The conversions of the law of G.711 by incoming payload type.
    laws: Vec<(u8, Law)>,
    /// The transcoder of the payloads that are not received by the peer of the sink.
    transcoding: Option<Box<Transcoding>>,
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
        codecs: &Arc<dyn CodecFactory>,
    ) -> Option<Self> {
        let allowed = sender.direction.sends() && receiver.direction.receives();
        if !allowed || sender.rejected || receiver.rejected || sender.kind != receiver.kind {
            return None;
        }
        let (mut payloads, mut laws) = ([NO_PAYLOAD; 128], Vec::new());
        let transcoding = Transcoding::between(sender, receiver, codecs);
        for incoming in &sender.payloads {
            let Some(slot) = payloads.get_mut(usize::from(incoming.number)) else { continue };
            let is_transcoded = |transcoding: &Transcoding| transcoding.transcoder.takes(incoming.number);
            if transcoding.as_deref().is_some_and(is_transcoded) {
                *slot = TRANSCODED;
                continue;
            }
            match codecs.conversions().payload(incoming, &receiver.payloads) {
                Delivery::Pass(outgoing) => *slot = outgoing.number,
                Delivery::Convert(outgoing) => {
                    if let Some(law) = Law::between(&incoming.codec, &outgoing.codec) {
                        laws.push((incoming.number, law));
                        *slot = outgoing.number;
                    }
                }
                Delivery::None => {}
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
        Some(Self { from, stream, payloads, laws, transcoding, extensions, mid })
    }

    /// The outgoing payload type of packets that are forwarded one by one.
    #[must_use]
    pub fn payload(&self, incoming: u8) -> Option<u8> {
        self.payloads.get(usize::from(incoming)).copied().filter(|number| *number < TRANSCODED)
    }

    /// The conversion of G.711 that packets of this payload type need.
    #[must_use]
    pub fn law(&self, incoming: u8) -> Option<Law> {
        self.laws.iter().find(|(number, _)| *number == incoming).map(|(_, law)| *law)
    }

    /// The transcoder of the route.
    #[must_use]
    pub fn transcoding(&mut self) -> Option<&mut Transcoding> {
        self.transcoding.as_deref_mut()
    }

    /// Whether the route has a transcoder.
    #[must_use]
    pub const fn transcodes(&self) -> bool {
        self.transcoding.is_some()
    }

    /// Takes over the transcoder of the previous route from the same source, if the formats have not changed.
    pub fn continue_transcoding(&mut self, before: Self) {
        let is_same = |transcoding: &Transcoding| {
            let of_before = before.transcoding.as_ref();
            of_before.is_some_and(|before| before.transcoder.formats() == transcoding.transcoder.formats())
        };
        if self.transcoding.as_deref().is_some_and(is_same) {
            self.transcoding = before.transcoding;
        }
    }

    /// Whether packets of this payload type are transcoded.
    #[must_use]
    pub fn is_transcoded(&self, incoming: u8) -> bool {
        self.payloads.get(usize::from(incoming)) == Some(&TRANSCODED)
    }

    /// The time of the next packet of the transcoder.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.transcoding.as_ref()?.transcoder.poll_timeout()
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

/// The part of a route that makes packets of its own.
#[derive(Debug)]
pub struct Transcoding {
    /// Converts audio.
    pub transcoder: Transcoder,
    /// Converts telephone-events while audio is transcoded.
    pub events: EventMapping,
    /// The timestamp of the next packet of the transcoder.
    pub timestamp: u32,
    /// Whether the next packet of the transcoder has the marker.
    pub has_marker: bool,
    /// A buffer for the payload of a packet.
    pub payload: Vec<u8>,
}

impl Transcoding {
    /// Returns what is needed for the codecs that the receiver does not support.
    fn between(sender: &Section, receiver: &Section, codecs: &Arc<dyn CodecFactory>) -> Option<Box<Self>> {
        let conversions = codecs.conversions();
        let converted = |payload: &Payload| match conversions.payload(payload, &receiver.payloads) {
            Delivery::Convert(to) if Law::between(&payload.codec, &to.codec).is_none() => Some(to.clone()),
            _ => None,
        };
        // There is one encoder, for the first codec that is converted.
        let sink = sender.payloads.iter().find_map(converted)?;
        let mut sources: Vec<(u8, Codec)> = Vec::new();
        for payload in sender.payloads.iter().filter(|payload| converted(payload).is_some()) {
            sources.push((payload.number, payload.codec.clone()));
        }
        let rates: Vec<u32> = sources.iter().map(|(_, codec)| codec.clock_rate).collect();
        let noise = sender.payloads.iter().filter(|payload| payload.codec.is_comfort_noise());
        let noise = noise.filter(|payload| rates.contains(&payload.codec.clock_rate));
        sources.extend(noise.map(|payload| (payload.number, payload.codec.clone())));
        let events = sender.payloads.iter().filter(|payload| payload.codec.is_telephone_event());
        let events = EventMapping::new(events.map(|payload| (payload.number, payload.codec.clock_rate)).collect());
        let formats = TranscoderFormats { sources, sink, packet: PACKET };
        let transcoder = Transcoder::new(Arc::clone(codecs), formats);
        Some(Box::new(Self { transcoder, events, timestamp: 0, has_marker: false, payload: Vec::new() }))
    }
}

/// Returns one entry per section of `receiver`: the route from the corresponding section of `sender`. Sections of the
/// same kind correspond by position; rejected sections are not counted and have no route.
#[must_use]
pub fn routes(
    from: LegKey,
    sender: &[Section],
    receiver: &[Section],
    codecs: &Arc<dyn CodecFactory>,
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
        routes.push(found.and_then(|(index, incoming)| Route::between((from, index), incoming, section, codecs)));
    }
    routes
}

#[cfg(test)]
mod tests;
