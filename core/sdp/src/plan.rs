//! Media plan of two legs: whether and how each stream of one endpoint reaches the other one. A stream passes unchanged, is
//! converted to another codec, or is not delivered.
//!
//! Every decision on codecs that concerns two legs is made here. The bridge forwards packets by
//! [`Conversions::payload`], answers to SIP endpoints contain the codecs of `Conversions::answerable`, and the call
//! model uses [`MediaPlan`].

mod conversions;

pub use conversions::{AudioCodec, Conversions};

use crate::codec::{Codec, MediaKind, Payload};
use crate::section::Section;

/// The delivery of the packets of one codec to a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery<'a> {
    /// Unchanged, with this payload type of the receiver.
    Pass(&'a Payload),
    /// Converted to this payload type of the receiver.
    Convert(&'a Payload),
    /// Not at all.
    None,
}

impl Delivery<'_> {
    /// Returns whether packets are delivered.
    #[must_use]
    pub const fn is_possible(&self) -> bool {
        matches!(self, Self::Pass(_) | Self::Convert(_))
    }
}

/// One direction of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamPlan<'a> {
    /// The codec that the sender uses, which is its first primary one; `None` if it has none.
    pub sent: Option<&'a Payload>,
    /// The delivery of that codec.
    pub delivery: Delivery<'a>,
    /// Another codec of the sender that could be delivered, if `sent` cannot.
    pub alternative: Option<&'a Payload>,
}

/// Both directions of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamPair<'a> {
    /// The media type.
    pub kind: MediaKind,
    /// From the first leg to the second.
    pub forward: StreamPlan<'a>,
    /// From the second leg to the first.
    pub backward: StreamPlan<'a>,
}

/// The streams that two established legs exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaPlan<'a> {
    /// The streams that both legs have, those of one kind in order.
    pub streams: Vec<StreamPair<'a>>,
    /// The second leg has an audio stream that receives.
    is_requested: bool,
}

impl<'a> MediaPlan<'a> {
    fn audio(&self) -> Option<&StreamPair<'a>> {
        self.streams.iter().find(|stream| stream.kind == MediaKind::Audio)
    }

    /// Returns whether the audio of the first leg reaches the second, or one of them has no audio.
    #[must_use]
    pub fn is_delivered(&self) -> bool {
        self.audio().is_none_or(|stream| stream.forward.delivery.is_possible())
    }

    /// Returns whether the audio of the first leg reaches the second, or the second leg does not receive audio.
    #[must_use]
    pub fn is_delivered_where_requested(&self) -> bool {
        !self.is_requested || self.is_delivered()
    }

    /// Returns whether the audio of each leg reaches the other, or one of them has no audio.
    #[must_use]
    pub fn is_delivered_both_ways(&self) -> bool {
        self.is_delivered() && self.audio().is_none_or(|stream| stream.backward.delivery.is_possible())
    }
}

impl Conversions {
    /// Plans the delivery of a payload type to a receiver with these payload types: unchanged if possible, preferably
    /// under the same number, else by the best conversion ([`AudioCodec`]).
    #[must_use]
    pub fn payload<'a>(self, sent: &Payload, received: &'a [Payload]) -> Delivery<'a> {
        if let Some(same) = find(received, sent) {
            return Delivery::Pass(same);
        }
        let ranked = received.iter().filter_map(|to| Some((self.rank(&sent.codec, &to.codec)?, to)));
        // Of several with the same rank, the first one is used.
        let best = ranked.reduce(|best, other| if other.0 < best.0 { other } else { best });
        best.map_or(Delivery::None, |(_, payload)| Delivery::Convert(payload))
    }

    /// Plans one direction of a stream. Each section is from the point of view of its own endpoint.
    #[must_use]
    pub fn stream<'a>(self, from: &'a Section, to: &'a Section) -> StreamPlan<'a> {
        let mut primary = from.payloads.iter().filter(|payload| payload.codec.is_primary());
        let sent = primary.next();
        let delivery = sent.map_or(Delivery::None, |sent| self.payload(sent, &to.payloads));
        let is_possible = delivery.is_possible();
        let mut others = primary.filter(|payload| !is_possible && self.payload(payload, &to.payloads).is_possible());
        StreamPlan { sent, delivery, alternative: others.next() }
    }

    /// Plans the streams of two legs. Streams of one kind are paired in order, as the bridge does.
    #[must_use]
    pub fn legs<'a>(self, a: &'a [Section], b: &'a [Section]) -> MediaPlan<'a> {
        let of = |sections: &'a [Section], kind| {
            sections.iter().filter(move |section| section.kind == kind && !section.rejected)
        };
        let kinds = [MediaKind::Audio, MediaKind::Video].into_iter();
        let pairs = kinds.flat_map(|kind| of(a, kind).zip(of(b, kind)));
        let pair = |(a, b): (&'a Section, &'a Section)| StreamPair {
            kind: a.kind,
            forward: self.stream(a, b),
            backward: self.stream(b, a),
        };
        let is_requested = of(b, MediaKind::Audio).any(|section| section.direction.receives());
        MediaPlan { streams: pairs.map(pair).collect(), is_requested }
    }

    /// Returns whether two established legs can be joined: the first one has an audio codec that can be delivered to
    /// the second. Video is not considered; without a common codec, it is not forwarded.
    #[must_use]
    pub fn can_join(self, a: &[Section], b: &[Section]) -> bool {
        let audio = |section: &&Section| section.kind == MediaKind::Audio && !section.rejected;
        a.iter().filter(audio).any(|from| {
            let mut primary = from.payloads.iter().filter(|payload| payload.codec.is_primary());
            primary.any(|payload| b.iter().filter(audio).any(|to| self.payload(payload, &to.payloads).is_possible()))
        })
    }

    /// Returns the codecs of an offer that the offerer can exchange with the stream `other`. The first one is the codec
    /// that `other` sends, or the codec to which it is converted.
    pub(crate) fn answerable<'a>(self, offered: &'a [Payload], other: &Section) -> Vec<&'a Payload> {
        let Some(sent) = other.payloads.iter().find(|payload| payload.codec.is_primary()) else { return Vec::new() };
        let is_sent = |payload: &Payload| sent.codec.matches(&payload.codec);
        let must_convert = !offered.iter().any(is_sent);
        let is_converted = |payload: &Payload| must_convert && self.exchanges(&sent.codec, &payload.codec);
        let is_common = |payload: &Payload| payload.codec.is_primary() && find(&other.payloads, payload).is_some();
        let mut payloads: Vec<&Payload> =
            offered.iter().filter(|payload| is_common(payload) || is_converted(payload)).collect();
        // Of those to which the sent codec is converted, the ones that need no conversion in the other direction come first.
        payloads.sort_by_key(|payload| {
            let rank = Some(payload).filter(|payload| is_converted(payload));
            let rank = rank.and_then(|payload| self.rank(&sent.codec, &payload.codec));
            (!is_sent(payload), rank.is_none(), !is_common(payload), rank)
        });
        payloads
    }

    /// Limits the codecs of an offer of the relay to those that the endpoint can exchange with the other leg, unless none
    /// would be left. The codec that the other leg sends comes first, because a browser does not change its codec.
    pub fn limit(self, offered: &mut [Section], other: &[Section]) {
        for section in offered {
            let Some(other) = other.iter().find(|other| other.kind == section.kind) else { continue };
            let known = |codec: &Codec| {
                other.payloads.iter().any(|other| other.codec.matches(codec) || self.exchanges(&other.codec, codec))
            };
            let is_kept = |payload: &Payload| !payload.codec.is_primary() || known(&payload.codec);
            if section.payloads.iter().any(|payload| payload.codec.is_primary() && is_kept(payload)) {
                section.payloads.retain(is_kept);
            }
            let sent = other.payloads.iter().find(|payload| payload.codec.is_primary());
            let is_sent = |codec: &Codec| sent.is_some_and(|sent| sent.codec.matches(codec));
            section.payloads.sort_by_key(|payload| !is_sent(&payload.codec));
        }
    }

    /// Returns the best codec of `other` for exchanging media with an endpoint that sends the first of `sent` for which
    /// there is one.
    pub(crate) fn best_exchange<'a>(self, sent: &[Payload], other: &'a [Payload]) -> Option<&'a Payload> {
        sent.iter().find_map(|sent| {
            let ranked = other.iter().filter_map(|to| Some((self.rank(&sent.codec, &to.codec)?, to)));
            let best = ranked.reduce(|best, other| if other.0 < best.0 { other } else { best });
            best.map(|(_, payload)| payload)
        })
    }

    /// Returns whether packets can be converted in both directions.
    fn exchanges(self, a: &Codec, b: &Codec) -> bool {
        self.contains(a, b) && self.contains(b, a)
    }
}

/// Returns whether a new offer to an endpoint could change the codecs that it has in common with the other leg.
/// `offered` is the last offer to the endpoint.
#[must_use]
pub fn offers_other_codecs(offered: &[Section], other: &[Section]) -> bool {
    let codecs = |sections: &[Section]| -> Vec<Codec> {
        let payloads = sections.iter().filter(|section| !section.rejected).flat_map(|section| &section.payloads);
        payloads.map(|payload| payload.codec.clone()).filter(Codec::is_primary).collect()
    };
    let (offered, other) = (codecs(offered), codecs(other));
    let lacks = |some: &[Codec], codec: &Codec| !some.iter().any(|known| known.matches(codec));
    offered.iter().any(|codec| lacks(&other, codec)) || other.iter().any(|codec| lacks(&offered, codec))
}

/// Finds a payload of the same codec, preferably with the same number.
pub(crate) fn find<'a>(payloads: &'a [Payload], wanted: &Payload) -> Option<&'a Payload> {
    let mut same = payloads.iter().filter(|payload| payload.codec.matches(&wanted.codec));
    same.clone().find(|payload| payload.number == wanted.number).or_else(|| same.next())
}

#[cfg(test)]
mod tests;
