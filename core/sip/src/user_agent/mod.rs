//! The relay as a SIP user agent: registrations, dialogs and calls of all its users on one set of sockets.
//!
//! ```text
//!  datagram, frame ──> transaction layer ──> dialogs ──> Event ──> the call model
//!  Command ──────────> dialogs, registrations ──> transaction layer ──> Output ──> the shell
//! ```

pub mod io;
