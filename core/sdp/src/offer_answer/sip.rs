//! Negotiations with a SIP endpoint at one end or at both.
//!
//! A browser gets **one** offer or answer for the whole call, while a SIP endpoint may say something new at any time: in
//! another early dialog, in the 200 after a 183, in a re-INVITE (RFC 3264 §8). So what a browser is told does not depend
//! on what the SIP endpoint says first, as far as that can be avoided:
//!
//! - *Codecs*: those that the SIP endpoint takes stand first, because a browser sends the first one; behind them stand
//!   all others that the endpoint was, or can be, offered, so that the browser understands what comes later. What it
//!   sends stays the first: [`sending`] tells what that means for the SIP endpoint.
//! - *Direction*: the browser's own. Hold on the SIP leg is the SIP leg's affair, and the bridge keeps to it.
//! - *DTMF*: the relay takes and makes telephone-events itself, so each leg has its own.
//! - *Feedback and header extensions*: only what the relay answers without the far end. Video orientation is not among
//!   them: a SIP endpoint would see the picture lying on its side, without it the browser turns the picture.
//!
//! ```text
//! browser calls    sip_offer ──▶ INVITE … answer ──▶ answer_browser ──▶ (another answer) accepted
//! browser called   browser_offer ──▶ … answer ──▶ answer_sip
//!   without offer  default_offer ──▶ … answer ──▶ sip_offer ──▶ 200 … ACK ──▶ accepted
//! SIP to SIP       sip_offer ──▶ … answer ──▶ answer_sip
//! established      peer offers: renegotiate        relay offers: reoffer ──▶ … ──▶ accepted
//! ```

mod offer;

pub use offer::{browser_offer, default_offer, reoffer, sip_offer};

use super::{NegotiationError, Settled, refused};
use crate::codec::{Codec, MediaKind, Payload};
use crate::direction::Direction;
use crate::section::Section;

/// RTCP feedback that the relay answers or makes itself toward a browser.
const BROWSER_FEEDBACK: [&str; 3] = ["nack", "nack pli", "ccm fir"];

/// Identifies the section in a bundle; no other extension means anything to a SIP endpoint.
const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";

/// What an answer leaves of the sections that the relay offered: the streams in use as the answerer sees them, with the
/// `mid` of the offered section.
///
/// Codecs are compared, not numbers: an answerer may want to receive under other numbers than it sends with (RFC 3264
/// §6.1); [`as_sent`] has the latter.
///
/// # Errors
///
/// When nothing is left, or the answer's sections are not those of the offer.
pub fn accepted(offered: &[Section], answered: &[Section]) -> Result<Vec<Section>, NegotiationError> {
    let fits = answered.len() <= offered.len()
        && answered.iter().zip(offered).all(|(answered, offered)| answered.kind == offered.kind);
    if !fits {
        return Err(NegotiationError::NotAnAnswer);
    }
    // Sections that are missing at the end count as refused: some phones leave them out (against RFC 3264 §6).
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

/// The streams of `remote` under the numbers with which their writer sends: those of the relay's own description.
#[must_use]
pub fn as_sent(local: &Section, remote: &Section) -> Section {
    let number = |payload: &Payload| find(&local.payloads, payload).map_or(payload.number, |ours| ours.number);
    let payloads = remote.payloads.iter().map(|payload| Payload { number: number(payload), ..payload.clone() });
    Section { payloads: payloads.collect(), ..remote.clone() }
}

/// Joins a browser's offer, what the relay made of it ([`sip_offer`]) and the SIP endpoint's first answer. `answer` is
/// for the browser; further answers to the same offer are only looked at with [`accepted`].
///
/// # Errors
///
/// As in [`accepted`].
pub fn answer_browser(
    offer: &[Section],
    relayed: &[Section],
    answered: &[Section],
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
        let payloads = browser_payloads(offered, relayed, stream);
        let told = payloads.iter().map(|payload| {
            // The parameters say what their writer can receive: the browser is told the SIP endpoint's.
            let fmtp = match find(&stream.payloads, payload) {
                Some(theirs) => theirs.codec.fmtp.clone(),
                None => payload.codec.fmtp.clone(),
            };
            Payload { codec: Codec { fmtp, ..payload.codec.clone() }, ..payload.clone() }
        });
        let extensions = offered.extensions.iter().filter(|extension| extension.uri == MID).cloned().collect();
        let used = Section { payloads: told.collect(), extensions, rejected: false, ..offered.clone() };
        settled.caller.push(Section { payloads, ..used.clone() });
        settled.answer.push(Section { direction: offered.direction.reversed(), ssrcs: Vec::new(), ..used });
        settled.callee.push(stream.clone());
    }
    if settled.caller.is_empty() { Err(NegotiationError::NoCommonCodecs) } else { Ok(settled) }
}

/// The browser's payloads for its one answer: what the SIP endpoint took, in its order; what it did not take; DTMF.
fn browser_payloads(offered: &Section, relayed: &Section, stream: &Section) -> Vec<Payload> {
    let mut payloads: Vec<Payload> = Vec::new();
    let primary = stream.payloads.iter().chain(&relayed.payloads).filter(|payload| payload.codec.is_primary());
    let beside = offered.payloads.iter().filter(|payload| payload.codec.is_telephone_event());
    let silence = stream.payloads.iter().filter(|payload| payload.codec.is_comfort_noise());
    for wanted in primary.chain(silence).chain(beside) {
        // Of several formats that match (levels of H.264), the one that was relayed.
        let Some(own) = find(&offered.payloads, wanted) else { continue };
        if !payloads.iter().any(|known| known.number == own.number) {
            let feedback = own.feedback.iter().filter(|value| BROWSER_FEEDBACK.contains(&value.as_str()));
            payloads.push(Payload { feedback: feedback.cloned().collect(), ..own.clone() });
        }
    }
    payloads
}

/// Joins a SIP endpoint's offer, what the relay made of it for the other end ([`browser_offer`] or [`sip_offer`]) and the
/// other end's answer. `answer` is for the SIP endpoint.
///
/// # Errors
///
/// When nothing is left that both ends have, or the answer's sections are not those of the offer.
pub fn answer_sip(offer: &[Section], relayed: &[Section], answered: &[Section]) -> Result<Settled, NegotiationError> {
    let callee = accepted(relayed, answered)?;
    let mut settled = Settled { answer: Vec::new(), caller: Vec::new(), callee: Vec::new() };
    for offered in offer {
        let stream = callee.iter().find(|stream| stream.mid == offered.mid && !offered.rejected);
        match stream.and_then(|stream| Some((answer_section(offered, stream, Direction::SendRecv)?, stream))) {
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
    /// A section for each that was offered, in order, refused ones too.
    pub answer: Vec<Section>,
    /// The peer's streams from now on, in use, as the peer sees them.
    pub peer: Vec<Section>,
}

/// Answers an offer of a SIP peer (re-INVITE, UPDATE) within what the other leg has negotiated, `other`, which hears
/// nothing of it. `wanted` is what this side of the call wants, as the relay sees it: less than
/// [`Direction::SendRecv`] while the other end holds.
///
/// The codec that the other end sends stands first in the answer if the peer has it, or has what it converts to.
///
/// # Errors
///
/// When the peer wants media and nothing of them can be (488). No media at all is an offer that can be met (RFC 3264 §8.2).
pub fn renegotiate(other: &[Section], offer: &[Section], wanted: Direction) -> Result<Renegotiated, NegotiationError> {
    let mut renegotiated = Renegotiated { answer: Vec::new(), peer: Vec::new() };
    let mut streams = Streams::of(other);
    for offered in offer {
        let stream = streams.next(offered.kind).filter(|_| !offered.rejected);
        match stream.and_then(|stream| answer_section(offered, stream, wanted)) {
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

/// The streams of a leg, given away one by one to those of the same kind on another, as the bridge does it.
struct Streams<'a> {
    sections: &'a [Section],
    taken: [usize; 2],
}

impl<'a> Streams<'a> {
    const fn of(sections: &'a [Section]) -> Self {
        Self { sections, taken: [0; 2] }
    }

    /// The next one of that kind in use.
    fn next(&self, kind: MediaKind) -> Option<&'a Section> {
        let [audio, video] = self.taken;
        let taken = if kind == MediaKind::Audio { audio } else { video };
        self.sections.iter().filter(|section| section.kind == kind && !section.rejected).nth(taken)
    }

    /// Gives it away.
    const fn take(&mut self, kind: MediaKind) {
        let [audio, video] = &mut self.taken;
        match kind {
            MediaKind::Audio => *audio += 1,
            MediaKind::Video => *video += 1,
        }
    }
}

/// The answer to one section of a SIP endpoint whose media go to and come from `other`.
fn answer_section(offered: &Section, other: &Section, wanted: Direction) -> Option<Section> {
    let sent = other.payloads.iter().find(|payload| payload.codec.is_primary())?;
    let is_sent = |payload: &Payload| sent.codec.matches(&payload.codec);
    let must_convert = !offered.payloads.iter().any(is_sent);
    let passes = |payload: &&Payload| {
        let is_known = payload.codec.is_primary() && find(&other.payloads, payload).is_some();
        is_known || must_convert && sent.codec.converts(&payload.codec)
    };
    let mut payloads: Vec<&Payload> = offered.payloads.iter().filter(passes).collect();
    payloads.sort_by_key(|payload| !(is_sent(payload) || must_convert && sent.codec.converts(&payload.codec)));
    let rates: Vec<u32> = payloads.iter().map(|payload| payload.codec.clock_rate).collect();
    let beside = |payload: &&Payload| {
        let codec = &payload.codec;
        // The relay makes and takes telephone-events itself; 8000 is what everybody has.
        codec.is_telephone_event() && (codec.clock_rate == 8000 || rates.contains(&codec.clock_rate))
            || codec.is_comfort_noise() && find(&other.payloads, payload).is_some()
    };
    payloads.extend(offered.payloads.iter().filter(beside));
    let told = |payload: &Payload| {
        // The parameters say what their writer can receive: each end is told the other's.
        let same = find(&other.payloads, payload).filter(|same| same.codec.is_primary());
        let fmtp = same.map_or_else(|| payload.codec.fmtp.clone(), |same| same.codec.fmtp.clone());
        let feedback = payload.feedback.iter().filter(|value| offer::SIP_FEEDBACK.contains(&value.as_str()));
        Payload {
            codec: Codec { fmtp, ..payload.codec.clone() },
            feedback: feedback.cloned().collect(),
            number: payload.number,
        }
    };
    let payloads: Vec<Payload> = payloads.into_iter().map(told).collect();
    let direction = offered.direction.reversed().and(other.direction).and(wanted);
    has_primary(&payloads).then(|| Section {
        payloads,
        direction,
        extensions: Vec::new(),
        ssrcs: Vec::new(),
        ..offered.clone()
    })
}

/// The offerer's stream once it is answered: its own payloads in the order of the answer.
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

/// How what one end sends reaches another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sending {
    /// The receiver takes what the sender sends first.
    AsItIs,
    /// It takes it in the other law of G.711.
    Converted,
    /// It does not, but it takes this payload of the sender's, to which the sender would have to change.
    Changed(Payload),
    /// Not at all.
    Never,
}

/// How audio or video that `from` sends reaches `to`, both as their ends see them.
#[must_use]
pub fn sending(from: &Section, to: &Section) -> Sending {
    let takes = |payload: &Payload, same: fn(&Codec, &Codec) -> bool| {
        let theirs = to.payloads.iter().filter(|theirs| theirs.codec.is_primary());
        theirs.map(|theirs| &theirs.codec).any(|codec| same(&payload.codec, codec))
    };
    let mut primary = from.payloads.iter().filter(|payload| payload.codec.is_primary());
    match primary.next() {
        Some(first) if takes(first, Codec::matches) => Sending::AsItIs,
        Some(first) if takes(first, Codec::converts) => Sending::Converted,
        Some(_) => primary.find(|payload| takes(payload, flows)).cloned().map_or(Sending::Never, Sending::Changed),
        None => Sending::Never,
    }
}

/// Whether the relay can make one of the other without a codec.
fn flows(a: &Codec, b: &Codec) -> bool {
    a.matches(b) || a.converts(b)
}

/// The payload of the same codec, under the same number if there is such a one.
fn find<'a>(payloads: &'a [Payload], wanted: &Payload) -> Option<&'a Payload> {
    let mut same = payloads.iter().filter(|payload| payload.codec.matches(&wanted.codec));
    same.clone().find(|payload| payload.number == wanted.number).or_else(|| same.next())
}

fn has_primary(payloads: &[Payload]) -> bool {
    payloads.iter().any(|payload| payload.codec.is_primary())
}

#[cfg(test)]
mod tests;
