//! Wrapper of the WebSocket of a session.

use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{BinaryType, Event, MessageEvent, WebSocket};

/// An event of a socket.
pub(crate) enum SocketEvent {
    /// The socket opened.
    Opened,
    /// A text frame was received.
    Text(String),
    /// The socket failed or could not be opened.
    Failed,
    /// The socket closed.
    Closed,
}

/// A socket with its event handlers.
pub(crate) struct Socket {
    socket: WebSocket,
    _on_event: Closure<dyn FnMut(Event)>,
}

impl Socket {
    /// Opens a socket. `handler` is called with every event.
    pub(crate) fn open(url: &str, mut handler: impl FnMut(SocketEvent) + 'static) -> Result<Self, JsValue> {
        let socket = WebSocket::new(url)?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let on_event: Closure<dyn FnMut(Event)> = Closure::new(move |event: Event| {
            handler(match event.type_().as_str() {
                "open" => SocketEvent::Opened,
                "error" => SocketEvent::Failed,
                "close" => SocketEvent::Closed,
                _ => match event.dyn_into::<MessageEvent>().ok().and_then(|event| event.data().as_string()) {
                    Some(text) => SocketEvent::Text(text),
                    None => return,
                },
            });
        });
        let function = Some(on_event.as_ref().unchecked_ref());
        socket.set_onopen(function);
        socket.set_onmessage(function);
        socket.set_onerror(function);
        socket.set_onclose(function);
        Ok(Self { socket, _on_event: on_event })
    }

    /// Sends a text frame, if the socket is open.
    pub(crate) fn send(&self, text: &str) {
        if self.socket.ready_state() == WebSocket::OPEN {
            // An open socket accepts text; if it has just closed, the close event follows.
            let _ = self.socket.send_with_str(text);
        }
    }

    /// Closes the socket.
    pub(crate) fn close(&self) {
        let _ = self.socket.close();
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onerror(None);
        self.socket.set_onclose(None);
    }
}
