//! The media graph: sources, stages and sinks.
//!
//! ```text
//! source: a stream that ──┬─▶ route ── same codec ─────────────────────────▶ sink: a stream that another leg sends
//! a leg receives          │      └──── other codec ──▶ stage: conversion ──▶
//!                         └─▶ route …                                      ▶ sink of a third leg
//! ```
//!
//! A source has a list of sinks. A sink has one [`Route`](route::Route) from its source. The route maps payload
//! types and header extensions. It contains a [`MediaStage`] for each payload type whose codec the peer of the sink
//! does not receive. Other payloads are forwarded unchanged. A packet whose codec cannot be converted is dropped.
//! [`StageFactory`] makes the stages. The worker's configuration contains it, so that the shell can add codecs
//! ([`codec`]).

pub mod codec;
pub mod concealment;
pub mod g711;
pub mod pitch;
pub mod route;
mod sinks;

pub(crate) use sinks::{Sink, Sinks};

use core::fmt;
use offhook_sdp::codec::Codec;

/// The payload of a packet on its path from a source to a sink, with the values that a stage needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodedFrame<'a> {
    /// The payload without padding.
    pub payload: &'a [u8],
    /// The sequence number of the source. A gap shows that packets are lost or late.
    pub sequence: u16,
    /// The sampling time of the source, in units of `rate`.
    pub timestamp: u32,
    /// The clock rate of the timestamp.
    pub rate: u32,
}

/// Converts the payloads of one source for one sink, packet by packet.
pub trait MediaStage: fmt::Debug + Send {
    /// Appends the payload for the sink to `out`.
    fn process(&mut self, frame: EncodedFrame<'_>, out: &mut Vec<u8>);
}

/// Makes stages.
pub trait StageFactory: fmt::Debug + Send + Sync {
    /// Returns a stage that converts payloads of one codec to another; `None` if this is not supported.
    fn stage(&self, from: &Codec, to: &Codec) -> Option<Box<dyn MediaStage>>;
}
