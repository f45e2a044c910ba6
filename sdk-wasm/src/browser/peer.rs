//! One `RTCPeerConnection`.

use core::cell::RefCell;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    MediaStream, MediaStreamTrack, RtcConfiguration, RtcIceCandidateInit, RtcOfferOptions, RtcPeerConnection,
    RtcPeerConnectionIceEvent, RtcPeerConnectionState, RtcRtpSender, RtcSdpType, RtcSessionDescriptionInit,
    RtcSignalingState, RtcTrackEvent,
};

/// A peer connection with its handlers.
pub(crate) struct Peer {
    connection: RtcPeerConnection,
    on_track: Closure<dyn FnMut(RtcTrackEvent)>,
    watch: Option<Watch>,
    sent: RefCell<Vec<(RtcRtpSender, MediaStreamTrack)>>,
}

/// The handlers of a connection that finds its way by trickled candidates.
struct Watch {
    on_candidate: Closure<dyn FnMut(RtcPeerConnectionIceEvent)>,
    on_state: Closure<dyn FnMut(JsValue)>,
}

/// What happens to a connection that is watched.
pub(crate) enum PeerEvent {
    /// It has a candidate: an `RTCIceCandidate`.
    Candidate(JsValue),
    /// ICE and DTLS are up.
    Connected,
    /// They did not come up, or are lost.
    Failed,
}

impl Peer {
    /// A connection; each remote stream goes to `play`.
    pub(crate) fn new(configuration: JsValue, mut play: impl FnMut(MediaStream) + 'static) -> Result<Self, JsValue> {
        let configuration: RtcConfiguration = configuration.unchecked_into();
        let connection = RtcPeerConnection::new_with_configuration(&configuration)?;
        let on_track: Closure<dyn FnMut(RtcTrackEvent)> = Closure::new(move |event: RtcTrackEvent| {
            if let Ok(stream) = event.streams().get(0).dyn_into() {
                play(stream);
            }
        });
        connection.set_ontrack(Some(on_track.as_ref().unchecked_ref()));
        Ok(Self { connection, on_track, watch: None, sent: RefCell::default() })
    }

    /// Tells `tell` of candidates, and of the connection's coming and going.
    pub(crate) fn watch(&mut self, tell: impl Fn(PeerEvent) + Clone + 'static) {
        let candidate = tell.clone();
        let on_candidate = Closure::new(move |event: RtcPeerConnectionIceEvent| {
            if let Some(found) = event.candidate() {
                candidate(PeerEvent::Candidate(found.into()));
            }
        });
        let connection = self.connection.clone();
        let on_state = Closure::new(move |_: JsValue| match connection.connection_state() {
            RtcPeerConnectionState::Connected => tell(PeerEvent::Connected),
            RtcPeerConnectionState::Disconnected | RtcPeerConnectionState::Failed => tell(PeerEvent::Failed),
            _ => {}
        });
        self.connection.set_onicecandidate(Some(on_candidate.as_ref().unchecked_ref()));
        self.connection.set_onconnectionstatechange(Some(on_state.as_ref().unchecked_ref()));
        self.watch = Some(Watch { on_candidate, on_state });
    }

    /// Sends the tracks it was given; or none of them, with the connection staying up.
    pub(crate) fn set_sending(&self, sends: bool) {
        for (sender, track) in self.sent.borrow().iter() {
            let _ = sender.replace_track(sends.then_some(track));
        }
    }

    /// Adds the far end's candidate, an `RTCIceCandidateInit`. One of no use is no fault (RFC 8838 §11).
    pub(crate) fn add_candidate(connection: &RtcPeerConnection, candidate: JsValue) {
        let candidate: RtcIceCandidateInit = candidate.unchecked_into();
        let added = connection.add_ice_candidate_with_opt_rtc_ice_candidate_init(Some(&candidate));
        wasm_bindgen_futures::spawn_local(async move {
            let _ = JsFuture::from(added).await;
        });
    }

    /// The browser's object.
    pub(crate) const fn connection(&self) -> &RtcPeerConnection {
        &self.connection
    }

    /// Sends the tracks of `stream`; tells whether it has audio and video.
    pub(crate) fn send(&self, stream: &MediaStream) -> (bool, bool) {
        for track in stream.get_tracks().iter() {
            let track: MediaStreamTrack = track.unchecked_into();
            let sender = self.connection.add_track_0(&track, stream);
            self.sent.borrow_mut().push((sender, track));
        }
        (stream.get_audio_tracks().length() > 0, stream.get_video_tracks().length() > 0)
    }

    /// Makes and sets an offer.
    pub(crate) async fn offer(connection: RtcPeerConnection, audio: bool, video: bool) -> Result<String, JsValue> {
        let options = RtcOfferOptions::new();
        options.set_offer_to_receive_audio(audio);
        options.set_offer_to_receive_video(video);
        let offer = JsFuture::from(connection.create_offer_with_rtc_offer_options(&options)).await?;
        Self::set_local(&connection, offer).await
    }

    /// Sets the far end's offer, makes and sets an answer.
    pub(crate) async fn answer(connection: RtcPeerConnection, offer: String) -> Result<String, JsValue> {
        Self::set_remote(connection.clone(), offer).await?;
        let answer = JsFuture::from(connection.create_answer()).await?;
        Self::set_local(&connection, answer).await
    }

    /// Sets the far end's description: an answer if there is an offer of ours, else an offer (contract §4).
    pub(crate) async fn set_remote(connection: RtcPeerConnection, sdp: String) -> Result<(), JsValue> {
        let kind = match connection.signaling_state() {
            RtcSignalingState::HaveLocalOffer => RtcSdpType::Answer,
            _ => RtcSdpType::Offer,
        };
        let description = RtcSessionDescriptionInit::new(kind);
        description.set_sdp(&sdp);
        JsFuture::from(connection.set_remote_description(&description)).await.map(drop)
    }

    async fn set_local(connection: &RtcPeerConnection, made: JsValue) -> Result<String, JsValue> {
        let description: RtcSessionDescriptionInit = made.unchecked_into();
        JsFuture::from(connection.set_local_description(&description)).await?;
        Ok(description.get_sdp().unwrap_or_default())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.connection.set_ontrack(None);
        if let Some(Watch { on_candidate, on_state }) = self.watch.take() {
            self.connection.set_onicecandidate(None);
            self.connection.set_onconnectionstatechange(None);
            drop((on_candidate, on_state));
        }
        self.connection.close();
        let _ = &self.on_track;
    }
}
