//! Transactions: a request and its responses, on a network that loses and repeats (RFC 3261 §17 and RFC 6026).
//!
//! Four small machines say *when* something is sent, passed on or given up; the [`layer`] says *what* and *where to*.

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
pub use timers::Timers;

use serde::{Deserialize, Serialize};

/// What a response means to a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Class {
    /// 100 to 199: there is more to come.
    Provisional,
    /// 200 to 299.
    Success,
    /// 300 to 699: final, and not what was asked for.
    Failure,
}

impl Class {
    /// The class of a status code.
    #[must_use]
    pub const fn of(status: u16) -> Self {
        match status {
            ..200 => Self::Provisional,
            200..300 => Self::Success,
            300.. => Self::Failure,
        }
    }
}

/// Why a request got no final response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Failure {
    /// Nobody answered in time: as good as a 408 (RFC 3261 §8.1.3.1).
    Timeout,
    /// It could not be sent: as good as a 503 (RFC 3261 §8.1.3.1).
    Unreachable,
    /// The name of the server leads nowhere.
    NoSuchHost,
    /// It was canceled before it was sent at all.
    Withdrawn,
}

/// What happens to a client transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ClientInput {
    /// A response came.
    Response(Class),
    /// Its user does not want it any more.
    Cancel,
    /// What was sent did not get out.
    Unreachable,
}

/// What a client transaction wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ClientOutput {
    /// Send the request, again perhaps.
    Send,
    /// Send an ACK for the failure that just came, again perhaps.
    Acknowledge,
    /// Send a CANCEL.
    Cancel,
    /// Give the response that just came to the user.
    Deliver,
    /// Tell the user that no final response will come.
    Fail(Failure),
}

/// What happens to a server transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ServerInput {
    /// The request came again.
    Request,
    /// An ACK came, for a failure or for a success.
    Ack,
    /// The user answers.
    Respond(Class),
    /// What was sent did not get out.
    Unreachable,
}

/// What a server transaction wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ServerOutput {
    /// Send the user's latest response, again perhaps.
    Send,
    /// Send a 100 of the layer's own: the user takes its time.
    Trying,
    /// Give the ACK that just came to the user.
    DeliverAck,
    /// Tell the user that nobody acknowledged its failure response.
    Unacknowledged,
    /// Find another way to the client (RFC 3261 §18.2.2), and repeat the response on it.
    Reroute,
}

#[cfg(test)]
mod tests;
