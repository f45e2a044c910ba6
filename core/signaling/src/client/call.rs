//! State machine of one call in the client (the SDK in a web page).
//!
//! ```text
//! outgoing: NEW ─dial─> PENDING ─> TRYING ─> (RING | RING_MEDIA | SESSION_PROGRESS)* ─> ESTABLISHED <─> HOLD ─> FINISH
//!                          └─ hangup, media failed ─> FAILED     any ─> FINISH | BUSY | FAILED, reported by the relay
//! incoming: NEW ─> RING ─answer─> PENDING ─> ESTABLISHED <─> HOLD ─> FINISH
//!
//! media:    None ─dial, answer─> Capturing ─granted─> Negotiating ─description created─> Connected ─> Closed
//!           Capturing, Negotiating, Connected ─failed, hung up, call or session ended─> Closed
//! ```
//!
//! As in the stock SDK, a status reported by the relay becomes the status of the call and the name of the emitted
//! event; the transition is not checked. The effect of a hangup depends on the status.

use super::{Status, direct};
use crate::message::{Answer, CallId, CallMessage, ClientMessage, DtmfType, Json, TransferStatus};
use offhook_clock::Time;
use std::collections::VecDeque;

/// The direction of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub enum CallDirection {
    /// The client is the caller.
    Outgoing,
    /// The client is the callee.
    Incoming {
        /// The relay's offer, if it was received before `notifyIncomingCall`.
        offer: Option<String>,
    },
}

/// Values set by the application for the messages of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// The callee.
    pub callee: Option<String>,
    /// The caller's login.
    pub caller: Option<String>,
    /// The display name shown to the callee.
    pub visible_name: Option<String>,
    /// Lines for the session description of a SIP leg.
    pub sip_sdp: Vec<String>,
    /// Header fields for the INVITE of a SIP leg.
    pub sip_headers: Vec<String>,
    /// A value of the application.
    pub custom: Option<Json>,
}

/// A local session description, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalDescription {
    /// The session description.
    pub sdp: String,
    /// The browser sends or receives audio.
    pub has_audio: bool,
    /// The browser sends or receives video.
    pub has_video: bool,
    /// A description of the local devices and tracks.
    pub local_media_info: Option<Json>,
    /// Values set by the application.
    pub details: Details,
}

/// An input of the state machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The application places the call.
    Dial,
    /// The application answers the call.
    Answer,
    /// The application hangs up.
    HangUp,
    /// The application puts the call on hold.
    Hold {
        /// The hold precedes an attended transfer to another call.
        for_transfer: bool,
    },
    /// The application resumes the call.
    Unhold,
    /// The application transfers the call to this target.
    TransferTo(String),
    /// The application sends DTMF digits.
    SendDtmf {
        /// The transport of the digits on a SIP leg.
        kind: DtmfType,
        /// The digits.
        digits: String,
    },
    /// The browser granted access to the requested microphone and camera.
    MediaGranted,
    /// Capturing media, or creating or negotiating the peer connection, failed with this exception.
    MediaFailed(String),
    /// The local description is created and set.
    Described(Box<LocalDescription>),
    /// The relay sent `setRemoteSDP` for this call.
    RemoteSdp(String),
    /// The relay reported a status.
    Status {
        /// The status.
        status: Status,
        /// The reason as text.
        info: Option<String>,
        /// The name of the [`EndReason`](crate::reason::EndReason).
        end_reason: Option<String>,
    },
    /// The session ended. The relay ends its calls (docs/signaling.md), so the media are no longer needed.
    SessionLost,
    /// The relay reported the status of a transfer.
    Transfer(TransferStatus),
    /// The peer sent a DTMF digit.
    DtmfReceived(char),
    /// The peer has put the call on hold (`true`) or resumed it.
    FarHold(bool),
    /// An input for the direct media connection.
    Direct(direct::Input),
}

/// A request of the application that is not allowed in the current state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misuse {
    /// The request is not allowed in the call's state.
    InvalidCallState,
    /// The relay's offer is missing.
    NoRemoteSdp,
}

impl Misuse {
    /// Returns the text of the exception.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::InvalidCallState => "Invalid call state",
            Self::NoRemoteSdp => "No remote sdp available",
        }
    }
}

/// An action for the shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Throw an exception to the application.
    Refuse(Misuse),
    /// Request access to microphone and camera.
    GetUserMedia {
        /// The relay's offer has video, or there is no offer yet.
        video_possible: bool,
    },
    /// Stop captured tracks that no peer connection uses, and abandon a pending request for them.
    ReleaseMedia,
    /// Create a peer connection and an offer.
    CreateOffer,
    /// Create a peer connection, set the offer and create an answer.
    CreateAnswer {
        /// The relay's offer.
        offer: String,
    },
    /// Set the relay's answer as the remote description.
    ApplyRemote(String),
    /// Close the peer connection.
    CloseMedia,
    /// Send a message.
    Send(ClientMessage),
    /// Remove the call from the session.
    Forget {
        /// The `call` message was sent, but the relay has not responded yet. The session sends `hangup` when it does.
        unanswered: bool,
    },
    /// Emit the event with the name of this status.
    Emit(Status),
    /// Emit the event for a received DTMF digit.
    EmitDtmf(char),
    /// Emit the event for the progress of a transfer.
    EmitTransfer(TransferStatus),
    /// Emit the event for hold or resume by the peer.
    EmitFarHold(bool),
    /// An action for the direct media connection.
    Direct(direct::Output),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
enum Media {
    None,
    Capturing,
    Negotiating,
    Connected,
    Closed,
}

/// The state machine of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct ClientCall {
    id: CallId,
    direction: CallDirection,
    status: Status,
    media: Media,
    /// The relay's answer, if it was received before the local offer was set.
    early_answer: Option<String>,
    info: Option<String>,
    error_info: Option<String>,
    end_reason: Option<String>,
    server_info: Option<String>,
    direct: direct::Direct,
    ignored: u64,
    #[cfg_attr(feature = "json", serde(skip))]
    outputs: VecDeque<Output>,
}

/// The result of `getInfo()` if media failed in the browser.
const LOCAL_ERROR: &str = "Local error";

impl ClientCall {
    /// Creates a call with the status [`Status::New`].
    #[must_use]
    pub fn new(id: CallId, direction: CallDirection) -> Self {
        Self {
            direct: direct::Direct::new(id.clone()),
            id,
            direction,
            status: Status::New,
            media: Media::None,
            early_answer: None,
            info: None,
            error_info: None,
            end_reason: None,
            server_info: None,
            ignored: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Returns the call's identifier.
    #[must_use]
    pub const fn id(&self) -> &CallId {
        &self.id
    }

    /// Returns the status of the call.
    #[must_use]
    pub const fn status(&self) -> &Status {
        &self.status
    }

    /// Returns `Local error` if media failed in the browser.
    #[must_use]
    pub fn info(&self) -> Option<&str> {
        self.info.as_deref()
    }

    /// Returns the browser's exception if media failed.
    #[must_use]
    pub fn error_info(&self) -> Option<&str> {
        self.error_info.as_deref()
    }

    /// Returns the name of the [`EndReason`](crate::reason::EndReason).
    #[must_use]
    pub fn end_reason(&self) -> Option<&str> {
        self.end_reason.as_deref()
    }

    /// Returns the relay's `info` text for the status.
    #[must_use]
    pub fn server_info(&self) -> Option<&str> {
        self.server_info.as_deref()
    }

    /// Returns whether the local description is still being created.
    #[must_use]
    pub fn is_negotiating(&self) -> bool {
        self.media == Media::Negotiating
    }

    /// Returns whether media are exchanged directly with the peer.
    #[must_use]
    pub const fn is_direct(&self) -> bool {
        self.direct.is_switched()
    }

    /// Returns the number of inputs that were ignored because of the state.
    #[must_use]
    pub const fn ignored(&self) -> u64 {
        self.ignored
    }

    /// Handles one input. The time is not used.
    pub fn handle_input(&mut self, input: Input, _now: Time) {
        match input {
            Input::Dial => self.dial(),
            Input::Answer => self.answer(),
            Input::HangUp => self.hang_up(),
            Input::Hold { for_transfer } => {
                self.send(ClientMessage::Hold { call_id: self.id.clone(), for_transfer });
            }
            Input::Unhold => self.send(ClientMessage::Unhold(self.id.clone())),
            Input::TransferTo(target) => self.send(ClientMessage::Transfer { call_id: self.id.clone(), target }),
            Input::SendDtmf { kind, digits } => {
                self.send(ClientMessage::SendDtmf { call_id: self.id.clone(), kind, digits });
            }
            Input::MediaGranted => self.media_granted(),
            Input::MediaFailed(exception) => self.media_failed(exception),
            Input::Described(description) => self.described(*description),
            Input::RemoteSdp(sdp) => self.remote_sdp(sdp),
            // A call that has ended ignores further statuses.
            Input::Status { .. } if self.status.is_terminal() => self.ignored += 1,
            Input::Status { status, info, end_reason } => {
                self.server_info = info.or_else(|| self.server_info.take());
                self.end_reason = end_reason.or_else(|| self.end_reason.take());
                self.server_status(status);
            }
            Input::SessionLost => self.session_lost(),
            Input::Transfer(status) => self.outputs.push_back(Output::EmitTransfer(status)),
            Input::DtmfReceived(digit) => self.outputs.push_back(Output::EmitDtmf(digit)),
            Input::FarHold(held) => self.outputs.push_back(Output::EmitFarHold(held)),
            // The direct connection sends the tracks of the connection to the relay, so that connection must exist.
            Input::Direct(_) if self.media != Media::Connected => self.ignored += 1,
            Input::Direct(input) => self.direct(input),
        }
    }

    /// Does nothing: a call has no timers, because the relay limits the duration of every wait.
    pub const fn handle_timeout(&mut self, _now: Time) {}

    /// Returns the next action.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Returns `None`, see [`Self::handle_timeout`].
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Time> {
        None
    }

    fn direct(&mut self, input: direct::Input) {
        self.direct.handle_input(input);
        while let Some(output) = self.direct.poll_output() {
            self.outputs.push_back(match output {
                direct::Output::Send(message) => Output::Send(message),
                output => Output::Direct(output),
            });
        }
    }

    fn send(&mut self, message: ClientMessage) {
        self.outputs.push_back(Output::Send(message));
    }

    fn is_incoming(&self) -> bool {
        matches!(self.direction, CallDirection::Incoming { .. })
    }

    fn dial(&mut self) {
        if self.status != Status::New {
            self.outputs.push_back(Output::Refuse(Misuse::InvalidCallState));
            return;
        }
        self.status = Status::Pending;
        self.media = Media::Capturing;
        self.outputs.push_back(Output::GetUserMedia { video_possible: true });
    }

    fn answer(&mut self) {
        if !matches!(self.status, Status::New | Status::Ring) {
            self.outputs.push_back(Output::Refuse(Misuse::InvalidCallState));
            return;
        }
        // The status changes even if the answer is refused for lack of an offer, because that of the stock SDK does.
        self.status = Status::Pending;
        match &self.direction {
            CallDirection::Incoming { offer: Some(offer) } if !offer.is_empty() => {
                let video_possible = offer.lines().any(|line| line.starts_with("m=video"));
                self.media = Media::Capturing;
                self.outputs.push_back(Output::GetUserMedia { video_possible });
            }
            CallDirection::Incoming { .. } | CallDirection::Outgoing => {
                self.outputs.push_back(Output::Refuse(Misuse::NoRemoteSdp));
            }
        }
    }

    /// Ends the call: locally before the relay has reported a status, else by a request to the relay.
    fn hang_up(&mut self) {
        match self.status {
            Status::New => self.fail(false),
            Status::Pending => {
                // `call` was sent only if media are connected. Without it, the relay sends no response.
                let called = self.media == Media::Connected && !self.is_incoming();
                self.close_media();
                self.fail(called);
                if self.is_incoming() {
                    self.send(ClientMessage::Hangup(self.id.clone()));
                }
            }
            _ => {
                self.send(ClientMessage::Hangup(self.id.clone()));
                self.close_media();
            }
        }
    }

    fn fail(&mut self, unanswered: bool) {
        self.status = Status::Failed;
        self.outputs.push_back(Output::Forget { unanswered });
        self.outputs.push_back(Output::Emit(Status::Failed));
    }

    fn close_media(&mut self) {
        self.direct(direct::Input::Closed);
        match self.media {
            Media::Negotiating | Media::Connected => self.outputs.push_back(Output::CloseMedia),
            // The request for microphone and camera is abandoned, because it stays pending while the permission prompt
            // is open.
            Media::Capturing => self.outputs.push_back(Output::ReleaseMedia),
            Media::None | Media::Closed => {}
        }
        if self.media != Media::None {
            self.media = Media::Closed;
        }
    }

    fn media_granted(&mut self) {
        if self.media != Media::Capturing {
            self.ignored += 1;
            self.outputs.push_back(Output::ReleaseMedia);
            return;
        }
        self.media = Media::Negotiating;
        match &self.direction {
            CallDirection::Outgoing => self.outputs.push_back(Output::CreateOffer),
            CallDirection::Incoming { offer } => {
                let offer = offer.clone().unwrap_or_default();
                self.outputs.push_back(Output::CreateAnswer { offer });
            }
        }
    }

    /// Ends a call whose media failed: it fails locally, and the relay ends it for the other participant.
    fn media_failed(&mut self, exception: String) {
        if matches!(self.media, Media::None | Media::Closed) {
            self.ignored += 1;
            return;
        }
        // If capturing failed, there are no tracks to release.
        if self.media == Media::Capturing {
            self.media = Media::Closed;
        }
        self.close_media();
        self.info = Some(LOCAL_ERROR.to_owned());
        self.error_info = Some(exception);
        self.fail(false);
        self.send(ClientMessage::Hangup(self.id.clone()));
    }

    fn described(&mut self, description: LocalDescription) {
        if self.media != Media::Negotiating {
            self.ignored += 1;
            return;
        }
        self.media = Media::Connected;
        let LocalDescription { sdp, has_audio, has_video, local_media_info, details } = description;
        let Details { callee, caller, visible_name, sip_sdp, sip_headers, custom } = details;
        let call_id = self.id.clone();
        let message = if self.is_incoming() {
            ClientMessage::Answer(Box::new(Answer { call_id, sdp, callee, sip_sdp, custom, local_media_info }))
        } else {
            let callee = callee.unwrap_or_default();
            ClientMessage::Call(Box::new(CallMessage {
                call_id,
                callee,
                caller,
                visible_name,
                has_audio,
                has_video,
                sdp,
                sip_sdp,
                sip_headers,
                custom,
                local_media_info,
            }))
        };
        self.send(message);
        if let Some(sdp) = self.early_answer.take() {
            self.outputs.push_back(Output::ApplyRemote(sdp));
        }
    }

    fn remote_sdp(&mut self, sdp: String) {
        match (self.media, self.is_incoming()) {
            (Media::Connected, _) => self.outputs.push_back(Output::ApplyRemote(sdp)),
            (Media::Capturing | Media::Negotiating, false) => self.early_answer = Some(sdp),
            (Media::None | Media::Closed, false) | (_, true) => self.ignored += 1,
        }
    }

    fn server_status(&mut self, status: Status) {
        self.status = status.clone();
        if status.is_terminal() {
            self.close_media();
            self.outputs.push_back(Output::Forget { unanswered: false });
        }
        self.outputs.push_back(Output::Emit(status));
    }

    /// Releases microphone and camera, and removes the call. As in the stock SDK, no event is emitted and the status is
    /// unchanged.
    fn session_lost(&mut self) {
        self.close_media();
        self.outputs.push_back(Output::Forget { unanswered: false });
    }
}
