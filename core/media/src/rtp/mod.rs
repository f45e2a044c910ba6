//! RTP (RFC 3550): parsing, rewriting, header extensions, G.711 transcoding.

pub mod encoding;
pub mod extension;
pub mod g711;
pub mod keyframe;
pub mod packet;
pub mod rewrite;
