//! What the drivers ask of the TypeScript side. Its methods isolate exceptions of the page's own handlers.

use js_sys::{Object, Promise};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys_types::{MediaStream, RtcPeerConnection};

/// Browser objects that pass through here untouched.
pub(crate) use crate::browser::types as web_sys_types;

#[wasm_bindgen]
extern "C" {
    /// The page's side of a session.
    pub type SessionPage;

    /// The fields of `connection`.
    #[wasm_bindgen(method)]
    pub(crate) fn connection(this: &SessionPage) -> Object;

    /// Fires a status event.
    #[wasm_bindgen(method)]
    pub(crate) fn status(this: &SessionPage, name: &str, data: &JsValue);

    /// Fires an event that is no status.
    #[wasm_bindgen(method)]
    pub(crate) fn notice(this: &SessionPage, name: &str, data: &JsValue);

    /// Whether somebody handles incoming calls.
    #[wasm_bindgen(method)]
    pub(crate) fn listening(this: &SessionPage) -> bool;

    /// Makes a call object of the relay's and fires `INCOMING_CALL`.
    #[wasm_bindgen(method)]
    pub(crate) fn incoming(this: &SessionPage, call: crate::call::Call, data: &JsValue);

    /// Settles `sendData`.
    #[wasm_bindgen(method)]
    pub(crate) fn settle(this: &SessionPage, operation_id: &str, accepted: bool, data: &JsValue);

    /// Takes the session off the list.
    #[wasm_bindgen(method)]
    pub(crate) fn remove(this: &SessionPage);

    /// The page's side of a call.
    pub type CallPage;

    /// Fires an event of a call; `data` is undefined for a status.
    #[wasm_bindgen(method)]
    pub(crate) fn emit(this: &CallPage, name: &str, data: &JsValue);

    /// Captures microphone and camera.
    #[wasm_bindgen(method)]
    pub(crate) fn capture(this: &CallPage, video_possible: bool) -> Promise;

    /// Stops the capture.
    #[wasm_bindgen(method)]
    pub(crate) fn release(this: &CallPage);

    /// The configuration of the peer connection.
    #[wasm_bindgen(method)]
    pub(crate) fn configuration(this: &CallPage) -> JsValue;

    /// The connection exists: names the elements; gives the stream to send, if there is one.
    #[wasm_bindgen(method, catch)]
    pub(crate) fn connected(this: &CallPage, connection: &RtcPeerConnection) -> Result<Option<MediaStream>, JsValue>;

    /// A remote stream is there to be played.
    #[wasm_bindgen(method)]
    pub(crate) fn play(this: &CallPage, stream: &MediaStream);

    /// The media go over `connection` from now on, and `stream` is to be played.
    #[wasm_bindgen(method)]
    pub(crate) fn moved(this: &CallPage, direct: bool, connection: &RtcPeerConnection, stream: &JsValue);

    /// The connection is closed: gives the elements back.
    #[wasm_bindgen(method)]
    pub(crate) fn closed(this: &CallPage);

    /// The far end's session description, as the page wants it applied.
    #[wasm_bindgen(method, js_name = remoteSdp)]
    pub(crate) fn remote_sdp(this: &CallPage, sdp: &str) -> String;

    /// The values for `call` and `answer`, and what to receive and strip.
    #[wasm_bindgen(method)]
    pub(crate) fn details(this: &CallPage) -> Promise;

    /// Something went wrong that no event tells of.
    #[wasm_bindgen(method)]
    pub(crate) fn fault(this: &CallPage, error: &JsValue);
}
