//! The media plane without sockets: ICE-lite, DTLS-SRTP, RTP and RTCP, and the graph that joins the streams of
//! legs.
#![forbid(unsafe_code)]

pub mod audio;
pub mod command;
pub mod counters;
pub mod crossing;
pub mod dtmf;
pub mod graph;
pub mod ice;
pub mod identity;
mod io;
mod leg;
pub mod ports;
pub mod quality;
pub mod rtcp;
pub mod rtp;
pub mod seal;
pub mod socket;
pub mod transport;
pub mod worker;
