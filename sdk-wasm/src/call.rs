//! Driver of a call: its state machine and its peer connection.

use crate::browser::peer::Peer;
use crate::browser::timer::now;
use crate::browser::types::{MediaStream, MediaStreamTrack};
use crate::direct::{DirectConnection, Relayed};
use crate::page::CallPage;
use crate::{sdp, session, wire};
use core::cell::{Cell, RefCell};
use js_sys::{Array, Promise, RegExp};
use offhook_signaling::client::call::{CallDirection, ClientCall as Machine, Details, Input, LocalDescription, Output};
use offhook_signaling::client::session::Input as SessionInput;
use offhook_signaling::message::{CallId, DtmfType};
use std::rc::{Rc, Weak};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};

pub(crate) struct Driver {
    machine: RefCell<Machine>,
    /// Only present while events or results are pending: the TypeScript object refers to the handle, which refers to this
    /// driver, and the garbage collector cannot free a reference cycle through WebAssembly.
    page: RefCell<Option<Rc<CallPage>>>,
    /// Whether the call is in the list of the session.
    listed: Cell<bool>,
    /// Number of pending promises.
    awaited: Cell<u32>,
    session: Option<Rc<session::Driver>>,
    peer: RefCell<Option<Peer>>,
    /// The captured stream.
    local: RefCell<Option<MediaStream>>,
    /// The stream received from the relay.
    remote: RefCell<Option<MediaStream>>,
    direct: DirectConnection,
    this: Weak<Self>,
}

/// The local description to create.
enum Role {
    Offer,
    Answer(String),
}

impl Driver {
    pub(crate) fn new(id: CallId, direction: CallDirection, session: Option<Rc<session::Driver>>) -> Rc<Self> {
        Rc::new_cyclic(|this| Self {
            machine: RefCell::new(Machine::new(id, direction)),
            page: RefCell::default(),
            listed: Cell::new(true),
            awaited: Cell::new(0),
            session,
            peer: RefCell::default(),
            local: RefCell::default(),
            remote: RefCell::default(),
            direct: DirectConnection::default(),
            this: this.clone(),
        })
    }

    /// Handles one input and performs all resulting outputs. If the input is refused, the error is passed to
    /// `CallPage::fault`.
    pub(crate) fn act(&self, input: Input) {
        if let Err(error) = self.try_act(input) {
            self.fault(&error);
        }
    }

    /// Handles one input of the application and performs all resulting outputs.
    fn try_act(&self, input: Input) -> Result<(), JsValue> {
        self.machine.borrow_mut().handle_input(input, now());
        let outcome = loop {
            let output = self.machine.borrow_mut().poll_output();
            match output {
                None => break Ok(()),
                Some(Output::Refuse(misuse)) => break Err(js_sys::Error::new(misuse.text()).into()),
                Some(output) => self.perform(output),
            }
        };
        self.detach_when_over();
        outcome
    }

    fn page(&self) -> Option<Rc<CallPage>> {
        self.page.borrow().clone()
    }

    fn detach_when_over(&self) {
        if !self.listed.get() && self.awaited.get() == 0 {
            let page = self.page.borrow_mut().take();
            drop(page);
        }
    }

    fn fault(&self, error: &JsValue) {
        if let Some(page) = self.page() {
            page.fault(error);
        }
    }

    fn perform(&self, output: Output) {
        match output {
            // Handled by `try_act`.
            Output::Refuse(_) => {}
            Output::Send(message) => {
                if let Some(session) = &self.session {
                    session.act(SessionInput::Send(message));
                }
            }
            Output::Forget { unanswered } => {
                self.listed.set(false);
                let id = self.machine.borrow().id().clone();
                if let Some(session) = &self.session {
                    session.forget(id, unanswered);
                }
            }
            output => {
                if let Some(page) = self.page() {
                    self.perform_on(&page, output);
                }
            }
        }
    }

    fn perform_on(&self, page: &CallPage, output: Output) {
        match output {
            Output::Refuse(_) | Output::Send(_) | Output::Forget { .. } => {}
            Output::GetUserMedia { video_possible } => self.capture(page, video_possible),
            Output::ReleaseMedia => page.release(),
            Output::CreateOffer => self.connect(Role::Offer),
            Output::CreateAnswer { offer } => self.connect(Role::Answer(offer)),
            Output::ApplyRemote(sdp) => self.apply_remote(page, &sdp),
            Output::CloseMedia => {
                let peer = self.peer.borrow_mut().take();
                drop(peer);
                self.local.replace(None);
                self.remote.replace(None);
                page.closed();
            }
            Output::Emit(status) => page.emit(status.name(), &JsValue::UNDEFINED),
            Output::Direct(output) => {
                let (peer, local, remote) = (self.peer.borrow(), self.local.borrow(), self.remote.borrow());
                if let Some(peer) = peer.as_ref() {
                    let relayed = Relayed { peer, local: local.as_ref(), remote: remote.as_ref() };
                    self.direct.perform(output, page, &relayed, &self.this);
                }
            }
            Output::EmitDtmf(digit) => page.emit("DTMF", &digit.to_string().into()),
            Output::EmitFarHold(held) => page.emit("REMOTE_HOLD", &held.into()),
            Output::EmitTransfer(status) => page.emit("TRANSFER", &status.name().into()),
        }
    }

    /// Awaits `result` and handles it as an input. `page` is not dropped until then.
    fn spawn(&self, result: impl Future<Output = Option<Input>> + 'static) {
        let Some(this) = self.this.upgrade() else { return };
        self.awaited.set(self.awaited.get() + 1);
        spawn_local(async move {
            let input = result.await;
            this.awaited.set(this.awaited.get() - 1);
            match input {
                Some(input) => this.act(input),
                None => this.detach_when_over(),
            }
        });
    }

    fn capture(&self, page: &CallPage, video_possible: bool) {
        let promise = page.capture(video_possible);
        self.spawn(async move {
            Some(match JsFuture::from(promise).await {
                Ok(_) => Input::MediaGranted,
                Err(error) => Input::MediaFailed(wire::reason(&error)),
            })
        });
    }

    fn connect(&self, role: Role) {
        let Some(this) = self.this.upgrade() else { return };
        self.spawn(async move {
            Some(match this.describe(role).await {
                Ok(description) => Input::Described(Box::new(description)),
                Err(error) => Input::MediaFailed(wire::reason(&error)),
            })
        });
    }

    async fn describe(&self, role: Role) -> Result<LocalDescription, JsValue> {
        // The application may have hung up since the media were granted.
        let page = self.page().filter(|_| self.machine.borrow().is_negotiating()).ok_or(JsValue::UNDEFINED)?;
        let this = self.this.clone();
        let peer = Peer::new(page.configuration(), move |stream| {
            let Some(this) = this.upgrade() else { return };
            // A late stream of the relay must not replace the direct one.
            if let Some(page) = this.page().filter(|_| !this.machine.borrow().is_direct()) {
                page.play(&stream);
            }
            this.remote.replace(Some(stream));
        })?;
        let connection = peer.connection().clone();
        let local = page.connected(peer.native())?;
        let (has_audio, has_video) = local.as_ref().map_or((true, true), |stream| peer.send(stream));
        self.peer.replace(Some(peer));
        self.local.replace(local);
        let options = JsFuture::from(page.details()).await?;
        let wants = |name| wire::field(&options, name) != JsValue::FALSE;
        let created = match role {
            Role::Offer => connection.offer(wants("receiveAudio"), wants("receiveVideo") && has_video).await?,
            Role::Answer(offer) => connection.answer(&page.remote_sdp(&offer)).await?,
        };
        Ok(LocalDescription {
            sdp: strip(&created, wire::text(&options, "stripCodecs").as_deref()),
            has_audio,
            has_video,
            local_media_info: wire::json(&wire::field(&options, "localMediaInfo")),
            details: details(&options),
        })
    }

    fn apply_remote(&self, page: &CallPage, sdp: &str) {
        let sdp = page.remote_sdp(sdp);
        let Some(connection) = self.peer.borrow().as_ref().map(|peer| peer.connection().clone()) else { return };
        let this = self.this.clone();
        self.spawn(async move {
            let error = connection.set_remote(&sdp).await.err().filter(|_| !connection.is_closed())?;
            // Without a remote description there are no media. If a later one fails, the previous one stays in effect
            // (RFC 8829 §4.1.8.2).
            if !connection.has_remote() {
                return Some(Input::MediaFailed(wire::reason(&error)));
            }
            this.upgrade()?.fault(&error);
            None
        });
    }
}

/// Removes codecs from a description. `names` is a comma-separated list of case-insensitive regular expressions.
fn strip(sdp: &str, names: Option<&str>) -> String {
    let patterns: Vec<RegExp> = names
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(|name| RegExp::new(name, "i"))
        .collect();
    sdp::strip_codecs(sdp, |codec| patterns.iter().any(|pattern| pattern.test(codec)))
}

fn details(options: &JsValue) -> Details {
    let lines = |name: &str| {
        let lines: Option<Array> = wire::field(options, name).dyn_into().ok();
        lines.map(|lines| lines.iter().filter_map(|line| line.as_string()).collect()).unwrap_or_default()
    };
    Details {
        callee: wire::text(options, "callee"),
        caller: wire::text(options, "caller"),
        visible_name: wire::text(options, "visibleName"),
        sip_sdp: lines("sipSDP"),
        sip_headers: lines("sipHeaders"),
        custom: wire::json(&wire::field(options, "custom")),
    }
}

/// The handle of a call for the TypeScript part.
#[wasm_bindgen]
pub struct CallHandle {
    driver: Rc<Driver>,
}

impl CallHandle {
    pub(crate) const fn new(driver: Rc<Driver>) -> Self {
        Self { driver }
    }
}

#[wasm_bindgen]
impl CallHandle {
    /// Sets the TypeScript part. It is dropped when the call has ended, and must be set again before a later
    /// [`Self::hang_up`].
    pub fn attach(&self, page: CallPage) {
        let before = self.driver.page.borrow_mut().replace(Rc::new(page));
        drop(before);
    }

    /// Returns the call's identifier.
    #[must_use]
    pub fn id(&self) -> String {
        self.driver.machine.borrow().id().as_str().to_owned()
    }

    /// Returns the name of the status.
    #[must_use]
    pub fn status(&self) -> String {
        self.driver.machine.borrow().status().name().to_owned()
    }

    /// Returns `Local error` if media failed in the browser.
    #[must_use]
    pub fn info(&self) -> Option<String> {
        self.driver.machine.borrow().info().map(str::to_owned)
    }

    /// Returns the text of the browser's exception if media failed.
    #[wasm_bindgen(js_name = errorInfo)]
    #[must_use]
    pub fn error_info(&self) -> Option<String> {
        self.driver.machine.borrow().error_info().map(str::to_owned)
    }

    /// Returns the name of the end reason.
    #[wasm_bindgen(js_name = endReason)]
    #[must_use]
    pub fn end_reason(&self) -> Option<String> {
        self.driver.machine.borrow().end_reason().map(str::to_owned)
    }

    /// Returns the relay's `info` text for the status.
    #[wasm_bindgen(js_name = serverInfo)]
    #[must_use]
    pub fn server_info(&self) -> Option<String> {
        self.driver.machine.borrow().server_info().map(str::to_owned)
    }

    /// Places the call.
    ///
    /// # Errors
    /// `Invalid call state`.
    pub fn dial(&self) -> Result<(), JsValue> {
        self.driver.try_act(Input::Dial)
    }

    /// Answers the call.
    ///
    /// # Errors
    /// `Invalid call state`, `No remote sdp available`.
    pub fn answer(&self) -> Result<(), JsValue> {
        self.driver.try_act(Input::Answer)
    }

    /// Ends, cancels or rejects the call.
    #[wasm_bindgen(js_name = hangUp)]
    pub fn hang_up(&self) {
        self.driver.act(Input::HangUp);
    }

    /// Puts the call on hold.
    pub fn hold(&self, for_transfer: bool) {
        self.driver.act(Input::Hold { for_transfer });
    }

    /// Resumes the call.
    pub fn unhold(&self) {
        self.driver.act(Input::Unhold);
    }

    /// Transfers the call.
    pub fn transfer(&self, target: String) {
        self.driver.act(Input::TransferTo(target));
    }

    /// Replaces the track of the same kind by `track`, on the connection to the relay and on the direct one.
    #[wasm_bindgen(js_name = replaceTrack)]
    pub fn replace_track(&self, track: &MediaStreamTrack) -> Promise {
        let relayed = self.driver.peer.borrow().as_ref().and_then(|peer| peer.replace(track));
        let direct = self.driver.direct.replace(track);
        Promise::all(&relayed.into_iter().chain(direct).collect::<Array>())
    }

    /// Sends DTMF digits.
    ///
    /// # Errors
    /// The type is not `RFC2833`, `INFO` or `INFO_RELAY`.
    #[wasm_bindgen(js_name = sendDtmf)]
    pub fn send_dtmf(&self, digits: String, kind: &str) -> Result<(), JsValue> {
        let kind = match kind {
            "RFC2833" => DtmfType::Rfc2833,
            "INFO" => DtmfType::Info,
            "INFO_RELAY" => DtmfType::InfoRelay,
            _ => return Err(js_sys::Error::new("The DTMF type must be RFC2833, INFO or INFO_RELAY").into()),
        };
        self.driver.try_act(Input::SendDtmf { kind, digits })
    }
}
