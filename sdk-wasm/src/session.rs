//! Driver of a session: its state machine, socket and timer.

use crate::browser::socket::{Socket, SocketEvent};
use crate::browser::timer::{Timer, now};
use crate::call::{self, CallHandle};
use crate::page::SessionPage;
use crate::wire;
use core::cell::RefCell;
use core::time::Duration;
use offhook_signaling::client::call as call_machine;
use offhook_signaling::client::session::{Input, Output, Session as Machine, Timers};
use offhook_signaling::message::{CallId, ClientMessage};
use std::rc::{Rc, Weak};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::spawn_local;

pub(crate) struct Driver {
    machine: RefCell<Machine>,
    /// Dropped when the session has ended, see [`call::Driver`].
    page: RefCell<Option<Rc<SessionPage>>>,
    socket: RefCell<Option<Rc<Socket>>>,
    timer: Timer,
    calls: RefCell<Vec<(CallId, Rc<call::Driver>)>>,
    /// The object of the current message.
    data: RefCell<JsValue>,
    this: Weak<Self>,
}

impl Driver {
    /// Handles one input and performs all resulting outputs.
    pub(crate) fn act(&self, input: Input) {
        self.machine.borrow_mut().handle_input(input, now());
        self.drain();
    }

    fn tick(&self) {
        self.timer.disarm();
        self.machine.borrow_mut().handle_timeout(now());
        self.drain();
    }

    fn drain(&self) {
        loop {
            let output = self.machine.borrow_mut().poll_output();
            let Some(output) = output else { break };
            self.perform(output);
        }
        if self.machine.borrow().status().is_over() {
            let (page, socket) = (self.page.borrow_mut().take(), self.socket.borrow_mut().take());
            // Dropped later, because this may run in an event handler of the socket.
            spawn_local(async move { drop((page, socket)) });
        }
        let at = self.machine.borrow().poll_timeout();
        let this = self.this.clone();
        self.timer.arm(at, move || {
            if let Some(this) = this.upgrade() {
                this.tick();
            }
        });
    }

    fn perform(&self, output: Output) {
        let Some(page) = self.page.borrow().clone() else { return };
        let data = self.data.borrow().clone();
        match output {
            Output::SendConnection => self.transmit(&wire::connection(page.connection())),
            Output::Send(message) => self.transmit(&wire::encode(&message)),
            Output::CloseSocket => {
                let socket = self.socket.borrow().clone();
                if let Some(socket) = socket {
                    socket.close();
                }
            }
            Output::Emit(status) => page.status(status.name(), &data),
            Output::Notify(notice) => page.notice(notice.name(), &data),
            Output::Remove => page.remove(),
            Output::IncomingCall { call_id, offer } => {
                let direction = call_machine::CallDirection::Incoming { offer };
                let call = self.insert(call_id, direction);
                page.incoming(call, &data);
            }
            Output::ToCall { call_id, input } => {
                if let Some(call) = self.call(&call_id) {
                    call.act(input);
                }
            }
            Output::Settle { operation_id, accepted } => page.settle(&operation_id, accepted, &data),
        }
    }

    fn transmit(&self, frame: &str) {
        let socket = self.socket.borrow().clone();
        if let Some(socket) = socket {
            socket.send(frame);
        }
    }

    fn insert(&self, call_id: CallId, direction: call_machine::CallDirection) -> CallHandle {
        let call = call::Driver::new(call_id.clone(), direction, self.this.upgrade());
        self.remove(&call_id);
        self.calls.borrow_mut().push((call_id, Rc::clone(&call)));
        CallHandle::new(call)
    }

    fn call(&self, call_id: &CallId) -> Option<Rc<call::Driver>> {
        self.calls.borrow().iter().find(|(known, _)| known == call_id).map(|(_, call)| Rc::clone(call))
    }

    fn remove(&self, call_id: &CallId) {
        let mut calls = self.calls.borrow_mut();
        let at = calls.iter().position(|(known, _)| known == call_id);
        let removed = at.map(|at| calls.swap_remove(at));
        // Dropping a call may call this driver again.
        drop(calls);
        drop(removed);
    }

    /// Removes an ended call from the session. The application may keep the call object.
    pub(crate) fn forget(&self, call_id: CallId, unanswered: bool) {
        self.remove(&call_id);
        self.act(Input::CallForgotten { call_id, unanswered });
    }

    fn handle_socket_event(&self, event: SocketEvent) {
        match event {
            SocketEvent::Opened => self.act(Input::SocketOpened),
            SocketEvent::Failed => self.act(Input::SocketFailed),
            SocketEvent::Closed => self.act(Input::SocketClosed),
            SocketEvent::Text(text) => {
                let Some((message, data)) = wire::decode(&text) else { return };
                // As in the stock SDK, the payload of `registered` is not passed to the application.
                let silent = matches!(message, offhook_signaling::client::ReceivedMessage::Registered);
                self.data.replace(if silent { JsValue::UNDEFINED } else { data });
                let listening = self.page.borrow().clone().is_some_and(|page| page.listening());
                self.act(Input::Received { message, listening });
                self.data.replace(JsValue::UNDEFINED);
            }
        }
    }
}

/// The handle of a session for the TypeScript part.
#[wasm_bindgen]
pub struct SessionHandle {
    driver: Rc<Driver>,
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn millis(value: f64) -> Duration {
    // Negative values and NaN become zero.
    Duration::from_millis(value as u64)
}

#[wasm_bindgen]
#[expect(clippy::needless_pass_by_value, reason = "wasm-bindgen hands over owned values")]
impl SessionHandle {
    /// Creates a session that is not connected yet. Times are in milliseconds; zero disables a timer.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(page: SessionPage, timeout: f64, ping: f64, probes_interval: f64, receive_probes: u32) -> Self {
        let timers = Timers {
            connect_timeout: millis(timeout),
            ping_interval: millis(ping),
            probes_interval: millis(probes_interval),
            receive_probes,
        };
        let driver = Rc::new_cyclic(|this| Driver {
            machine: RefCell::new(Machine::new(timers, now())),
            page: RefCell::new(Some(Rc::new(page))),
            socket: RefCell::default(),
            timer: Timer::default(),
            calls: RefCell::default(),
            data: RefCell::new(JsValue::UNDEFINED),
            this: this.clone(),
        });
        Self { driver }
    }

    /// Opens the socket.
    ///
    /// # Errors
    /// The browser's exception if the URL is not accepted.
    pub fn open(&self, url: &str) -> Result<(), JsValue> {
        let driver = Rc::downgrade(&self.driver);
        let socket = Socket::open(url, move |event| {
            if let Some(driver) = driver.upgrade() {
                driver.handle_socket_event(event);
            }
        })?;
        self.driver.socket.replace(Some(Rc::new(socket)));
        self.driver.drain();
        Ok(())
    }

    /// Returns the name of the status.
    #[must_use]
    pub fn status(&self) -> String {
        self.driver.machine.borrow().status().name().to_owned()
    }

    /// Returns whether calls can be placed.
    #[wasm_bindgen(js_name = takesCalls)]
    #[must_use]
    pub fn takes_calls(&self) -> bool {
        self.driver.machine.borrow().status().takes_calls()
    }

    /// Returns the login of the session according to the relay.
    #[must_use]
    pub fn login(&self) -> Option<String> {
        self.driver.machine.borrow().login().map(str::to_owned)
    }

    /// Closes the socket.
    pub fn disconnect(&self) {
        self.driver.act(Input::Disconnect);
    }

    /// Creates an outgoing call.
    #[wasm_bindgen(js_name = createCall)]
    #[must_use]
    pub fn create_call(&self, id: String) -> CallHandle {
        let call_id = CallId(id);
        self.driver.act(Input::CallCreated(call_id.clone()));
        self.driver.insert(call_id, call_machine::CallDirection::Outgoing)
    }

    /// Sends data to the application.
    #[wasm_bindgen(js_name = sendData)]
    pub fn send_data(&self, operation_id: String, payload: JsValue) {
        let Some(payload) = wire::json(&payload) else { return };
        self.driver.act(Input::Send(ClientMessage::SendData { operation_id, payload }));
    }

    /// Renews the login with a new token of the application.
    #[wasm_bindgen(js_name = renewToken)]
    pub fn renew_token(&self, operation_id: String, token: String) {
        self.driver.act(Input::Send(ClientMessage::RenewToken { operation_id, token }));
    }

    /// Sends a bug report.
    #[wasm_bindgen(js_name = submitBugReport)]
    pub fn submit_bug_report(&self, report: JsValue) {
        let Some(report) = wire::json(&report) else { return };
        self.driver.act(Input::Send(ClientMessage::SubmitBugReport(report)));
    }

    /// Starts or stops the relay's debug session.
    pub fn debug(&self, command: String) {
        self.driver.act(Input::Send(ClientMessage::SessionDebug { command }));
    }

    /// Sends log lines.
    #[wasm_bindgen(js_name = pushLogs)]
    pub fn push_logs(&self, logs: String) {
        self.driver.act(Input::Send(ClientMessage::PushLogs { logs }));
    }
}
