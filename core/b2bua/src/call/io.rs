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
    /// The call is answered by a browser, or for it by the application.
    Answer {
        /// Its leg.
        leg: LegKey,
        /// Its answer.
        sdp: String,
        /// Additional SDP lines for the relay's answer to a SIP caller.
        lines: Vec<ExtraLine>,
    },
    /// A participant hangs up, cancels or rejects, by its own command or by the application's.
    HangUp {
        /// The participant's leg.
        leg: LegKey,
        /// The reason that the application gives.
        reason: Option<EndReason>,
    },
    /// A participant puts the other participant on hold.
    Hold {
        /// The holder's leg.
        leg: LegKey,
    },
    /// A participant ends the hold of the other participant.
    Unhold {
        /// The holder's leg.
        leg: LegKey,
    },
    /// A participant sends DTMF digits, which have been validated.
    SendDtmf {
        /// The sender's leg.
        leg: LegKey,
        /// The method that is used on a SIP leg.
        method: DtmfMethod,
        /// `0`–`9`, `A`–`D`, `*`, `#`.
        digits: String,
    },
    /// A participant transfers the other participant to a target that the relay calls.
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
        /// Its offer; `None` if its INVITE contains none.
        offer: Option<Box<RemoteOffer>>,
    },
    /// A browser's step in setting up direct media.
    Direct {
        /// Its leg.
        leg: LegKey,
        /// The attempt that the step belongs to.
        attempt: u32,
        /// The step.
        step: DirectMediaStep,
    },
    /// The INVITE of a fork returned from the SIP server (looped call).
    LoopedInvite {
        /// The leg of the fork.
        leg: LegKey,
        /// The participant that represents the received INVITE.
        participant: Box<Participant>,
        /// The callees to be alerted for it.
        targets: Vec<Participant>,
    },
    /// The result of [`Output::Redirected`].
    Redirect {
        /// The leg of the phone that redirected the call.
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
        /// The leg from which it was received.
        leg: LegKey,
        /// `0`–`9`, `A`–`D`, `*` or `#`.
        digit: char,
    },
    /// The bridge requires a key frame from a SIP endpoint that does not support RTCP feedback.
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
    /// The relay ends the call for a reason of its own: it shuts down, or the call has reached its maximum duration.
    End {
        /// The reason.
        reason: EndReason,
    },
}

/// An event of a SIP leg.
#[derive(Clone, Debug)]
pub enum SipEvent {
    /// The source address of the peer's messages changed.
    SourceChanged(IpAddr),
    /// The peer sent a provisional response.
    Progress {
        /// The dialog of the forked INVITE.
        branch: sip::Branch,
        /// The status code, 101 to 199.
        status: u16,
        /// The description in the response, which is an early answer.
        sdp: Option<String>,
    },
    /// The peer sent a 2xx.
    Answered {
        /// The dialog of the forked INVITE.
        branch: sip::Branch,
        /// The answer, unless it was in a provisional response.
        sdp: Option<String>,
    },
    /// The peer answered an offer of the relay.
    OfferAnswered {
        /// The answer; `None` if the response contains no session description.
        sdp: Option<String>,
    },
    /// The peer rejected an offer of the relay.
    OfferRefused,
    /// The peer made an offer, or requested one.
    Offered {
        /// The dialog of the forked INVITE.
        branch: sip::Branch,
        /// The offer; `None` if the peer requested one.
        sdp: Option<String>,
    },
    /// The peer reported the progress of the call that it places because of a REFER.
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

/// The action of the relay if the peer refuses a REFER.
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
        /// The INVITE session with the SIP endpoint in that call. The dialog of the referred call replaces it.
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
    /// A phone of this relay answered its INVITE with a redirect (3xx). The response is [`Input::Redirect`].
    Redirected {
        /// The leg of the phone.
        leg: LegKey,
        /// The contacts, best first.
        contacts: Vec<Uri>,
    },
    /// Release RTP ports that the call no longer uses.
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
