//! The clock, and the timer of a state machine.

use core::cell::RefCell;
use offhook_clock::Time;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;

/// Returns the current time: the browser's monotonic clock, relative to the Unix epoch.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "microseconds of this century fit")]
pub(crate) fn now() -> Time {
    let millis = web_sys::window()
        .and_then(|window| window.performance())
        .map_or_else(js_sys::Date::now, |clock| clock.time_origin() + clock.now());
    Time::from_micros((millis * 1_000.0) as u64)
}

/// A timer with at most one deadline.
#[derive(Default)]
pub(crate) struct Timer {
    armed: RefCell<Option<Armed>>,
}

struct Armed {
    at: Time,
    handle: i32,
    _callback: Closure<dyn FnMut()>,
}

impl Timer {
    /// Calls `callback` at the time `at`. The previous deadline is replaced; `None` clears it.
    pub(crate) fn arm(&self, at: Option<Time>, callback: impl FnMut() + 'static) {
        if self.armed.borrow().as_ref().map(|armed| armed.at) == at {
            return;
        }
        self.disarm();
        let (Some(at), Some(window)) = (at, web_sys::window()) else { return };
        // Rounded up, because the state machine would not be due yet if the timer fired early.
        let millis = i32::try_from(at.since(now()).as_millis() + 1).unwrap_or(i32::MAX);
        let callback: Closure<dyn FnMut()> = Closure::new(callback);
        let function = callback.as_ref().unchecked_ref();
        if let Ok(handle) = window.set_timeout_with_callback_and_timeout_and_arguments_0(function, millis) {
            *self.armed.borrow_mut() = Some(Armed { at, handle, _callback: callback });
        }
    }

    /// Clears the deadline. The closure is dropped later, because it may be the one that is running.
    pub(crate) fn disarm(&self) {
        let Some(armed) = self.armed.borrow_mut().take() else { return };
        if let Some(window) = web_sys::window() {
            window.clear_timeout_with_handle(armed.handle);
        }
        wasm_bindgen_futures::spawn_local(async move { drop(armed) });
    }
}
