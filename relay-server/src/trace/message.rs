//! A message as it was sent or received.

use offhook_b2bua::call::SessionId;
use offhook_clock::Time;
use offhook_sip::transport::{FlowId, Hop, Source, Transport};
use std::net::SocketAddr;

/// The direction of a message, from the point of view of the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The relay received it.
    Received,
    /// The relay sent it.
    Sent,
}

/// The peer of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TracedPeer {
    /// A SIP endpoint at this address.
    Sip(Transport, SocketAddr),
    /// A SIP endpoint at the other end of a flow, whose address is that of another message on the flow.
    SipFlow(FlowId),
    /// A client session.
    Session(SessionId),
}

/// A message before it is stored.
#[derive(Clone, Copy, Debug)]
pub struct Capture<'a> {
    /// The time.
    pub at: Time,
    /// The direction.
    pub flow: Flow,
    /// The peer.
    pub peer: TracedPeer,
    /// The flow on which a SIP message was received.
    pub received_on: Option<FlowId>,
    /// The message.
    pub octets: &'a [u8],
}

impl<'a> Capture<'a> {
    /// A received SIP message.
    #[must_use]
    pub const fn received(source: &Source, octets: &'a [u8], at: Time) -> Self {
        let peer = TracedPeer::Sip(source.transport, source.remote);
        Self { at, flow: Flow::Received, peer, received_on: Some(source.flow), octets }
    }

    /// A sent SIP message.
    #[must_use]
    pub const fn sent(hop: &Hop, octets: &'a [u8], at: Time) -> Self {
        let peer = match hop {
            Hop::Flow(flow) => TracedPeer::SipFlow(*flow),
            Hop::Target(target) => TracedPeer::Sip(target.transport, target.address),
        };
        Self { at, flow: Flow::Sent, peer, received_on: None, octets }
    }

    /// A signaling message of a session.
    #[must_use]
    pub const fn frame(session: SessionId, flow: Flow, text: &'a str, at: Time) -> Self {
        Self { at, flow, peer: TracedPeer::Session(session), received_on: None, octets: text.as_bytes() }
    }
}

/// A stored message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedMessage {
    /// Its number in the order of all messages.
    pub number: u64,
    /// The time.
    pub at: Time,
    /// The direction.
    pub flow: Flow,
    /// The peer.
    pub peer: TracedPeer,
    /// The flow on which a SIP message was received.
    pub received_on: Option<FlowId>,
    /// The message, with its credentials.
    pub octets: Box<[u8]>,
    /// The number of octets at its end that are not stored, because the message is too long.
    pub omitted: usize,
}
