//! A call, as the page sees it.
//!
//! ```text
//! outgoing: NEW ─dial─> PENDING ─> TRYING ─> (RING | RING_MEDIA | SESSION_PROGRESS)* ─> ESTABLISHED <─> HOLD ─> FINISH
//!                          └─ hangup, media failed ─> FAILED     any ─> FINISH | BUSY | FAILED, as the relay says
//! incoming: NEW ─> RING ─answer─> PENDING ─> ESTABLISHED <─> HOLD ─> FINISH
//!
//! media:    None ─dial, answer─> Capturing ─granted─> Negotiating ─description made─> Connected ─> Closed
//!           Capturing, Negotiating, Connected ─failed, hung up, call or session over─> Closed
//! ```
//!
//! The relay's status *is* the status and the event (contract §4.6): there is no check of transitions here. `hangup` does
//! what the table of contract §4.5 says.

use super::{Status, direct};
use crate::message::{Answer, Call as CallMessage, CallId, ClientMessage, DtmfType, Json, TransferStatus};
use offhook_clock::Time;
use std::collections::VecDeque;

/// Which way a call goes, with what is known when it is created.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub enum Direction {
    /// The page calls.
    Outgoing,
    /// The page is called.
    Incoming {
        /// The relay's offer, if it came before the call.
        offer: Option<String>,
    },
}

/// What the page gave for the messages of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Whom to call.
    pub callee: Option<String>,
    /// The caller's login.
    pub caller: Option<String>,
    /// The name shown to the callee.
    pub visible_name: Option<String>,
    /// Lines for the session description of a SIP leg.
    pub sip_sdp: Vec<String>,
    /// Headers for the INVITE of a SIP leg.
    pub sip_headers: Vec<String>,
    /// The page's own value.
    pub custom: Option<Json>,
}

/// A session description of the browser, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The session description.
    pub sdp: String,
    /// The browser sends or wants audio.
    pub has_audio: bool,
    /// The browser sends or wants video.
    pub has_video: bool,
    /// Devices and tracks.
    pub local_media_info: Option<Json>,
    /// The page's values.
    pub details: Details,
}

/// What happens to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The page calls.
    Dial,
    /// The page answers.
    Answer,
    /// The page hangs up. `cache`: keep the capture for the next call.
    HangUp {
        /// See above.
        cache: bool,
    },
    /// The page holds.
    Hold {
        /// It means to transfer the call to another one.
        for_transfer: bool,
    },
    /// The page takes the call back.
    Unhold,
    /// The page hands the call over.
    TransferTo(String),
    /// The page sends digits.
    SendDtmf {
        /// How they travel on a SIP leg.
        kind: DtmfType,
        /// The digits.
        digits: String,
    },
    /// The browser gave microphone and camera, as far as they were asked for.
    MediaGranted,
    /// The browser threw this: it gave no media, or the peer connection could not be made or negotiated.
    MediaFailed(String),
    /// The offer or answer is made and set.
    Described(Box<Description>),
    /// `setRemoteSDP` for this call.
    RemoteSdp(String),
    /// The relay's status.
    Status {
        /// The status.
        status: Status,
        /// Why, in words.
        info: Option<String>,
        /// Why, as a name of the list of reasons.
        end_reason: Option<String>,
    },
    /// The session ended. The relay ends its calls (docs/signaling.md), so the media is of no more use.
    SessionLost,
    /// The relay tells how the transfer goes.
    Transfer(TransferStatus),
    /// The far end sent a digit.
    DtmfReceived(char),
    /// The far end holds, or does not any more.
    FarHold(bool),
    /// Something happens to the way past the relay.
    Direct(direct::Input),
}

/// The page asked for what cannot be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misuse {
    /// The call is not in a state for it.
    InvalidCallState,
    /// The relay's offer is missing.
    NoRemoteSdp,
}

impl Misuse {
    /// The text of the exception.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::InvalidCallState => "Invalid call state",
            Self::NoRemoteSdp => "No remote sdp available",
        }
    }
}

/// What is to be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Throw at the page.
    Refuse(Misuse),
    /// Ask for microphone and camera. `video_possible`: the far end's offer has video, or there is none yet.
    GetUserMedia {
        /// See above.
        video_possible: bool,
    },
    /// Stop the capture that no connection uses.
    ReleaseMedia,
    /// Make a connection and an offer.
    CreateOffer,
    /// Make a connection, set the offer, make an answer.
    CreateAnswer {
        /// The relay's offer.
        offer: String,
    },
    /// Set the relay's answer.
    ApplyRemote(String),
    /// Close the connection.
    CloseMedia,
    /// Send a message.
    Send(ClientMessage),
    /// The session shall forget the call.
    Forget {
        /// The relay may hold a `call` that nobody wants any more.
        unanswered: bool,
    },
    /// Fire the event of that name.
    Emit(Status),
    /// Fire the event of a received digit.
    EmitDtmf(char),
    /// Fire the event of a transfer's progress.
    EmitTransfer(TransferStatus),
    /// Fire the event of the far end's hold.
    EmitFarHold(bool),
    /// Something to be done for the way past the relay.
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

/// The machine of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Call {
    id: CallId,
    direction: Direction,
    status: Status,
    media: Media,
    /// The relay's answer, when it came while the offer was still being set.
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

/// Text of `getInfo()` when the media failed in the browser.
const LOCAL_ERROR: &str = "Local error";

impl Call {
    /// A call nothing has happened to.
    #[must_use]
    pub fn new(id: CallId, direction: Direction) -> Self {
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

    /// The call's id.
    #[must_use]
    pub const fn id(&self) -> &CallId {
        &self.id
    }

    /// Where the call stands.
    #[must_use]
    pub const fn status(&self) -> &Status {
        &self.status
    }

    /// `Local error` when the media failed in the browser.
    #[must_use]
    pub fn info(&self) -> Option<&str> {
        self.info.as_deref()
    }

    /// The browser's exception, when the media failed.
    #[must_use]
    pub fn error_info(&self) -> Option<&str> {
        self.error_info.as_deref()
    }

    /// Why the call ended, as a name of the list of reasons.
    #[must_use]
    pub fn end_reason(&self) -> Option<&str> {
        self.end_reason.as_deref()
    }

    /// The relay's words about the status.
    #[must_use]
    pub fn server_info(&self) -> Option<&str> {
        self.server_info.as_deref()
    }

    /// Whether a description of the browser is awaited.
    #[must_use]
    pub fn is_negotiating(&self) -> bool {
        self.media == Media::Negotiating
    }

    /// Whether the media pass the relay by.
    #[must_use]
    pub const fn is_direct(&self) -> bool {
        self.direct.is_switched()
    }

    /// Inputs that had no meaning in the state they came in.
    #[must_use]
    pub const fn ignored(&self) -> u64 {
        self.ignored
    }

    /// Takes one input. Nothing here depends on the time; the verb has it as every machine's has.
    pub fn handle_input(&mut self, input: Input, _now: Time) {
        match input {
            Input::Dial => self.dial(),
            Input::Answer => self.answer(),
            Input::HangUp { cache } => self.hang_up(cache),
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
            // Only the first terminal status counts; the session forgets the call with it.
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
            // Without a first connection there are no tracks to send; what belongs to an attempt that is over is its to ignore.
            Input::Direct(_) if self.media != Media::Connected => self.ignored += 1,
            Input::Direct(input) => self.direct(input),
        }
    }

    /// A call has no timer of its own: every wait is the relay's.
    pub const fn handle_timeout(&mut self, _now: Time) {}

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Never: see [`Self::handle_timeout`].
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
        matches!(self.direction, Direction::Incoming { .. })
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
        self.status = Status::Pending;
        match &self.direction {
            Direction::Incoming { offer: Some(offer) } if !offer.is_empty() => {
                let video_possible = offer.lines().any(|line| line.starts_with("m=video"));
                self.media = Media::Capturing;
                self.outputs.push_back(Output::GetUserMedia { video_possible });
            }
            Direction::Incoming { .. } | Direction::Outgoing => {
                self.outputs.push_back(Output::Refuse(Misuse::NoRemoteSdp));
            }
        }
    }

    /// Contract §4.5.
    fn hang_up(&mut self, cache: bool) {
        match self.status {
            Status::New => self.fail(false),
            Status::Pending => {
                // Without a `call` sent there will be no word of the relay about it.
                let called = self.media == Media::Connected && !self.is_incoming();
                // The capture is not there yet: it is released when it comes.
                if self.media == Media::Capturing && !cache {
                    self.outputs.push_back(Output::ReleaseMedia);
                }
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
            Media::Capturing | Media::None | Media::Closed => {}
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
            Direction::Outgoing => self.outputs.push_back(Output::CreateOffer),
            Direction::Incoming { offer } => {
                let offer = offer.clone().unwrap_or_default();
                self.outputs.push_back(Output::CreateAnswer { offer });
            }
        }
    }

    /// The call cannot go on without media: it fails at once, and the relay ends it at the other participant, too.
    fn media_failed(&mut self, exception: String) {
        if matches!(self.media, Media::None | Media::Closed) {
            self.ignored += 1;
            return;
        }
        self.close_media();
        self.info = Some(LOCAL_ERROR.to_owned());
        self.error_info = Some(exception);
        self.fail(false);
        self.send(ClientMessage::Hangup(self.id.clone()));
    }

    fn described(&mut self, description: Description) {
        if self.media != Media::Negotiating {
            self.ignored += 1;
            return;
        }
        self.media = Media::Connected;
        let Description { sdp, has_audio, has_video, local_media_info, details } = description;
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

    /// The page gets no event and the status stays (contract §3.4); microphone and camera are released.
    fn session_lost(&mut self) {
        self.close_media();
        self.outputs.push_back(Output::Forget { unanswered: false });
    }
}
