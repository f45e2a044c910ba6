//! Methods of the TypeScript part (`npm/src`) that the drivers call. They catch exceptions of the application's
//! handlers.

use js_sys::{Object, Promise};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys_types::{MediaStream, RtcPeerConnection};

/// Browser objects that are passed through unchanged.
pub(crate) use crate::browser::types as web_sys_types;

#[wasm_bindgen]
extern "C" {
    /// The TypeScript part of a session.
    pub type SessionPage;

    /// Returns the fields of `connection`.
    #[wasm_bindgen(method)]
    pub(crate) fn connection(this: &SessionPage) -> Object;

    /// Emits a status event.
    #[wasm_bindgen(method)]
    pub(crate) fn status(this: &SessionPage, name: &str, data: &JsValue);

    /// Emits an event that is not a status.
    #[wasm_bindgen(method)]
    pub(crate) fn notice(this: &SessionPage, name: &str, data: &JsValue);

    /// Returns whether there is a handler for incoming calls.
    #[wasm_bindgen(method)]
    pub(crate) fn listening(this: &SessionPage) -> bool;

    /// Creates a call object from the relay's message and emits `INCOMING_CALL`.
    #[wasm_bindgen(method)]
    pub(crate) fn incoming(this: &SessionPage, call: crate::call::CallHandle, data: &JsValue);

    /// Settles the promise of `sendData`.
    #[wasm_bindgen(method)]
    pub(crate) fn settle(this: &SessionPage, operation_id: &str, accepted: bool, data: &JsValue);

    /// Removes the session from the list of sessions.
    #[wasm_bindgen(method)]
    pub(crate) fn remove(this: &SessionPage);

    /// The TypeScript part of a call.
    pub type CallPage;

    /// Emits an event of a call; `data` is undefined for a status.
    #[wasm_bindgen(method)]
    pub(crate) fn emit(this: &CallPage, name: &str, data: &JsValue);

    /// Captures microphone and camera.
    #[wasm_bindgen(method)]
    pub(crate) fn capture(this: &CallPage, video_possible: bool) -> Promise;

    /// Stops the captured tracks.
    #[wasm_bindgen(method)]
    pub(crate) fn release(this: &CallPage);

    /// Returns the configuration of the peer connection.
    #[wasm_bindgen(method)]
    pub(crate) fn configuration(this: &CallPage) -> JsValue;

    /// Called when the peer connection is created: prepares the video elements and returns the stream to send, if there is one.
    #[wasm_bindgen(method, catch)]
    pub(crate) fn connected(this: &CallPage, connection: &RtcPeerConnection) -> Result<Option<MediaStream>, JsValue>;

    /// Plays a remote stream.
    #[wasm_bindgen(method)]
    pub(crate) fn play(this: &CallPage, stream: &MediaStream);

    /// Called when media are switched to `connection`, which is the direct one if `direct` is true: plays `stream`.
    #[wasm_bindgen(method)]
    pub(crate) fn moved(this: &CallPage, direct: bool, connection: &RtcPeerConnection, stream: &JsValue);

    /// Called when the connection is closed: releases the video elements.
    #[wasm_bindgen(method)]
    pub(crate) fn closed(this: &CallPage);

    /// Returns the relay's session description after the modifications that the application requested.
    #[wasm_bindgen(method, js_name = remoteSdp)]
    pub(crate) fn remote_sdp(this: &CallPage, sdp: &str) -> String;

    /// Returns the values for `call` and `answer`, the media kinds to receive and the codecs to strip.
    #[wasm_bindgen(method)]
    pub(crate) fn details(this: &CallPage) -> Promise;

    /// Reports an error for which there is no event.
    #[wasm_bindgen(method)]
    pub(crate) fn fault(this: &CallPage, error: &JsValue);
}
