//! Bindings of page.js, the TypeScript part used by the tests, and a test browser built on them.

use js_sys::{Array, JSON, Promise};
use offhook_sdk_wasm::call::CallHandle;
use offhook_sdk_wasm::session::SessionHandle;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen(module = "/tests/page.js")]
extern "C" {
    pub(crate) type Log;
    #[wasm_bindgen(constructor)]
    pub(crate) fn new() -> Log;
    #[wasm_bindgen(method)]
    pub(crate) fn entries(this: &Log) -> Array;
    #[wasm_bindgen(method)]
    pub(crate) fn until(this: &Log, entry: &str) -> Promise;

    #[derive(Clone)]
    pub(crate) type SessionSide;
    #[wasm_bindgen(constructor)]
    pub(crate) fn new(login: &str, log: &Log) -> SessionSide;
    #[wasm_bindgen(method, js_name = callLog)]
    pub(crate) fn call_log(this: &SessionSide) -> Log;
    #[wasm_bindgen(method, js_name = remoteKind)]
    pub(crate) fn remote_kind(this: &SessionSide) -> String;
    #[wasm_bindgen(method)]
    pub(crate) fn answer(this: &SessionSide);
    #[wasm_bindgen(method, js_name = answerWith)]
    pub(crate) fn answer_with(this: &SessionSide, hz: f64);
    #[wasm_bindgen(method, getter, js_name = callSide)]
    pub(crate) fn call_side(this: &SessionSide) -> CallSide;
    #[wasm_bindgen(method)]
    pub(crate) fn reject(this: &SessionSide);
    #[wasm_bindgen(method)]
    pub(crate) fn token(this: &SessionSide) -> String;
    #[wasm_bindgen(method, js_name = resume)]
    pub(crate) fn resume(this: &SessionSide, token: &str);

    #[derive(Clone)]
    pub(crate) type CallSide;
    #[wasm_bindgen(constructor)]
    pub(crate) fn new(log: &Log, details: &JsValue, refusal: &str) -> CallSide;
    #[wasm_bindgen(method, js_name = localSdp)]
    pub(crate) fn local_sdp(this: &CallSide) -> String;
    #[wasm_bindgen(method, js_name = receivesTone)]
    pub(crate) fn receives_tone(this: &CallSide, hz: f64) -> Promise;
    #[wasm_bindgen(method, js_name = receivesSilence)]
    pub(crate) fn receives_silence(this: &CallSide) -> Promise;
    #[wasm_bindgen(method, js_name = remoteKind)]
    pub(crate) fn remote_kind(this: &CallSide) -> String;

    pub(crate) fn received(message: &str) -> Array;
    #[wasm_bindgen(js_name = refusingUrl)]
    pub(crate) fn refusing_url() -> String;
}

impl Log {
    pub(crate) async fn has(&self, entry: &str) {
        JsFuture::from(self.until(entry)).await.unwrap();
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.entries().iter().filter_map(|entry| entry.as_string()).collect()
    }
}

/// One browser: a session with its TypeScript part and log.
pub(crate) struct Browser {
    pub(crate) session: SessionHandle,
    pub(crate) side: SessionSide,
    pub(crate) log: Log,
}

impl Browser {
    pub(crate) fn open(login: &str, url: &str, timeout: f64) -> Self {
        let log = Log::new();
        let side = SessionSide::new(login, &log);
        let session = SessionHandle::new(side.clone().unchecked_into(), timeout, 0.0, 0.0, 0);
        session.open(url).unwrap();
        Self { session, side, log }
    }

    /// Opens a session with a token only.
    pub(crate) fn back(token: &str, url: &str) -> Self {
        let log = Log::new();
        let side = SessionSide::new("", &log);
        side.resume(token);
        let session = SessionHandle::new(side.clone().unchecked_into(), 0.0, 0.0, 0.0, 0);
        session.open(url).unwrap();
        Self { session, side, log }
    }

    pub(crate) async fn registered(login: &str, url: &str) -> Self {
        let browser = Self::open(login, url, 0.0);
        browser.log.has("REGISTERED").await;
        browser
    }

    pub(crate) fn call(&self, id: &str, details: &str, refusal: &str) -> (CallHandle, CallSide, Log) {
        let log = Log::new();
        let side = CallSide::new(&log, &JSON::parse(details).unwrap(), refusal);
        let call = self.session.create_call(id.to_owned());
        call.attach(side.clone().unchecked_into());
        (call, side, log)
    }
}
