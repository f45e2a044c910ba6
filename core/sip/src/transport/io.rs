//! Inputs and outputs of the state machines towards the transports of the shell.

use super::{FlowId, Hop, QueryId, Source, Target, TransmissionId, Transport};

/// A report from the transports or the resolver.
#[derive(Clone, Debug)]
pub enum Input {
    /// A datagram or one message of a stream, framed by [`crate::message`], was received.
    Received {
        /// The flow and addresses it was received on.
        source: Source,
        /// The message.
        octets: Vec<u8>,
    },
    /// The resolver's result, in order of preference. Empty if the host does not exist.
    Resolved {
        /// The query that was answered.
        query: QueryId,
        /// The targets.
        targets: Vec<Target>,
    },
    /// A message could not be passed to the network, or no connection could be opened for it, or its connection failed
    /// before it was written.
    SendFailed {
        /// The transmission that failed.
        transmission: TransmissionId,
    },
    /// A connection was closed.
    FlowClosed {
        /// The connection.
        flow: FlowId,
    },
}

/// A request to the transports or the resolver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a message.
    Send {
        /// The identifier to report a failure with.
        transmission: TransmissionId,
        /// The next hop.
        hop: Hop,
        /// The message, or a keep-alive (RFC 5626 §3.5.1).
        octets: Vec<u8>,
    },
    /// Resolve a host (RFC 3263). The transport is set if the URI or the account names it.
    Resolve {
        /// The identifier to return with the result.
        query: QueryId,
        /// The host: a name or an IP address, IPv6 without brackets.
        host: String,
        /// The port, if given.
        port: Option<u16>,
        /// The transport, if given.
        transport: Option<Transport>,
        /// Whether the URI is `sips:`, which requires TLS.
        secure: bool,
    },
    /// Close a connection whose peer does not answer. [`Input::FlowClosed`] reports the completion.
    Close {
        /// The connection.
        flow: FlowId,
    },
    /// A registered phone or a call depends on this UDP flow, which must not be evicted. Each is followed by one
    /// [`Self::ReleaseFlow`].
    KeepFlow {
        /// The flow.
        flow: FlowId,
    },
    /// A registered phone or call no longer depends on this UDP flow.
    ReleaseFlow {
        /// The flow.
        flow: FlowId,
    },
}
