//! The softphone SDK for the browser: the machines of `offhook_signaling::client`, driven by WebSocket and
//! `RTCPeerConnection`.
//!
//! [`session::Session`] and [`call::Call`] are handles for the TypeScript side (`npm/src`), which has the objects a page
//! sees: event handlers, constants, video elements, devices. What to do next is decided by the machines; this crate
//! carries inputs in and outputs out. No borrow is held while JavaScript runs.
#![forbid(unsafe_code)]

mod browser;
pub mod call;
mod direct;
mod page;
pub mod sdp;
pub mod session;
pub mod wire;
