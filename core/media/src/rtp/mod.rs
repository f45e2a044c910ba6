//! RTP (RFC 3550): parsing, rewriting, header extensions.

pub mod encoding;
pub mod extension;
pub mod keyframe;
pub mod packet;
pub mod rewrite;
