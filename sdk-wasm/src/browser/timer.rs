//! The clock and the one timer of a machine.

use core::cell::RefCell;
use offhook_clock::Time;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;

/// The time: the page's monotonic clock, counted from the Unix epoch.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "microseconds of this century fit")]
pub(crate) fn now() -> Time {
    let millis = web_sys::window()
        .and_then(|window| window.performance())
        .map_or_else(js_sys::Date::now, |clock| clock.time_origin() + clock.now());
    Time::from_micros((millis * 1_000.0) as u64)
}

/// A timer that is armed for one deadline at a time.
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
    /// Calls `callback` at `at`, in place of what was armed before.
    pub(crate) fn arm(&self, at: Option<Time>, callback: impl FnMut() + 'static) {
        if self.armed.borrow().as_ref().map(|armed| armed.at) == at {
            return;
        }
        self.disarm();
        let (Some(at), Some(window)) = (at, web_sys::window()) else { return };
        // Rounded up: a timer that fires early would find nothing due.
        let millis = i32::try_from(at.since(now()).as_millis() + 1).unwrap_or(i32::MAX);
        let callback: Closure<dyn FnMut()> = Closure::new(callback);
        let function = callback.as_ref().unchecked_ref();
        if let Ok(handle) = window.set_timeout_with_callback_and_timeout_and_arguments_0(function, millis) {
            *self.armed.borrow_mut() = Some(Armed { at, handle, _callback: callback });
        }
    }

    /// Forgets the deadline; the closure goes with the next tick, for it may be the one that is running.
    pub(crate) fn disarm(&self) {
        let Some(armed) = self.armed.borrow_mut().take() else { return };
        if let Some(window) = web_sys::window() {
            window.clear_timeout_with_handle(armed.handle);
        }
        wasm_bindgen_futures::spawn_local(async move { drop(armed) });
    }
}
