//! Reasons for the end of a call, common to the SDK, the relay and its interfaces.

/// The reason why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub enum EndReason {
    /// One participant hung up an established call.
    HungUp,
    /// The caller hung up before the call was answered.
    Canceled,
    /// The callee hung up instead of answering.
    Rejected,
    /// The callee is in another call.
    Busy,
    /// The call was not answered in time.
    NoAnswer,
    /// Another session of the same login answered the call.
    AnsweredElsewhere,
    /// The relay has no user with the callee's name.
    NotFound,
    /// The callee is known but has no session.
    Unavailable,
    /// The call was transferred to another participant.
    Transferred,
    /// The client session of one participant was lost.
    SessionLost,
    /// The relay received neither media nor ICE consent checks from the caller.
    CallerMediaLost,
    /// The relay received neither media nor ICE consent checks from the callee.
    CalleeMediaLost,
    /// ICE or DTLS was not established.
    MediaSetupFailed,
    /// The session description is invalid.
    BadSessionDescription,
    /// The participants have no codec in common.
    NoCommonCodecs,
    /// The SIP server redirected the call to another address (3xx).
    Redirected,
    /// The SIP server does not authorize the call or rejects the account's credentials.
    Forbidden,
    /// The SIP server does not respond.
    ServerTimeout,
    /// The SIP server is unreachable.
    ServerUnreachable,
    /// The SIP server or the SIP peer refused the call; `sipStatus` and `info` have the details.
    SipFailure,
    /// The relay has reached its maximum number of calls.
    Overloaded,
    /// The caller's login or address has reached its maximum number of simultaneous calls.
    TooManyCalls,
    /// The caller's login or address has placed too many calls within a minute.
    CallRateExceeded,
    /// The operator does not permit calls to this number.
    DestinationDenied,
    /// The call has reached the maximum duration.
    DurationExceeded,
    /// The token of the caller's session has expired.
    TokenExpired,
    /// The token of the caller's session does not permit calls to this callee.
    CalleeNotAllowed,
    /// The number of calls that the token of the caller's session permits is used up.
    TokenUsedUp,
    /// The relay is shutting down.
    ShuttingDown,
    /// An internal error occurred in the relay.
    InternalError,
}

impl EndReason {
    /// All reasons, in the order of declaration.
    pub const ALL: [Self; 30] = [
        Self::HungUp,
        Self::Canceled,
        Self::Rejected,
        Self::Busy,
        Self::NoAnswer,
        Self::AnsweredElsewhere,
        Self::NotFound,
        Self::Unavailable,
        Self::Transferred,
        Self::SessionLost,
        Self::CallerMediaLost,
        Self::CalleeMediaLost,
        Self::MediaSetupFailed,
        Self::BadSessionDescription,
        Self::NoCommonCodecs,
        Self::Redirected,
        Self::Forbidden,
        Self::ServerTimeout,
        Self::ServerUnreachable,
        Self::SipFailure,
        Self::Overloaded,
        Self::TooManyCalls,
        Self::CallRateExceeded,
        Self::DestinationDenied,
        Self::DurationExceeded,
        Self::TokenExpired,
        Self::CalleeNotAllowed,
        Self::TokenUsedUp,
        Self::ShuttingDown,
        Self::InternalError,
    ];

    /// Returns the value of `endReason` on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HungUp => "hungUp",
            Self::Canceled => "canceled",
            Self::Rejected => "rejected",
            Self::Busy => "busy",
            Self::NoAnswer => "noAnswer",
            Self::AnsweredElsewhere => "answeredElsewhere",
            Self::NotFound => "notFound",
            Self::Unavailable => "unavailable",
            Self::Transferred => "transferred",
            Self::SessionLost => "sessionLost",
            Self::CallerMediaLost => "callerMediaLost",
            Self::CalleeMediaLost => "calleeMediaLost",
            Self::MediaSetupFailed => "mediaSetupFailed",
            Self::BadSessionDescription => "badSessionDescription",
            Self::NoCommonCodecs => "noCommonCodecs",
            Self::Redirected => "redirected",
            Self::Forbidden => "forbidden",
            Self::ServerTimeout => "serverTimeout",
            Self::ServerUnreachable => "serverUnreachable",
            Self::SipFailure => "sipFailure",
            Self::Overloaded => "overloaded",
            Self::TooManyCalls => "tooManyCalls",
            Self::CallRateExceeded => "callRateExceeded",
            Self::DestinationDenied => "destinationDenied",
            Self::DurationExceeded => "durationExceeded",
            Self::TokenExpired => "tokenExpired",
            Self::CalleeNotAllowed => "calleeNotAllowed",
            Self::TokenUsedUp => "tokenUsedUp",
            Self::ShuttingDown => "shuttingDown",
            Self::InternalError => "internalError",
        }
    }

    /// Returns the human-readable text for `info`. It begins with the text of the stock SDK (`CALL_STATUS_INFO`), if there is
    /// one.
    #[must_use]
    pub const fn info(self) -> &'static str {
        match self {
            Self::HungUp => "Normal call clearing",
            Self::Canceled => "The caller canceled the call",
            Self::Rejected => "The callee rejected the call",
            Self::Busy => "The callee is busy",
            Self::NoAnswer => "Failed by request timeout: the callee did not answer",
            Self::AnsweredElsewhere => "Answered elsewhere",
            Self::NotFound => "No such user here",
            Self::Unavailable => "The user is not connected",
            Self::Transferred => "The call was transferred",
            Self::SessionLost => "The other side lost its connection",
            Self::CallerMediaLost => "Failed by RTP activity: no packets from the caller",
            Self::CalleeMediaLost => "Failed by RTP activity: no packets from the callee",
            Self::MediaSetupFailed => "Failed by ICE error: the media connection was not established",
            Self::BadSessionDescription => "Failed by error: the session description is not valid",
            Self::NoCommonCodecs => "No common codecs",
            Self::Redirected => "The callee is at another address",
            Self::Forbidden => "The SIP server does not allow this call",
            Self::ServerTimeout => "Failed by request timeout: the SIP server does not answer",
            Self::ServerUnreachable => "The SIP server cannot be reached",
            Self::SipFailure => "The SIP server reported an error",
            Self::Overloaded => "The relay has reached its maximum number of calls",
            Self::TooManyCalls => "Too many calls at a time",
            Self::CallRateExceeded => "Too many calls in a minute",
            Self::DestinationDenied => "Calls to this destination are not permitted",
            Self::DurationExceeded => "The call has reached its maximum duration",
            Self::TokenExpired => "The token of the session has expired",
            Self::CalleeNotAllowed => "The token does not permit calls to this callee",
            Self::TokenUsedUp => "The calls of the token are used up",
            Self::ShuttingDown => "The relay is shutting down",
            Self::InternalError => "Failed by error inside the relay",
        }
    }

    /// Returns the corresponding SIP status code (RFC 3261 §21); 200 represents a normal end.
    #[must_use]
    pub const fn sip_status(self) -> u16 {
        match self {
            Self::HungUp | Self::Transferred | Self::AnsweredElsewhere | Self::DurationExceeded => 200,
            Self::Canceled => 487,
            Self::Rejected => 603,
            Self::Busy => 486,
            Self::NoAnswer | Self::CallerMediaLost | Self::CalleeMediaLost | Self::ServerTimeout => 408,
            Self::Redirected => 302,
            Self::Forbidden
            | Self::DestinationDenied
            | Self::TokenExpired
            | Self::CalleeNotAllowed
            | Self::TokenUsedUp => 403,
            Self::NotFound => 404,
            Self::Unavailable | Self::SessionLost => 480,
            Self::MediaSetupFailed | Self::BadSessionDescription | Self::NoCommonCodecs => 488,
            Self::Overloaded
            | Self::TooManyCalls
            | Self::CallRateExceeded
            | Self::ShuttingDown
            | Self::ServerUnreachable => 503,
            Self::InternalError | Self::SipFailure => 500,
        }
    }
}
