//! Wrapper of an `RTCPeerConnection`.

use core::cell::RefCell;
use js_sys::{Array, Function, Promise};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    MediaStream, MediaStreamTrack, RtcConfiguration, RtcIceCandidateInit, RtcOfferOptions, RtcPeerConnection,
    RtcPeerConnectionIceEvent, RtcPeerConnectionState, RtcRtpSender, RtcSdpType, RtcSessionDescriptionInit,
    RtcSignalingState, RtcTrackEvent,
};

/// A peer connection with its event handlers. It is closed when dropped.
pub(crate) struct Peer {
    connection: PeerConnection,
    /// Resolves [`PeerConnection::closed`].
    close: Option<Function>,
    on_track: Closure<dyn FnMut(RtcTrackEvent)>,
    watch: Option<Watch>,
    sent: RefCell<Vec<(RtcRtpSender, MediaStreamTrack)>>,
}

/// A handle of a peer connection for negotiation.
#[derive(Clone)]
pub(crate) struct PeerConnection {
    native: RtcPeerConnection,
    closed: Promise,
}

/// The event handlers of a connection with trickle ICE.
struct Watch {
    on_candidate: Closure<dyn FnMut(RtcPeerConnectionIceEvent)>,
    on_state: Closure<dyn FnMut(JsValue)>,
}

/// An event of a connection with trickle ICE.
pub(crate) enum PeerEvent {
    /// The browser gathered a local candidate, an `RTCIceCandidate`.
    Candidate(JsValue),
    /// ICE and DTLS are established.
    Connected,
    /// ICE or DTLS failed or was lost.
    Failed,
}

impl Peer {
    /// Creates a connection. `play` is called with each remote stream.
    pub(crate) fn new(configuration: JsValue, mut play: impl FnMut(MediaStream) + 'static) -> Result<Self, JsValue> {
        let configuration: RtcConfiguration = configuration.unchecked_into();
        let native = RtcPeerConnection::new_with_configuration(&configuration)?;
        let on_track: Closure<dyn FnMut(RtcTrackEvent)> = Closure::new(move |event: RtcTrackEvent| {
            if let Ok(stream) = event.streams().get(0).dyn_into() {
                play(stream);
            }
        });
        native.set_ontrack(Some(on_track.as_ref().unchecked_ref()));
        let mut close = None;
        let closed = Promise::new(&mut |resolve, _| close = Some(resolve));
        let connection = PeerConnection { native, closed };
        Ok(Self { connection, close, on_track, watch: None, sent: RefCell::default() })
    }

    /// Calls `handler` with local candidates and changes of the connection state.
    pub(crate) fn watch(&mut self, handler: impl Fn(PeerEvent) + Clone + 'static) {
        let candidate_handler = handler.clone();
        let on_candidate = Closure::new(move |event: RtcPeerConnectionIceEvent| {
            if let Some(candidate) = event.candidate() {
                candidate_handler(PeerEvent::Candidate(candidate.into()));
            }
        });
        let connection = self.native().clone();
        let on_state = Closure::new(move |_: JsValue| match connection.connection_state() {
            RtcPeerConnectionState::Connected => handler(PeerEvent::Connected),
            RtcPeerConnectionState::Disconnected | RtcPeerConnectionState::Failed => handler(PeerEvent::Failed),
            _ => {}
        });
        self.native().set_onicecandidate(Some(on_candidate.as_ref().unchecked_ref()));
        self.native().set_onconnectionstatechange(Some(on_state.as_ref().unchecked_ref()));
        self.watch = Some(Watch { on_candidate, on_state });
    }

    /// Starts or stops sending the local tracks. The connection stays established.
    pub(crate) fn set_sending(&self, sends: bool) {
        for (sender, track) in self.sent.borrow().iter() {
            let _ = sender.replace_track(sends.then_some(track));
        }
    }

    /// Returns the wrapped `RTCPeerConnection`.
    pub(crate) const fn native(&self) -> &RtcPeerConnection {
        &self.connection.native
    }

    /// Returns the handle for negotiation.
    pub(crate) const fn connection(&self) -> &PeerConnection {
        &self.connection
    }

    /// Replaces the track of the same kind by `track`. Returns `None` if there is no such track, or if sending is stopped; in
    /// the latter case the new track is used when sending starts again.
    pub(crate) fn replace(&self, track: &MediaStreamTrack) -> Option<Promise> {
        let mut sent = self.sent.borrow_mut();
        let (sender, current) = sent.iter_mut().find(|(_, current)| current.kind() == track.kind())?;
        *current = track.clone();
        sender.track()?;
        Some(sender.replace_track(Some(track)))
    }

    /// Adds the tracks of `stream`. Returns whether it has audio and whether it has video.
    pub(crate) fn send(&self, stream: &MediaStream) -> (bool, bool) {
        for track in stream.get_tracks().iter() {
            let track: MediaStreamTrack = track.unchecked_into();
            let sender = self.native().add_track_0(&track, stream);
            self.sent.borrow_mut().push((sender, track));
        }
        (stream.get_audio_tracks().length() > 0, stream.get_video_tracks().length() > 0)
    }
}

impl PeerConnection {
    /// Waits for the result of an operation, or for the connection being closed, because the browser never settles the
    /// operations of a closed connection (W3C WebRTC §4.4.1.2).
    async fn settle(&self, operation: Promise) -> Result<JsValue, JsValue> {
        let first = JsFuture::from(Promise::race(&Array::of2(&operation, &self.closed))).await?;
        if self.is_closed() { Err(js_sys::Error::new("the peer connection is closed").into()) } else { Ok(first) }
    }

    /// Returns whether the connection is closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.native.signaling_state() == RtcSignalingState::Closed
    }

    /// Adds a candidate of the peer, an `RTCIceCandidateInit`. Errors are ignored (RFC 8838 §11).
    pub(crate) fn add_candidate(&self, candidate: JsValue) {
        let candidate: RtcIceCandidateInit = candidate.unchecked_into();
        let added = self.native.add_ice_candidate_with_opt_rtc_ice_candidate_init(Some(&candidate));
        let this = self.clone();
        wasm_bindgen_futures::spawn_local(async move {
            let _ = this.settle(added).await;
        });
    }

    /// Creates and sets an offer.
    pub(crate) async fn offer(&self, audio: bool, video: bool) -> Result<String, JsValue> {
        let options = RtcOfferOptions::new();
        options.set_offer_to_receive_audio(audio);
        options.set_offer_to_receive_video(video);
        let offer = self.settle(self.native.create_offer_with_rtc_offer_options(&options)).await?;
        self.set_local(offer).await
    }

    /// Sets the peer's offer, then creates and sets an answer.
    pub(crate) async fn answer(&self, offer: &str) -> Result<String, JsValue> {
        self.set_remote(offer).await?;
        let answer = self.settle(self.native.create_answer()).await?;
        self.set_local(answer).await
    }

    /// Sets the remote description: an answer if there is a pending local offer, otherwise an offer.
    pub(crate) async fn set_remote(&self, sdp: &str) -> Result<(), JsValue> {
        let kind = match self.native.signaling_state() {
            RtcSignalingState::HaveLocalOffer => RtcSdpType::Answer,
            _ => RtcSdpType::Offer,
        };
        let description = RtcSessionDescriptionInit::new(kind);
        description.set_sdp(sdp);
        self.settle(self.native.set_remote_description(&description)).await.map(drop)
    }

    /// Returns whether a remote description was set.
    pub(crate) fn has_remote(&self) -> bool {
        self.native.remote_description().is_some()
    }

    async fn set_local(&self, created: JsValue) -> Result<String, JsValue> {
        let description: RtcSessionDescriptionInit = created.unchecked_into();
        self.settle(self.native.set_local_description(&description)).await?;
        Ok(description.get_sdp().unwrap_or_default())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.native().set_ontrack(None);
        if let Some(Watch { on_candidate, on_state }) = self.watch.take() {
            self.native().set_onicecandidate(None);
            self.native().set_onconnectionstatechange(None);
            drop((on_candidate, on_state));
        }
        self.native().close();
        if let Some(close) = self.close.take() {
            let _ = close.call0(&JsValue::UNDEFINED);
        }
        let _ = &self.on_track;
    }
}
