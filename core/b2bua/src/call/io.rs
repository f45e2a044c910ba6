//! The vocabulary of the call machine.

use super::direct::DirectMediaStep;
use super::dtmf::DtmfMethod;
use super::event::CallEvent;
use super::party::{Leg, Party, SipResources};
use super::peer::TheirOffer;
use offhook_media::command::{Command, LegKey, TransportFailure};
use offhook_media::ports::PortPair;
use offhook_sdp::sip::ExtraLine;
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io as sip;

use std::net::IpAddr;

/// What happens to a call.
#[derive(Clone, Debug)]
pub enum Input {
    /// A browser that rings takes the call.
    Answer {
        /// Its leg.
        leg: LegKey,
        /// Its answer.
        sdp: String,
        /// Its lines for the relay's answer to a SIP caller.
        lines: Vec<ExtraLine>,
    },
    /// A browser hangs up, cancels or rejects.
    HangUp {
        /// Its leg.
        leg: LegKey,
    },
    /// A browser puts the other on hold.
    Hold {
        /// Its leg.
        leg: LegKey,
    },
    /// A browser takes the other back.
    Unhold {
        /// Its leg.
        leg: LegKey,
    },
    /// A browser sends DTMF digits, checked.
    SendDtmf {
        /// Its leg.
        leg: LegKey,
        /// How they are sent on a SIP leg.
        method: DtmfMethod,
        /// `0`–`9`, `A`–`D`, `*`, `#`.
        digits: String,
    },
    /// One side hands the other to somebody else, who rings here.
    Transfer {
        /// The leg that hands over.
        leg: LegKey,
        /// Who shall ring; the reason when nobody can.
        targets: Result<Vec<Party>, EndReason>,
    },
    /// A browser hands the other, a SIP endpoint, to somebody else, whom that one shall call itself (RFC 3515).
    Refer {
        /// The leg of the browser.
        leg: LegKey,
        /// The URI to call.
        target: String,
        /// What to do when the peer will not.
        otherwise: Fallback,
    },
    /// Another SIP endpoint takes the place of one (RFC 3891).
    Replace {
        /// The leg whose place is taken.
        leg: LegKey,
        /// Who takes it.
        party: Box<Party>,
        /// Its offer.
        offer: Option<Box<TheirOffer>>,
    },
    /// A browser's step in setting up direct media.
    Direct {
        /// Its leg.
        leg: LegKey,
        /// The attempt it belongs to.
        attempt: u32,
        /// The step.
        step: DirectMediaStep,
    },
    /// The INVITE of a fork came back from the server.
    Return {
        /// The fork.
        leg: LegKey,
        /// It, as it came in, with what will answer it.
        party: Box<Party>,
        /// Who shall ring for it.
        targets: Vec<Party>,
    },
    /// Where a phone of this relay sent its caller.
    Redirect {
        /// The fork that sent it.
        leg: LegKey,
        /// Who shall ring in its place; why nobody does.
        targets: Result<Vec<Party>, EndReason>,
    },
    /// A browser needs to hear again how the call stands.
    RepeatStatus {
        /// Its leg.
        leg: LegKey,
    },
    /// A browser's session is gone.
    SessionLost {
        /// Its leg.
        leg: LegKey,
    },
    /// The user agent tells something of a SIP leg.
    Sip {
        /// The leg.
        leg: LegKey,
        /// What.
        event: SipEvent,
    },
    /// The worker heard a digit in the media.
    DtmfReceived {
        /// The leg it came from.
        leg: LegKey,
        /// `0`–`9`, `A`–`D`, `*` or `#`.
        digit: char,
    },
    /// A key frame is wanted of a SIP endpoint that has no RTCP feedback.
    KeyFrameWanted {
        /// Its leg.
        leg: LegKey,
    },
    /// A leg's transport did not come up; the worker has closed it.
    LegFailed {
        /// The leg.
        leg: LegKey,
        /// Why.
        failure: TransportFailure,
    },
    /// Nothing arrives from a leg any more; the worker has closed it.
    LegDead {
        /// The leg.
        leg: LegKey,
    },
    /// The relay ends.
    Shutdown,
}

/// What a SIP endpoint does to its call.
#[derive(Clone, Debug)]
pub enum SipEvent {
    /// Its messages come from this address from now on.
    SourceChanged(IpAddr),
    /// It rings, or has something to say before it answers.
    Progress {
        /// Which callee.
        branch: sip::Branch,
        /// 101 to 199.
        status: u16,
        /// Its early answer.
        sdp: Option<String>,
    },
    /// It answers.
    Answered {
        /// Which callee.
        branch: sip::Branch,
        /// Its answer, unless it came before.
        sdp: Option<String>,
    },
    /// It answers an offer of the relay.
    OfferAnswered {
        /// The answer; none if it was no session description.
        sdp: Option<String>,
    },
    /// It refuses an offer of the relay.
    OfferRefused,
    /// It makes a new offer, or wants one.
    Offered {
        /// Which callee.
        branch: sip::Branch,
        /// The offer.
        sdp: Option<String>,
    },
    /// How the call goes that it was asked to make.
    ReferProgress {
        /// The status of that call.
        status: u16,
        /// No more will come.
        is_final: bool,
        /// It will not make it at all.
        is_refused: bool,
    },
    /// It wants a key frame (RFC 5168).
    KeyFrameRequested,
    /// It is gone.
    Ended(sip::Cause),
}

/// What becomes of a transfer that the peer will not do by itself.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Fallback {
    /// The relay calls the target.
    Ring {
        /// Whom.
        target: String,
    },
    /// The relay joins the two far ends.
    Join {
        /// The browser's leg in its other call.
        other: LegKey,
        /// The SIP endpoint's call there, which the new one would replace.
        replaces: sip::InviteId,
    },
}

/// What a call wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Report an event to the participants and observers.
    Event {
        /// The event.
        event: CallEvent,
        /// The call has video, as far as it is negotiated.
        has_video: bool,
    },
    /// Tell the call's media worker.
    Media(Command),
    /// Tell the user agent.
    Sip(sip::Command),
    /// A participant is out of the call: release its leg.
    Release {
        /// The leg.
        leg: LegKey,
        /// What a SIP endpoint's leg occupied.
        sip: Option<SipResources>,
    },
    /// A phone of this relay sends its caller elsewhere: say with [`Input::Redirect`] who rings there.
    Redirected {
        /// The fork that does.
        leg: LegKey,
        /// Where to, best first.
        contacts: Vec<String>,
    },
    /// RTP ports that the call needs no more.
    Free(Vec<PortPair>),
    /// The peer will not do a transfer: do it here.
    Unreferred {
        /// The leg that hands over.
        leg: LegKey,
        /// How.
        otherwise: Fallback,
    },
    /// The call is over.
    Ended(EndReason),
}

/// One side of a call that was taken out of it, to be joined to another call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// The side that stays.
    pub leg: Leg,
    /// It has the other side on hold.
    pub holds: bool,
}
