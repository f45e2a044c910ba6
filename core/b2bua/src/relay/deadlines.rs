//! Keys of the deadlines of a relay.

use crate::call::{CallKey, SessionId};
use crate::io::{ConnectionId, RequestId};
use offhook_media::command::LegKey;
use offhook_sip::user_agent::io::InviteId;
use serde::{Deserialize, Serialize};

/// The owner of a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Owner {
    Socket(ConnectionId),
    Call(CallKey),
    Session(SessionId),
    MediaNames(InviteId),
    Record(CallKey),
    Routing(RequestId),
    Digits(LegKey),
    Authorization(RequestId),
    Duration(CallKey),
    Token(SessionId),
}
