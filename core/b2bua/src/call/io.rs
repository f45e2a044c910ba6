//! Inputs and outputs of the call machine.

use super::direct::DirectMediaStep;
use super::dtmf::DtmfMethod;
use super::event::CallEvent;
use super::participant::{Participant, SipResources};
use super::peer::RemoteOffer;
use crate::address::Address;
use offhook_media::command::{Command, LegKey, TransportFailure};
use offhook_media::ports::PortPair;
use offhook_sdp::sip::ExtraLine;
use offhook_signaling::reason::EndReason;
use offhook_sip::message::Uri;
use offhook_sip::user_agent::io as sip;

use std::net::IpAddr;

/// An input of a call.
#[derive(Clone, Debug)]
pub enum Input {
    /// A browser answers the call.
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
    /// A browser ends the hold of the other.
    Unhold {
        /// Its leg.
        leg: LegKey,
    },
    /// A browser sends DTMF digits, which have been validated.
    SendDtmf {
        /// Its leg.
        leg: LegKey,
        /// The method that is used on a SIP leg.
        method: DtmfMethod,
        /// `0`–`9`, `A`–`D`, `*`, `#`.
        digits: String,
    },
    /// A participant transfers the other to a target that the relay calls.
    Transfer {
        /// The leg of the transferor.
        leg: LegKey,
        /// The targets, or the reason why there is none.
        targets: Result<Vec<Participant>, EndReason>,
    },
    /// A browser transfers the other participant, a SIP endpoint, by REFER: that endpoint calls the target (RFC 3515).
    Refer {
        /// The leg of the browser.
        leg: LegKey,
        /// The URI to call.
        target: Uri,
        /// The action if the peer refuses the REFER.
        fallback: Fallback,
    },
    /// A SIP endpoint replaces another one (RFC 3891).
    Replace {
        /// The leg that is replaced.
        leg: LegKey,
        /// The new participant.
        participant: Box<Participant>,
        /// Its offer.
        offer: Option<Box<RemoteOffer>>,
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
    /// The INVITE of a fork returned from the server (looped call).
    LoopedInvite {
        /// The fork.
        leg: LegKey,
        /// The participant that stands for the received INVITE.
        participant: Box<Participant>,
        /// The callees to be alerted for it.
        targets: Vec<Participant>,
    },
    /// The result of [`Output::Redirected`].
    Redirect {
        /// The fork that was redirected.
        leg: LegKey,
        /// The new targets, or the reason why there is none.
        targets: Result<Vec<Participant>, EndReason>,
    },
    /// Repeat the state of the call to a browser.
    RepeatStatus {
        /// Its leg.
        leg: LegKey,
    },
    /// A browser's session has ended.
    SessionLost {
        /// Its leg.
        leg: LegKey,
    },
    /// An event of the user agent for a SIP leg.
    Sip {
        /// The leg.
        leg: LegKey,
        /// The event.
        event: SipEvent,
    },
    /// The worker received a digit in RTP.
    DtmfReceived {
        /// The leg that it was received from.
        leg: LegKey,
        /// `0`–`9`, `A`–`D`, `*` or `#`.
        digit: char,
    },
    /// The bridge needs a key frame of a SIP endpoint that has no RTCP feedback.
    KeyFrameWanted {
        /// Its leg.
        leg: LegKey,
    },
    /// The transport of a leg was not established; the worker has closed the leg.
    LegFailed {
        /// The leg.
        leg: LegKey,
        /// The reason.
        failure: TransportFailure,
    },
    /// The media of a leg stopped; the worker has closed the leg.
    LegDead {
        /// The leg.
        leg: LegKey,
    },
    /// The relay shuts down.
    Shutdown,
}

/// An event of a SIP leg.
#[derive(Clone, Debug)]
pub enum SipEvent {
    /// The source address of the peer's messages changed.
    SourceChanged(IpAddr),
    /// The peer sent a provisional response.
    Progress {
        /// The branch of the fork.
        branch: sip::Branch,
        /// 101 to 199.
        status: u16,
        /// The early answer.
        sdp: Option<String>,
    },
    /// The peer sent a 2xx.
    Answered {
        /// The branch of the fork.
        branch: sip::Branch,
        /// The answer, unless it was in a provisional response.
        sdp: Option<String>,
    },
    /// The peer answered an offer of the relay.
    OfferAnswered {
        /// The answer; none if it is not a session description.
        sdp: Option<String>,
    },
    /// The peer rejected an offer of the relay.
    OfferRefused,
    /// The peer made an offer, or requested one.
    Offered {
        /// The branch of the fork.
        branch: sip::Branch,
        /// The offer.
        sdp: Option<String>,
    },
    /// The progress of the call that the peer makes as requested by REFER.
    ReferProgress {
        /// The status of that call.
        status: u16,
        /// This is the last report.
        is_final: bool,
        /// The REFER was rejected.
        is_refused: bool,
    },
    /// The peer requests a key frame (RFC 5168).
    KeyFrameRequested,
    /// The dialog has ended.
    Ended(sip::Cause),
}

/// The action if the peer refuses a REFER.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Fallback {
    /// The relay calls the target.
    CallTarget {
        /// The target.
        target: Address,
    },
    /// The relay bridges the remote participants of two calls.
    Join {
        /// The browser's leg in its other call.
        other: LegKey,
        /// The SIP endpoint's dialog there, which the new one would replace.
        replaces: sip::InviteId,
    },
}

/// An output of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Report an event to the participants and observers.
    Event {
        /// The event.
        event: CallEvent,
        /// The call has video, as far as it is negotiated.
        has_video: bool,
    },
    /// A command for the call's media worker.
    Media(Command),
    /// A command for the user agent.
    Sip(sip::Command),
    /// A participant has left the call: release its leg.
    Release {
        /// The leg.
        leg: LegKey,
        /// The resources of a SIP endpoint's leg.
        sip: Option<SipResources>,
    },
    /// A phone of this relay redirected its caller; expects [`Input::Redirect`].
    Redirected {
        /// The fork that was redirected.
        leg: LegKey,
        /// The contacts, best first.
        contacts: Vec<Uri>,
    },
    /// RTP ports that the call no longer uses.
    FreePorts(Vec<PortPair>),
    /// The peer refused a REFER: the relay executes the transfer.
    ReferRefused {
        /// The leg of the transferor.
        leg: LegKey,
        /// The action.
        fallback: Fallback,
    },
    /// The call is over.
    Ended(EndReason),
}
