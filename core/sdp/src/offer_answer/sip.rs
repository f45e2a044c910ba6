//! Offer/answer with a SIP endpoint on one or both legs.
//!
//! A browser receives **one** offer or answer for the whole call, while a SIP endpoint may send a new description at
//! any time: in another early dialog, in the 200 after a 183, in a re-INVITE (RFC 3264 §8). The description for the
//! browser therefore depends as little as possible on the first description of the SIP endpoint:
//!
//! - *Codecs*: those that the SIP endpoint accepts come first, because a browser sends the first one. Other codecs that
//!   the endpoint may accept later follow, so that the browser can receive them later. The codec that the browser sends
//!   does not change; [`Conversions::stream`] determines whether the SIP endpoint can receive it.
//! - *Direction*: that of the browser. Hold on the SIP leg does not change the browser's description; the bridge applies it.
//! - *DTMF*: the relay terminates and generates telephone-events, so each leg negotiates its own.
//! - *Feedback and header extensions*: only those that the relay handles without the peer. Video orientation is excluded:
//!   a SIP endpoint would ignore it and show a rotated picture; without the extension the browser rotates the picture
//!   itself.
//!
//! ```text
//! browser calls    sip_offer ──▶ INVITE … answer ──▶ answer_browser ──▶ (another answer) accepted
//! browser called   browser_offer ──▶ … answer ──▶ answer_sip
//!   without offer  default_offer ──▶ … answer ──▶ sip_offer ──▶ 200 … ACK ──▶ accepted
//! SIP to SIP       sip_offer ──▶ … answer ──▶ answer_sip
//! established      peer offers: renegotiate        relay offers: reoffer ──▶ … ──▶ accepted
//! ```

mod convert;
mod offer;

pub use convert::{for_browser, with_converted};
pub use offer::{browser_offer, default_offer, reoffer, sip_offer};

use super::{NegotiationError, Settled, refused};
use crate::codec::{Codec, MediaKind, Payload};
use crate::direction::Direction;
use crate::plan::{Conversions, find};
use crate::section::Section;

/// RTCP feedback that the relay handles or generates itself toward a browser.
const BROWSER_FEEDBACK: [&str; 3] = ["nack", "nack pli", "ccm fir"];

/// The header extension that identifies the section in a bundle. It is the only extension that is negotiated with a
/// browser if the other leg is a SIP endpoint.
const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";

/// Applies an answer to the sections that the relay offered. Returns the streams in use from the point of view of the
/// answerer, with the `mid` of the offered section.
///
/// Payloads are matched by codec, not by number: an answerer may receive with other payload types than it sends with
/// (RFC 3264 §6.1); [`as_sent`] returns the latter.
///
/// # Errors
///
/// Returns an error if no stream is left or the answer's sections do not match the offer.
pub fn accepted(offered: &[Section], answered: &[Section]) -> Result<Vec<Section>, NegotiationError> {
    let fits = answered.len() <= offered.len()
        && answered.iter().zip(offered).all(|(answered, offered)| answered.kind == offered.kind);
    if !fits {
        return Err(NegotiationError::NotAnAnswer);
    }
    // Missing trailing sections count as refused: some phones omit them, contrary to RFC 3264 §6.
    let pairs = offered.iter().zip(answered);
    let streams: Vec<Section> = pairs.filter_map(|(offered, answered)| accepted_section(offered, answered)).collect();
    if !streams.is_empty() {
        Ok(streams)
    } else if answered.iter().all(|section| section.rejected) {
        Err(NegotiationError::Refused)
    } else {
        Err(NegotiationError::NoCommonCodecs)
    }
}

fn accepted_section(offered: &Section, answered: &Section) -> Option<Section> {
    let known = |payload: &Payload| find(&offered.payloads, payload).is_some();
    let payloads: Vec<Payload> = answered.payloads.iter().filter(|payload| known(payload)).cloned().collect();
    let is_used = !offered.rejected && !answered.rejected && has_primary(&payloads);
    is_used.then(|| Section {
        payloads,
        mid: offered.mid.clone(),
        direction: answered.direction.and(offered.direction.reversed()),
        extensions: answered.extensions.iter().filter(|known| offered.extensions.contains(known)).cloned().collect(),
        ..answered.clone()
    })
}

/// Returns the sections of an answer with their formats in the order of the offer. An answerer sends the
/// first format of the offer that it accepts, whatever the order of its answer (RFC 3264 §6.1), and browsers do so.
#[must_use]
pub fn in_offered_order(offered: &[Section], answered: &[Section]) -> Vec<Section> {
    let pairs = answered.iter().enumerate().map(|(index, answered)| (answered, offered.get(index)));
    let sections = pairs.map(|(answered, offered)| {
        let mut section = answered.clone();
        let offered = offered.map_or(&[][..], |offered| &offered.payloads);
        let place = |payload: &Payload| offered.iter().position(|known| known.number == payload.number);
        section.payloads.sort_by_key(|payload| place(payload).unwrap_or(usize::MAX));
        section
    });
    sections.collect()
}

/// Returns the stream `remote` of a peer with the payload types of the packets that the peer sends. These are the ones
/// in the relay's own description, `local`.
#[must_use]
pub fn as_sent(local: &Section, remote: &Section) -> Section {
    let number = |payload: &Payload| find(&local.payloads, payload).map_or(payload.number, |local| local.number);
    let payloads = remote.payloads.iter().map(|payload| Payload { number: number(payload), ..payload.clone() });
    Section { payloads: payloads.collect(), ..remote.clone() }
}

/// Combines a browser's offer, the relay's offer derived from it ([`sip_offer`]) and the SIP endpoint's first answer.
/// [`Settled::answer`] is for the browser. Further answers to the same offer are evaluated with [`accepted`] only.
///
/// # Errors
///
/// As for [`accepted`].
pub fn answer_browser(
    offer: &[Section],
    relayed: &[Section],
    answered: &[Section],
    conversions: Conversions,
) -> Result<Settled, NegotiationError> {
    let callee = accepted(relayed, answered)?;
    let mut settled = Settled { answer: Vec::new(), caller: Vec::new(), callee: Vec::new() };
    for offered in offer {
        let of_mid = |section: &&Section| section.mid == offered.mid && !offered.rejected;
        let pair = relayed.iter().find(of_mid).zip(callee.iter().find(of_mid));
        let Some((relayed, stream)) = pair else {
            settled.answer.push(refused(offered));
            continue;
        };
        let Some(payloads) = browser_payloads(offered, relayed, stream, conversions) else {
            settled.answer.push(refused(offered));
            continue;
        };
        let answered = payloads.iter().map(|payload| {
            // Format parameters describe what their author can receive, so the browser receives those of the SIP
            // endpoint.
            let fmtp = match find(&stream.payloads, payload) {
                Some(remote) => remote.codec.fmtp.clone(),
                None => payload.codec.fmtp.clone(),
            };
            Payload { codec: Codec { fmtp, ..payload.codec.clone() }, ..payload.clone() }
        });
        let extensions = offered.extensions.iter().filter(|extension| extension.uri == MID).cloned().collect();
        let used = Section { payloads: answered.collect(), extensions, rejected: false, ..offered.clone() };
        settled.caller.push(Section { payloads, ..used.clone() });
        settled.answer.push(Section { direction: offered.direction.reversed(), ssrcs: Vec::new(), ..used });
        settled.callee.push(stream.clone());
    }
    if settled.caller.is_empty() { Err(NegotiationError::NoCommonCodecs) } else { Ok(settled) }
}

/// Returns the payloads of the browser's answer: those that the SIP endpoint accepted, in its order, then the other offered
/// ones, comfort noise and DTMF. If the endpoint accepted none of them, the best one to which the relay converts comes first;
/// `None` if there is no such codec.
fn browser_payloads(
    offered: &Section,
    relayed: &Section,
    stream: &Section,
    conversions: Conversions,
) -> Option<Vec<Payload>> {
    let mut payloads: Vec<Payload> = Vec::new();
    let is_common = |payload: &&Payload| payload.codec.is_primary() && find(&offered.payloads, payload).is_some();
    let first = if stream.payloads.iter().any(|payload| is_common(&payload)) {
        None
    } else {
        Some(conversions.best_exchange(&stream.payloads, &offered.payloads)?)
    };
    let primary = first.into_iter().chain(&stream.payloads).chain(&relayed.payloads);
    let primary = primary.filter(|payload| payload.codec.is_primary());
    let dtmf = offered.payloads.iter().filter(|payload| payload.codec.is_telephone_event());
    let comfort_noise = stream.payloads.iter().filter(|payload| payload.codec.is_comfort_noise());
    for wanted in primary.chain(comfort_noise).chain(dtmf) {
        // If several formats match (levels of H.264), the one in the relay's offer is used.
        let Some(own) = find(&offered.payloads, wanted) else { continue };
        if !payloads.iter().any(|known| known.number == own.number) {
            let feedback = own.feedback.iter().filter(|value| BROWSER_FEEDBACK.contains(&value.as_str()));
            payloads.push(Payload { feedback: feedback.cloned().collect(), ..own.clone() });
        }
    }
    Some(payloads)
}

/// Combines a SIP endpoint's offer, the relay's offer to the other leg derived from it ([`browser_offer`] or
/// [`sip_offer`]) and the answer of the other leg. [`Settled::answer`] is for the SIP endpoint.
///
/// # Errors
///
/// Returns an error if the two endpoints have no codec in common or the answer's sections do not match the offer.
pub fn answer_sip(
    offer: &[Section],
    relayed: &[Section],
    answered: &[Section],
    conversions: Conversions,
) -> Result<Settled, NegotiationError> {
    let callee = accepted(relayed, answered)?;
    let mut settled = Settled { answer: Vec::new(), caller: Vec::new(), callee: Vec::new() };
    for offered in offer {
        let stream = callee.iter().find(|stream| stream.mid == offered.mid && !offered.rejected);
        match stream
            .and_then(|stream| Some((answer_section(offered, stream, Direction::SendRecv, conversions)?, stream)))
        {
            Some((answer, stream)) => {
                settled.caller.push(stream_of_offer(offered, &answer));
                settled.answer.push(answer);
                settled.callee.push(stream.clone());
            }
            None => settled.answer.push(refused(offered)),
        }
    }
    if settled.caller.is_empty() { Err(NegotiationError::NoCommonCodecs) } else { Ok(settled) }
}

/// The relay's answer to an offer that a SIP peer made in an established call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renegotiated {
    /// One section per offered section, in order, including refused ones.
    pub answer: Vec<Section>,
    /// The peer's streams in use after the renegotiation, from the point of view of the peer.
    pub peer: Vec<Section>,
}

/// Answers an offer of a SIP peer (re-INVITE, UPDATE) within the negotiated streams of the other leg, `other`, which is not
/// renegotiated. `wanted` is the direction requested by the call, from the point of view of the relay: it is not
/// [`Direction::SendRecv`] while the other leg is on hold.
///
/// The answer begins with the codec that the other leg sends, or with one to which the relay can convert it, if the
/// peer supports such a codec.
///
/// # Errors
///
/// Returns an error (488) if the peer offers media in use and none of it is acceptable. An offer without media in use is
/// acceptable (RFC 3264 §8.2).
pub fn renegotiate(
    other: &[Section],
    offer: &[Section],
    wanted: Direction,
    conversions: Conversions,
) -> Result<Renegotiated, NegotiationError> {
    let mut renegotiated = Renegotiated { answer: Vec::new(), peer: Vec::new() };
    let mut streams = Streams::of(other);
    for offered in offer {
        let stream = streams.next(offered.kind).filter(|_| !offered.rejected);
        match stream.and_then(|stream| answer_section(offered, stream, wanted, conversions)) {
            Some(answer) => {
                streams.take(offered.kind);
                renegotiated.peer.push(stream_of_offer(offered, &answer));
                renegotiated.answer.push(answer);
            }
            None => renegotiated.answer.push(refused(offered)),
        }
    }
    let wants_media = offer.iter().any(|section| !section.rejected);
    if renegotiated.peer.is_empty() && wants_media { Err(NegotiationError::NoCommonCodecs) } else { Ok(renegotiated) }
}

/// The streams of a leg, which are assigned one by one to the streams of the same kind on another leg. The bridge
/// assigns them in the same order.
struct Streams<'a> {
    sections: &'a [Section],
    taken: [usize; 2],
}

impl<'a> Streams<'a> {
    const fn of(sections: &'a [Section]) -> Self {
        Self { sections, taken: [0; 2] }
    }

    /// Returns the next unassigned stream of this kind.
    fn next(&self, kind: MediaKind) -> Option<&'a Section> {
        let [audio, video] = self.taken;
        let taken = if kind == MediaKind::Audio { audio } else { video };
        self.sections.iter().filter(|section| section.kind == kind && !section.rejected).nth(taken)
    }

    /// Marks the next stream of this kind as assigned.
    const fn take(&mut self, kind: MediaKind) {
        let [audio, video] = &mut self.taken;
        match kind {
            MediaKind::Audio => *audio += 1,
            MediaKind::Video => *video += 1,
        }
    }
}

/// Answers one section of a SIP endpoint that exchanges media with the stream `other`.
fn answer_section(offered: &Section, other: &Section, wanted: Direction, conversions: Conversions) -> Option<Section> {
    let mut payloads = conversions.answerable(&offered.payloads, other);
    let rates: Vec<u32> = payloads.iter().map(|payload| payload.codec.clock_rate).collect();
    let is_auxiliary = |payload: &&Payload| {
        let codec = &payload.codec;
        // The relay terminates telephone-events; every endpoint supports them at 8000 Hz.
        codec.is_telephone_event() && (codec.clock_rate == 8000 || rates.contains(&codec.clock_rate))
            || codec.is_comfort_noise() && find(&other.payloads, payload).is_some()
    };
    payloads.extend(offered.payloads.iter().filter(is_auxiliary));
    let answered = |payload: &Payload| {
        // Format parameters describe what their author can receive, so each endpoint receives those of the other.
        let same = find(&other.payloads, payload).filter(|same| same.codec.is_primary());
        let fmtp = same.map_or_else(|| payload.codec.fmtp.clone(), |same| same.codec.fmtp.clone());
        let feedback = payload.feedback.iter().filter(|value| offer::SIP_FEEDBACK.contains(&value.as_str()));
        Payload {
            codec: Codec { fmtp, ..payload.codec.clone() },
            feedback: feedback.cloned().collect(),
            number: payload.number,
        }
    };
    let payloads: Vec<Payload> = payloads.into_iter().map(answered).collect();
    let direction = offered.direction.reversed().and(other.direction).and(wanted);
    has_primary(&payloads).then(|| Section {
        payloads,
        direction,
        extensions: Vec::new(),
        ssrcs: Vec::new(),
        ..offered.clone()
    })
}

/// Returns the offerer's stream after the answer: its own payloads in the order of the answer.
fn stream_of_offer(offered: &Section, answer: &Section) -> Section {
    let own = |answered: &Payload| offered.payloads.iter().find(|payload| payload.number == answered.number);
    let payloads = answer
        .payloads
        .iter()
        .filter_map(|answered| Some(Payload { feedback: answered.feedback.clone(), ..own(answered)?.clone() }));
    Section {
        payloads: payloads.collect(),
        direction: answer.direction.reversed(),
        extensions: Vec::new(),
        ..offered.clone()
    }
}

fn has_primary(payloads: &[Payload]) -> bool {
    payloads.iter().any(|payload| payload.codec.is_primary())
}

#[cfg(test)]
mod tests;
