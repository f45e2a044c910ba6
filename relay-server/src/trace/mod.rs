//! The trace of calls: the SIP and signaling messages of each call, in memory, for the REST API.
//!
//! ```text
//! signaling plane ── record (message, key) ──> TraceStore: a dialog buffer for each Call-ID, and for each call of a client session
//!                 └─ call_changed (identities of the legs) ──> which buffers belong to a call
//! GET …/trace ── messages of the buffers of a call, merged by time ──> redact ──> JSON, ladder
//! ```
//!
//! A buffer exists before its call is known, so that the first INVITE of a call is included. The number of octets is bounded;
//! the buffer that was not used for the longest time is removed first. Credentials are removed when a trace is read.

mod key;
mod ladder;
mod message;
mod redact;
mod store;

pub use key::TraceKey;
pub use ladder::{CallTrace, Lane, TraceRow, ladder};
pub use message::{Capture, Flow, TracedMessage, TracedPeer};
pub use redact::redacted;
pub use store::{TraceLimits, TraceStore, TracedCall};

#[cfg(test)]
mod tests;
