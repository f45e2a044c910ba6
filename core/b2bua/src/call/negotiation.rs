//! SDP offer/answer of the relay with each leg, a browser or a SIP endpoint (RFC 3264).

mod browser;

pub(super) use browser::BrowserAnswer;
pub use browser::RelaySide;

use super::participant::{Caller, End, Fork, LegSecrets, Participant, Side};
use super::peer::{Peer, Purpose, RemoteAnswer, sdp_body};
use super::{CallEvent, Output};
use offhook_media::command::{Command, Silence};
use offhook_sdp::direction::Direction;
use offhook_sdp::offer_answer::sip::{
    accepted, answer_browser, answer_sip, browser_offer, default_offer, for_browser, in_offered_order, reoffer,
    sip_offer, with_converted,
};
use offhook_sdp::offer_answer::{NegotiationError, Settled, relay_offer, settle};
use offhook_sdp::plan::Conversions;
use offhook_sdp::section::Section;
use offhook_sdp::webrtc::IceCredentials;
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io::{Cause, Command as SipCommand, Failure};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Creates the relay's side of each leg: ICE credentials, SSRCs, offers and answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegMaker {
    side: RelaySide,
    pub(super) random: ChaCha20Rng,
}

/// Generates ICE credentials with more random bits than RFC 8445 §5.3 requires: 48 in the user name fragment and 144 in
/// the password.
pub fn ice_credentials(random: &mut ChaCha20Rng) -> IceCredentials {
    let mut text = |length: usize| {
        let mut octets = vec![0; length];
        random.fill_bytes(&mut octets);
        let letters = octets.iter().map(|octet| *ICE_ALPHABET.get(usize::from(octet & 63)).unwrap_or(&b'A'));
        letters.map(char::from).collect()
    };
    IceCredentials { ufrag: text(8), pwd: text(24) }
}

/// The parsed answer of a fork.
pub(super) enum ForkAnswer {
    Browser(BrowserAnswer),
    Sip(Box<RemoteAnswer>),
}

const ICE_ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

impl LegMaker {
    /// Creates a maker that derives all random values, including ICE passwords, from `seed`, which must be secret.
    #[must_use]
    pub fn new(side: RelaySide, seed: [u8; 32]) -> Self {
        Self { side, random: ChaCha20Rng::from_seed(seed) }
    }

    /// The conversions between codecs that the media worker performs.
    pub(super) const fn conversions(&self) -> Conversions {
        self.side.conversions
    }

    fn secrets(&mut self) -> LegSecrets {
        let ice = ice_credentials(&mut self.random);
        LegSecrets { ice, first_ssrc: (self.random.next_u32() & 0x7fff_ff00) | 1 }
    }

    /// Returns the sections of an offer to `to` on behalf of `from`. `media` are the sections that `from` has offered
    /// or negotiated, or `None` if the caller made no offer.
    fn offered(&self, from: &Side, media: Option<&[Section]>, to: &Side) -> Vec<Section> {
        let (codecs, conversions) = (&self.side.codecs, self.side.conversions);
        match (from, media, to) {
            // The application is never alerted.
            (.., Side::Application(_)) => Vec::new(),
            (_, None, Side::Browser(_)) => default_offer(false, codecs),
            (_, None, Side::Sip(_)) => self.offered_to_sip(&default_offer(false, codecs)),
            (Side::Browser(_), Some(media), Side::Browser(_)) => relay_offer(media, codecs),
            (Side::Sip(_) | Side::Application(_), Some(media), Side::Browser(_)) => {
                browser_offer(&for_browser(media, codecs, conversions), codecs)
            }
            (_, Some(media), Side::Sip(_)) => self.offered_to_sip(media),
        }
    }

    /// Returns the sections of an offer to a SIP endpoint: the codecs of the other leg, then those to which the relay
    /// converts.
    fn offered_to_sip(&self, media: &[Section]) -> Vec<Section> {
        with_converted(sip_offer(media, &self.side.codecs), &self.side.codecs, self.side.conversions)
    }

    /// Alerts `participant` on behalf of `from`. If no media can be offered, returns the participant as the error.
    pub(super) fn alert(
        &mut self,
        mut participant: Participant,
        from: &Side,
        media: Option<&[Section]>,
        has_video: bool,
    ) -> Result<(Fork, Vec<Output>), Box<Participant>> {
        let offered = self.offered(from, media, &participant.side);
        if offered.is_empty() {
            return Err(Box::new(participant));
        }
        let (leg, endpoint, address) = (participant.leg, participant.endpoint(), participant.address.clone());
        let (ssrcs, outputs) = match &mut participant.side {
            Side::Browser(_) => self.alert_browser(leg, address, &offered, has_video),
            Side::Sip(peer) => {
                let text = peer.make_offer(offered.clone(), Purpose::First, &mut self.random);
                let mut outputs = vec![Output::Media(peer.open(leg))];
                if let Some(mut request) = peer.begin_dialog() {
                    request.offer = Some(sdp_body(&text));
                    outputs.push(Output::Sip(SipCommand::Invite { invite: peer.invite(), request }));
                    outputs.push(Output::Event {
                        event: CallEvent::Routed { callee: leg, endpoint, address, offer: None },
                        has_video,
                    });
                }
                (peer.ssrcs(), outputs)
            }
            Side::Application(_) => return Err(Box::new(participant)),
        };
        Ok((Fork { participant, offered, ssrcs }, outputs))
    }

    /// Returns the relay's offer to a SIP caller whose INVITE contained none. `streams` are those of the callee that
    /// answered, as the caller may use them.
    pub(super) fn delayed_offer(&mut self, caller: &mut Peer, streams: &[Section]) -> String {
        let offered = self.offered_to_sip(streams);
        caller.make_offer(offered, Purpose::First, &mut self.random)
    }

    /// Returns the next offer to a SIP endpoint in an established call, whose other side has negotiated `other`.
    pub(super) fn next_offer_to(&mut self, peer: &mut Peer, other: &[Section], purpose: Purpose, held: bool) -> String {
        let direction = if held { Direction::SendOnly } else { Direction::SendRecv };
        let mut offered = reoffer(&peer.current(), other, direction);
        self.side.conversions.limit(&mut offered, other);
        peer.make_offer(offered, purpose, &mut self.random)
    }

    /// Parses a fork's answer.
    pub(super) fn parse_answer(fork: &Fork, text: &str) -> Result<ForkAnswer, EndReason> {
        match &fork.participant.side {
            Side::Browser(_) => BrowserAnswer::parse(text).map(ForkAnswer::Browser),
            Side::Sip(peer) => peer.check_answer(text).map(|answer| ForkAnswer::Sip(Box::new(answer))),
            Side::Application(_) => Err(EndReason::InternalError),
        }
    }

    /// Determines the relay's answer to the caller and the streams of both legs, from the caller's offer and a fork's
    /// answer. If the caller made no offer, or received its answer with early media, only the streams of the fork are
    /// determined.
    pub(super) fn settle(&self, caller: &Caller, fork: &Fork, parsed: &ForkAnswer) -> Result<Settled, EndReason> {
        let settled = match (&caller.offer, caller.early(), &caller.participant.side, parsed) {
            (Some(_), Some(_), ..) | (None, ..) | (.., Side::Application(_), _) => Self::settle_callee(fork, parsed),
            (Some(offer), None, Side::Browser(_), ForkAnswer::Browser(parsed)) => {
                settle(offer, parsed.sections(), &fork.offered)
            }
            (Some(offer), None, Side::Browser(_), ForkAnswer::Sip(parsed)) => {
                answer_browser(offer, &fork.offered, parsed.media(), self.side.conversions)
            }
            (Some(offer), None, Side::Sip(_), parsed) => {
                answer_sip(offer, &fork.offered, &parsed.sent(&fork.offered), self.side.conversions)
            }
        };
        settled.map_err(end_reason)
    }

    fn settle_callee(fork: &Fork, parsed: &ForkAnswer) -> Result<Settled, NegotiationError> {
        let callee = accepted(&fork.offered, &parsed.sent(&fork.offered))?;
        Ok(Settled { answer: Vec::new(), caller: Vec::new(), callee })
    }

    /// Returns the streams of a transfer's target that answered. The streams of the transferee do not change.
    pub(super) fn settle_transfer(
        transferee: &super::Leg,
        fork: &Fork,
        parsed: &ForkAnswer,
    ) -> Result<Vec<Section>, EndReason> {
        let settled = match (&transferee.participant.side, parsed) {
            (Side::Browser(_), ForkAnswer::Browser(parsed)) => {
                settle(&transferee.streams, parsed.sections(), &fork.offered)
            }
            (_, parsed) => Self::settle_callee(fork, parsed),
        };
        settled.map(|settled| settled.callee).map_err(end_reason)
    }

    /// Returns the worker's command that connects a fork that has answered.
    pub(super) fn connect(fork: &mut Fork, parsed: ForkAnswer, streams: &[Section], silence: Silence) -> Command {
        let leg = fork.participant.leg;
        match (&mut fork.participant.side, parsed) {
            (Side::Sip(peer), ForkAnswer::Sip(answer)) => peer.apply_answer(leg, *answer, streams, silence),
            (_, ForkAnswer::Browser(parsed)) => browser::connect(leg, &fork.ssrcs, &parsed, streams),
            // Unreachable: the kind of an answer is that of the participant that sent it.
            (Side::Browser(_) | Side::Application(_), ForkAnswer::Sip(_)) => Command::Unbridge { leg },
        }
    }
}

impl ForkAnswer {
    /// Returns the sections of the answer. The first format of each section is the one that the answerer sends.
    fn sent(&self, offered: &[Section]) -> Cow<'_, [Section]> {
        match self {
            Self::Browser(parsed) => in_offered_order(offered, parsed.sections()).into(),
            Self::Sip(answer) => answer.media().into(),
        }
    }
}

pub(super) const fn end_reason(error: NegotiationError) -> EndReason {
    match error {
        NegotiationError::Refused | NegotiationError::NoCommonCodecs => EndReason::NoCommonCodecs,
        NegotiationError::NotAnAnswer => EndReason::BadSessionDescription,
    }
}

/// Returns the end of a call, or of a fork, that results from the end of its SIP dialog. `answered` states whether the
/// dialog was confirmed.
pub(super) fn end_reason_of(cause: Cause, answered: bool) -> End {
    match cause {
        // RFC 3326 §2: another endpoint answered the call.
        Cause::Remote { reason: Some((200..=299, _)) } if !answered => EndReason::AnsweredElsewhere.into(),
        Cause::Remote { reason } => {
            let normal = if answered { EndReason::HungUp } else { EndReason::Canceled };
            End { reason: normal, status_line: reason.filter(|(status, _)| *status >= 300) }
        }
        Cause::Refused { status, reason, .. } => End { reason: reason_of(status), status_line: Some((status, reason)) },
        Cause::Failed(Failure::Refused { status, reason }) => {
            End { reason: reason_of(status), status_line: Some((status, reason)) }
        }
        Cause::Failed(Failure::WrongPassword { .. }) => EndReason::Forbidden.into(),
        Cause::Failed(Failure::Timeout) => EndReason::ServerTimeout.into(),
        Cause::Failed(Failure::Unreachable | Failure::NoSuchHost) => EndReason::ServerUnreachable.into(),
        Cause::Local => EndReason::HungUp.into(),
        Cause::Lost => EndReason::SessionLost.into(),
    }
}

/// Returns the end that corresponds to a final response that a peer reported in a NOTIFY (RFC 3515 §2.4.5).
pub(super) fn end_of_status(status: u16) -> End {
    End { reason: reason_of(status), status_line: Some((status, String::new())) }
}

/// Returns the reason that a final response represents (RFC 3261 §21).
const fn reason_of(status: u16) -> EndReason {
    match status {
        300..=399 => EndReason::Redirected,
        401 | 403 | 407 => EndReason::Forbidden,
        404 | 410 | 484 | 604 => EndReason::NotFound,
        408 => EndReason::NoAnswer,
        415 | 488 | 606 => EndReason::NoCommonCodecs,
        480 => EndReason::Unavailable,
        486 | 600 => EndReason::Busy,
        487 => EndReason::Canceled,
        603 => EndReason::Rejected,
        _ => EndReason::SipFailure,
    }
}
