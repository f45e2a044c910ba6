//! Offers with codecs to which the relay converts, in addition to those of the other leg.

use super::offer::{BROWSER_CODECS, numbered};
use crate::codec::{Codec, MediaKind, Payload};
use crate::plan::{AudioCodec, Conversions, find};
use crate::section::Section;

/// The codecs that are added to an offer to a SIP endpoint, in this order. L16 is not, because hardly any endpoint that
/// implements it implements no other.
const SIP: [AudioCodec; 6] = [
    AudioCodec::G722,
    AudioCodec::Pcmu,
    AudioCodec::Pcma,
    AudioCodec::G729,
    AudioCodec::SpeexWideband,
    AudioCodec::SpeexNarrowband,
];

/// The codecs of browsers.
const BROWSER: [AudioCodec; 4] = [AudioCodec::Opus, AudioCodec::G722, AudioCodec::Pcmu, AudioCodec::Pcma];

fn payload(codec: AudioCodec) -> Payload {
    let (name, clock_rate, channels) = codec.format();
    // Every receiver of Opus can use its forward error correction.
    let fmtp = (codec == AudioCodec::Opus).then(|| "useinbandfec=1".to_owned());
    let fmtp = fmtp.or_else(|| (codec == AudioCodec::G729).then(|| "annexb=no".to_owned()));
    let codec = Codec { name: name.to_owned(), clock_rate, channels, fmtp };
    Payload { number: codec.static_payload().unwrap_or(0), codec, feedback: Vec::new() }
}

fn is_allowed(codec: &Codec, order: &[String]) -> bool {
    order.is_empty() || order.iter().any(|name| codec.is(name))
}

/// Adds the codecs to which the relay converts to the audio sections of an offer to a SIP endpoint, after those that pass. One
/// law of G.711 stands for both. `order` is the configured list of codecs; those that it does not contain are not added.
#[must_use]
pub fn with_converted(mut offered: Vec<Section>, order: &[String], conversions: Conversions) -> Vec<Section> {
    for section in offered.iter_mut().filter(|section| section.kind == MediaKind::Audio) {
        let has_g711 = section.payloads.iter().any(|payload| payload.codec.is("PCMU") || payload.codec.is("PCMA"));
        let own = section.payloads.clone();
        let is_useful = |added: &Payload| {
            let is_converted = own.iter().any(|payload| conversions.contains(&payload.codec, &added.codec));
            let is_law = added.codec.is("PCMU") || added.codec.is("PCMA");
            is_converted && is_allowed(&added.codec, order) && !(has_g711 && is_law) && find(&own, added).is_none()
        };
        let added: Vec<Payload> = SIP.into_iter().map(payload).filter(is_useful).collect();
        section.payloads.extend(numbered(added, &own));
        section.payloads.sort_by_key(|payload| !payload.codec.is_primary());
    }
    offered
}

/// Returns the sections of a SIP endpoint's offer for an offer to a browser: audio sections without a codec that browsers
/// support have those of browsers to which the relay converts, the best one first.
#[must_use]
pub fn for_browser(offered: &[Section], order: &[String], conversions: Conversions) -> Vec<Section> {
    let is_of_browser = |payload: &Payload| {
        payload.codec.is_primary()
            && BROWSER_CODECS.iter().any(|name| payload.codec.is(name))
            && is_allowed(&payload.codec, order)
    };
    let sections = offered.iter().map(|section| {
        let is_audio = section.kind == MediaKind::Audio && !section.rejected;
        if !is_audio || section.payloads.iter().any(is_of_browser) {
            return section.clone();
        }
        let mut added: Vec<Payload> = BROWSER.into_iter().map(payload).filter(is_of_browser).collect();
        let mut best = Vec::new();
        while let Some(found) = conversions.best_exchange(&section.payloads, &added) {
            let found = found.clone();
            added.retain(|payload| *payload != found);
            best.push(found);
        }
        let others: Vec<Payload> =
            section.payloads.iter().filter(|payload| !payload.codec.is_primary()).cloned().collect();
        best = numbered(best, &others);
        best.extend(others);
        Section { payloads: best, ..section.clone() }
    });
    sections.collect()
}

#[cfg(test)]
mod tests;
