//! DTMF digits and key frame requests, in RTP or RTCP if both endpoints support it, in SIP signaling otherwise.

use super::context::Context;
use super::participant::{Leg, Side};
use super::{CallEvent, Established, Output};
use offhook_media::command::{Command, LegKey};
use offhook_sip::user_agent::io::{Body, Command as SipCommand, InviteId};

/// The method by which DTMF digits are sent to a SIP endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtmfMethod {
    /// As telephone-event in the media (RFC 4733).
    TelephoneEvent,
    /// By INFO with a body of `application/dtmf`.
    Info,
    /// By INFO with a body of `application/dtmf-relay`.
    InfoRelay,
}

/// The duration of a digit in `application/dtmf-relay`, in milliseconds. Phones send the same value.
const DURATION: u16 = 160;

/// The body of an INFO that requests a key frame (RFC 5168 §3).
const PICTURE_FAST_UPDATE: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<media_control><vc_primitive><to_encoder>\
<picture_fast_update/></to_encoder></vc_primitive></media_control>\r\n";

/// Returns the digit in the body of an INFO; `None` if it contains no valid one.
#[must_use]
pub fn digits_of(body: &Body) -> Option<String> {
    let text = String::from_utf8_lossy(&body.octets);
    let kind = body.content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let signal = match kind.as_str() {
        "application/dtmf-relay" => text.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            name.trim().eq_ignore_ascii_case("signal").then(|| value.trim().to_owned())
        })?,
        // Some peers send the event in a body of `audio/telephone-event`, or with `d=` before it.
        "application/dtmf" | "audio/telephone-event" => {
            let text = text.trim();
            text.strip_prefix("d=").unwrap_or(text).to_owned()
        }
        _ => return None,
    };
    // Some peers send the event code, which is 10 for the star and 11 for the hash (RFC 4733 §3.2).
    let digit = match signal.to_ascii_uppercase().as_str() {
        "10" => '*',
        "11" => '#',
        digit => digit.chars().next().filter(|_| digit.len() == 1)?,
    };
    matches!(digit, '0'..='9' | 'A'..='D' | '*' | '#').then(|| digit.to_string())
}

/// Returns whether the body of an INFO requests a key frame.
#[must_use]
pub fn requests_key_frame(body: &Body) -> bool {
    let kind = body.content_type.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/media_control+xml")
        && String::from_utf8_lossy(&body.octets).contains("picture_fast_update")
}

fn info(invite: InviteId, content_type: &str, text: String) -> Output {
    let body = Body { content_type: content_type.to_owned(), octets: text.into_bytes() };
    Output::Sip(SipCommand::Info { invite, body })
}

fn has_telephone_event(leg: &Leg) -> bool {
    leg.streams.iter().flat_map(|stream| &stream.payloads).any(|payload| payload.codec.is_telephone_event())
}

impl Established {
    /// Sends digits to the other side by command of a browser or the application.
    pub(super) fn send_dtmf(&self, leg: LegKey, method: DtmfMethod, digits: &str, cx: &mut Context) {
        let Some(other) = self.other_leg(leg) else { return };
        let to = other.participant.leg;
        let in_media = || Command::SendDtmf { leg: to, digits: digits.to_owned() };
        match &other.participant.side {
            Side::Browser(_) => {
                cx.media([in_media()]);
                digits.chars().for_each(|digit| cx.report(CallEvent::DtmfReceived { from: leg, to, digit }));
            }
            Side::Application(_) => {
                digits.chars().for_each(|digit| cx.report(CallEvent::DtmfReceived { from: leg, to, digit }));
            }
            Side::Sip(_) if method == DtmfMethod::TelephoneEvent && has_telephone_event(other) => {
                cx.media([in_media()]);
            }
            Side::Sip(peer) => {
                let is_plain = method == DtmfMethod::Info;
                cx.extend(digits.chars().map(|digit| {
                    if is_plain {
                        info(peer.invite(), "application/dtmf", digit.to_string())
                    } else {
                        digit_relay(peer.invite(), digit)
                    }
                }));
            }
        }
    }

    /// Handles a digit that was received in RTP. The bridge forwards it to a peer that supports telephone-event;
    /// any other peer receives it in an INFO.
    pub(super) fn digit_received(&self, leg: LegKey, digit: char, cx: &mut Context) {
        let Some(other) = self.other_leg(leg) else { return };
        match other.participant.peer().filter(|_| !has_telephone_event(other)) {
            Some(peer) => cx.push(digit_relay(peer.invite(), digit)),
            None => cx.report(CallEvent::DtmfReceived { from: leg, to: other.participant.leg, digit }),
        }
    }

    /// Requests a key frame by INFO from a peer that does not support RTCP feedback.
    pub(super) fn request_key_frame(&self, leg: LegKey, cx: &mut Context) {
        if let Some(peer) = self.leg(leg).and_then(|leg| leg.participant.peer()) {
            cx.push(info(peer.invite(), "application/media_control+xml", PICTURE_FAST_UPDATE.to_owned()));
        }
    }

    /// Handles a peer's key frame request in an INFO.
    pub(super) fn key_frame_requested(&self, leg: LegKey, cx: &mut Context) {
        if self.side(leg).is_some() {
            cx.media([Command::RequestKeyFrame { leg }]);
        }
    }
}

fn digit_relay(invite: InviteId, digit: char) -> Output {
    info(invite, "application/dtmf-relay", format!("Signal={digit}\r\nDuration={DURATION}\r\n"))
}

#[cfg(test)]
mod tests;
