//! Offer/answer across the relay (RFC 3264): one negotiation between two endpoints that do not receive each other's
//! descriptions.
//!
//! This module handles two browsers. The relay forwards media unchanged, so both legs use the same codecs. Negotiation
//! with a SIP endpoint on one or both legs is in [`sip`].

pub mod sip;

use crate::codec::{Codec, MediaKind, Payload};
use crate::direction::Direction;
use crate::section::{HeaderExtension, Section};
use core::fmt;

/// RTCP feedback that the relay handles itself or forwards.
const FEEDBACK: [&str; 5] = ["nack", "nack pli", "ccm fir", "goog-remb", "transport-cc"];

/// Header extensions that are valid on both legs. Those of simulcast and retransmission are excluded, because they identify
/// streams that the relay does not forward.
const EXTENSIONS: [&str; 11] = [
    "urn:ietf:params:rtp-hdrext:sdes:mid",
    "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "urn:ietf:params:rtp-hdrext:toffset",
    "urn:3gpp:video-orientation",
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
    "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type",
    "http://www.webrtc.org/experiments/rtp-hdrext/video-timing",
    "http://www.webrtc.org/experiments/rtp-hdrext/color-space",
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
];

/// The result of a successful negotiation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The relay's answer to the caller: one section per offered section, in the offer's order, including refused ones.
    pub answer: Vec<Section>,
    /// The streams of the caller's leg in use, from the point of view of the caller's browser: payloads of its offer in
    /// the order of the answer.
    pub caller: Vec<Section>,
    /// The same streams on the callee's leg, in the same order, from the point of view of the callee's browser.
    pub callee: Vec<Section>,
}

/// The reason why a negotiation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NegotiationError {
    /// The answerer refused every section.
    Refused,
    /// Sections were accepted, but none has a codec that was offered.
    NoCommonCodecs,
    /// The sections of the answer do not correspond to those of the offer (RFC 3264 §6).
    NotAnAnswer,
}

impl fmt::Display for NegotiationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "every media section is refused",
            Self::NoCommonCodecs => "the two endpoints have no codec in common",
            Self::NotAnAnswer => "the answer's media sections do not match the offer",
        })
    }
}

impl core::error::Error for NegotiationError {}

/// Builds the relay's offer to the callee on the caller's behalf: the caller's sections in use, with its payload types,
/// extension identifiers and directions. The direction is the same, because the relay sends what the caller sends.
///
/// `order` contains encoding names by preference; other codecs are removed. If it contains no codec of a media kind,
/// the codecs of this kind are unchanged. telephone-event is never removed.
#[must_use]
pub fn relay_offer(caller_offer: &[Section], order: &[String]) -> Vec<Section> {
    let in_use = caller_offer.iter().filter(|section| !section.rejected);
    in_use
        .map(|section| Section {
            payloads: offered_payloads(section, order),
            extensions: section.extensions.iter().filter(|extension| is_passed(extension)).cloned().collect(),
            ssrcs: Vec::new(),
            ..section.clone()
        })
        .filter(|section| section.payloads.iter().any(|payload| payload.codec.is_primary()))
        .collect()
}

fn is_passed(extension: &HeaderExtension) -> bool {
    EXTENSIONS.contains(&extension.uri.as_str())
}

pub(crate) fn offered_payloads(section: &Section, order: &[String]) -> Vec<Payload> {
    let rank = |codec: &Codec| order.iter().position(|name| codec.is(name));
    let all = || section.payloads.iter();
    let mut primary: Vec<&Payload> = all().filter(|payload| payload.codec.is_primary()).collect();
    if order.iter().any(|name| names_kind(name, section.kind)) {
        primary.retain(|payload| rank(&payload.codec).is_some());
        primary.sort_by_key(|payload| rank(&payload.codec));
    }
    let comfort_noise = |codec: &Codec| {
        codec.is_comfort_noise() && primary.iter().any(|speech| speech.codec.clock_rate == codec.clock_rate)
    };
    let auxiliary = all().filter(|payload| payload.codec.is_telephone_event() || comfort_noise(&payload.codec));
    let kept = primary.iter().copied().chain(auxiliary);
    kept.map(|payload| Payload { feedback: passed_feedback(&payload.feedback), ..payload.clone() }).collect()
}

/// Returns whether an encoding name is of this media kind. A name that is not a known video codec counts as audio.
fn names_kind(name: &str, kind: MediaKind) -> bool {
    const VIDEO: [&str; 7] = ["VP8", "VP9", "H264", "H265", "AV1", "AV1X", "H263-1998"];
    let is_video = VIDEO.iter().any(|video| video.eq_ignore_ascii_case(name));
    is_video == (kind == MediaKind::Video)
}

fn passed_feedback(feedback: &[String]) -> Vec<String> {
    feedback.iter().filter(|value| FEEDBACK.contains(&value.as_str())).cloned().collect()
}

/// Combines the caller's offer with the callee's answer to the relay's offer ([`relay_offer`]).
///
/// # Errors
///
/// Returns an error if no section is left with a codec that both endpoints support.
pub fn settle(
    caller_offer: &[Section],
    answered: &[Section],
    relay_offer: &[Section],
) -> Result<Settled, NegotiationError> {
    let fits = answered.len() == relay_offer.len()
        && answered.iter().zip(relay_offer).all(|(answered, offered)| answered.kind == offered.kind);
    if !fits {
        return Err(NegotiationError::NotAnAnswer);
    }
    let mut settled = Settled { answer: Vec::new(), caller: Vec::new(), callee: Vec::new() };
    for offered in caller_offer {
        let position = relay_offer.iter().position(|relayed| relayed.mid == offered.mid && !offered.rejected);
        let pair = position.and_then(|position| Some((relay_offer.get(position)?, answered.get(position)?)));
        match pair.and_then(|(relayed, answered)| settle_section(offered, relayed, answered)) {
            Some((answer, caller, callee)) => {
                settled.answer.push(answer);
                settled.caller.push(caller);
                settled.callee.push(callee);
            }
            None => settled.answer.push(refused(offered)),
        }
    }
    if !settled.caller.is_empty() {
        Ok(settled)
    } else if answered.iter().all(|section| section.rejected) {
        Err(NegotiationError::Refused)
    } else {
        Err(NegotiationError::NoCommonCodecs)
    }
}

pub(crate) fn refused(offered: &Section) -> Section {
    Section { rejected: true, direction: Direction::Inactive, ssrcs: Vec::new(), ..offered.clone() }
}

/// Negotiates one section. Returns the relay's answer, the caller's stream and the callee's stream.
fn settle_section(offered: &Section, relayed: &Section, answered: &Section) -> Option<(Section, Section, Section)> {
    if answered.rejected {
        return None;
    }
    let mut payloads: Vec<(Payload, Payload, Payload)> = Vec::new();
    for callee in &answered.payloads {
        let same = |payload: &&Payload| payload.number == callee.number && payload.codec.matches(&callee.codec);
        let Some(relayed) = relayed.payloads.iter().find(same) else { continue };
        let Some(caller) = offered.payloads.iter().find(|payload| payload.number == relayed.number) else { continue };
        let feedback: Vec<String> =
            relayed.feedback.iter().filter(|value| callee.feedback.contains(value)).cloned().collect();
        // Format parameters describe what their author can receive, so the caller receives those of the callee.
        let codec = Codec { fmtp: callee.codec.fmtp.clone(), ..caller.codec.clone() };
        payloads.push((
            Payload { number: caller.number, codec, feedback: feedback.clone() },
            Payload { feedback: feedback.clone(), ..caller.clone() },
            Payload { feedback, ..callee.clone() },
        ));
    }
    if !payloads.iter().any(|(answer, ..)| answer.codec.is_primary()) {
        return None;
    }
    let extensions: Vec<HeaderExtension> =
        relayed.extensions.iter().filter(|extension| answered.extensions.contains(extension)).cloned().collect();
    // The answer has the callee's direction, because the relay forwards to the caller what the callee sends. The offer
    // limits the direction.
    let direction = answered.direction.and(offered.direction.reversed());
    let section = |from: &Section, direction, payloads, ssrcs| Section {
        direction,
        payloads,
        ssrcs,
        extensions: extensions.clone(),
        rejected: false,
        mid: from.mid.clone(),
        kind: from.kind,
    };
    let answer = payloads.iter().map(|(answer, ..)| answer.clone()).collect();
    let caller = payloads.iter().map(|(_, caller, _)| caller.clone()).collect();
    let callee = payloads.into_iter().map(|(_, _, callee)| callee).collect();
    Some((
        section(offered, direction, answer, Vec::new()),
        section(offered, direction.reversed(), caller, offered.ssrcs.clone()),
        section(answered, direction, callee, answered.ssrcs.clone()),
    ))
}
