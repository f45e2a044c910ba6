//! The softphone SDK for the browser: connects the state machines of `offhook_signaling::client` to WebSocket and
//! `RTCPeerConnection`.
//!
//! [`session::SessionHandle`] and [`call::CallHandle`] are handles for the TypeScript part (`npm/src`), which implements the public API:
//! event handlers, constants, video elements, devices. The state machines make the decisions; this crate passes inputs to
//! them and performs their outputs. No `RefCell` borrow is held while JavaScript runs.
#![forbid(unsafe_code)]

mod browser;
pub mod call;
mod direct;
mod page;
pub mod sdp;
pub mod session;
pub mod wire;
