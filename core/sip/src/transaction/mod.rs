//! SIP transactions: retransmission, matching and timeouts of requests and responses (RFC 3261 §17, RFC 6026).
//!
//! Four state machines decide when a message is sent, delivered or given up. The [`layer`] matches messages to them,
//! holds the message contents and selects the destinations.

mod invite_client;
mod invite_server;
pub mod layer;
mod non_invite_client;
mod non_invite_server;
mod timers;

pub use invite_client::InviteClient;
pub use invite_server::InviteServer;
pub use non_invite_client::NonInviteClient;
pub use non_invite_server::NonInviteServer;
pub use timers::TransactionTimers;

use serde::{Deserialize, Serialize};

/// The class of a response, as far as transactions distinguish it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Class {
    /// 100 to 199.
    Provisional,
    /// 200 to 299.
    Success,
    /// 300 to 699.
    Failure,
}

impl Class {
    /// Returns the class of a status code.
    #[must_use]
    pub const fn of(status: u16) -> Self {
        match status {
            ..200 => Self::Provisional,
            200..300 => Self::Success,
            300.. => Self::Failure,
        }
    }
}

/// The reason that a request received no final response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Failure {
    /// No response arrived in time. Equivalent to 408 (RFC 3261 §8.1.3.1).
    Timeout,
    /// The request could not be sent. Equivalent to 503 (RFC 3261 §8.1.3.1).
    Unreachable,
    /// The server's name did not resolve to any usable address.
    NoSuchHost,
    /// The request was canceled before it was sent.
    Withdrawn,
}

/// An input of a client transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ClientInput {
    /// A response was received.
    Response(Class),
    /// The transaction user cancels the request.
    Cancel,
    /// The transport could not send a message of this transaction.
    Unreachable,
}

/// An output of a client transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ClientOutput {
    /// Send or retransmit the request.
    Send,
    /// Send or retransmit the ACK for the 300–699 response.
    Acknowledge,
    /// Send a CANCEL.
    Cancel,
    /// Pass the response that was just received to the transaction user.
    Deliver,
    /// Report to the transaction user that no final response will arrive.
    Fail(Failure),
}

/// An input of a server transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ServerInput {
    /// The request was received again.
    Request,
    /// An ACK was received, for a 2xx or for a 300–699 response.
    Ack,
    /// The transaction user sends a response.
    Respond(Class),
    /// The transport could not send a message of this transaction.
    Unreachable,
}

/// An output of a server transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ServerOutput {
    /// Send or retransmit the latest response.
    Send,
    /// Send a 100 because the transaction user has not responded yet.
    Trying,
    /// Pass the ACK that was just received to the transaction user.
    DeliverAck,
    /// Report to the transaction user that no ACK arrived for its 300–699 response.
    Unacknowledged,
    /// Select the next destination for responses (RFC 3261 §18.2.2) and send the latest response to it.
    Reroute,
}

#[cfg(test)]
mod tests;
