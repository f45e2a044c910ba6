//! How a worker and its shell name the worker's sockets.

use std::net::SocketAddr;

/// The number of a socket that one media section of a SIP leg has for itself, given by
/// [`Output::Bind`](crate::worker::Output::Bind). It is given again after
/// [`Output::Unbind`](crate::worker::Output::Unbind). Numbers are small: a shell keeps the sockets in an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortId(u32);

impl PortId {
    /// The port with this place in an array of sockets.
    #[must_use]
    pub const fn at(index: u32) -> Self {
        Self(index)
    }

    /// The place in an array of sockets.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The socket at which a datagram arrives, or from which it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Local {
    /// The socket on this address, which all WebRTC legs of the worker share.
    Shared(SocketAddr),
    /// A socket of a SIP leg.
    Port(PortId),
}

/// The two sockets of a media section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionPorts {
    /// The one of RTP.
    pub rtp: PortId,
    /// The one of RTCP.
    pub rtcp: PortId,
}
