//! RTP (RFC 3550): reading, rewriting, header extensions.

pub mod extension;
pub mod keyframe;
pub mod packet;
pub mod rewrite;
