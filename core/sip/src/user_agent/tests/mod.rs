//! The user agent from outside: what goes in, what comes out, when.

mod bench;
mod inbound;
mod outbound;
