//! The media graph: sources, stages and sinks.
//!
//! ```text
//! source: a stream that ──┬─▶ route ── same codec ───────────────▶ sink: a stream that another leg sends
//! a leg receives          │      ├──── other law of G.711 ───────▶
//!                         │      └──── other codec: transcoder ──▶
//!                         └─▶ route …                            ▶ sink of a third leg
//!
//! transcoder: jitter buffer ──▶ decoder ──▶ stretching ──▶ resampler ──▶ encoder
//! ```
//!
//! A source has a list of sinks. A sink has one [`Route`](route::Route) from its source. The route maps payload
//! types and header extensions. Payloads that the peer of the sink receives are forwarded unchanged, packet by packet, as
//! are those of G.711 with the other law. Other audio passes a [`Transcoder`](transcoder::Transcoder), which makes packets
//! of its own. A packet whose codec cannot be converted is dropped. The worker's configuration contains the codecs
//! ([`codec::CodecFactory`]), so that the shell can add some.

pub mod codec;
pub mod concealment;
pub mod events;
pub mod g711;
pub mod jitter;
pub mod noise;
pub mod pitch;
pub mod route;
mod sinks;
pub mod stretch;
pub mod transcoder;

pub(crate) use sinks::{Sink, Sinks};
