//! RTP (RFC 3550): reading, rewriting, header extensions, the two laws of G.711.

pub mod encoding;
pub mod extension;
pub mod g711;
pub mod keyframe;
pub mod packet;
pub mod rewrite;
