//! Identifiers of the UDP sockets of a media worker, used by the worker and its shell.

use std::net::SocketAddr;

/// The number of a socket that belongs to one media section of a SIP leg, assigned by
/// [`Output::Bind`](crate::worker::Output::Bind). It is reused after [`Output::Unbind`](crate::worker::Output::Unbind).
/// Numbers are small, so that a shell can keep the sockets in an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortId(u32);

impl PortId {
    /// The port at this index in an array of sockets.
    #[must_use]
    pub const fn at(index: u32) -> Self {
        Self(index)
    }

    /// The index in an array of sockets.
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
    /// A socket that belongs to a SIP leg.
    Port(PortId),
}

/// The two sockets of a media section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionPorts {
    /// The socket for RTP.
    pub rtp: PortId,
    /// The socket for RTCP.
    pub rtcp: PortId,
}
