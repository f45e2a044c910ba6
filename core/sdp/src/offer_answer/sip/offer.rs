//! Offers of the relay to a SIP endpoint, or to a browser on behalf of a SIP endpoint.

use super::{BROWSER_FEEDBACK, MID, Streams, has_primary};
use crate::codec::{Codec, MediaKind, Payload};
use crate::direction::Direction;
use crate::offer_answer::offered_payloads;
use crate::plan::find;
use crate::section::{HeaderExtension, Section};

/// RTCP feedback offered to a SIP endpoint: key frame requests. Endpoints that use RTP/AVP may ignore these lines.
pub(super) const SIP_FEEDBACK: [&str; 2] = ["nack pli", "ccm fir"];

/// Video codecs supported by SIP endpoints. Others are not offered, because they make the INVITE too large for a datagram.
const SIP_VIDEO: [&str; 2] = ["H264", "VP8"];

/// Codecs that are offered to browsers.
pub(super) const BROWSER_CODECS: [&str; 10] =
    ["opus", "PCMU", "PCMA", "G722", "CN", "telephone-event", "H264", "VP8", "VP9", "AV1"];

/// Dynamic payload types (RFC 3551 §6) that do not conflict with RTCP packet types (RFC 5761 §4).
const DYNAMIC: core::ops::RangeInclusive<u8> = 96..=127;

/// The payload type that most phones use for telephone-event.
const TELEPHONE_EVENT: u8 = 101;

/// Builds the relay's offer to a SIP endpoint on behalf of a browser or another SIP endpoint that offered (or, after an
/// INVITE without offer, answered) `offered`. It has the sections in use of `offered`, with their `mid`s and
/// directions. `order` is the configured codec order as in [`relay_offer`](crate::offer_answer::relay_offer). If it
/// lists no video codec, video sections keep only the codecs that SIP endpoints usually support, provided that there
/// are any.
///
/// Codecs with a static payload type use it; others keep their number if it is a valid dynamic one. telephone-event at
/// 8000 Hz is always offered for audio, because the relay generates it. Its payload type is the one that phones expect,
/// if this is not in use.
#[must_use]
pub fn sip_offer(offered: &[Section], order: &[String]) -> Vec<Section> {
    let in_use = offered.iter().filter(|section| !section.rejected);
    let sections = in_use.map(|section| {
        let mut payloads = offered_payloads(section, order);
        let is_usual = |payload: &Payload| SIP_VIDEO.iter().any(|name| payload.codec.is(name));
        let is_named = |payload: &Payload| order.iter().any(|name| payload.codec.is(name));
        if section.kind == MediaKind::Video && payloads.iter().any(is_usual) && !payloads.iter().any(is_named) {
            payloads.retain(is_usual);
        }
        Section { payloads: sip_payloads(section.kind, payloads), ..bare(section) }
    });
    sections.filter(|section| has_primary(&section.payloads)).collect()
}

/// Returns the section without payloads, extensions and SSRCs, which belong to one leg.
fn bare(section: &Section) -> Section {
    Section { extensions: Vec::new(), ssrcs: Vec::new(), payloads: Vec::new(), ..section.clone() }
}

fn sip_payloads(kind: MediaKind, payloads: Vec<Payload>) -> Vec<Payload> {
    let mut kept: Vec<Payload> = Vec::new();
    for payload in payloads {
        let is_wideband_noise = payload.codec.is_comfort_noise() && payload.codec.clock_rate != 8000;
        // H.264 formats that differ only in the level are one format (RFC 6184 §8.2.2).
        if !is_wideband_noise && find(&kept, &payload).is_none() {
            kept.push(payload);
        }
    }
    if kind == MediaKind::Audio {
        let common = telephone_event(8000);
        let own = kept.iter().position(|payload| payload.codec.matches(&common.codec));
        let mut event = own.map_or_else(|| common.clone(), |own| kept.remove(own));
        if kept.iter().all(|payload| payload.number != common.number) {
            event.number = common.number;
        }
        // It precedes other telephone-event formats, because phones that support only 8000 Hz use the first one.
        let others = kept.iter().position(|payload| payload.codec.is_telephone_event());
        kept.insert(others.unwrap_or(kept.len()), event);
    }
    for payload in &mut kept {
        if payload.codec.is_telephone_event() && payload.codec.fmtp.is_none() {
            // Written although it is the default (RFC 4733 §2.4.1), because not every phone implements the default.
            payload.codec.fmtp = Some("0-15".to_owned());
        }
        let feedback: &[&str] = if kind == MediaKind::Video { &SIP_FEEDBACK } else { &[] };
        payload.feedback = feedback.iter().map(|value| (*value).to_owned()).collect();
    }
    numbered(kept, &[])
}

fn telephone_event(clock_rate: u32) -> Payload {
    let codec = Codec { name: "telephone-event".to_owned(), clock_rate, channels: 1, fmtp: Some("0-15".to_owned()) };
    Payload { number: TELEPHONE_EVENT, codec, feedback: Vec::new() }
}

/// Assigns a valid number to each payload: the static one of its codec, its own, or the first free one. The numbers in
/// `known` are not assigned, because their mapping is fixed for the whole session (RFC 3264 §8.3.2). Payloads without a
/// free number are removed.
pub(super) fn numbered(payloads: Vec<Payload>, known: &[Payload]) -> Vec<Payload> {
    let mut used: Vec<u8> = known.iter().map(|payload| payload.number).collect();
    let mut kept = Vec::new();
    let mut unnumbered = Vec::new();
    for (index, payload) in payloads.into_iter().enumerate() {
        let own = Some(payload.number).filter(|number| DYNAMIC.contains(number));
        let number = payload.codec.static_payload().or(own).filter(|number| !used.contains(number));
        match number {
            Some(number) => {
                used.push(number);
                kept.push((index, Payload { number, ..payload }));
            }
            None => unnumbered.push((index, payload)),
        }
    }
    for (index, payload) in unnumbered {
        if let Some(number) = DYNAMIC.into_iter().find(|number| !used.contains(number)) {
            used.push(number);
            kept.push((index, Payload { number, ..payload }));
        }
    }
    kept.sort_by_key(|(index, _)| *index);
    kept.into_iter().map(|(_, payload)| payload).collect()
}

/// Builds the relay's offer to a browser on behalf of a SIP endpoint that offered `offered`: the codecs that browsers
/// support, followed in audio sections by Opus and G.711 for later renegotiations. All sections are `sendrecv`, because
/// the browser receives only one offer, and a SIP endpoint that starts on hold may resume later.
#[must_use]
pub fn browser_offer(offered: &[Section], order: &[String]) -> Vec<Section> {
    let in_use = offered.iter().filter(|section| !section.rejected);
    let sections = in_use.map(|section| {
        let mut payloads = offered_payloads(section, order);
        payloads.retain(|payload| BROWSER_CODECS.iter().any(|name| payload.codec.is(name)));
        let has_own = has_primary(&payloads);
        if has_own && section.kind == MediaKind::Audio {
            for extra in default_audio() {
                let is_allowed = extra.codec.is_telephone_event() || !offered_payloads(&only(&extra), order).is_empty();
                if is_allowed && find(&payloads, &extra).is_none() {
                    payloads.push(extra);
                }
            }
        }
        Section {
            payloads: if has_own { browser_payloads(section.kind, payloads) } else { Vec::new() },
            extensions: vec![HeaderExtension { id: 1, uri: MID.to_owned() }],
            direction: Direction::SendRecv,
            ..bare(section)
        }
    });
    sections.filter(|section| has_primary(&section.payloads)).collect()
}

fn browser_payloads(kind: MediaKind, payloads: Vec<Payload>) -> Vec<Payload> {
    let mut payloads = numbered(payloads, &[]);
    for payload in &mut payloads {
        let feedback: &[&str] = if kind == MediaKind::Video { &BROWSER_FEEDBACK } else { &[] };
        payload.feedback = feedback.iter().map(|value| (*value).to_owned()).collect();
    }
    // A browser sends the first codec, which must be neither DTMF nor comfort noise.
    payloads.sort_by_key(|payload| !payload.codec.is_primary());
    payloads
}

/// Builds the relay's offer to a browser for an INVITE without a description (RFC 3261 §13.2.1): audio and, if requested,
/// video.
#[must_use]
pub fn default_offer(video: bool, order: &[String]) -> Vec<Section> {
    let section = |kind, mid: &str, payloads| Section {
        kind,
        mid: mid.to_owned(),
        direction: Direction::SendRecv,
        rejected: false,
        payloads,
        extensions: Vec::new(),
        ssrcs: Vec::new(),
    };
    // G.711 precedes Opus: the browser sends the first codec of its only answer, and the caller, whose codecs are not known
    // yet, may support nothing else.
    let mut audio = default_audio();
    audio.rotate_left(1);
    let audio = section(MediaKind::Audio, "0", audio);
    let video = video.then(|| section(MediaKind::Video, "1", default_video()));
    let sections: Vec<Section> = core::iter::once(audio).chain(video).collect();
    browser_offer(&sections, order)
}

fn payload(number: u8, name: &str, clock_rate: u32, channels: u8, fmtp: Option<&str>) -> Payload {
    let codec = Codec { name: name.to_owned(), clock_rate, channels, fmtp: fmtp.map(str::to_owned) };
    Payload { number, codec, feedback: Vec::new() }
}

fn default_audio() -> Vec<Payload> {
    vec![
        payload(111, "opus", 48_000, 2, Some("minptime=10;useinbandfec=1")),
        payload(0, "PCMU", 8000, 1, None),
        payload(8, "PCMA", 8000, 1, None),
        Payload { number: 110, ..telephone_event(48_000) },
        telephone_event(8000),
    ]
}

fn default_video() -> Vec<Payload> {
    let h264 = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";
    vec![payload(97, "H264", 90_000, 1, Some(h264)), payload(96, "VP8", 90_000, 1, None)]
}

/// Returns an audio section with only this payload.
fn only(payload: &Payload) -> Section {
    let kind = MediaKind::Audio;
    let (payloads, direction) = (vec![payload.clone()], Direction::SendRecv);
    Section {
        kind,
        mid: String::new(),
        direction,
        rejected: false,
        payloads,
        extensions: Vec::new(),
        ssrcs: Vec::new(),
    }
}

/// Builds a new offer of the relay in an established session (hold, resume, session refresh, response to a re-INVITE
/// without offer): the sections of its last description, `current`, in the same order and including refused ones
/// (RFC 3264 §8), with a new direction.
///
/// The negotiated codecs come first. All other codecs of the other leg, `other`, follow, since the peer may accept them now
/// (RFC 3261 §14.2).
#[must_use]
pub fn reoffer(current: &[Section], other: &[Section], direction: Direction) -> Vec<Section> {
    let mut streams = Streams::of(other);
    let sections = current.iter().map(|section| {
        if section.rejected {
            return section.clone();
        }
        let mut payloads = section.payloads.clone();
        let stream = streams.next(section.kind);
        streams.take(section.kind);
        let available = stream.into_iter().flat_map(|stream| sip_payloads(stream.kind, stream.payloads.clone()));
        let new: Vec<Payload> = available.filter(|payload| find(&section.payloads, payload).is_none()).collect();
        payloads.extend(numbered(new, &section.payloads));
        // DTMF and comfort noise stay last.
        payloads.sort_by_key(|payload| !payload.codec.is_primary());
        let limit = stream.map_or(Direction::SendRecv, |stream| stream.direction);
        Section { payloads, direction: direction.and(limit), ..section.clone() }
    });
    sections.collect()
}
