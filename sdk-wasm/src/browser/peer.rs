//! One `RTCPeerConnection`.

use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    MediaStream, MediaStreamTrack, RtcConfiguration, RtcOfferOptions, RtcPeerConnection, RtcSdpType,
    RtcSessionDescriptionInit, RtcSignalingState, RtcTrackEvent,
};

/// A peer connection with its handler.
pub(crate) struct Peer {
    connection: RtcPeerConnection,
    on_track: Closure<dyn FnMut(RtcTrackEvent)>,
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
        Ok(Self { connection, on_track })
    }

    /// The browser's object.
    pub(crate) const fn connection(&self) -> &RtcPeerConnection {
        &self.connection
    }

    /// Sends the tracks of `stream`; tells whether it has audio and video.
    pub(crate) fn send(&self, stream: &MediaStream) -> (bool, bool) {
        for track in stream.get_tracks().iter() {
            let track: MediaStreamTrack = track.unchecked_into();
            self.connection.add_track_0(&track, stream);
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
        self.connection.close();
        let _ = &self.on_track;
    }
}
